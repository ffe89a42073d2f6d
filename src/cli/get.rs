//! `framecache get`

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::io::IsTerminal;
use std::sync::Arc;

use clap::ValueEnum;
use futures::StreamExt;

use crate::api::reshape::Reshape;
use crate::app;
use crate::cancel::Stop;
use crate::cli::common::{Context, Exit, complain, print_json, print_line, write_out};
use crate::cli::output::{Folder, Picture, base64_line, file_of, stack_header};
use crate::cli::progress::Bar;
use crate::cli::select::Selection;
use crate::client::{self, Client, Of};
use crate::error::{Error, Reason, Result};
use crate::foundry::Foundry;
use crate::frames::{OnMiss, Shot};
use crate::media::facts::FrameFacts;
use crate::pixel::RgbImage;
use crate::verdict::Verdict;

/// Who is asked, and of which profile.
type From<'a> = (&'a dyn Client, Of<'a>);

/// Decoded pictures that may be held for one array on stdout.
const MAX_HELD_BYTES: usize = 4 << 30;

/// Get frames out of the cache
///
/// Writes one file a frame, named after its number, into a folder. What is asked for
/// but lost from the cache is extracted again where its video is still there.
///
///   framecache get holiday --seq 0-9,25 --out frames       0.jpg … 9.jpg, 25.jpg
///   framecache get holiday --at 12.5 --out - > frame.jpg   the frame shown at 12.5 s
///   framecache get holiday --from 60 --to 90 --every 10 --width 640 --out small
///   framecache get holiday --seq 0-31 --format npy --out - > batch.npy
///                                                          one array, 32 x height x width x 3
///   framecache get holiday --seq 7 --origin source --format png
///                                                          decoded again, without JPEG loss
#[derive(clap::Args)]
#[command(verbatim_doc_comment, group = clap::ArgGroup::new("which").args(["seq", "at", "all", "from", "to"]).required(true).multiple(true))]
pub struct Args {
    /// The timeline
    #[arg(value_name = "ID")]
    timeline: String,
    #[command(flatten)]
    selection: Selection,
    /// Width in pixels; JPEGs are encoded again [default: as stored, or by --height]
    #[arg(long, value_name = "N")]
    width: Option<u32>,
    /// Height in pixels [default: as stored, or by --width]
    #[arg(long, value_name = "N")]
    height: Option<u32>,
    /// jpeg: the stored bytes; png, npy: 8-bit RGB pixels; base64: JSON lines {seq, timestamp, jpeg_b64}
    #[arg(long, value_enum, default_value_t)]
    format: Format,
    /// cache: as stored; source: the video decoded again at full size (png and npy)
    #[arg(long, value_enum, default_value_t)]
    origin: Origin,
    /// Extract nothing: a frame that is planned and not in the cache fails (exit 4). With a server, a token that
    /// only reads is enough
    #[arg(long)]
    cached: bool,
    /// Folder for the files, or - for stdout: one picture, one array, or JSON lines [default: the current folder; - for base64]
    #[arg(long, value_name = "DIR|-")]
    out: Option<String>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
enum Format {
    #[default]
    Jpeg,
    Png,
    Npy,
    Base64,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
enum Origin {
    #[default]
    Cache,
    Source,
}

pub async fn run(context: &Context, args: Args) -> Result<Exit> {
    args.check()?;
    let client = context
        .client_of_what_is_there(Some(&args.timeline))
        .await?;
    let on_miss = match args.cached {
        true => OnMiss::Fail,
        false => OnMiss::Extract,
    };
    let of = Of {
        on_miss,
        ..context.of(&args.timeline)
    };
    let gotten = args.get(context, (&*client, of)).await;
    gotten.map_err(|error| match error.reason() {
        Reason::TokenScope => error.hint("--cached asks for nothing but what is there"),
        _ => error,
    })
}

impl Args {
    async fn get(&self, context: &Context, from: From<'_>) -> Result<Exit> {
        let seqs = self.selection.resolve(context, from).await?;
        self.check_count(seqs.len())?;
        let mut sink = self.sink(context, seqs.len())?;
        let outcome = match self.origin {
            Origin::Cache => from_cache(context, from, (&seqs, &mut sink)).await,
            Origin::Source => from_source(from, &seqs, &mut sink).await,
        };
        let exit = outcome?;
        sink.finish()?;
        Ok(exit)
    }

    fn is_stdout(&self) -> bool {
        self.out
            .as_deref()
            .map_or(self.format == Format::Base64, |out| out == "-")
    }

