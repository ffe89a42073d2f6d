//! Which frames a caller means: by number, by time, or all of a profile.

use std::ops::RangeInclusive;
use std::sync::Arc;

use crate::account::{Hold, Kind};
use crate::cache::planned::{Planned, Row};
use crate::cache::read::View;
use crate::cache::record::Outcome;
use crate::error::{Error, Reason, Result};
use crate::frames::pick::Pick;
use crate::frames::serve::{OnMiss, Serving};
use crate::media::facts::FrameFacts;
use crate::media::time::Exact;
use crate::timeline::plan::Window;

/// What is asked for.
#[derive(Debug, Clone, PartialEq)]
pub enum Which {
    /// In this order, repeats kept.
    Sequences(Vec<u64>),
    /// Those that the profile has of these.
    Range(RangeInclusive<u64>),
    /// The planned frames shown at these times.
    Times(Vec<Exact>),
    /// Those whose timestamp lies in it.
    Window(Window),
    All,
}

/// A selection, its step and limit.
#[derive(Debug, Clone, PartialEq)]
pub struct Selection {
    pub which: Which,
    /// Before step and limit.
    pub pick: Pick,
    /// At least 1.
    pub step: u64,
    pub limit: Option<u64>,
}

/// One frame that is asked for.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Asked {
    Sequence(u64),
    /// The frame shown then.
    Time(Exact),
}

/// A selection, looked up in its profile: a few runs, however many frames they stand for.
#[derive(Debug, Clone, PartialEq)]
pub struct Selected {
    pieces: Pieces,
    step: u64,
    limit: Option<u64>,
    room: Room,
}

/// The share of the memory that what was picked has. It makes no selection another one.
#[derive(Debug, Clone, Default)]
struct Room {
    _held: Option<Arc<Hold>>,
}

impl PartialEq for Room {
    fn eq(&self, _: &Room) -> bool {
        true
    }
}

#[derive(Debug, Clone, PartialEq)]
enum Pieces {
    /// Sixteen bytes each: as requests hold at most a byte a sequence, no more than that of a byte.
    Runs(Vec<Run>),
    Times(Vec<Exact>),
}

/// Consecutive sequences.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Run {
    first: u64,
    last: u64,
}

impl Selected {
    /// All frames of a plan.
    pub(super) fn all_of(plan: &Planned) -> Selected {
        Selected {
            pieces: Pieces::Runs(plan.in_sequence().filter_map(ends).collect()),
            step: 1,
            limit: None,
            room: Room::default(),
        }
    }

    /// These sequences.
    pub fn of(seqs: Vec<u64>, step: u64, limit: Option<u64>) -> Selected {
        Selected {
            pieces: Pieces::Runs(merged(seqs.into_iter())),
            step: step.max(1),
            limit,
            room: Room::default(),
        }
    }

    fn bytes(&self) -> u64 {
        let bytes = match &self.pieces {
            Pieces::Runs(runs) => size_of_val(runs.as_slice()),
            Pieces::Times(times) => size_of_val(times.as_slice()),
        };
        bytes as u64
    }

    /// How many frames are asked for.
    pub fn count(&self) -> u64 {
        let all = match &self.pieces {
            Pieces::Runs(runs) => runs.iter().map(Run::count).fold(0, u64::saturating_add),
            Pieces::Times(times) => times.len() as u64,
        };
        let each = all.div_ceil(self.step.max(1));
        self.limit.map_or(each, |limit| each.min(limit))
    }
}

impl IntoIterator for Selected {
    type Item = Asked;
    type IntoIter = Box<dyn Iterator<Item = Asked> + Send>;

    fn into_iter(self) -> Self::IntoIter {
        let step = usize::try_from(self.step).unwrap_or(usize::MAX).max(1);
        let limit = self.limit.map_or(usize::MAX, |limit| {
            usize::try_from(limit).unwrap_or(usize::MAX)
        });
        let asked: Self::IntoIter = match self.pieces {
            Pieces::Runs(runs) => {
                let seqs = runs.into_iter().flat_map(|run| run.first..=run.last);
                Box::new(seqs.map(Asked::Sequence))
            }
            Pieces::Times(times) => Box::new(times.into_iter().map(Asked::Time)),
        };
        let room = self.room;
        let asked = asked.step_by(step).take(limit);
        Box::new(asked.inspect(move |_| {
            let _held = &room;
        }))
    }
}

impl Run {
    fn count(&self) -> u64 {
        (self.last - self.first).saturating_add(1)
    }

    /// What of it lies in the range.
    fn within(self, range: &RangeInclusive<u64>) -> Option<Run> {
        let first = self.first.max(*range.start());
        let last = self.last.min(*range.end());
        (first <= last).then_some(Run { first, last })
    }
}

