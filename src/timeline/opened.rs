//! A chunk laid on the timeline, while it is not yet known where the next begins.

use crate::error::{Error, Reason, Result};
use crate::media::time::{Exact, TimeBase};
use crate::timeline::clock::Clock;
use crate::timeline::index::{ClockFacts, Identity, Shown, SourceIndex, Unshown};
use crate::timeline::plan::{ChunkError, ChunkSpec, PlannedChunk};

/// The last chunk that was pushed.
pub(crate) struct Open {
    pub chunk: PlannedChunk,
    /// Where its stretch ends on the timeline by `source_end`, even past the media's end.
    pub stretch_end: Option<Exact>,
    pub source: Option<Source>,
}

/// What is kept of an index.
pub(crate) struct Source {
    pub clock: Clock,
    pub shown: Vec<Shown>,
    pub stream: u32,
    pub source: Identity,
    pub init: Option<Identity>,
    pub revision: u32,
}

/// Lays a chunk's source on the timeline from `begin` on.
pub(crate) fn open(spec: ChunkSpec, begin: Exact, index: &SourceIndex) -> Result<Open> {
    let (first, last) = check_index(&spec, index)?;
    let source_end = stretch_in_source(&spec, index.time_base, (first, last))?;
    let source_start = spec.source_start.unwrap_or(Exact::ZERO);
    // Where source time zero lies on the timeline; negative for late stretches.
    let zero = begin.minus(source_start)?;
    let stretch_end = spec.source_end.map(|end| zero.plus(end)).transpose()?;
    let clock_facts = index.clock.within(source_start, source_end);
    let source = Source {
        clock: Clock::with(index.time_base, first.pts, zero)?,
        shown: index.shown.clone(),
        stream: index.stream,
        source: index.source.clone(),
        init: index.init.clone(),
        revision: index.revision,
    };
    Ok(Open {
        chunk: PlannedChunk {
            spec,
            begin,
            end: zero.plus(source_end)?.max(begin),
            frames: 0,
            unshown: index.unshown,
            clock: clock_facts,
            error: None,
        },
        stretch_end,
        source: Some(source),
    })
}

/// Where the stretch ends in source time; TIME_PAST_END where it begins after all frames.
fn stretch_in_source(
    spec: &ChunkSpec,
    time_base: TimeBase,
    (first, last): (Shown, Shown),
) -> Result<Exact> {
    let clock = Clock::with(time_base, first.pts, Exact::ZERO)?;
    let last_time = clock.time(last.pts)?;
    let last_duration = time_base.seconds()?.times(Exact::whole(last.duration))?;
    let media_end = last_time.plus(last_duration)?;
    match spec.source_start {
        Some(start) if start >= media_end && start > last_time => Err(Error::new(
            Reason::TimePastEnd,
            format!(
                "chunk {} starts past its source's end: source_start={start} source_seconds={media_end}",
                spec.chunk_id
            ),
        )
        .hint("let source_start be before the end, or leave the chunk out")),
        _ => Ok(spec.source_end.map_or(media_end, |end| end.min(media_end))),
    }
}

/// A chunk that could not be indexed: empty, and ends where it begins.
pub(crate) fn open_bad(spec: ChunkSpec, begin: Exact, error: ChunkError) -> Open {
    Open {
        chunk: PlannedChunk {
            spec,
            begin,
            end: begin,
            frames: 0,
            unshown: Unshown::default(),
            clock: ClockFacts::default(),
            error: Some(error),
        },
        stretch_end: None,
        source: None,
    }
}

/// What an index promises; the rest of the planner relies on it.
fn check_index(spec: &ChunkSpec, index: &SourceIndex) -> Result<(Shown, Shown)> {
    let sorted = index.shown.is_sorted_by_key(|s| s.pts);
    match (index.shown.first(), index.shown.last()) {
        (Some(first), Some(last)) if sorted && last.duration >= 0 => Ok((*first, *last)),
        _ => Err(Error::internal(format!(
            "the index is empty or out of order: chunk_id={} shown={}",
            spec.chunk_id,
            index.shown.len()
        ))),
    }
}
