//! ProbeMedia.

use crate::api::convert::{clock, unshown};
use crate::api::v1;
use crate::client::remote::error::error_of;
use crate::client::remote::{Remote, check_source, nonsense};
use crate::error::{Error, Result};
use crate::foundry::{ColourTags, Probe, Stream, Video};
use crate::timeline::plan::ChunkSpec;

/// Words that a probe has for things.
const KINDS: [&str; 3] = ["video", "attached_picture", "other"];
const CHROMA: [&str; 8] = [
    "gray", "rgb", "4:4:4", "4:2:2", "4:2:0", "4:4:0", "4:1:1", "4:1:0",
];
const RANGES: [&str; 2] = ["limited", "full"];
const BACKENDS: [&str; 2] = ["cpu", "nvdec"];

pub async fn probe(remote: &Remote, source: &ChunkSpec) -> Result<Probe> {
    check_source(source)?;
    let request = v1::ProbeMediaRequest {
        uri: source.uri.clone(),
        init_uri: source.init_uri.clone().unwrap_or_default(),
        stream: source.stream,
    };
    let answer = remote.media_service().probe_media(request).await;
    let answer = answer.map_err(error_of)?.into_inner();
    let streams = answer.streams.into_iter().map(stream);
    let told = answer
        .video
        .ok_or_else(|| nonsense("a probe says nothing of the video"))?;
    Ok(Probe {
        container: answer.container,
        bytes: answer.bytes,
        streams: streams.collect::<Result<_>>()?,
        video: video(told)?,
    })
}

/// The word itself.
fn word(known: &[&str], told: &str) -> Result<String> {
    let word = known.iter().find(|word| **word == told);
    word.map(|word| (*word).to_owned())
        .ok_or_else(|| nonsense(&format!("a word that is unknown here: {told:?}")))
}

fn stream(told: v1::Stream) -> Result<Stream> {
    Ok(Stream {
        index: told.index,
        kind: word(&KINDS, &told.kind)?,
        codec: told.codec,
    })
}

fn video(told: v1::Video) -> Result<Video> {
    let small = |what: &str| -> Error { nonsense(&format!("{what} is too large")) };
    let depth = told.depth.map(u8::try_from).transpose();
    let optional =
        |known: &[&str], told: Option<&String>| told.map(|told| word(known, told)).transpose();
    Ok(Video {
        stream: told.stream,
        codec: told.codec,
        codec_profile: told.codec_profile,
        pixel_format: told.pixel_format,
        depth: depth.map_err(|_| small("a depth"))?,
        chroma: optional(&CHROMA, told.chroma.as_ref())?,
        width: told.width,
        height: told.height,
        sample_aspect_ratio: told.sample_aspect_ratio,
        mirrored: told.mirrored,
        rotation: u16::try_from(told.rotation).map_err(|_| small("a rotation"))?,
        colour: colour(told.colour.unwrap_or_default())?,
        frame_rate: told.frame_rate,
        stated_frame_rate: told.stated_frame_rate,
        variable_frame_rate: told.variable_frame_rate,
        interlaced: told.interlaced,
        time_base: told.time_base,
        start: told.start,
        duration: told.duration,
        frames: told.frames,
        frames_exact: told.frames_exact,
        keyframes: told.keyframes,
        has_timestamps: told.has_timestamps,
        unshown: unshown(told.unshown.as_ref()),
        clock: clock(
            (&told.clock_breaks, &told.pauses),
            (told.untimed, told.times_counted),
        ),
        backend: optional(&BACKENDS, told.backend.as_ref())?,
        backend_reason: told.backend_reason,
    })
}

fn colour(told: v1::ColourTags) -> Result<ColourTags> {
    let range = told.range.as_deref().map(|told| word(&RANGES, told));
    Ok(ColourTags {
        matrix: told.matrix,
        range: range.transpose()?,
        primaries: told.primaries,
        transfer: told.transfer,
    })
}
