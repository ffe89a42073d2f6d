//! `framecache frames`

use clap::ValueEnum;
use futures::TryStreamExt;

use crate::cli::common::{Context, Exit, print_json, print_line, write_out};
use crate::cli::csv;
use crate::cli::select::Selection;
use crate::error::{Error, Result};
use crate::media::facts::FrameFacts;

/// List a timeline's frames and their facts
///
/// Frames of spans that are not extracted yet are not listed.
///
///   framecache frames holiday --from 60 --to 90       those of half a minute
///   framecache frames holiday --json                  one array with every fact
///   framecache frames holiday --format csv > facts.csv
#[derive(clap::Args)]
#[command(verbatim_doc_comment)]
pub struct Args {
    /// The timeline
    #[arg(value_name = "ID")]
    timeline: String,
    #[command(flatten)]
    selection: Selection,
    /// Frames at most
    #[arg(long, value_name = "N")]
    limit: Option<u64>,
    /// table: for people; json: one array (as --json); jsonl: an object a line; csv: a header and a row a frame
    #[arg(long, value_enum)]
    format: Option<Format>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    Table,
    Json,
    Jsonl,
    Csv,
}

pub async fn run(context: &Context, args: Args) -> Result<Exit> {
    let client = context
        .client_of_what_is_there(Some(&args.timeline))
        .await?;
    let of = context.of(&args.timeline);
    let mut filter = args.selection.filter((&*client, of)).await?;
    let mut facts = client.facts(of).await?;
    let mut out = Output::begin(args.chosen(context)?)?;
    let limit = args.limit.unwrap_or(u64::MAX);
    while out.printed < limit
        && let Some(frames) = facts.try_next().await?
    {
        let wanted = frames.iter().filter(|frame| filter.takes(frame));
        let left = usize::try_from(limit - out.printed).unwrap_or(usize::MAX);
        wanted.take(left).try_for_each(|frame| out.frame(frame))?;
    }
    out.end()?;
    Ok(Exit::Done)
}

impl Args {
    fn chosen(&self, context: &Context) -> Result<Format> {
        match (self.format, context.json()) {
            (None, false) => Ok(Format::Table),
            (None | Some(Format::Json), true) => Ok(Format::Json),
            (Some(format), false) => Ok(format),
            (Some(_), true) => {
                Err(Error::field("--json and another --format are asked for")
                    .hint("give one of them"))
            }
        }
    }
}

struct Output {
    format: Format,
    /// Frames printed so far.
    printed: u64,
}

impl Output {
    fn begin(format: Format) -> Result<Self> {
        match format {
            Format::Table => {
                print_line("     seq        time  size       bytes  hash              chunk")?;
            }
            Format::Csv => write_out(format!("{}\n", csv::header()).as_bytes())?,
            Format::Json | Format::Jsonl => {}
        }
        Ok(Output { format, printed: 0 })
    }

    fn frame(&mut self, facts: &FrameFacts) -> Result<()> {
        let first = self.printed == 0;
        self.printed += 1;
        let lead = if first { "[\n" } else { ",\n" };
        match self.format {
            Format::Table => print_line(&row(facts)),
            Format::Csv => write_out(format!("{}\n", csv::row(facts)?).as_bytes()),
            Format::Jsonl => write_out(format!("{}\n", json(facts)?).as_bytes()),
            Format::Json => write_out(format!("{lead}{}", json(facts)?).as_bytes()),
        }
    }

    fn end(&self) -> Result<()> {
        match (self.format, self.printed) {
            (Format::Json, 0) => print_json(&[(); 0]),
            (Format::Json, _) => write_out(b"\n]\n"),
            _ => Ok(()),
        }
    }
}

fn json(facts: &FrameFacts) -> Result<String> {
    serde_json::to_string(facts).map_err(|e| Error::internal("could not write JSON").caused_by(e))
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
