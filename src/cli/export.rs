//! `framecache export`

use std::io::{BufWriter, IsTerminal, Write};
use std::path::Path;

use clap::ValueEnum;
use futures::{StreamExt, TryStreamExt};
use serde_json::json;

use crate::cli::common::{Context, Exit, complain, print_json, print_line};
use crate::cli::get::fails_alone;
use crate::cli::output::{Stream, unwritten};
use crate::cli::select::Selection;
use crate::client::{Client, Of};
use crate::error::{Error, Reason, Result};
use crate::export::{self, Exporter};
use crate::frames::OnMiss;
use crate::media::facts::FrameFacts;

/// Bytes that are written at once.
const BUFFER_BYTES: usize = 1 << 20;

/// Write frames and their facts as one file that other tools read
///
/// Frames are written as they are in the cache, in the order of their numbers; nothing is extracted. What is
/// not there is left out and counted.
///
///   framecache export holiday --format tar -o holiday.tar
///                         {seq}.jpg and {seq}.json of each frame: WebDataset, or any tar
///   framecache export holiday --format parquet -o holiday.parquet
///                         a row of facts and hashes a frame: pandas, Polars, DuckDB
///   framecache export holiday --format jsonl --from 60 --to 90 | jq .phash
#[derive(clap::Args)]
#[command(verbatim_doc_comment)]
pub struct Args {
    /// The timeline
    #[arg(value_name = "ID")]
    timeline: String,
    #[command(flatten)]
    selection: Selection,
    /// tar: pictures with their facts, a frame that repeats another with the other's; parquet: facts, hashes as
    /// 64-bit numbers, sha256 as 32 bytes; jsonl: an object of facts a line
    #[arg(long, value_enum)]
    format: Format,
    /// The file, there once it is whole; - is stdout
    #[arg(long, short, value_name = "FILE|-", default_value = "-")]
    output: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    Tar,
    Parquet,
    Jsonl,
}

impl From<Format> for export::Format {
    fn from(format: Format) -> Self {
        match format {
            Format::Tar => export::Format::Tar,
            Format::Parquet => export::Format::Parquet,
            Format::Jsonl => export::Format::Jsonl,
        }
    }
}

pub async fn run(context: &Context, args: Args) -> Result<Exit> {
    args.check(context)?;
    let client = context
        .client_of_what_is_there(Some(&args.timeline))
        .await?;
    let of = Of {
        on_miss: OnMiss::Fail,
        ..context.of(&args.timeline)
    };
    let mut seqs = args.selection.resolve(context, (&*client, of)).await?;
    seqs.sort_unstable();
    seqs.dedup();
    let format = export::Format::from(args.format);
    let out = BufWriter::with_capacity(BUFFER_BYTES, Stream::open(&args.output)?);
    let exporter = Exporter::new(format, out).map_err(|e| args.unwritten(e))?;
    let mut export = Export {
        args: &args,
        format,
        exporter,
        wanted: &seqs,
        told: Told::default(),
    };
    export.all((&*client, of)).await?;
    let (exporter, told) = (export.exporter, export.told);
    let whole = exporter.end().map_err(|e| args.unwritten(e))?;
    let whole = whole
        .into_inner()
        .map_err(|e| args.unwritten(e.into_error()))?;
    let exit = told.exit(&args.timeline, seqs.len() as u64)?;
    whole.keep()?;
    args.report(context, &told)?;
    Ok(exit)
}

/// What became of the frames.
#[derive(Default)]
struct Told {
    written: u64,
    failed: u64,
    first: Option<Error>,
}

impl Told {
    /// Says what is not in the file.
    fn exit(&self, timeline: &str, wanted: u64) -> Result<Exit> {
        let absent = wanted.saturating_sub(self.written + self.failed);
        if absent + self.failed == 0 {
            return Ok(Exit::Done);
        }
        let missing = || {
            let message = format!("frames of {timeline} are not in the cache: frames={absent}");
            Error::new(Reason::FrameNotCached, message)
                .hint("`framecache extract` makes those that are planned")
        };
        if self.written == 0 {
            return Err(self.first.clone().unwrap_or_else(missing));
        }
        if absent > 0 {
            complain(&format!(
                "framecache: {}; they were left out",
                missing().message()
            ));
        }
        Ok(Exit::PartFailed)
    }
}

/// An export under way.
struct Export<'a, W: Write + Send> {
    args: &'a Args,
    format: export::Format,
    exporter: Exporter<W>,
    /// In order, each once.
    wanted: &'a [u64],
    told: Told,
}

impl<W: Write + Send> Export<'_, W> {
    /// Frames in the order of their numbers, which is that of the facts, too.
    async fn all(&mut self, (client, of): (&dyn Client, Of<'_>)) -> Result<()> {
        let mut facts = client.facts(of).await?;
        while let Some(mut batch) = facts.try_next().await? {
            batch.retain(|frame| self.wanted.binary_search(&frame.seq).is_ok());
            match self.format.has_pictures() {
                true => self.pictures((client, of), &batch).await?,
                false => batch.iter().try_for_each(|frame| self.add(frame, &[]))?,
            }
        }
        Ok(())
    }

    async fn pictures(
        &mut self,
        (client, of): (&dyn Client, Of<'_>),
        batch: &[FrameFacts],
    ) -> Result<()> {
        let seqs: Vec<u64> = batch.iter().map(|frame| frame.seq).collect();
        if seqs.is_empty() {
            return Ok(());
        }
        let mut reads = client.frames(of, &seqs).await?;
        while let Some(read) = reads.next().await {
            match read {
                Ok(picture) => self.add(&picture.facts, &picture.jpeg)?,
                Err(error) if fails_alone(&error) => {
                    complain(&format!("framecache: {}", error.message()));
                    self.told.failed += 1;
                    self.told.first.get_or_insert(error);
                }
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    fn add(&mut self, facts: &FrameFacts, jpeg: &[u8]) -> Result<()> {
        self.told.written += 1;
        let added = self.exporter.add(facts, jpeg);
        added.map_err(|e| self.args.unwritten(e))
    }
}

impl Args {
    fn is_stdout(&self) -> bool {
        self.output == "-"
    }

    fn check(&self, context: &Context) -> Result<()> {
        if !self.is_stdout() {
            return Ok(());
        }
        if context.json() {
            return Err(
                Error::field("--json reports on a file, and the results go to stdout")
                    .hint("name a file by --output, or leave --json out"),
            );
        }
        if self.format != Format::Jsonl && std::io::stdout().is_terminal() {
            return Err(Error::field("a file would be written to the terminal")
                .hint("name it by --output, or redirect: > FILE"));
        }
        Ok(())
    }

    fn unwritten(&self, error: std::io::Error) -> Error {
        let name = if self.is_stdout() {
            "stdout"
        } else {
            &self.output
        };
        unwritten(Path::new(name), error)
    }

    fn report(&self, context: &Context, told: &Told) -> Result<()> {
        if context.json() {
            return print_json(&json!({
                "timeline": self.timeline,
                "format": export::Format::from(self.format).name(),
                "path": self.output,
                "frames": told.written,
                "failed": told.failed,
            }));
        }
        match self.is_stdout() {
            true => Ok(()),
            false => print_line(&format!("{} frames in {}", told.written, self.output)),
        }
    }
}
