//! A plan as it was read, with what is looked up in it.

use std::collections::HashMap;
use std::ops::Range;

use crate::cache::keys::SpanId;
use crate::error::Result;
use crate::timeline::digest::Digests;
use crate::timeline::plan::{Kind, Plan, SpanRow};

/// A stored plan: its rows' digests, and which row a sequence or record is of.
#[derive(Debug)]
pub struct Planned {
    /// Without its nonce: two plans are the same whenever they were written.
    plan: Plan,
    nonce: Option<String>,
    /// Of each row, in the rows' order.
    digests: Vec<String>,
    /// Rows that have samples, by their first sequence.
    by_first: Vec<usize>,
    by_id: HashMap<SpanId, usize>,
}

impl Planned {
    pub fn new(mut plan: Plan) -> Result<Self> {
        let nonce = plan.nonce.take();
        let digests = digests_of(&plan)?;
        let mut by_first: Vec<usize> = (0..plan.spans.len())
            .filter(|&i| plan.spans.get(i).is_some_and(|r| r.count > 0))
            .collect();
        by_first.sort_by_key(|&i| plan.spans.get(i).map(|r| r.first));
        let by_id = plan.spans.iter().enumerate();
        let by_id = by_id.map(|(i, row)| (span_id(row), i)).collect();
        Ok(Planned {
            plan,
            nonce,
            digests,
            by_first,
            by_id,
        })
    }

    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// What the plan was last written with; none by older releases.
    pub fn nonce(&self) -> Option<&str> {
        self.nonce.as_deref()
    }

    pub fn is_put(&self) -> bool {
        self.plan.kind == Kind::Put
    }

    pub fn rows(&self) -> &[SpanRow] {
        &self.plan.spans
    }

    /// Each row with its digest, in the plan's order.
    pub fn digested(&self) -> impl Iterator<Item = Row<'_>> {
        self.rows()
            .iter()
            .zip(&self.digests)
            .map(|(row, digest)| self.with_nonce(row, digest))
    }

    pub fn row(&self, index: usize) -> Option<Row<'_>> {
        let row = self.plan.spans.get(index)?;
        let digest = self.digests.get(index)?;
        Some(self.with_nonce(row, digest))
    }

    fn with_nonce<'a>(&'a self, row: &'a SpanRow, digest: &'a str) -> Row<'a> {
        let nonce = self.nonce();
        Row { row, digest, nonce }
    }

    /// Rows that have samples, in sequence order.
    pub fn in_sequence(&self) -> impl Iterator<Item = Row<'_>> {
        self.by_first.iter().filter_map(|&i| self.row(i))
    }

    /// Places among those rows: from the one that holds or follows `first`, as many as hold
    /// `frames` samples, or all that are left.
    pub fn places(&self, first: u64, frames: u64) -> Range<usize> {
        let ends = |i: usize| self.row(i).is_some_and(|row| row.sequences().end <= first);
        let start = self.by_first.partition_point(|&i| ends(i));
        let mut end = start;
        let mut held = 0u64;
        while held < frames
            && let Some(row) = self.nth_in_sequence(end)
        {
            held = held.saturating_add(row.sequences().end - row.row.first.max(first));
            end += 1;
        }
        start..end
    }

    /// The number behind the last sample; 0 where there is none.
    pub fn end(&self) -> u64 {
        let last = self.by_first.last().and_then(|&i| self.row(i));
        last.map_or(0, |row| row.sequences().end)
    }

    /// One of those rows.
    pub fn nth_in_sequence(&self, place: usize) -> Option<Row<'_>> {
        self.row(*self.by_first.get(place)?)
    }

    /// The row that holds a sequence.
    pub fn row_of(&self, seq: u64) -> Option<Row<'_>> {
        let first = |&i: &usize| self.plan.spans.get(i).is_some_and(|r| r.first <= seq);
        let before = self.by_first.partition_point(first).checked_sub(1)?;
        let row = self.row(*self.by_first.get(before)?)?;
        (seq - row.row.first < row.row.count).then_some(row)
    }

    /// The row that a record of this name is of; rows without samples have none.
    pub fn row_named(&self, id: &SpanId) -> Option<Row<'_>> {
        let row = self.row(*self.by_id.get(id)?)?;
        (row.row.count > 0).then_some(row)
    }

    /// Whether the plan still has this very row, under the same parameters.
    pub fn has(&self, row: Row<'_>) -> bool {
        self.place_of(row).is_some()
    }

    /// The place of this very row, under the same parameters.
    pub fn place_of(&self, row: Row<'_>) -> Option<usize> {
        let place = *self.by_id.get(&row.id())?;
        (self.digests.get(place)? == row.digest).then_some(place)
    }

    /// Frames planned, in all rows.
    pub fn frames(&self) -> u64 {
        let counts = self.rows().iter().map(|r| r.count);
        counts.fold(0, u64::saturating_add)
    }
}