impl Serving {
    /// Looks a selection up. Only a window that cuts a span in two asks for that span's facts, and a pick for
    /// those of all frames.
    ///
    /// # Errors
    /// TIMELINE_NOT_FOUND; FRAME_NOT_CACHED for a window over frames without times, or over a span
    /// that is not there and not to be extracted; those of that span; what a pick refuses.
    pub async fn select(
        self: &Arc<Self>,
        selection: Selection,
        on_miss: OnMiss,
    ) -> Result<Selected> {
        let view = self.view().await?;
        let pieces = match selection.which {
            Which::Sequences(seqs) => Pieces::Runs(merged(seqs.into_iter())),
            Which::Times(times) => Pieces::Times(times),
            Which::Range(range) => Pieces::Runs(self.in_range(&view, range).await?),
            Which::All => Pieces::Runs(self.in_range(&view, 0..=u64::MAX).await?),
            Which::Window(window) => Pieces::Runs(self.in_window(&view, window, on_miss).await?),
        };
        let step = selection.step.max(1);
        let selected = Selected {
            pieces,
            step,
            limit: selection.limit,
            room: Room::default(),
        };
        if selection.pick.is_all() {
            return Ok(selected);
        }
        self.select_picked(selected, selection.pick, on_miss).await
    }

    /// Of what is selected those that are picked; then step and limit.
    async fn select_picked(
        self: &Arc<Self>,
        selected: Selected,
        pick: Pick,
        on_miss: OnMiss,
    ) -> Result<Selected> {
        let (step, limit) = (selected.step, selected.limit);
        let most = limit.map_or(u64::MAX, |limit| limit.saturating_mul(step));
        let most = usize::try_from(most).unwrap_or(usize::MAX);
        let all = Selected {
            step: 1,
            limit: None,
            ..selected
        };
        let account = self.frames().cache().account();
        let room = pick
            .bytes(all.count())
            .min(account.accountant().most(Kind::Uploads) / 2);
        let mut room = account.take(Kind::Uploads, room).await?;
        let seqs = self.pick(all, (pick, most), on_miss).await?;
        let picked = Selected::of(seqs, step, limit);
        room.shrink_to(picked.bytes());
        let room = Room {
            _held: Some(room.into()),
        };
        Ok(Selected { room, ..picked })
    }

    async fn in_range(&self, view: &View, range: RangeInclusive<u64>) -> Result<Vec<Run>> {
        Ok(match view {
            View::Absent => Vec::new(),
            View::Extracted(plan) => plan
                .in_sequence()
                .filter_map(|row| ends(row)?.within(&range))
                .collect(),
            View::Put(index) => {
                let seqs = index.latest().map(|facts| facts.seq);
                merged(seqs.filter(|seq| range.contains(seq)))
            }
            View::Legacy => {
                let listed = self.reader().legacy_frames().await?;
                let seqs = listed.frames().iter().map(|frame| frame.seq);
                merged(seqs.filter(|seq| range.contains(seq)))
            }
        })
    }

    async fn in_window(&self, view: &View, window: Window, on_miss: OnMiss) -> Result<Vec<Run>> {
        match view {
            View::Absent => Ok(Vec::new()),
            View::Legacy => Err(
                Error::new(Reason::FrameNotCached, "these frames have no times")
                    .hint("select them by sequences, by range, or all of them"),
            ),
            View::Put(index) => {
                let inside = index.latest().filter(|facts| is_inside(facts, &window));
                Ok(merged(inside.map(|facts| facts.seq)))
            }
            View::Extracted(plan) => {
                let mut pieces = Vec::new();
                for row in plan.in_sequence().filter(|row| overlaps(*row, &window)) {
                    pieces.extend(self.row_in_window(plan, row, (&window, on_miss)).await?);
                }
                Ok(pieces)
            }
        }
    }

    async fn row_in_window(
        &self,
        plan: &Arc<Planned>,
        row: Row<'_>,
        (window, on_miss): (&Window, OnMiss),
    ) -> Result<Vec<Run>> {
        if is_within(plan, row, window) {
            return Ok(ends(row).into_iter().collect());
        }
        if on_miss == OnMiss::Extract
            && let Some(place) = crate::frames::place_of(plan, row.row.first)
        {
            self.ensure(plan, place).await?;
        }
        let record = match self.reader().record(row).await? {
            Ok(record) => record,
            Err(_) if on_miss == OnMiss::Skip => return Ok(Vec::new()),
            Err(miss) => return Err(self.given_up(row.row.first, &miss)),
        };
        match &record.outcome {
            Outcome::Failed(_) if on_miss == OnMiss::Skip => Ok(Vec::new()),
            Outcome::Failed(error) => Err(crate::frames::recorded(error)),
            Outcome::Frames(frames) => {
                let inside = frames.iter().filter(|facts| is_inside(facts, window));
                Ok(merged(inside.map(|facts| facts.seq)))
            }
        }
    }
}

