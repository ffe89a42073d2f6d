//! `framecache probe`

use crate::cli::common::{Context, Exit, print_json, print_line};
use crate::cli::format::{bytes, clock};
use crate::error::Result;
use crate::foundry::{Probe, Video};
use crate::timeline::index::ClockFacts;
use crate::timeline::plan::ChunkSpec;

/// Say what a video is, and what would decode it
///
/// All packets are read, so that frames are counted and not estimated; nothing is decoded.
///
///   framecache probe holiday.mp4
///   framecache probe --json s3://videos/match.ts
#[derive(clap::Args)]
#[command(verbatim_doc_comment)]
pub struct Args {
    /// A video: a file, or s3://bucket/key
    source: String,
    /// The header of bare fragments
    #[arg(long, value_name = "FILE")]
    init: Option<String>,
    /// Index of the video stream [default: the first that is no attached picture]
    #[arg(long, value_name = "N")]
    stream: Option<u32>,
}

pub async fn run(context: &Context, args: Args) -> Result<Exit> {
    let spec = ChunkSpec {
        init_uri: args.init,
        stream: args.stream,
        ..ChunkSpec::of(&args.source)
    };
    let probed = context.client().await?.probe(&spec).await?;
    if context.json() {
        print_json(&probed)?;
    } else {
        lines(&probed)
            .iter()
            .try_for_each(|(name, fact)| print_line(&format!("{name:<12} {fact}")))?;
    }
    Ok(Exit::Done)
}

fn lines(probe: &Probe) -> Vec<(&'static str, String)> {
    let video = &probe.video;
    let streams = probe
        .streams
        .iter()
        .map(|s| format!("{} {} ({})", s.index, s.codec, s.kind.replace('_', " ")));
    let mut lines = vec![
        (
            "container",
            format!("{}, {}", probe.container, bytes(probe.bytes)),
        ),
        ("streams", streams.collect::<Vec<_>>().join("; ")),
        ("video", picture(video)),
        ("size", size(video)),
        ("colour", colour(video)),
        ("rate", rate(video)),
        (
            "time",
            format!(
                "{} from {}, ticks of {} s",
                clock(video.duration),
                clock(video.start),
                video.time_base
            ),
        ),
        (
            "frames",
            format!("{} shown, {} keyframes", video.frames, video.keyframes),
        ),
    ];
    let unshown = [
        (video.unshown.discarded, "discarded by an edit list"),
        (video.unshown.invisible, "coded as invisible"),
        (video.unshown.before_first_cut, "before the first keyframe"),
        (
            video.unshown.undecodable_leading,
            "leading pictures that cannot be decoded",
        ),
    ];
    let unshown: Vec<String> = unshown
        .iter()
        .filter(|(n, _)| *n > 0)
        .map(|(n, why)| format!("{n} {why}"))
        .collect();
    if !unshown.is_empty() {
        lines.push(("not shown", unshown.join(", ")));
    }
    lines.extend(clock_remarks(&video.clock).map(|text| ("clock", text)));
    lines.push((
        "decoded by",
        format!(
            "{}: {}",
            video.backend.as_deref().unwrap_or("nothing"),
            video.backend_reason
        ),
    ));
    lines
}

/// What is out of the ordinary with a clock, a line each.
pub(super) fn clock_remarks(clock: &ClockFacts) -> impl Iterator<Item = String> + use<> {
    let counted = "times are counted: no frame has a timestamp, or all have the same".to_owned();
    let untimed = format!(
        "frames placed evenly, without a timestamp of use: {}",
        clock.untimed
    );
    let first = |count: usize, what: &str, at: Option<f64>| {
        at.map(|at| format!("{what}: {count}, the first at {at} s"))
    };
    let breaks = &clock.clock_breaks;
    let pauses = &clock.pauses;
    [
        clock.times_counted.then_some(counted),
        (clock.untimed > 0).then_some(untimed),
        first(breaks.len(), "clock breaks", breaks.first().map(|at| at.at)),
        first(
            pauses.len(),
            "pauses of over 10 s",
            pauses.first().map(|at| at.from),
        ),
    ]
    .into_iter()
    .flatten()
}

fn picture(video: &Video) -> String {
    let mut parts = vec![format!("stream {}: {}", video.stream, video.codec)];
    parts.extend(video.codec_profile.clone());
    parts.extend(video.depth.map(|depth| format!("{depth} bit")));
    parts.extend(video.chroma.clone());
    parts.extend(match video.interlaced {
        Some(true) => Some("interlaced".to_owned()),
        Some(false) => Some("progressive".to_owned()),
        None => None,
    });
    parts.join(", ")
}

fn size(video: &Video) -> String {
    let mut text = format!("{}x{}", video.width, video.height);
    if let Some(ratio) = video
        .sample_aspect_ratio
        .as_deref()
        .filter(|ratio| *ratio != "1:1")
    {
        text += &format!(", pixels {ratio}");
    }
    if video.mirrored {
        text += ", mirrored";
    }
    if video.rotation != 0 {
        text += &format!(
            ", turned {} degrees clockwise to be upright",
            video.rotation
        );
    }
    text
}

fn colour(video: &Video) -> String {
    let tags = &video.colour;
    let or = |tag: Option<&str>, what: &str| {
        tag.map_or(format!("{what} untagged"), |tag| format!("{what} {tag}"))
    };
    [
        or(tags.matrix.as_deref(), "matrix"),
        or(tags.range.as_deref(), "range"),
        or(tags.primaries.as_deref(), "primaries"),
        or(tags.transfer.as_deref(), "transfer"),
    ]
    .join(", ")
}

fn rate(video: &Video) -> String {
    let rate = video.frame_rate.map_or("unknown".to_owned(), |rate| {
        format!("{rate:.3} frames a second")
    });
    let kind = if video.variable_frame_rate {
        "variable"
    } else {
        "constant"
    };
    format!("{rate}, {kind}")
}
