//! `framecache repack`

use serde_json::json;

use crate::cache::repack::Repacked;
use crate::cli::common::{Context, Exit, Layout, complain, print_json, print_line};
use crate::cli::progress::Bar;
use crate::error::Result;
use crate::timeline::plan::FrameLayout;
use crate::timeline::request::check_id;

/// Change how a timeline's frames lie in the store
///
/// The frames stay as they are, and are read alike; nothing is decoded. Packed, a minute of video is a
/// few tar archives instead of an object for each frame: far fewer requests, and any tar or WebDataset
/// reads them. Releases before 0.2.0 cannot: take `frames` for those. A repacking that was stopped goes
/// on where it was.
///
///   framecache repack holiday --layout packed
///   framecache repack holiday --layout frames     an object each again
#[derive(clap::Args)]
#[command(verbatim_doc_comment)]
pub struct Args {
    /// The timeline
    #[arg(value_name = "ID")]
    timeline: String,
    /// How its frames are to lie, from now on too
    #[arg(long, value_name = "LAYOUT", value_enum)]
    layout: Layout,
}

pub async fn run(context: &Context, args: Args) -> Result<Exit> {
    check_id("timeline", &args.timeline)?;
    context.check_store_is_there()?;
    let frames = context.frames()?;
    let profile = context.profile(&frames, &args.timeline)?;
    // The plan must be there before its profile is changed.
    frames.serve(&profile).view().await?;
    let layout = FrameLayout::from(args.layout);
    let bar = Bar::new(context.json());
    let hear = |done, total| bar.count(done, total);
    let repacked = profile.repack(layout, &hear).await;
    bar.clear();
    let repacked = repacked?;
    if context.json() {
        print_json(&as_json(&args.timeline, layout, &repacked))?;
    } else {
        print_line(&line(&args.timeline, layout, &repacked))?;
    }
    if repacked.damaged == 0 {
        return Ok(Exit::Done);
    }
    complain(&format!(
        "framecache: {} spans have damaged or lost frames and were left as they are; `framecache verify {} --repair` mends what can be mended",
        repacked.damaged, args.timeline
    ));
    Ok(Exit::PartFailed)
}

fn as_json(timeline: &str, layout: FrameLayout, repacked: &Repacked) -> serde_json::Value {
    json!({
        "timeline": timeline,
        "layout": layout.name(),
        "spans": repacked.spans,
        "frames": repacked.frames,
        "before": repacked.before,
        "uncommitted": repacked.uncommitted,
        "damaged": repacked.damaged,
    })
}

fn line(timeline: &str, layout: FrameLayout, repacked: &Repacked) -> String {
    let parts = [
        (repacked.before, "lay so before"),
        (repacked.uncommitted, "to be extracted"),
        (repacked.damaged, "damaged"),
    ];
    let parts = parts.iter().filter(|(n, _)| *n > 0);
    let parts: String = parts.map(|(n, what)| format!(", {n} {what}")).collect();
    format!(
        "{timeline}: {} frames of {} spans repacked as {}{parts}",
        repacked.frames,
        repacked.spans,
        layout.name()
    )
}
