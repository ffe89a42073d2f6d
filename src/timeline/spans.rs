//! Which frames of a source are a chunk's own, and where its spans begin.

use std::ops::Range;

use crate::error::Result;
use crate::media::time::Exact;
use crate::timeline::clock::Clock;
use crate::timeline::index::Shown;

/// A chunk's place on the timeline, in its seconds.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Extent {
    pub begin: Exact,
    /// Where its stretch ends by `source_end`, even if the media ends before.
    pub stretch_end: Option<Exact>,
    /// Where it ends: at `stretch_end` or the media's end, whichever is first.
    pub end: Exact,
    /// Where the next chunk begins.
    pub next_begin: Option<Exact>,
}

impl Extent {
    /// What the chunk owns ends here, exclusive.
    pub fn owned_end(&self) -> Exact {
        self.next_begin.map_or(self.end, |next| next.min(self.end))
    }

    /// The frames a chunk counts: those of its stretch, up to a next chunk that
    /// begins before it ends. (A last frame without a duration lies at `end`
    /// and is counted: the media's end bounds time, it takes no frame away.)
    ///
    /// With `lead`, also the frame before them that is still shown at the
    /// begin, where the chunk owns any time at all.
    pub fn frames(&self, clock: &Clock, shown: &[Shown], lead: bool) -> Result<Range<usize>> {
        let first = clock.first_at(shown, self.begin)?;
        let mut end = match self.stretch_end {
            Some(stretch_end) => clock.first_at(shown, stretch_end)?,
            None => shown.len(),
        };
        if let Some(next) = self.next_begin.filter(|next| *next < self.end) {
            end = end.min(clock.first_at(shown, next)?);
        }
        let end = end.max(first);
        if !lead || self.begin >= self.owned_end() {
            return Ok(first..end);
        }
        let begun = clock.begun_at(shown, self.begin)?.min(end);
        Ok(first.min(begun.saturating_sub(1))..end)
    }
}

/// Where the spans of a chunk begin, as places in `shown`: at its first frame,
/// then at each first cut point that is shown at least `span` later.
pub(crate) fn span_starts(
    clock: &Clock,
    shown: &[Shown],
    frames: &Range<usize>,
    span: Exact,
) -> Result<Vec<usize>> {
    let own = shown.get(..frames.end).unwrap_or_default();
    let mut starts = Vec::new();
    let mut next = Some(frames.start).filter(|first| *first < frames.end);
    while let Some(start) = next {
        starts.push(start);
        let begun = own.get(start).map_or(0, |s| s.pts);
        let earliest = clock.first_at(own, clock.time(begun)?.plus(span)?)?;
        let earliest = earliest.max(start + 1);
        next = (earliest..frames.end).find(|place| own.get(*place).is_some_and(|s| s.cut));
    }
    Ok(starts)
}
