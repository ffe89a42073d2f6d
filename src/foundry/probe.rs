//! What a source is: its container, its streams, and the video as our index has it.

use serde::{Deserialize, Serialize};

use crate::av::StreamInfo;
use crate::cancel::Stop;
use crate::decode::{Purpose, Software};
use crate::demux::{self, Track};
use crate::error::{Error, Result};
use crate::extract::{SpanMedia, check_cards};
use crate::media::colour::{CodePoints, primaries_name, transfer_name};
use crate::media::time::Exact;
use crate::timeline::index::{ClockFacts, Shown, Unshown};

/// A source's facts. What is unknown is absent.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Probe {
    /// FFmpeg's names of the container.
    pub container: String,
    /// Of the source, without its init segment.
    pub bytes: u64,
    pub streams: Vec<Stream>,
    pub video: Video,
}

/// A stream of the container.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Stream {
    pub index: u32,
    /// `video`, `attached_picture` or `other`.
    pub kind: String,
    pub codec: String,
}

/// The video stream that would be extracted.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Video {
    pub stream: u32,
    pub codec: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub codec_profile: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pixel_format: Option<String>,
    /// Bits a sample.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub depth: Option<u8>,
    /// `4:2:0` and the like, `gray` or `rgb`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub chroma: Option<String>,
    /// As coded, before rotation.
    pub width: u32,
    pub height: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sample_aspect_ratio: Option<String>,
    /// Left-right, applied before `rotation`.
    pub mirrored: bool,
    /// Degrees clockwise that make it upright.
    pub rotation: u16,
    pub colour: ColourTags,
    /// Frames a second over the whole video.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub frame_rate: Option<f64>,
    /// As the container states it, "n/d".
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stated_frame_rate: Option<String>,
    /// Gaps between frames differ by more than a tick of the clock.
    pub variable_frame_rate: bool,
    /// By the header.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub interlaced: Option<bool>,
    /// Seconds a tick, "n/d".
    pub time_base: String,
    /// Seconds on the container's clock at which the first frame is shown.
    pub start: f64,
    /// Seconds from the first frame to the end of the last one.
    pub duration: f64,
    /// Frames that are shown.
    pub frames: u64,
    /// Counted, not estimated.
    pub frames_exact: bool,
    /// Shown frames at which decoding can start.
    pub keyframes: u64,
    /// False: no packet has a timestamp.
    pub has_timestamps: bool,
    /// What is out of the ordinary with the clock.
    #[serde(flatten)]
    pub clock: ClockFacts,
    /// Packets that are not shown, by reason.
    pub unshown: Unshown,
    /// What would decode it; absent where nothing can.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub backend: Option<String>,
    pub backend_reason: String,
}

/// Colour as tagged (ITU-T H.273), by the bitstream or else by the container; what is untagged is absent.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ColourTags {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub matrix: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub range: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub primaries: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub transfer: Option<String>,
}

/// What the index knows, and the container's list of streams.
///
/// # Errors
/// The source's own; CANCELLED once `stop` is set.
pub(super) fn probe(media: &SpanMedia, stop: &Stop) -> Result<Probe> {
    let track = &media.track;
    let streams = demux::open((media.opener)()?, stop)?.streams();
    Ok(Probe {
        container: track.container.clone(),
        bytes: track.index.source.bytes,
        streams: streams.iter().map(stream).collect(),
        video: video(track)?,
    })
}

fn stream(info: &StreamInfo) -> Stream {
    let kind = match (info.is_video, info.attached_picture) {
        (true, true) => "attached_picture",
        (true, false) => "video",
        (false, _) => "other",
    };
    Stream {
        index: info.index,
        kind: kind.to_owned(),
        codec: info.codec_name(),
    }
}

