//! `framecache timelines`

use futures::{StreamExt, TryStreamExt, stream};
use serde_json::{Value, json};

use crate::cache::status::State;
use crate::cli::common::{Context, Exit, print_json, print_line};
use crate::cli::format::{bytes, clock};
use crate::client::{ChunkReport, Client, Of, PlanReport, ProfileKind, Report};
use crate::error::{Error, Reason, Result};
use crate::frames::SourceFinding;
use crate::timeline::plan::{FrameLayout, Kind, Parameters, Sampling};

/// Timelines looked at ahead.
const READ_AHEAD: usize = 16;

/// List the timelines in the store, or say how one stands
///
/// Without an id: all timelines and their profiles. With one: how much of each of its
/// profiles is there, by which plan, and what failed.
///
///   framecache timelines
///   framecache timelines holiday
///   framecache timelines holiday --check-sources      is a video not what it was?
#[derive(clap::Args)]
#[command(verbatim_doc_comment)]
pub struct Args {
    /// The timeline [default: list all]
    #[arg(value_name = "ID")]
    timeline: Option<String>,
    /// Look whether the sources are still those that were planned
    #[arg(long, requires = "timeline")]
    check_sources: bool,
}

pub async fn run(context: &Context, args: Args) -> Result<Exit> {
    let client = context
        .client_of_what_is_there(args.timeline.as_deref())
        .await?;
    match &args.timeline {
        None => list(context, &*client).await?,
        Some(timeline) => show(context, &*client, (timeline, args.check_sources)).await?,
    }
    Ok(Exit::Done)
}

async fn list(context: &Context, client: &dyn Client) -> Result<()> {
    let mut token = None;
    let mut rows: Vec<Value> = Vec::new();
    loop {
        let page = client.timelines(token).await?;
        let looked = page.ids.into_iter().map(|id| async move {
            let profiles = profiles_of(client, &id).await?;
            Ok::<_, Error>((id, profiles))
        });
        let mut looked = stream::iter(looked.collect::<Vec<_>>()).buffered(READ_AHEAD);
        while let Some((id, profiles)) = looked.try_next().await? {
            if context.json() {
                let row = |(name, kind): &(String, &str)| json!({ "profile": name, "kind": kind });
                rows.push(json!({ "timeline": id, "profiles": profiles.iter().map(row).collect::<Vec<_>>() }));
            } else {
                let names = profiles.iter().map(|(name, kind)| match *kind {
                    "extracted" => name.clone(),
                    kind => format!("{name} ({kind})"),
                });
                print_line(&format!(
                    "{id:<32} {}",
                    names.collect::<Vec<_>>().join(", ")
                ))?;
            }
        }
        drop(looked);
        token = page.next;
        if token.is_none() {
            break;
        }
    }
    if context.json() {
        print_json(&rows)
    } else {
        Ok(())
    }
}

/// Names and kinds of a timeline's profiles. One that cannot be understood does not hide the others.
async fn profiles_of(client: &dyn Client, timeline: &str) -> Result<Vec<(String, &'static str)>> {
    let mut found = Vec::new();
    for name in client.profiles(timeline).await? {
        let kind = match client.kind(Of::new(timeline, &name)).await {
            Ok(ProfileKind::Extracted) => "extracted",
            Ok(ProfileKind::Put) => "put",
            Ok(ProfileKind::Legacy) => "legacy",
            Ok(ProfileKind::Empty) => "no frames",
            Err(error) if error.reason() == Reason::ObjectCorrupt => "damaged plan",
            Err(error) if error.reason() == Reason::PlanDiffers => "of a newer release",
            Err(error) => return Err(error),
        };
        found.push((name, kind));
    }
    Ok(found)
}

async fn show(
    context: &Context,
    client: &dyn Client,
    (timeline, check): (&str, bool),
) -> Result<()> {
    let mut names = client.profiles(timeline).await?;
    if names.is_empty() {
        names.push(context.global.profile.clone());
    }
    let mut rows = Vec::new();
    for name in names {
        let report = client.report(Of::new(timeline, &name), check).await?;
        if context.json() {
            rows.push(profile_json(&name, &report));
        } else {
            print_profile((timeline, &name), &report)?;
        }
    }
    if context.json() {
        print_json(&json!({ "timeline": timeline, "profiles": rows }))
    } else {
        Ok(())
    }
}

fn state_name(state: State) -> &'static str {
    match state {
        State::Absent => "absent",
        State::Legacy => "legacy",
        State::Partial => "partial",
        State::Complete => "complete",
    }
}

