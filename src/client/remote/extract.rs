//! ExtractFrames.

use crate::api::convert::{
    chunk_message, colour_rule_name, hash_message, sampling_message, window_message,
};
use crate::api::v1;
use crate::api::v1::extract_frames_response::Event;
use crate::cache::plans::{OverlayPolicy, Replace};
use crate::client::Hear;
use crate::client::remote::error::error_of;
use crate::client::remote::{Remote, check_source, convert, nonsense};
use crate::decode::Backend;
use crate::error::{Error, Result};
use crate::frames::{ChunkResult, Extraction, Only, Summary};
use crate::timeline::plan::{ChunkSpec, FrameLayout, Parameters};

pub async fn extract(remote: &Remote, asked: &Extraction, hear: Hear<'_>) -> Result<Summary> {
    let answer = remote.frame_service().extract_frames(request(asked)?).await;
    let mut events = answer.map_err(error_of)?.into_inner();
    let mut chunks = Vec::new();
    while let Some(message) = events.message().await.map_err(error_of)? {
        match message.event {
            Some(Event::Progress(progress)) => {
                convert::progress(progress).iter().for_each(hear);
            }
            Some(Event::Chunk(chunk)) => chunks.push(convert::chunk_result(chunk)),
            Some(Event::Summary(end)) => return Ok(summary(asked, end, chunks)),
            Some(Event::Plan(_) | Event::Committed(_)) | None => {}
        }
    }
    Err(nonsense("an extraction ended without a summary"))
}

fn summary(asked: &Extraction, end: v1::ExtractSummary, chunks: Vec<ChunkResult>) -> Summary {
    Summary {
        timeline: asked.timeline.clone(),
        profile: asked.profile.clone(),
        frames: end.frames,
        written: end.written,
        reused: end.reused,
        seconds: end.seconds,
        media_seconds: end.media_seconds,
        chunks,
    }
}

fn request(asked: &Extraction) -> Result<v1::ExtractFramesRequest> {
    let mut request = v1::ExtractFramesRequest {
        timeline: asked.timeline.clone(),
        profile: asked.profile.clone(),
        plan_only: asked.plan_only,
        retry_failed: asked.retry_failed,
        skip_bad: asked.skip_bad,
        replace: asked.replace.map(replace),
        ..v1::ExtractFramesRequest::default()
    };
    let backend = match asked.backend {
        Backend::Auto => v1::Backend::Auto,
        Backend::Cpu => v1::Backend::Cpu,
        Backend::Gpu => v1::Backend::Gpu,
    };
    request.backend = backend.into();
    let layout = match asked.layout {
        None => v1::FrameLayout::Unspecified,
        Some(FrameLayout::Frames) => v1::FrameLayout::Frames,
        Some(FrameLayout::Packed) => v1::FrameLayout::Packed,
    };
    request.frame_layout = layout.into();
    if let Some((chunks, parameters)) = &asked.asked {
        add_plan(&mut request, chunks, parameters)?;
    }
    match &asked.only {
        Only::All => {}
        Only::Chunks(ids) => request.only_chunk_ids.clone_from(ids),
        Only::Shard(shard) => {
            request.shard = Some(v1::Shard {
                index: shard.index.into(),
                count: shard.total.into(),
            });
        }
        Only::Rows(_) | Only::Again(_) => {
            return Err(Error::internal(
                "a server extracts by chunk or shard, not by row",
            ));
        }
    }
    Ok(request)
}

fn add_plan(
    request: &mut v1::ExtractFramesRequest,
    chunks: &[ChunkSpec],
    parameters: &Parameters,
) -> Result<()> {
    chunks.iter().try_for_each(check_source)?;
    request.chunks = chunks.iter().map(chunk_message).collect();
    request.sampling = Some(sampling_message(&parameters.sampling));
    request.window = Some(window_message(&parameters.window));
    request.jpeg = Some(v1::JpegOptions {
        quality: Some(parameters.quality.into()),
    });
    let hashes = parameters.hashes.iter();
    request.hashes = hashes.map(|hash| hash_message(*hash).into()).collect();
    request.no_hashes = parameters.hashes.is_empty();
    request.colour = colour_rule_name(parameters.colour).to_owned();
    request.max_side = parameters.max_side;
    request.dedup = parameters.dedup.map(u32::from);
    Ok(())
}

fn replace(replace: Replace) -> v1::Replace {
    use v1::replace::Overlays;
    let overlays = match replace.overlays {
        None => Overlays::Unspecified,
        Some(OverlayPolicy::Keep) => Overlays::Keep,
        Some(OverlayPolicy::Delete) => Overlays::Delete,
    };
    v1::Replace {
        overlays: overlays.into(),
    }
}
