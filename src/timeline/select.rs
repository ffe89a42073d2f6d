//! Finds planned frames: by sequence, and by the time at which they are shown.

use crate::error::{Error, Reason, Result};
use crate::media::facts::FrameFacts;
use crate::media::time::{Exact, TimeBase, tolerance};
use crate::timeline::plan::{Plan, SpanRow};

/// No frame is shown earlier than this before its pts, whatever its clock.
const MAX_TOLERANCE_SECONDS: f64 = 0.0005;

/// The place in `plan.spans` of the row that has this sequence.
pub fn row_of_sequence(plan: &Plan, seq: u64) -> Option<usize> {
    // `first` never falls, and a row without samples has the number after them.
    let begun = plan.spans.partition_point(|row| row.first <= seq);
    let last = begun.checked_sub(1)?;
    let row = plan.spans.get(last)?;
    (seq - row.first < row.count).then_some(last)
}

/// The place in `plan.chunks` of the chunk that owns `time`.
pub fn owner(plan: &Plan, time: Exact) -> Option<usize> {
    let begun = plan.chunks.partition_point(|chunk| chunk.begin <= time);
    // An earlier chunk's time ends where the last begun one begins.
    let last = begun.checked_sub(1)?;
    let chunk = plan.chunks.get(last)?;
    (time < chunk.end).then_some(last)
}

/// Rows that may hold the planned frame shown at `time`, the likeliest first:
/// ask each with [`shown_among`] until one answers. None answering means that
/// no planned frame of that chunk is shown yet. TIME_PAST_END where no chunk
/// owns the time.
pub fn rows_shown_at(plan: &Plan, time: Exact) -> Result<Vec<usize>> {
    let chunk = owner(plan, time).and_then(|place| plan.chunks.get(place));
    let Some(chunk) = chunk else {
        return Err(Error::new(
            Reason::TimePastEnd,
            format!("no footage is there at that time: time={time}"),
        )
        .hint("ask for a time within the footage; it may end earlier, or have a hole there"));
    };
    let latest = time.plus(Exact::ratio(1, 2000)?)?;
    let begun = plan.spans.partition_point(|row| row.start <= latest);
    let id = &chunk.spec.chunk_id;
    let rows = plan.spans.iter().enumerate().take(begun).rev();
    Ok(rows
        .skip_while(|(_, row)| row.chunk_id != *id)
        .take_while(|(_, row)| row.chunk_id == *id)
        .filter(|(_, row)| row.count > 0)
        .map(|(place, _)| place)
        .collect())
}

/// Among a span's planned frames, in their order, the one shown at `time`: the
/// last with pts - h <= time. Frames that lack pts or time base are compared
/// by their timestamp. A frame that lacks both is never shown.
pub fn shown_among(row: &SpanRow, frames: &[FrameFacts], time: Exact) -> Option<usize> {
    frames
        .iter()
        .rposition(|frame| is_begun(frame, row.pts_offset, time))
}

/// The same without a plan's row, for frames that were put or are legacy.
pub fn shown_by_timestamp(timestamps: &[f64], time: Exact) -> Option<usize> {
    let latest = time.to_f64() + MAX_TOLERANCE_SECONDS;
    timestamps.iter().rposition(|t| *t <= latest)
}

fn is_begun(frame: &FrameFacts, pts_offset: Exact, time: Exact) -> bool {
    if let Some(begun) = begun_by_pts(frame, pts_offset, time) {
        return begun;
    }
    let latest = time.to_f64() + MAX_TOLERANCE_SECONDS;
    frame.timestamp.is_some_and(|t| t <= latest)
}

/// Exactly, where the pts is of the clock that the timestamp was made of, and does not lie before a
/// break of it; else by the timestamp, with the tolerance of that clock. None where the facts lack one.
fn begun_by_pts(frame: &FrameFacts, pts_offset: Exact, time: Exact) -> Option<bool> {
    let (num, den) = frame.time_base.as_deref()?.split_once('/')?;
    let time_base = TimeBase {
        num: num.parse().ok()?,
        den: den.parse().ok()?,
    };
    let tick = time_base.seconds().ok()?;
    let latest = time.plus(tolerance(tick).ok()?).ok()?;
    let pts = tick.times(Exact::whole(frame.pts?)).ok()?;
    let exact = pts.plus(pts_offset).ok()?;
    Some(match frame.timestamp {
        Some(timestamp) if timestamp != exact.to_f64() => timestamp <= latest.to_f64(),
        _ => exact <= latest,
    })
}
