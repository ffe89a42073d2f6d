//! ProbeMedia and GetServerInfo.

use std::sync::OnceLock;

use crate::api::{Api, convert, v1};
use crate::error::Result;
use crate::foundry::{self, ColourTags, Probe, Video};

/// What a server is, as its settings have it.
#[derive(Default)]
pub struct ServerInfo {
    pub answer: v1::GetServerInfoResponse,
    /// Whether the store keeps create-only puts; set once it was tried.
    pub conditional_put: OnceLock<bool>,
}

impl Api {
    pub async fn probe_media(
        &self,
        asked: v1::ProbeMediaRequest,
    ) -> Result<v1::ProbeMediaResponse> {
        let spec = convert::chunk(&v1::Chunk {
            uri: asked.uri,
            init_uri: asked.init_uri,
            stream: asked.stream,
            ..v1::Chunk::default()
        })?;
        let probed = self.frames.library().probe(&spec).await;
        probed.map(probe_message).map_err(|e| e.in_field("uri"))
    }

    pub async fn get_server_info(
        &self,
        _: v1::GetServerInfoRequest,
    ) -> Result<v1::GetServerInfoResponse> {
        let mut answer = self.info.answer.clone();
        if let Some(store) = &mut answer.store {
            store.conditional_put = self.info.conditional_put.get().copied();
        }
        Ok(answer)
    }
}

fn probe_message(probe: Probe) -> v1::ProbeMediaResponse {
    let stream = |stream: foundry::Stream| v1::Stream {
        index: stream.index,
        kind: stream.kind,
        codec: stream.codec,
    };
    v1::ProbeMediaResponse {
        container: probe.container,
        bytes: probe.bytes,
        streams: probe.streams.into_iter().map(stream).collect(),
        video: Some(video_message(probe.video)),
    }
}

fn video_message(video: Video) -> v1::Video {
    let (clock_breaks, pauses) = convert::clock_message(&video.clock);
    v1::Video {
        stream: video.stream,
        codec: video.codec,
        codec_profile: video.codec_profile,
        pixel_format: video.pixel_format,
        depth: video.depth.map(u32::from),
        chroma: video.chroma,
        width: video.width,
        height: video.height,
        sample_aspect_ratio: video.sample_aspect_ratio,
        mirrored: video.mirrored,
        rotation: video.rotation.into(),
        colour: Some(tags_message(video.colour)),
        frame_rate: video.frame_rate,
        stated_frame_rate: video.stated_frame_rate,
        variable_frame_rate: video.variable_frame_rate,
        interlaced: video.interlaced,
        time_base: video.time_base,
        start: video.start,
        duration: video.duration,
        frames: video.frames,
        frames_exact: video.frames_exact,
        keyframes: video.keyframes,
        has_timestamps: video.has_timestamps,
        unshown: Some(convert::unshown_message(video.unshown)),
        backend: video.backend,
        backend_reason: video.backend_reason,
        clock_breaks,
        pauses,
        untimed: video.clock.untimed,
        times_counted: video.clock.times_counted,
    }
}

fn tags_message(tags: ColourTags) -> v1::ColourTags {
    v1::ColourTags {
        matrix: tags.matrix,
        range: tags.range,
        primaries: tags.primaries,
        transfer: tags.transfer,
    }
}
