//! What a worker extracts for one row of a plan, from the row and the source's
//! own index alone.

use crate::error::{Error, Reason, Result};
use crate::media::time::Exact;
use crate::timeline::clock::Clock;
use crate::timeline::index::SourceIndex;
use crate::timeline::plan::{Parameters, SpanRow};
use crate::timeline::sampling::{Grid, picked, places};

/// A frame to be extracted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sample {
    pub seq: u64,
    /// Its place in `SourceIndex::shown`; the same for several where fps exceeds the source's rate.
    pub shown: usize,
    /// The frame's own pts on the timeline, in seconds.
    pub timestamp: Exact,
}

/// The samples of a span, in the order of their consecutive sequences:
/// exactly `row.count` of them from `row.first` on. INTERNAL where row and
/// index disagree, which for an unchanged source cannot be.
pub fn of_span(parameters: &Parameters, row: &SpanRow, index: &SourceIndex) -> Result<Vec<Sample>> {
    let clock = Clock::new(index.time_base, row.pts_offset)?;
    let end = row.first.checked_add(row.count);
    let end = end.ok_or_else(|| disagrees(row, "the sequences overflow"))?;
    let shown = match Grid::of(parameters)? {
        Some(grid) => shown_at_times(&grid, row, &clock, index)?,
        None => picked(parameters, row, &clock, &index.shown)?.collect(),
    };
    if shown.len() as u64 != row.count {
        return Err(disagrees(row, &format!("found={}", shown.len())));
    }
    let sample = |(seq, place): (u64, usize)| {
        let frame = index.shown.get(place);
        let pts = frame.ok_or_else(|| disagrees(row, "frame is absent"))?.pts;
        Ok(Sample {
            seq,
            shown: place,
            timestamp: clock.time(pts)?,
        })
    };
    (row.first..end).zip(shown).map(sample).collect()
}

/// Refuses a source that is not the one the row was planned from (SOURCE_CHANGED).
pub fn check_source(row: &SpanRow, index: &SourceIndex) -> Result<()> {
    if row.source == index.source && row.init == index.init && row.stream == index.stream {
        return check_revision(row, index);
    }
    Err(Error::new(
        Reason::SourceChanged,
        format!(
            "the source is not the one that was planned: chunk_id={} planned_bytes={} found_bytes={}",
            row.chunk_id, row.source.bytes, index.source.bytes
        ),
    )
    .hint("bring the old source back, or extract with replace"))
}

/// Refuses a row whose frames were planned by other rules than the index's (PLAN_DIFFERS).
fn check_revision(row: &SpanRow, index: &SourceIndex) -> Result<()> {
    if row.revision == index.revision {
        return Ok(());
    }
    Err(Error::new(
        Reason::PlanDiffers,
        format!(
            "another release planned this chunk, and reads its video otherwise: chunk_id={} \
             planned_revision={} revision={}",
            row.chunk_id, row.revision, index.revision
        ),
    )
    .hint("extract with replace, so that the frames are made anew"))
}

fn shown_at_times(
    grid: &Grid<'_>,
    row: &SpanRow,
    clock: &Clock,
    index: &SourceIndex,
) -> Result<Vec<usize>> {
    let frames = places(row, &index.shown)?;
    let own = index.shown.get(frames.clone()).unwrap_or_default();
    let place_of = |k: u64| {
        let begun = clock.begun_at(own, grid.time(k)?)?;
        let last = begun.checked_sub(1);
        let last =
            last.ok_or_else(|| disagrees(row, &format!("no frame is shown yet, seq={k}")))?;
        Ok(frames.start + last)
    };
    (0..row.count).map(|n| place_of(row.first + n)).collect()
}

fn disagrees(row: &SpanRow, how: &str) -> Error {
    Error::internal(format!(
        "the plan's row and the source's index disagree: chunk_id={} span={} first={} count={} {how}",
        row.chunk_id, row.span, row.first, row.count
    ))
}