fn video(track: &Track) -> Result<Video> {
    let (info, index) = (&track.info, &track.index);
    let tick = index.time_base.seconds()?;
    let seconds = |ticks: i64| Ok::<f64, Error>(tick.times(Exact::whole(ticks))?.to_f64());
    let (first, end) = ends(&index.shown);
    let samples = info.samples();
    let (width, height) = info.size();
    let duration = seconds(end.saturating_sub(first))?;
    let (backend, backend_reason) = backend(track);
    Ok(Video {
        stream: info.index,
        codec: info.codec_name(),
        codec_profile: info.profile_name(),
        pixel_format: info.pixel_format(),
        depth: samples.map(|(depth, _)| depth),
        chroma: samples.map(|(_, chroma)| chroma.to_owned()),
        width,
        height,
        sample_aspect_ratio: info.sample_aspect_ratio().map(|(n, d)| format!("{n}:{d}")),
        mirrored: track.orientation.mirrored,
        rotation: track.orientation.rotation,
        colour: colour_tags(info.colour()),
        frame_rate: (duration > 0.0).then(|| index.shown.len() as f64 / duration),
        stated_frame_rate: info
            .average_rate
            .or(info.real_rate)
            .map(|(n, d)| format!("{n}/{d}")),
        variable_frame_rate: varies(&index.shown),
        interlaced: info.interlaced(),
        time_base: index.time_base.to_string(),
        start: seconds(stated(track).unwrap_or(first))?,
        duration,
        frames: index.shown.len() as u64,
        frames_exact: true,
        keyframes: index.shown.iter().filter(|shown| shown.cut).count() as u64,
        has_timestamps: track.has_pts,
        clock: index.clock.clone(),
        unshown: index.unshown,
        backend: backend.map(str::to_owned),
        backend_reason,
    })
}

/// The container's pts of the first frame.
fn stated(track: &Track) -> Option<i64> {
    let first = track.index.shown.first()?;
    track.units.get(first.unit as usize)?.pts()
}

/// Source time of the first frame, and where the last one ends.
fn ends(shown: &[Shown]) -> (i64, i64) {
    let first = shown.first().map_or(0, |shown| shown.pts);
    let end = shown
        .last()
        .map_or(0, |shown| shown.pts.saturating_add(shown.duration));
    (first, end)
}

/// A clock of whole ticks cannot hold every rate: gaps of one rate differ by one.
fn varies(shown: &[Shown]) -> bool {
    let gaps = || {
        shown
            .windows(2)
            .map(|pair| pair[1].pts.saturating_sub(pair[0].pts))
    };
    match (gaps().min(), gaps().max()) {
        (Some(least), Some(most)) => most.saturating_sub(least) > 1,
        _ => false,
    }
}

fn backend(track: &Track) -> (Option<&'static str>, String) {
    let opened = Software::open(&track.info, 1, Purpose::Comparison);
    if let Err(error) = opened.and_then(|_| track.check_pictures()) {
        return (None, error.message().to_owned());
    }
    match check_cards(track) {
        Ok(()) => {
            let reason = "a GPU decodes it; short stretches may be done earlier on the CPU";
            (Some("nvdec"), reason.to_owned())
        }
        Err(why) => (Some("cpu"), why.message().to_owned()),
    }
}

fn colour_tags(tagged: CodePoints) -> ColourTags {
    let matrix = match tagged.matrix {
        0 => Some("rgb".to_owned()),
        1 => Some("bt709".to_owned()),
        2 | 3 => None,
        4 => Some("fcc".to_owned()),
        5 | 6 => Some("bt601".to_owned()),
        7 => Some("smpte240m".to_owned()),
        8 => Some("ycgco".to_owned()),
        9 => Some("bt2020".to_owned()),
        10 => Some("bt2020c".to_owned()),
        other => Some(format!("{other} (H.273)")),
    };
    let range = match tagged.range {
        1 => Some("limited"),
        2 => Some("full"),
        _ => None,
    };
    ColourTags {
        matrix,
        range: range.map(str::to_owned),
        primaries: primaries_name(tagged.primaries).map(str::to_owned),
        transfer: transfer_name(tagged.transfer).map(str::to_owned),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(pts: &[i64]) -> Vec<Shown> {
        pts.iter()
            .map(|&pts| Shown {
                pts,
                duration: 40,
                unit: 0,
                cut: false,
            })
            .collect()
    }

    #[test]
    fn a_millisecond_clock_alone_makes_no_variable_rate() {
        assert!(!varies(&shown(&[0, 33, 67, 100, 133, 167])));
        assert!(!varies(&shown(&[5])) && !varies(&shown(&[])));
        assert!(varies(&shown(&[0, 33, 100, 133])));
    }

    #[test]
    fn untagged_colour_is_absent() {
        let untagged = colour_tags(CodePoints::UNSPECIFIED);
        assert_eq!(untagged, ColourTags::default());
        let tags = colour_tags(CodePoints {
            matrix: 1,
            range: 1,
            primaries: 1,
            transfer: 13,
        });
        assert_eq!(
            (tags.matrix.as_deref(), tags.range.as_deref()),
            (Some("bt709"), Some("limited"))
        );
        assert_eq!(tags.transfer.as_deref(), Some("iec61966-2-1"));
    }

    #[test]
    fn the_end_of_the_last_frame_is_the_end_of_the_video() {
        assert_eq!(ends(&shown(&[100, 140, 180])), (100, 220));
        assert_eq!(ends(&[]), (0, 0));
    }
}