fn profile_json(name: &str, status: &Report) -> Value {
    let failed = status.failed.iter().map(|f| {
        json!({ "chunk_id": f.id.chunk_id, "span": f.id.span, "reason": f.error.reason, "message": f.error.message })
    });
    let mut row = json!({ "profile": name, "state": state_name(status.state), "failed": failed.collect::<Vec<_>>() });
    // Of a legacy profile nothing is counted here.
    if status.state != State::Legacy {
        let counts = status.counts;
        row["planned"] = status.planned.into();
        row["counts"] = json!({
            "frames": counts.frames, "stored": counts.stored, "repeats": counts.repeats,
            "missing": counts.missing, "damaged": counts.damaged, "bytes": counts.bytes,
        });
    }
    if let Some(plan) = &status.plan {
        row["plan"] = json!(plan);
    }
    if let Some(stale) = &status.findings {
        let finding = |f: &SourceFinding| json!({ "chunk_id": f.chunk_id, "reason": f.error.reason().name(), "message": f.error.message() });
        row["stale"] = stale.iter().map(finding).collect();
    }
    row
}

fn print_profile((timeline, name): (&str, &str), status: &Report) -> Result<()> {
    let counts = status.counts;
    let amount = match status.state {
        State::Absent => "no frames".to_owned(),
        State::Legacy => "frames without a plan; `framecache frames` lists them".to_owned(),
        State::Partial | State::Complete => {
            format!(
                "{} of {} frames, {}",
                counts.frames,
                status.planned,
                bytes(counts.bytes)
            )
        }
    };
    print_line(&format!(
        "{timeline}, profile {name}: {}, {amount}",
        state_name(status.state)
    ))?;
    let extras = [
        (counts.repeats, "repeats"),
        (counts.missing, "missing"),
        (counts.damaged, "damaged"),
    ];
    let extras: Vec<String> = extras
        .iter()
        .filter(|(n, _)| *n > 0)
        .map(|(n, what)| format!("{n} {what}"))
        .collect();
    if !extras.is_empty() {
        print_line(&format!("  of these     {}", extras.join(", ")))?;
    }
    if let Some(plan) = &status.plan {
        print_plan(plan)?;
    }
    for failed in &status.failed {
        print_line(&format!(
            "  failed       chunk {} span {}: {} ({})",
            failed.id.chunk_id, failed.id.span, failed.error.message, failed.error.reason
        ))?;
    }
    match status.findings.as_deref() {
        Some([]) => print_line("  sources      as they were planned")?,
        Some(stale) => stale.iter().try_for_each(|f| {
            print_line(&format!(
                "  stale        chunk {}: {} ({})",
                f.chunk_id,
                f.error.message(),
                f.error.reason().name()
            ))
        })?,
        None => {}
    }
    Ok(())
}

fn print_plan(plan: &PlanReport) -> Result<()> {
    match &plan.parameters {
        None if plan.kind == Kind::Extract => print_line("  plan         very many timestamps")?,
        None => print_line("  plan         frames that were put")?,
        Some(parameters) => {
            let packed = match plan.layout {
                FrameLayout::Frames => "",
                FrameLayout::Packed => ", packed",
            };
            let text = parameters_text(parameters);
            print_line(&format!("  plan         {text}{packed}"))?;
        }
    }
    plan.chunks
        .iter()
        .try_for_each(|chunk| print_line(&chunk_text(chunk)))
}

fn parameters_text(parameters: &Parameters) -> String {
    let mut parts = vec![match &parameters.sampling {
        Sampling::Fps(rate) => format!("{rate} frames a second"),
        Sampling::Every(n) => format!("every {n}. frame"),
        Sampling::All => "all frames".to_owned(),
        Sampling::Keyframes => "keyframes".to_owned(),
        Sampling::Timestamps(times) => format!("{} timestamps", times.len()),
        Sampling::Count(n) => format!("{n} frames evenly spread"),
    }];
    parts.extend(parameters.window.from.map(|from| format!("from {from} s")));
    parts.extend(parameters.window.to.map(|to| format!("to {to} s")));
    parts.push(format!("quality {}", parameters.quality));
    parts.extend(
        parameters
            .max_side
            .map(|side| format!("at most {side} pixels a side")),
    );
    parts.extend(parameters.dedup.map(|bits| format!("dedup {bits}")));
    parts.join(", ")
}

fn chunk_text(chunk: &ChunkReport) -> String {
    let (begin, end) = (clock(chunk.begin), clock(chunk.end));
    let error = chunk
        .error
        .as_ref()
        .map(|e| format!(", left out: {} ({})", e.message, e.reason));
    format!(
        "  chunk {:<6} {begin} to {end}, {} frames, {}{}",
        chunk.spec.chunk_id,
        chunk.frames,
        chunk.spec.uri,
        error.unwrap_or_default()
    )
}
