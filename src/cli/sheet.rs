//! `framecache sheet`

use std::path::PathBuf;
use std::sync::Arc;

use futures::{StreamExt, TryStreamExt, stream};

use crate::app;
use crate::cli::common::{Context, Exit, complain, print_json, print_line};
use crate::cli::format::clock;
use crate::cli::get::fails_alone;
use crate::cli::output::{jpeg_of_pixels, write_whole};
use crate::cli::progress::Bar;
use crate::cli::select::Selection;
use crate::client::{Client, Of, OverlayQuery, Picture};
use crate::error::{Error, Reason, Result};
use crate::foundry::Foundry;
use crate::frames::blocking;
use crate::media::facts::FrameFacts;
use crate::pixel::RgbImage;
use crate::png::{self, Pixels, RgbaImage};
use crate::sheet::{self, Cell, Layout, Mark};

/// Frames read ahead.
const READ_AHEAD: usize = 16;
/// Of a sheet that is a JPEG: small letters suffer below.
const QUALITY: u8 = 92;

/// Draw a contact sheet of a timeline
///
/// Small pictures with their numbers and times; damaged frames are framed in red.
///
///   framecache sheet holiday -o sheet.jpg                     64 frames, evenly chosen
///   framecache sheet holiday -o sheet.png --seq 100-131 --columns 4
///   framecache sheet holiday -o edges.jpg --overlay edges     with what a stage drew
#[derive(clap::Args)]
#[command(verbatim_doc_comment)]
pub struct Args {
    /// The timeline
    #[arg(value_name = "ID")]
    timeline: String,
    /// The picture to write: .jpg or .png
    #[arg(long, short, value_name = "FILE")]
    output: PathBuf,
    #[command(flatten)]
    selection: Selection,
    /// Frames at most, evenly chosen
    #[arg(long, value_name = "N", default_value_t = 64, value_parser = clap::value_parser!(u64).range(1..=4096))]
    limit: u64,
    /// Pictures in a row [default: by their number]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=256))]
    columns: Option<u16>,
    /// Width of the sheet in pixels
    #[arg(long, value_name = "N", default_value_t = 1600)]
    width: u16,
    /// Draw this stage's overlays over the frames
    #[arg(long, value_name = "STAGE")]
    overlay: Option<String>,
    /// The job whose overlays they are [default: the only one that has the stage]
    #[arg(long, requires = "overlay")]
    job: Option<String>,
}

/// A frame to show, and its time where its facts are known.
struct Chosen {
    seq: u64,
    timestamp: Option<f64>,
}

/// Who is asked, and of which profile.
type From<'a> = (&'a dyn Client, Of<'a>);

pub async fn run(context: &Context, args: Args) -> Result<Exit> {
    let client = context
        .client_of_what_is_there(Some(&args.timeline))
        .await?;
    let of = context.of(&args.timeline);
    let (chosen, total) = choose(context, &args, (&*client, of)).await?;
    let png = is_png(&args)?;
    if chosen.is_empty() {
        let message = format!("there are no frames to show yet, {}", of.facts());
        return Err(
            Error::new(Reason::FrameNotCached, message).hint("`framecache extract` makes them")
        );
    }
    let columns = args
        .columns
        .map_or(Layout::columns_for(chosen.len()), usize::from);
    let layout = Layout::new(usize::from(args.width), columns)?;
    let job = find_job((&*client, of), &args).await?;
    let overlays = job.zip(args.overlay.clone());
    let cells = cells(context, (&*client, of), (&chosen, layout, overlays)).await?;
    let aside = aside(chosen.len(), total, args.overlay.as_deref());
    let drawn = sheet::draw(layout, (&args.timeline, &aside), &cells)?;
    let size = (drawn.width, drawn.height);
    let file = if png {
        png::encode(&drawn)?
    } else {
        jpeg_of_pixels(&Pixels::Rgb(drawn), QUALITY)?
    };
    write_whole(&args.output, &file)?;
    report(context, &args, size, cells.len())?;
    let failed = cells.iter().any(|cell| cell.mark == Mark::Lost);
    Ok(if failed { Exit::PartFailed } else { Exit::Done })
}

fn report(
    context: &Context,
    args: &Args,
    (width, height): (usize, usize),
    frames: usize,
) -> Result<()> {
    let path = args.output.display().to_string();
    if context.json() {
        return print_json(&serde_json::json!({
            "timeline": args.timeline, "path": path, "width": width, "height": height, "frames": frames
        }));
    }
    print_line(&format!("{path}: {frames} frames, {width}x{height}"))
}

