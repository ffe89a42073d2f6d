//! `framecache clear`

use serde_json::{Value, json};

use crate::cache::clear::Cleared;
use crate::cli::common::{Context, Exit, known_profile, print_json, print_line};
use crate::cli::format::{counted, tally_json};
use crate::client::Clear;
use crate::error::Result;
use crate::units::age_seconds;

/// Clear a timeline's frames out of the cache
///
/// Frames and records go; the plan stays, so that `framecache extract --timeline ID`
/// makes the same frames again. Sources are never touched.
///
///   framecache clear holiday --dry-run             what would go
///   framecache clear holiday --plan --overlays     all of it
///   framecache clear holiday --older-than 7d       only if it was planned over a week ago
#[derive(clap::Args)]
#[command(verbatim_doc_comment)]
pub struct Args {
    /// The timeline
    #[arg(value_name = "ID")]
    timeline: String,
    /// Every profile, not just the one of --profile
    #[arg(long)]
    all_profiles: bool,
    /// Overlays too
    #[arg(long)]
    overlays: bool,
    /// The plan too
    #[arg(long)]
    plan: bool,
    /// Only count
    #[arg(long)]
    dry_run: bool,
    /// Only profiles last planned (frames without a plan: last written) longer ago: 90s, 30m, 12h, 7d, 2w
    #[arg(long, value_name = "AGE", value_parser = age_seconds)]
    older_than: Option<u64>,
}

pub async fn run(context: &Context, args: Args) -> Result<Exit> {
    let client = context
        .client_of_what_is_there(Some(&args.timeline))
        .await?;
    let profile = (!args.all_profiles).then_some(context.global.profile.as_str());
    known_profile(&*client, &args.timeline, profile).await?;
    let what = Clear {
        overlays: args.overlays,
        plan: args.plan,
        dry_run: args.dry_run,
        older_than: args.older_than,
    };
    let cleared = client.clear(&args.timeline, profile, what).await?;
    if context.json() {
        let profiles: Vec<Value> = cleared
            .iter()
            .map(|(name, counts)| row(name, counts))
            .collect();
        print_json(
            &json!({ "timeline": args.timeline, "dry_run": args.dry_run, "profiles": profiles }),
        )?;
        return Ok(Exit::Done);
    }
    for (name, counts) in &cleared {
        print_line(&line(&args, name, counts))?;
    }
    Ok(Exit::Done)
}

fn row(name: &str, counts: &Cleared) -> Value {
    json!({
        "profile": name,
        "kept_as_newer": counts.kept_as_newer,
        "records": tally_json(counts.records),
        "frames": tally_json(counts.frames),
        "packs": tally_json(counts.packs),
        "overlays": tally_json(counts.overlays),
        "plans": tally_json(counts.plans),
    })
}

fn line(args: &Args, name: &str, counts: &Cleared) -> String {
    let id = if name == "default" {
        args.timeline.clone()
    } else {
        format!("{} (profile {name})", args.timeline)
    };
    if counts.kept_as_newer {
        return format!("{id}: kept, it is not that old");
    }
    let parts = [
        ("frame", counts.frames),
        ("pack", counts.packs),
        ("record", counts.records),
        ("overlay", counts.overlays),
        ("plan", counts.plans),
    ];
    let gone = parts
        .iter()
        .filter(|(what, tally)| tally.objects > 0 || *what == "frame" && counts.packs.objects == 0);
    let gone: Vec<String> = gone.map(|(what, tally)| counted(what, *tally)).collect();
    let did = if args.dry_run {
        "would clear"
    } else {
        "cleared"
    };
    format!("{id}: {did} {}", gone.join(", "))
}
