//! What an ExtractFrames request asks for.

use crate::api::convert::{
    check_names, choice, chunks, colour_rule, hashes, profile_name, sampling, window,
};
use crate::api::v1;
use crate::cache::plans::{OverlayPolicy, Replace};
use crate::decode::Backend;
use crate::error::{Error, Result};
use crate::frames::{Extraction, Only};
use crate::timeline::plan::{ChunkSpec, FrameLayout, Parameters, Sampling};
use crate::timeline::request::check_id;
use crate::timeline::shard::Shard;

pub(super) fn extraction(request: &v1::ExtractFramesRequest) -> Result<Extraction> {
    check_names(&request.timeline, &request.profile)?;
    Ok(Extraction {
        timeline: request.timeline.clone(),
        profile: profile_name(&request.profile).to_owned(),
        asked: asked(request)?,
        only: only(request)?,
        plan_only: request.plan_only,
        replace: request.replace.as_ref().map(replace).transpose()?,
        retry_failed: request.retry_failed,
        skip_bad: request.skip_bad,
        layout: layout(request.frame_layout)?,
        backend: backend(request.backend)?,
    })
}

fn asked(request: &v1::ExtractFramesRequest) -> Result<Option<(Vec<ChunkSpec>, Parameters)>> {
    let sampling = request.sampling.as_ref().map(sampling).transpose();
    let sampling = sampling.map_err(|e| e.below_field("sampling"))?.flatten();
    match (request.chunks.is_empty(), sampling) {
        (true, None) => Ok(None),
        (true, Some(_)) => Err(Error::field("a sampling is given, and no chunks to sample")
            .hint("give the timeline's whole list of chunks, or leave out both")
            .in_field("chunks")),
        (false, None) => Err(Error::field("chunks are given, and no sampling")
            .hint("give exactly one of fps, every, all, keyframes, timestamps and count, such as fps \"2\"")
            .in_field("sampling")),
        (false, Some(sampling)) => {
            Ok(Some((chunks(&request.chunks)?, parameters(request, sampling)?)))
        }
    }
}

fn parameters(request: &v1::ExtractFramesRequest, sampling: Sampling) -> Result<Parameters> {
    let mut parameters = Parameters::new(sampling);
    if let Some(asked) = &request.window {
        parameters.window = window(asked).map_err(|e| e.below_field("window"))?;
    }
    if let Some(quality) = request.jpeg.as_ref().and_then(|jpeg| jpeg.quality) {
        let fits = u8::try_from(quality).map_err(|_| {
            Error::field(format!("quality must be 1 to 100: quality={quality}"))
                .hint("85 is the default")
                .in_field("jpeg.quality")
        });
        parameters.quality = fits?;
    }
    if !request.hashes.is_empty() {
        parameters.hashes = hashes(&request.hashes)?;
    }
    if request.no_hashes {
        if !request.hashes.is_empty() {
            return Err(Error::field("hashes are asked for, and none at all")
                .hint("leave out hashes or no_hashes")
                .in_field("no_hashes"));
        }
        parameters.hashes = Vec::new();
    }
    parameters.colour = colour_rule(&request.colour)?;
    parameters.max_side = request.max_side;
    parameters.dedup = request.dedup.map(dedup).transpose()?;
    Ok(parameters)
}

fn dedup(bits: u32) -> Result<u8> {
    u8::try_from(bits).map_err(|_| {
        Error::field(format!("dedup must be 0 to 64: dedup={bits}"))
            .hint("it is the number of bits, of 64, by which the phash of a repeat may differ")
            .in_field("dedup")
    })
}

fn only(request: &v1::ExtractFramesRequest) -> Result<Only> {
    for (n, id) in request.only_chunk_ids.iter().enumerate() {
        check_id(&format!("only_chunk_ids[{n}]"), id)?;
    }
    match (&request.shard, request.only_chunk_ids.as_slice()) {
        (None, []) => Ok(Only::All),
        (None, ids) => Ok(Only::Chunks(ids.to_vec())),
        (Some(shard), []) => Ok(Only::Shard(
            Shard::new(shard.index, shard.count).map_err(|e| e.in_field("shard"))?,
        )),
        (Some(_), _) => Err(Error::field("a shard and chunks are asked for at once")
            .hint("leave out shard or only_chunk_ids")
            .in_field("shard")),
    }
}

fn replace(asked: &v1::Replace) -> Result<Replace> {
    use v1::replace::Overlays;
    let overlays: Overlays = choice("replace.overlays", asked.overlays)?;
    Ok(Replace {
        overlays: match overlays {
            Overlays::Unspecified => None,
            Overlays::Keep => Some(OverlayPolicy::Keep),
            Overlays::Delete => Some(OverlayPolicy::Delete),
        },
    })
}

fn layout(asked: i32) -> Result<Option<FrameLayout>> {
    let layout: v1::FrameLayout = choice("frame_layout", asked)?;
    Ok(match layout {
        v1::FrameLayout::Unspecified => None,
        v1::FrameLayout::Frames => Some(FrameLayout::Frames),
        v1::FrameLayout::Packed => Some(FrameLayout::Packed),
    })
}

fn backend(asked: i32) -> Result<Backend> {
    let backend: v1::Backend = choice("backend", asked)?;
    Ok(match backend {
        v1::Backend::Unspecified | v1::Backend::Auto => Backend::Auto,
        v1::Backend::Cpu => Backend::Cpu,
        v1::Backend::Gpu => Backend::Gpu,
    })
}