fn is_png(args: &Args) -> Result<bool> {
    let ending = args
        .output
        .extension()
        .map(|ending| ending.to_string_lossy().to_lowercase());
    match ending.as_deref() {
        Some("png") => Ok(true),
        Some("jpg" | "jpeg") => Ok(false),
        _ => Err(Error::field(format!(
            "the sheet's file ends neither in .jpg nor in .png, path={}",
            args.output.display()
        ))
        .hint("name it sheet.jpg or sheet.png")),
    }
}

fn aside(shown: usize, total: usize, overlay: Option<&str>) -> String {
    let frames = if shown == total {
        format!("{total} frames")
    } else {
        format!("{shown} of {total} frames")
    };
    overlay.map_or(frames.clone(), |stage| format!("{frames}, overlay {stage}"))
}

/// The frames to show, and of how many.
async fn choose(
    context: &Context,
    args: &Args,
    (client, of): From<'_>,
) -> Result<(Vec<Chosen>, usize)> {
    let mut all = Vec::new();
    if args.selection.is_empty() {
        let mut facts = client.facts(of).await?;
        while let Some(frames) = facts.try_next().await? {
            all.extend(frames.iter().map(|f| Chosen {
                seq: f.seq,
                timestamp: f.timestamp,
            }));
        }
    } else {
        let seqs = args.selection.resolve(context, (client, of)).await?;
        let bar = Bar::new(context.json());
        let prepared = client
            .prepare(of, &seqs, &|progress| bar.show(progress))
            .await;
        bar.clear();
        prepared?;
        all.extend(seqs.into_iter().map(|seq| Chosen {
            seq,
            timestamp: None,
        }));
    }
    let total = all.len();
    let limit = usize::try_from(args.limit).unwrap_or(usize::MAX);
    Ok((evenly(all, limit), total))
}

/// At most `limit` of them, evenly spread, the first and the last among them.
fn evenly<T>(all: Vec<T>, limit: usize) -> Vec<T> {
    let count = all.len();
    if count <= limit {
        return all;
    }
    let place = |n: usize| {
        if limit == 1 {
            count / 2
        } else {
            n * (count - 1) / (limit - 1)
        }
    };
    let mut places = (0..limit).map(place).peekable();
    let chosen = all
        .into_iter()
        .enumerate()
        .filter(|(n, _)| places.next_if_eq(n).is_some());
    chosen.map(|(_, item)| item).collect()
}

/// The job whose overlays are to be drawn; none where none are.
async fn find_job((client, of): From<'_>, args: &Args) -> Result<Option<String>> {
    let Some(stage) = &args.overlay else {
        return Ok(None);
    };
    if args.job.is_some() {
        return Ok(args.job.clone());
    }
    let mut jobs = Vec::new();
    for job in client.overlay_jobs(of).await? {
        if client.overlay_stages(of, &job).await?.contains(stage) {
            jobs.push(job);
        }
    }
    match jobs.as_slice() {
        [job] => Ok(Some(job.clone())),
        [] => Err(Error::new(
            Reason::FrameNotCached,
            format!(
                "no job has overlays of this stage, {} stage={stage}",
                of.facts()
            ),
        )
        .hint("`framecache overlays list` shows jobs and their stages")),
        _ => Err(Error::field(format!(
            "several jobs have overlays of this stage, stage={stage}"
        ))
        .hint(format!("choose one with --job: {}", jobs.join(", ")))),
    }
}

async fn cells(
    context: &Context,
    (client, of): From<'_>,
    (chosen, layout, overlays): (&[Chosen], Layout, Option<(String, String)>),
) -> Result<Vec<Cell>> {
    let seqs: Vec<u64> = chosen.iter().map(|chosen| chosen.seq).collect();
    let frames = client.frames(of, &seqs).await?;
    let overlays = &overlays;
    let foundry = &app::foundry(&context.settings)?;
    let reads = stream::iter(chosen)
        .zip(frames)
        .map(|(chosen, frame)| async move {
            let laid = match (overlays, &frame) {
                (Some((job, stage)), Ok(_)) => {
                    overlays_of((client, of), (job, stage), chosen.seq).await?
                }
                _ => Vec::new(),
            };
            Ok((chosen, frame, laid))
        });
    reads
        .buffered(READ_AHEAD)
        .map(|read: Result<_>| async move {
            let (chosen, frame, laid) = read?;
            cell(chosen, frame, (laid, layout), foundry.clone()).await
        })
        .buffered(context.settings.workers)
        .try_collect()
        .await
}

