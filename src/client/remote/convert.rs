//! The server's messages as our own types.

use crate::api::convert::{chunk, clock, colour_rule, hashes, sampling, tally, unshown, window};
use crate::api::v1;
use crate::cache::clear::Cleared;
use crate::cache::status::{FrameCounts, State};
use crate::client::remote::error::error_in;
use crate::client::remote::nonsense;
use crate::client::{ChunkReport, PlanReport};
use crate::error::Result;
use crate::frames::{ChunkResult, Progress, Stage};
use crate::timeline::plan::{ChunkError, FrameLayout, Kind, Parameters, Window};

pub fn chunk_error(status: &tonic_types::pb::Status) -> ChunkError {
    let error = error_in(status);
    ChunkError {
        reason: error.reason().name().to_owned(),
        message: error.message().to_owned(),
    }
}

pub fn chunk_result(message: v1::ChunkResult) -> ChunkResult {
    ChunkResult {
        chunk_id: message.chunk_id,
        frames: message.frames,
        backend: message.backend,
        fallback_reason: message.fallback_reason,
        damaged: message.damaged,
        missing: message.missing,
        unshown: unshown(message.unshown.as_ref()),
        clock: clock(
            (&message.clock_breaks, &message.pauses),
            (message.untimed, message.times_counted),
        ),
        error: message.error.as_ref().map(chunk_error),
    }
}

/// None for a sign of life that says nothing else.
pub fn progress(message: v1::Progress) -> Option<Progress> {
    let stage = match message.stage() {
        v1::progress::Stage::Unspecified => return None,
        v1::progress::Stage::Index => Stage::Index,
        v1::progress::Stage::Extract => Stage::Extract,
    };
    Some(Progress {
        stage,
        chunk_id: Some(message.chunk_id).filter(|id| !id.is_empty()),
        done: message.done,
        total: message.total,
        media_seconds: message.media_seconds,
    })
}

pub fn state(state: v1::ProfileState) -> Result<State> {
    match state {
        v1::ProfileState::Absent => Ok(State::Absent),
        v1::ProfileState::Legacy => Ok(State::Legacy),
        v1::ProfileState::Partial => Ok(State::Partial),
        v1::ProfileState::Complete => Ok(State::Complete),
        v1::ProfileState::Unspecified => Err(nonsense("a profile has no state")),
    }
}

pub fn counts(message: v1::FrameCounts) -> FrameCounts {
    FrameCounts {
        frames: message.frames,
        stored: message.stored,
        repeats: message.repeats,
        missing: message.missing,
        damaged: message.damaged,
        bytes: message.bytes,
    }
}

fn layout(name: &str) -> Result<FrameLayout> {
    let known = [FrameLayout::Frames, FrameLayout::Packed];
    let layout = known.into_iter().find(|layout| layout.name() == name);
    layout.ok_or_else(|| nonsense("a layout is none that is known"))
}

/// Its chunks come a page at a time.
pub fn plan(message: &v1::PlanInfo) -> Result<PlanReport> {
    let kind = match message.kind() {
        v1::plan_info::Kind::Extract => Kind::Extract,
        v1::plan_info::Kind::Put => Kind::Put,
        v1::plan_info::Kind::Unspecified => return Err(nonsense("a plan has no kind")),
    };
    Ok(PlanReport {
        layout: layout(&message.layout)?,
        kind,
        parameters: parameters(message)?,
        chunks: Vec::new(),
        spans: message.spans,
    })
}

fn parameters(message: &v1::PlanInfo) -> Result<Option<Parameters>> {
    let Some(asked) = message
        .sampling
        .as_ref()
        .map(sampling)
        .transpose()?
        .flatten()
    else {
        return Ok(None);
    };
    let small = |value: u32| u8::try_from(value).map_err(|_| nonsense("a parameter is too large"));
    let mut parameters = Parameters::new(asked);
    parameters.window = match &message.window {
        Some(given) => window(given)?,
        None => Window::default(),
    };
    parameters.quality = small(message.quality.unwrap_or_default())?;
    parameters.encoder.clone_from(&message.encoder);
    parameters.colour = colour_rule(&message.colour)?;
    parameters.hashes = hashes(&message.hashes)?;
    parameters.dedup = message.dedup.map(small).transpose()?;
    parameters.max_side = message.max_side;
    parameters.pixel_revision = message.pixel_revision;
    Ok(Some(parameters))
}

pub fn chunk_report(message: &v1::ChunkStatus) -> Result<ChunkReport> {
    let spec = message
        .chunk
        .as_ref()
        .ok_or_else(|| nonsense("a chunk is not said"))?;
    // One that could not be indexed has no spans; any other's error is not the plan's.
    let unplanned = message.error.as_ref().filter(|_| message.spans == 0);
    Ok(ChunkReport {
        spec: chunk(spec)?,
        begin: message.begin,
        end: message.end,
        frames: message.frames,
        unshown: unshown(message.unshown.as_ref()),
        clock: clock(
            (&message.clock_breaks, &message.pauses),
            (message.untimed, message.times_counted),
        ),
        error: unplanned.map(chunk_error),
    })
}

pub fn cleared(message: v1::ClearedProfile) -> (String, Cleared) {
    let counts = Cleared {
        records: tally(message.records),
        frames: tally(message.frames),
        packs: tally(message.packs),
        overlays: tally(message.overlays),
        plans: tally(message.plans),
        kept_as_newer: message.kept_as_newer,
    };
    (message.profile, counts)
}