    fn check(&self) -> Result<()> {
        if self.origin == Origin::Source && self.cached {
            return Err(
                Error::field("--origin source decodes, --cached does not").hint("give one of them")
            );
        }
        if self.origin == Origin::Source && matches!(self.format, Format::Jpeg | Format::Base64) {
            return Err(
                Error::field("pictures decoded from the source are no JPEGs")
                    .hint("add --format png or npy"),
            );
        }
        if self.format == Format::Base64 && !self.is_stdout() {
            return Err(Error::field("base64 lines go to stdout")
                .hint("write --out - and redirect it to a file"));
        }
        if self.is_stdout() && self.format != Format::Base64 && std::io::stdout().is_terminal() {
            return Err(Error::field("a picture would be written to the terminal")
                .hint("redirect it: --out - > FILE"));
        }
        Ok(())
    }

    fn check_count(&self, count: usize) -> Result<()> {
        let single = matches!(self.format, Format::Jpeg | Format::Png);
        if single && self.is_stdout() && count != 1 {
            let message = format!("stdout takes one picture, frames={count}");
            return Err(
                Error::field(message).hint("give a folder, or --format npy for one array of all")
            );
        }
        Ok(())
    }

    fn sink(&self, context: &Context, count: usize) -> Result<Sink> {
        let reshape = Reshape::asked(self.width, self.height, None)?;
        let to = match (self.is_stdout(), self.format) {
            (false, _) => To::Folder(Folder::new(self.out.as_deref().unwrap_or("."))),
            (true, Format::Npy) if count > 1 => To::Stack {
                count,
                size: None,
                next: 0,
            },
            (true, _) => To::Stdout,
        };
        Ok(Sink {
            to,
            format: self.format,
            reshape,
            json: context.json(),
            foundry: app::foundry(&context.settings)?,
            written: Vec::new(),
        })
    }
}

/// Where frames go, in the order in which they are given.
struct Sink {
    to: To,
    format: Format,
    reshape: Option<Reshape>,
    json: bool,
    foundry: Arc<dyn Foundry>,
    written: Vec<serde_json::Value>,
}

enum To {
    Folder(Folder),
    Stdout,
    /// One array of so many pictures; the first one's size, how many are written.
    Stack {
        count: usize,
        size: Option<(usize, usize)>,
        next: usize,
    },
}

impl Sink {
    fn is_stack(&self) -> bool {
        matches!(self.to, To::Stack { .. })
    }

    fn is_stdout(&self) -> bool {
        !matches!(self.to, To::Folder(_))
    }

    fn frame(&mut self, frame: &client::Picture) -> Result<()> {
        if matches!(self.format, Format::Png | Format::Npy) {
            return self.pixels(&frame.facts, &self.foundry.jpeg(&frame.jpeg)?);
        }
        let jpeg = match self.reshape {
            None => frame.jpeg.clone(),
            Some(reshape) => {
                let (rgb, stop) = (self.foundry.jpeg(&frame.jpeg)?, Stop::never());
                let rgb = reshape.resized(rgb, &stop)?;
                reshape.encoded(&rgb, frame.facts.quality, &stop)?.into()
            }
        };
        if self.format == Format::Jpeg {
            return self.file(&frame.facts, Picture::Jpeg(&jpeg));
        }
        let line = base64_line(&frame.facts, &jpeg)?;
        write_out(format!("{line}\n").as_bytes())
    }

    /// Pixels as they were decoded.
    fn pixels(&mut self, facts: &FrameFacts, rgb: &RgbImage) -> Result<()> {
        let resized = |reshape: Reshape| reshape.resized(rgb.clone(), &Stop::never());
        let resized = self.reshape.map(resized);
        let rgb = resized.transpose()?.map_or(Cow::Borrowed(rgb), Cow::Owned);
        let rgb = &*rgb;
        match self.format {
            Format::Png => self.file(facts, Picture::Png(rgb)),
            _ if self.is_stack() => self.stacked(rgb),
            _ => self.file(facts, Picture::Npy(rgb)),
        }
    }

    fn file(&mut self, facts: &FrameFacts, picture: Picture<'_>) -> Result<()> {
        let data = file_of(&picture)?;
        let To::Folder(folder) = &mut self.to else {
            return write_out(&data);
        };
        let path = folder.write(&format!("{}.{}", facts.seq, picture.extension()), &data)?;
        let mut row = serde_json::json!({ "seq": facts.seq, "path": path });
        if let Some(timestamp) = facts.timestamp {
            row["timestamp"] = timestamp.into();
        }
        self.written.push(row);
        Ok(())
    }