/// A frame's overlays, by name.
async fn overlays_of(
    (client, of): From<'_>,
    (job, stage): (&str, &str),
    seq: u64,
) -> Result<Vec<bytes::Bytes>> {
    let asked = OverlayQuery {
        job: job.to_owned(),
        stage: stage.to_owned(),
        seqs: vec![seq],
        names: Vec::new(),
    };
    let overlays = client.overlays(of, asked).await?;
    overlays.map_ok(|overlay| overlay.png).try_collect().await
}

async fn cell(
    chosen: &Chosen,
    frame: Result<Picture>,
    (laid, layout): (Vec<bytes::Bytes>, Layout),
    foundry: Arc<dyn Foundry>,
) -> Result<Cell> {
    let empty = |mark| Cell {
        seq: chosen.seq,
        time: time_of(chosen.timestamp),
        picture: None,
        mark,
    };
    let frame = match frame {
        Ok(frame) => frame,
        Err(error) if error.reason() == Reason::MediaCorrupt => return Ok(empty(Mark::Missing)),
        Err(error) if fails_alone(&error) => {
            complain(&format!("framecache: {}", error.message()));
            return Ok(empty(Mark::Lost));
        }
        Err(error) => return Err(error),
    };
    let facts = frame.facts.clone();
    let picture = blocking(move || picture_of(&frame, (&laid, layout), &*foundry)).await?;
    let mark = match facts.repeats {
        _ if facts.damaged => Mark::Damaged,
        Some(seq) => Mark::Repeats(seq),
        None => Mark::None,
    };
    let time = time_of(facts.timestamp.or(chosen.timestamp));
    Ok(Cell {
        seq: chosen.seq,
        time,
        picture: Some(picture),
        mark,
    })
}

fn picture_of(
    frame: &Picture,
    (laid, layout): (&[bytes::Bytes], Layout),
    foundry: &dyn Foundry,
) -> Result<RgbImage> {
    let rgb = foundry.jpeg(&frame.jpeg)?;
    let (width, height) = shown_shape(&frame.facts, &rgb);
    let mut picture = sheet::thumbnail(&rgb, layout.fitted(width, height))?;
    for png in laid {
        let overlay: RgbaImage = png::decode_rgba(png)?;
        sheet::lay_over(&mut picture, &overlay)?;
    }
    Ok(picture)
}

/// Width and height in square pixels: stored frames keep the pixels as coded.
fn shown_shape(facts: &FrameFacts, rgb: &RgbImage) -> (f64, f64) {
    let ratio = facts
        .sample_aspect_ratio
        .as_deref()
        .and_then(|text| text.split_once(':'));
    let ratio = ratio.and_then(|(n, d)| Some(n.parse::<f64>().ok()? / d.parse::<f64>().ok()?));
    let ratio = ratio
        .filter(|r| r.is_finite() && (0.01..=100.0).contains(r))
        .unwrap_or(1.0);
    let (width, height) = (rgb.width as f64, rgb.height as f64);
    match facts.rotation {
        Some(90 | 270) => (width, height * ratio),
        _ => (width * ratio, height),
    }
}

fn time_of(timestamp: Option<f64>) -> String {
    timestamp.map_or_else(String::new, clock)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_are_chosen_evenly_with_both_ends() {
        assert_eq!(evenly((0..10).collect(), 4), [0, 3, 6, 9]);
        assert_eq!(evenly((0..100).collect::<Vec<_>>(), 64).len(), 64);
        assert_eq!(evenly((0..3).collect(), 64), [0, 1, 2]);
        assert_eq!(evenly((0..9).collect(), 1), [4]);
    }

    #[test]
    fn the_sheet_shows_frames_in_their_true_shape() {
        let rgb = RgbImage {
            width: 720,
            height: 576,
            data: Vec::new(),
        };
        let facts = FrameFacts {
            sample_aspect_ratio: Some("16:11".to_owned()),
            ..FrameFacts::default()
        };
        assert_eq!(shown_shape(&facts, &rgb), (720.0 * 16.0 / 11.0, 576.0));
        let turned = FrameFacts {
            rotation: Some(90),
            ..facts
        };
        assert_eq!(shown_shape(&turned, &rgb), (720.0, 576.0 * 16.0 / 11.0));
        let odd = FrameFacts {
            sample_aspect_ratio: Some("0:0".to_owned()),
            ..FrameFacts::default()
        };
        assert_eq!(shown_shape(&odd, &rgb), (720.0, 576.0));
    }
}
