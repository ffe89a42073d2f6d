//! `framecache cuts`

use futures::TryStreamExt;
use serde_json::{Value, json};

use crate::cli::common::{Context, Exit, complain, print_json, print_line};
use crate::cli::format::clock;
use crate::error::Result;
use crate::similar::cuts::{Scored, THRESHOLD};

/// Find where scenes end
///
/// Prints the frame with which each new scene begins, its time, and how much changed with it, 0 to 1: half of it
/// tones, half of it bits of the hash. These are facts that extraction keeps; nothing is decoded. Frames must lie
/// close enough for that: `--all`, or some ten a second; of one a second all that moves is a change.
///
///   framecache cuts holiday
///   framecache cuts holiday --threshold 0.1          more of them
///   framecache cuts holiday --scores > changes.txt   what changed with every frame
#[derive(clap::Args)]
#[command(verbatim_doc_comment)]
pub struct Args {
    /// The timeline
    #[arg(value_name = "ID")]
    timeline: String,
    /// By how much more has to change than around it, 0 to 1
    #[arg(long, value_name = "T", default_value_t = THRESHOLD)]
    threshold: f64,
    /// All frames, and what changed with each
    #[arg(long)]
    scores: bool,
}

pub async fn run(context: &Context, args: Args) -> Result<Exit> {
    let client = context
        .client_of_what_is_there(Some(&args.timeline))
        .await?;
    let of = context.of(&args.timeline);
    let mut scored = client.cuts(of, args.threshold).await?;
    let mut told = Told::default();
    while let Some(frames) = scored.try_next().await? {
        frames
            .iter()
            .try_for_each(|frame| told.frame(frame, context, &args))?;
    }
    told.end(context, &args)?;
    Ok(Exit::Done)
}

/// What was told so far.
#[derive(Default)]
struct Told {
    frames: u64,
    unknown: u64,
    cuts: u64,
    rows: Vec<Value>,
}

impl Told {
    fn frame(&mut self, frame: &Scored, context: &Context, args: &Args) -> Result<()> {
        self.frames += 1;
        self.unknown += u64::from(frame.change.is_none());
        self.cuts += u64::from(frame.cut);
        if !frame.cut && !args.scores {
            return Ok(());
        }
        if context.json() {
            self.rows.push(json_of(frame));
            return Ok(());
        }
        let time = frame.timestamp.map_or("-".to_owned(), clock);
        let change = frame
            .change
            .map_or("-".to_owned(), |change| format!("{change:.3}"));
        let mark = if frame.cut && args.scores {
            "  cut"
        } else {
            ""
        };
        print_line(&format!("{:>8}  {time:>12}  {change:>5}{mark}", frame.seq))
    }

    /// The first frame's change is never known.
    fn end(self, context: &Context, args: &Args) -> Result<()> {
        if self.frames > 1 && self.unknown == self.frames {
            complain(
                "framecache: what changed is not known of these frames: an older release made them, or they have \
                 no hashes; `framecache extract --replace` makes them anew",
            );
        } else if self.unknown > 1 {
            complain(&format!(
                "framecache: what changed is not known of {} frames",
                self.unknown
            ));
        }
        if !context.json() {
            return Ok(());
        }
        let rows = if args.scores { "frames" } else { "cuts" };
        print_json(&json!({
            "timeline": args.timeline,
            "threshold": args.threshold,
            "frames_known": self.frames - self.unknown,
            "frames_unknown": self.unknown,
            "scenes": if self.frames == 0 { 0 } else { self.cuts + 1 },
            rows: self.rows,
        }))
    }
}

/// What is unknown is absent.
fn json_of(frame: &Scored) -> Value {
    let mut row = json!({ "seq": frame.seq, "cut": frame.cut });
    if let Some(timestamp) = frame.timestamp {
        row["timestamp"] = timestamp.into();
    }
    if let Some(change) = frame.change {
        row["change"] = change.into();
    }
    row
}