    fn stacked(&mut self, rgb: &RgbImage) -> Result<()> {
        let To::Stack { count, size, next } = &mut self.to else {
            return Err(Error::internal("no array is being written"));
        };
        let own = (rgb.width, rgb.height);
        match *size {
            None => {
                write_out(&stack_header(*count, own)?)?;
                *size = Some(own);
            }
            Some(first) if first != own => {
                let message = format!(
                    "frames of unlike size make no array: {}x{} and {}x{}",
                    first.0, first.1, own.0, own.1
                );
                return Err(Error::field(message).hint("give a folder: one array a frame"));
            }
            Some(_) => {}
        }
        *next += 1;
        write_out(&rgb.data)
    }

    fn finish(self) -> Result<()> {
        let To::Folder(folder) = &self.to else {
            return Ok(());
        };
        if self.json {
            return print_json(&self.written);
        }
        match self.written.len() {
            1 => print_line(&format!("1 file in {}", folder.path().display())),
            count => print_line(&format!("{count} files in {}", folder.path().display())),
        }
    }
}

async fn from_cache(
    context: &Context,
    (client, of): From<'_>,
    (seqs, sink): (&[u64], &mut Sink),
) -> Result<Exit> {
    if of.on_miss == OnMiss::Extract {
        let bar = Bar::new(context.json());
        let prepared = client
            .prepare(of, seqs, &|progress| bar.show(progress))
            .await;
        bar.clear();
        prepared?;
    }
    let mut reads = client.frames(of, seqs).await?;
    let (mut done, mut failed) = (0usize, None);
    while let Some(read) = reads.next().await {
        let outcome = match read {
            Ok(frame) => sink.frame(&frame),
            // A picture or an array is whole or is none.
            Err(error) if sink.is_stdout() && sink.format != Format::Base64 => return Err(error),
            Err(error) => Err(error),
        };
        match outcome {
            Ok(()) => done += 1,
            Err(error) if fails_alone(&error) && seqs.len() > 1 && !sink.is_stack() => {
                complain(&format!("framecache: {}", error.message()));
                failed.get_or_insert(error);
            }
            Err(error) => return Err(error),
        }
    }
    match failed {
        None => Ok(Exit::Done),
        Some(error) if done == 0 => Err(error),
        Some(_) => Ok(Exit::PartFailed),
    }
}

/// One frame is to blame, so that the others can be had.
pub fn fails_alone(error: &Error) -> bool {
    let verdict = error.reason().verdict();
    error.reason() == Reason::FrameNotCached || matches!(verdict, Verdict::Record | Verdict::Refuse)
}

async fn from_source((client, of): From<'_>, seqs: &[u64], sink: &mut Sink) -> Result<Exit> {
    if !sink.is_stack() {
        let mut take = |made: Shot| sink.pixels(&made.facts, &made.rgb);
        client.decode(of, seqs, &mut take).await?;
        sink.settle(seqs);
        return Ok(Exit::Done);
    }
    let mut held: BTreeMap<u64, Arc<RgbImage>> = BTreeMap::new();
    let mut bytes = 0usize;
    let mut take = |made: Shot| {
        bytes = bytes.saturating_add(made.rgb.data.len());
        held.insert(made.facts.seq, made.rgb);
        if bytes <= MAX_HELD_BYTES {
            return Ok(());
        }
        let message =
            format!("these pictures are too large for one array, limit_bytes={MAX_HELD_BYTES}");
        Err(Error::new(Reason::RequestLimit, message)
            .hint("give a folder, or ask for fewer frames"))
    };
    client.decode(of, seqs, &mut take).await?;
    for seq in seqs {
        let rgb = held
            .get(seq)
            .ok_or_else(|| Error::internal("a decoded picture is gone"))?;
        let facts = FrameFacts {
            seq: *seq,
            ..FrameFacts::default()
        };
        sink.pixels(&facts, rgb)?;
    }
    Ok(Exit::Done)
}

impl Sink {
    /// Pictures came in ascending order, each once: the report has them as they were asked for.
    fn settle(&mut self, seqs: &[u64]) {
        let seq_of = |row: &serde_json::Value| row["seq"].as_u64().unwrap_or_default();
        let rows: BTreeMap<u64, serde_json::Value> = self
            .written
            .drain(..)
            .map(|row| (seq_of(&row), row))
            .collect();
        self.written = seqs
            .iter()
            .filter_map(|seq| rows.get(seq).cloned())
            .collect();
    }
}
