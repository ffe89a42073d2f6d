//! `framecache gc`

use serde_json::json;

use crate::cache::retention::{Asked, Collected};
use crate::cli::common::{Context, Exit, complain, print_json, print_line};
use crate::cli::format::{bytes, counted};
use crate::cli::progress::Bar;
use crate::error::Result;

/// Let go what policies let go, and what nothing names any more
///
/// Policies stand in the configuration file, by the beginning of timelines' ids; the longest that fits
/// counts. In the store they may stand as {prefix}/retention/policies.toml, without the first line.
///
///   [retention]
///   "" = "unused 90d"                    neither read nor written for 90 days (a reading counts two days long)
///   "game-" = "keep 30d, max 2TB"        30 days after the last write; and those unused longest of over 2 TB
///
/// Besides, of every timeline, objects go that no record names: of writers that died or lost a race. Nothing
/// goes that is younger than a day by the store's clock, nor any frames without a plan. One that was stopped
/// goes on where it was. Run it daily; beside readers and extractions it does no harm.
///
///   framecache gc --config framecache.toml --dry-run       what would go, and why
#[derive(clap::Args)]
#[command(verbatim_doc_comment)]
pub struct Args {
    /// Only say what would go
    #[arg(long)]
    dry_run: bool,
    /// Frames without a plan, which others wrote, go by policies too
    #[arg(long)]
    legacy: bool,
}

pub async fn run(context: &Context, args: Args) -> Result<Exit> {
    context.check_store_is_there()?;
    let frames = context.frames()?;
    let asked = Asked {
        policies: context.settings.retention.clone(),
        dry_run: args.dry_run,
        legacy: args.legacy,
    };
    let bar = Bar::new(context.json());
    let collected = frames
        .cache()
        .collect(&asked, &|walked| bar.walked(walked))
        .await;
    bar.clear();
    let collected = collected?;
    match context.json() {
        true => print_json(&as_json(&collected, args.dry_run))?,
        false => print(&collected, args.dry_run)?,
    }
    for failed in &collected.failed {
        complain(&format!("framecache: left as it is: {}", failed.message));
    }
    Ok(match collected.failed.is_empty() {
        true => Exit::Done,
        false => Exit::PartFailed,
    })
}

fn as_json(collected: &Collected, dry_run: bool) -> serde_json::Value {
    let all = collected.tally();
    let mut told = json!({ "dry_run": dry_run, "objects": all.objects, "bytes": all.bytes });
    if let (Some(told), Ok(serde_json::Value::Object(rest))) =
        (told.as_object_mut(), serde_json::to_value(collected))
    {
        told.extend(rest);
    }
    told
}

fn print(collected: &Collected, dry_run: bool) -> Result<()> {
    let goes = if dry_run { "would go" } else { "gone" };
    if let Some(after) = &collected.resumed_after {
        print_line(&format!(
            "went on behind {after}, where an earlier run was stopped"
        ))?;
    }
    for gone in &collected.timelines {
        let size = format!("{} objects, {}", gone.objects, bytes(gone.bytes));
        print_line(&format!("{}: {goes}, {size}: {}", gone.timeline, gone.why))?;
    }
    for left in &collected.leftovers {
        let size = format!("{} objects, {}", left.objects, bytes(left.bytes));
        let of = match left.profile.as_str() {
            "default" => left.timeline.clone(),
            profile => format!("{} (profile {profile})", left.timeline),
        };
        print_line(&format!("{of}: {goes}, {size} that no record names"))?;
    }
    for over in &collected.over {
        let (is, max) = (bytes(over.bytes), bytes(over.max));
        let prefix = &over.prefix;
        print_line(&format!(
            "timelines {prefix}…: still {is}, over {max}: what is left is younger than a day, or has no plan"
        ))?;
    }
    let all = counted("object", collected.tally());
    print_line(&format!(
        "{} timelines looked at; {goes}: {all}",
        collected.walked
    ))
}
