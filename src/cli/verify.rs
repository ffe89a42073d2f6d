//! `framecache verify`

use std::collections::BTreeSet;

use serde_json::json;

use crate::cache::Profile;
use crate::cache::planned::Planned;
use crate::cache::read::View;
use crate::cache::verify::{Fault, Finding, Report};
use crate::cli::common::{Context, Exit, note, print_json, print_line};
use crate::cli::progress::Bar;
use crate::error::Result;
use crate::frames::{Frames, Only, again, place_of};
use crate::timeline::request::check_id;

/// Check every object of a timeline against its record
///
/// With --repair, damaged and lost frames are extracted again from their video, and what
/// belongs to nothing is removed. Where the video is gone, everything is left as it is.
///
///   framecache verify holiday
///   framecache verify holiday --repair
#[derive(clap::Args)]
#[command(verbatim_doc_comment)]
pub struct Args {
    /// The timeline
    #[arg(value_name = "ID")]
    timeline: String,
    /// Mend what can be mended
    #[arg(long)]
    repair: bool,
}

/// What was found, and what repairing did.
struct Verified {
    report: Report,
    /// Of what was found, nothing is left.
    repaired: bool,
    /// What repairing removed.
    deleted: u64,
}

pub async fn run(context: &Context, args: Args) -> Result<Exit> {
    check_id("timeline", &args.timeline)?;
    context.check_store_is_there()?;
    let frames = context.frames()?;
    let profile = context.profile(&frames, &args.timeline)?;
    let view = frames.serve(&profile).view().await?;
    let report = profile.verify(false).await?;
    let verified = if args.repair {
        repair(context, &frames, (&profile, &view), report).await?
    } else {
        Verified {
            report,
            repaired: false,
            deleted: 0,
        }
    };
    if context.json() {
        print_json(&as_json(&args.timeline, &verified))?;
    } else {
        print(&args.timeline, &verified)?;
    }
    let whole = verified.report.is_clean() || verified.repaired;
    Ok(if whole { Exit::Done } else { Exit::Damaged })
}

/// Makes damaged frames again before anything is removed: nothing that is still good is lost
/// where their source is gone.
async fn repair(
    context: &Context,
    frames: &Frames,
    (profile, view): (&Profile, &View),
    report: Report,
) -> Result<Verified> {
    if let View::Extracted(plan) = view {
        let rows = damaged_rows(profile, plan, &report);
        if !rows.is_empty() && !rebuild(context, frames, profile, rows).await? {
            return Ok(Verified {
                report,
                repaired: false,
                deleted: 0,
            });
        }
    }
    let swept = profile.verify(true).await?;
    let repaired = match view {
        // Whatever is damaged was removed: only its maker can put it again.
        View::Put(_) => swept.lost == 0,
        View::Legacy => swept.is_clean(),
        View::Extracted(_) | View::Absent => true,
    };
    Ok(Verified {
        deleted: swept.deleted,
        repaired,
        report: Report {
            lost: swept.lost,
            ..report
        },
    })
}

fn damaged_rows(profile: &Profile, plan: &Planned, report: &Report) -> Vec<usize> {
    let keys = profile.keys();
    let place = |finding: &Finding| match finding.fault {
        Fault::MissingFrame | Fault::WrongSize | Fault::WrongSha256 => {
            match keys.pack_of(&finding.key) {
                Some(pack) => plan.digested().position(|row| row.id() == pack.span),
                None => place_of(plan, keys.frame_of(&finding.key)?),
            }
        }
        Fault::DamagedRecord | Fault::StaleRecord => {
            let id = keys.record_of(&finding.key)?;
            plan.digested().position(|row| row.id() == id)
        }
        Fault::NotJpeg | Fault::StrayFrame | Fault::StrayRecord => None,
    };
    let places: BTreeSet<usize> = report.findings.iter().filter_map(place).collect();
    places.into_iter().collect()
}

/// Whether all of these rows could be extracted again.
async fn rebuild(
    context: &Context,
    frames: &Frames,
    profile: &Profile,
    rows: Vec<usize>,
) -> Result<bool> {
    let bar = Bar::new(context.json());
    let summary = frames
        .extract(&again(profile, Only::Again(rows)), &|event| bar.hear(event))
        .await;
    bar.clear();
    let mut whole = true;
    for chunk in summary?.chunks {
        if let Some(error) = chunk.error {
            note(&format!(
                "framecache: chunk {} could not be made again: {}",
                chunk.chunk_id, error.message
            ));
            whole = false;
        }
    }
    Ok(whole)
}

fn words(fault: Fault) -> &'static str {
    match fault {
        Fault::MissingFrame => "missing_frame",
        Fault::WrongSize => "wrong_size",
        Fault::WrongSha256 => "wrong_sha256",
        Fault::NotJpeg => "not_jpeg",
        Fault::DamagedRecord => "damaged_record",
        Fault::StaleRecord => "stale_record",
        Fault::StrayFrame => "stray_frame",
        Fault::StrayRecord => "stray_record",
    }
}

fn as_json(timeline: &str, verified: &Verified) -> serde_json::Value {
    let report = &verified.report;
    let finding = |f: &Finding| json!({ "key": f.key, "fault": words(f.fault) });
    json!({
        "timeline": timeline,
        "clean": report.is_clean(),
        "repaired": verified.repaired,
        "frames_checked": report.frames_checked,
        "records_checked": report.records_checked,
        "failed_spans": report.failed_spans,
        "uncommitted_frames": report.uncommitted_frames,
        "faults": report.faults,
        "findings": report.findings.iter().map(finding).collect::<Vec<_>>(),
        "deleted": verified.deleted,
        "lost": report.lost,
    })
}

fn print(timeline: &str, verified: &Verified) -> Result<()> {
    let report = &verified.report;
    for finding in &report.findings {
        print_line(&format!("{:<14} {}", words(finding.fault), finding.key))?;
    }
    let more = report.faults.saturating_sub(report.findings.len() as u64);
    if more > 0 {
        print_line(&format!("and {more} more"))?;
    }
    let checked = format!(
        "{} frames and {} records checked",
        report.frames_checked, report.records_checked
    );
    let outcome = match (report.is_clean(), verified.repaired) {
        (true, _) => "all as they should be".to_owned(),
        (false, true) => format!("{} faults, all repaired", report.faults),
        (false, false) => format!("{} faults", report.faults),
    };
    print_line(&format!("{timeline}: {checked}, {outcome}"))
}
