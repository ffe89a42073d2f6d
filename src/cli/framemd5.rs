//! `framecache framemd5`

use crate::app;
use crate::cli::common::{Context, Exit, note, write_out};
use crate::cli::extract::Backend;
use crate::error::Result;
use crate::timeline::plan::ChunkSpec;

/// Print the md5 of every decoded picture, as ffmpeg's framemd5 does
///
/// The output equals that of
///   ffmpeg -flags bitexact -noautorotate -copyts -i SOURCE -map 0:V:0 -autoscale 0
///     -fps_mode passthrough -enc_time_base -1 -f framemd5 -
/// (native pixel format, coded orientation), so that decoding here can be checked
/// against ffmpeg.
#[derive(clap::Args)]
#[command(verbatim_doc_comment)]
pub struct Args {
    /// A video: a file, or s3://bucket/key
    source: String,
    /// The header of bare fragments
    #[arg(long, value_name = "FILE")]
    init: Option<String>,
    /// Index of the video stream [default: the first that is no attached picture]
    #[arg(long, value_name = "N")]
    stream: Option<u32>,
    /// What decodes
    #[arg(long, value_enum, default_value_t)]
    backend: Backend,
}

pub async fn run(context: &Context, args: Args) -> Result<Exit> {
    let spec = ChunkSpec {
        init_uri: args.init,
        stream: args.stream,
        ..ChunkSpec::of(&args.source)
    };
    let how = (args.backend.into(), context.settings.workers);
    let report = app::library(&context.settings)?
        .framemd5(&spec, how)
        .await?;
    write_out(report.text.as_bytes())?;
    if report.complained {
        note(
            "framecache: the decoder met damage: pictures may be missing or wrong, here as in ffmpeg; `framecache extract` says which",
        );
    }
    Ok(Exit::Done)
}