fn ends(row: Row<'_>) -> Option<Run> {
    let range = row.sequences();
    (!range.is_empty()).then(|| Run {
        first: range.start,
        last: range.end - 1,
    })
}

/// Whether the frame's time is known and lies in the window.
pub fn is_inside(facts: &FrameFacts, window: &Window) -> bool {
    facts.timestamp.is_some_and(|time| is_in(time, window))
}

/// From the first to the last sequence of the rows that reach into the window; none where none does.
pub fn within(plan: &Planned, window: &Window) -> Option<RangeInclusive<u64>> {
    let rows = plan.in_sequence().filter(|row| overlaps(*row, window));
    rows.filter_map(ends).fold(None, |all, run| {
        let (first, last) = all.map_or((run.first, run.last), RangeInclusive::into_inner);
        Some(first.min(run.first)..=last.max(run.last))
    })
}

pub(super) fn is_in(time: f64, window: &Window) -> bool {
    window.from.is_none_or(|from| from.to_f64() <= time)
        && window.to.is_none_or(|to| time < to.to_f64())
}

pub(super) fn overlaps(row: Row<'_>, window: &Window) -> bool {
    // A chunk's first sample may be a frame that began before the chunk's stretch.
    let begins_early = row.row.span == 0;
    window.from.is_none_or(|from| row.row.end >= from)
        && window
            .to
            .is_none_or(|to| row.row.start < to || begins_early && row.row.start <= to)
}

/// Whether all its frames lie in the window, whatever their facts say.
pub(super) fn is_within(plan: &Planned, row: Row<'_>, window: &Window) -> bool {
    let chunks = &plan.plan().chunks;
    let chunk = chunks.iter().find(|c| c.spec.chunk_id == row.row.chunk_id);
    let starts_inside = row.row.span > 0 || chunk.is_some_and(|c| c.spec.source_start.is_none());
    window
        .from
        .is_none_or(|from| starts_inside && from <= row.row.start)
        && window.to.is_none_or(|to| row.row.end <= to)
}

/// Runs of consecutive numbers, in the order given.
fn merged(seqs: impl Iterator<Item = u64>) -> Vec<Run> {
    let mut runs: Vec<Run> = Vec::new();
    for seq in seqs {
        match runs.last_mut() {
            Some(run) if run.last.checked_add(1) == Some(seq) => run.last = seq,
            _ => runs.push(Run {
                first: seq,
                last: seq,
            }),
        }
    }
    runs.shrink_to_fit();
    runs
}

#[cfg(test)]
mod tests {
    use super::*;

    fn selected(seqs: &[u64], step: u64, limit: Option<u64>) -> Vec<Asked> {
        let selected = Selected::of(seqs.to_vec(), step, limit);
        selected.into_iter().collect()
    }

    #[test]
    fn numbers_come_in_the_order_asked_repeats_kept() {
        let seqs = [5, 6, 7, 3, 3, 4, u64::MAX];
        let expected: Vec<_> = seqs.map(Asked::Sequence).to_vec();
        assert_eq!(selected(&seqs, 1, None), expected);
        assert_eq!(merged(seqs.into_iter()).len(), 4);
    }

    #[test]
    fn numbers_cost_sixteen_bytes_a_run_and_no_more() {
        let apart: Vec<u64> = (0..1000).map(|n| n % 2 * 2).collect();
        let runs = merged(apart.into_iter());
        assert_eq!(
            (runs.len(), runs.capacity(), size_of::<Run>()),
            (1000, 1000, 16)
        );
        assert_eq!(merged(0..1000).len(), 1);
    }

    #[test]
    fn as_many_are_counted_as_come() {
        for (step, limit) in [
            (1, None),
            (2, None),
            (3, Some(2)),
            (7, Some(9)),
            (u64::MAX, None),
        ] {
            let selected = Selected::of(vec![5, 6, 7, 3, 3, 4, u64::MAX], step, limit);
            assert_eq!(selected.count(), selected.into_iter().count() as u64);
        }
        assert_eq!(Selected::of(vec![], 2, None).count(), 0);
    }

    #[test]
    fn step_and_limit_count_the_frames_selected() {
        let of = |step, limit| {
            let asked = selected(&[10, 11, 12, 13, 20, 21], step, limit);
            asked
                .into_iter()
                .map(|asked| match asked {
                    Asked::Sequence(seq) => seq,
                    Asked::Time(_) => 0,
                })
                .collect::<Vec<_>>()
        };
        assert_eq!(of(2, None), [10, 12, 20]);
        assert_eq!(of(4, None), [10, 20]);
        assert_eq!(of(1, Some(3)), [10, 11, 12]);
        assert_eq!(of(2, Some(1)), [10]);
        assert_eq!(of(u64::MAX, Some(u64::MAX)), [10]);
    }
}
