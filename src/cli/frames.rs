//! `framecache frames`

use futures::TryStreamExt;

use crate::cli::common::{Context, Exit, print_json, print_line, write_out};
use crate::error::{Error, Result};
use crate::media::facts::FrameFacts;

/// List a timeline's frames and their facts
///
/// With --json: one array with every fact. Frames of spans that are not extracted
/// yet are not listed.
#[derive(clap::Args)]
#[command(verbatim_doc_comment)]
pub struct Args {
    /// The timeline
    #[arg(value_name = "ID")]
    timeline: String,
}

pub async fn run(context: &Context, args: Args) -> Result<Exit> {
    let client = context.client().await?;
    let mut facts = client.facts(context.of(&args.timeline)).await?;
    let mut out = if context.json() {
        Output::Json(0)
    } else {
        Output::table()?
    };
    while let Some(frames) = facts.try_next().await? {
        frames.iter().try_for_each(|frame| out.frame(frame))?;
    }
    out.end()?;
    Ok(Exit::Done)
}

enum Output {
    /// Frames printed so far.
    Json(u64),
    Table,
}

impl Output {
    fn table() -> Result<Self> {
        print_line("     seq        time  size       bytes  hash              chunk")?;
        Ok(Output::Table)
    }

    fn frame(&mut self, facts: &FrameFacts) -> Result<()> {
        match self {
            Output::Json(printed) => {
                let text = serde_json::to_string(facts)
                    .map_err(|e| Error::internal("could not write JSON").caused_by(e))?;
                let lead = if *printed == 0 { "[\n" } else { ",\n" };
                *printed += 1;
                write_out(format!("{lead}{text}").as_bytes())
            }
            Output::Table => print_line(&row(facts)),
        }
    }

    fn end(&self) -> Result<()> {
        match self {
            Output::Json(0) => print_json(&[(); 0]),
            Output::Json(_) => write_out(b"\n]\n"),
            Output::Table => Ok(()),
        }
    }
}

fn row(facts: &FrameFacts) -> String {
    let time = facts
        .timestamp
        .map_or("-".to_owned(), |t| format!("{t:.6}"));
    let size = match (facts.width, facts.height) {
        (Some(width), Some(height)) => format!("{width}x{height}"),
        _ => "-".to_owned(),
    };
    let bytes = facts
        .bytes
        .map_or("-".to_owned(), |bytes| bytes.to_string());
    let hash = facts
        .phash
        .as_deref()
        .or(facts.dhash.as_deref())
        .or(facts.average_hash.as_deref());
    let mut marks = String::new();
    if facts.damaged {
        marks += "  damaged";
    }
    if facts.missing {
        marks += "  missing";
    }
    if let Some(seq) = facts.repeats {
        marks += &format!("  repeats {seq}");
    }
    format!(
        "{:>8} {time:>11}  {size:<9} {bytes:>6}  {:<16}  {}{marks}",
        facts.seq,
        hash.unwrap_or("-"),
        facts.chunk_id.as_deref().unwrap_or("-"),
    )
}