/// A row of a plan, its digest, and the plan's nonce as the row was read.
#[derive(Debug, Clone, Copy)]
pub struct Row<'a> {
    pub row: &'a SpanRow,
    pub digest: &'a str,
    pub nonce: Option<&'a str>,
}

impl Row<'_> {
    pub fn id(&self) -> SpanId {
        span_id(self.row)
    }

    /// The sequences of its samples.
    pub fn sequences(&self) -> Range<u64> {
        self.row.first..self.row.first.saturating_add(self.row.count)
    }
}

/// None for a put plan, which has no rows to digest.
fn digests_of(plan: &Plan) -> Result<Vec<String>> {
    let Some(parameters) = &plan.parameters else {
        return Ok(Vec::new());
    };
    let digests = Digests::new(parameters)?;
    plan.spans.iter().map(|row| digests.of(row)).collect()
}

fn span_id(row: &SpanRow) -> SpanId {
    SpanId {
        chunk_id: row.chunk_id.clone(),
        span: row.span,
    }
}

#[cfg(test)]
mod tests {
    use crate::cache::testing::{plan_of, planned, row};

    #[test]
    fn a_sequence_belongs_to_the_row_that_holds_it() {
        let plan = plan_of(vec![
            row("0", 0, 3, 2),
            row("0", 1, 5, 0),
            row("1", 0, 5, 4),
            row("2", 0, 20, 1),
        ]);
        let planned = planned(plan);
        let of = |seq| {
            planned
                .row_of(seq)
                .map(|r| (r.row.chunk_id.clone(), r.row.span))
        };
        assert_eq!(of(2), None);
        assert_eq!(of(3), Some(("0".to_owned(), 0)));
        assert_eq!(of(4), Some(("0".to_owned(), 0)));
        assert_eq!(of(5), Some(("1".to_owned(), 0)));
        assert_eq!(of(8), Some(("1".to_owned(), 0)));
        assert_eq!(of(9), None);
        assert_eq!(of(20), Some(("2".to_owned(), 0)));
        assert_eq!(of(u64::MAX), None);
        assert_eq!(planned.frames(), 7);
        assert_eq!(planned.end(), 21);
    }

    #[test]
    fn a_page_has_no_more_rows_than_its_frames_are_planned_in() {
        let planned = planned(plan_of(vec![
            row("0", 0, 3, 2),
            row("0", 1, 5, 0),
            row("1", 0, 5, 4),
            row("2", 0, 20, 1),
        ]));
        assert_eq!(planned.places(0, u64::MAX), 0..3);
        assert_eq!(planned.places(0, 2), 0..1);
        assert_eq!(planned.places(4, 2), 0..2);
        assert_eq!(planned.places(5, 4), 1..2);
        assert_eq!(planned.places(9, 1), 2..3);
        assert_eq!(planned.places(21, 9), 3..3);
        assert_eq!(planned.places(0, 0), 0..0);
    }
}
