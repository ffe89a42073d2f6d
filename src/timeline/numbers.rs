//! Gives the spans of a timeline their sequences.

use std::ops::Range;

use crate::error::{Error, Reason, Result};
use crate::media::time::Exact;
use crate::timeline::limits::{Limits, PICTURE_NUMBERS};
use crate::timeline::plan::{Parameters, Sampling, SpanRow};
use crate::timeline::sampling::Grid;

/// A row without its numbers (where the mode takes frames, with its count).
pub(crate) struct Draft {
    pub row: SpanRow,
    /// Its frames are the ones shown in [shown_from, shown_to); holes belong to none.
    pub shown_from: Exact,
    pub shown_to: Exact,
    /// From when to when the one of them is shown that is shown longest, where they have many numbers.
    pub longest: (Exact, Exact),
}

/// Numbers the rows in order. Under `count` it puts the timeline's own ends
/// into an open window, so that the digest of a span tells them.
pub(crate) fn number(
    parameters: &mut Parameters,
    mut drafts: Vec<Draft>,
    limits: &Limits,
) -> Result<Vec<SpanRow>> {
    if let Sampling::Count(_) = parameters.sampling {
        resolve_window(parameters, &drafts)?;
        span_holes(&mut drafts);
    }
    let numbered = match Grid::of(parameters)? {
        Some(grid) => number_times(&grid, &mut drafts, limits),
        None => number_frames(&mut drafts, limits),
    };
    numbered.map_err(|e| e.in_field(parameters.sampling.field()))?;
    Ok(drafts.into_iter().map(|draft| draft.row).collect())
}

/// `every`, `all`, `keyframes`: consecutive from 0, over all chunks.
fn number_frames(drafts: &mut [Draft], limits: &Limits) -> Result<()> {
    let mut next = 0;
    for Draft { row, .. } in drafts {
        row.first = next;
        next += row.count;
        if next > limits.frames {
            return Err(limits.too_many_frames(format!("over {}", limits.frames)));
        }
    }
    Ok(())
}

/// `fps`, `timestamps`, `count`: a sample's number is its time's place in the grid.
fn number_times(grid: &Grid<'_>, drafts: &mut [Draft], limits: &Limits) -> Result<()> {
    let over = || limits.too_many_frames(format!("over {}", limits.frames));
    let all_needed = !matches!(grid, Grid::Rate { .. });
    let (mut next, mut total) = (0, 0);
    for draft in drafts {
        let numbers = grid.between(draft.shown_from, draft.shown_to)?;
        let Range { start, end } = numbers.ok_or_else(over)?;
        let count = end - start;
        if count > PICTURE_NUMBERS {
            check_longest(grid, draft)?;
        }
        if all_needed && start > next {
            return Err(nothing_shown(grid, next));
        }
        total += count;
        if total > limits.frames {
            return Err(over());
        }
        if count > 0 {
            (draft.row.first, next) = (start, end);
        } else {
            draft.row.first = next;
        }
        draft.row.count = count;
    }
    let wanted = match grid {
        Grid::Rate { .. } => next,
        Grid::Listed(times) => times.len() as u64,
        Grid::Parts { parts, .. } => *parts,
    };
    if next < wanted {
        return Err(nothing_shown(grid, next));
    }
    Ok(())
}

/// Refuses a picture that is stored under very many numbers: the clock jumps behind it.
fn check_longest(grid: &Grid<'_>, draft: &Draft) -> Result<()> {
    let (from, to) = draft.longest;
    let numbers = grid
        .between(from, to)?
        .map_or(u64::MAX, |n| n.end - n.start);
    if numbers <= PICTURE_NUMBERS {
        return Ok(());
    }
    let seconds = to.minus(from)?.to_f64();
    Err(Error::new(
        Reason::MediaLimit,
        format!(
            "a picture would have too many numbers, since the clock jumps behind it: chunk_id={} \
             shown_at={} seconds={seconds} numbers={numbers} limit={PICTURE_NUMBERS}",
            draft.row.chunk_id,
            from.to_f64()
        ),
    )
    .hint("leave the jump out with a window, sample by every or all, or mend the timestamps first"))
}

fn nothing_shown(grid: &Grid<'_>, number: u64) -> Error {
    let time = match grid.time(number) {
        Ok(time) => time,
        Err(error) => return error,
    };
    let seconds = time.to_f64();
    Error::new(
        Reason::TimePastEnd,
        format!("no footage is there at a time that was asked for: time={time} seconds={seconds}"),
    )
    .hint("ask only for times within the footage; it may end earlier, or have a hole there")
}

fn resolve_window(parameters: &mut Parameters, drafts: &[Draft]) -> Result<()> {
    let (Some(first), Some(last)) = (drafts.first(), drafts.last()) else {
        return Err(Error::new(
            Reason::TimePastEnd,
            "there is no footage to divide by count",
        )
        .hint("check the chunks; every one of them is empty"));
    };
    let window = &mut parameters.window;
    let from = *window.from.get_or_insert(first.shown_from);
    let to = *window.to.get_or_insert(last.shown_to);
    if from >= to {
        return Err(Error::new(
            Reason::TimePastEnd,
            format!("the window lies outside the footage: from={from} to={to}"),
        )
        .hint("let the window begin before the footage ends"));
    }
    Ok(())
}

/// In a hole, `count` takes the last frame before it.
fn span_holes(drafts: &mut [Draft]) {
    let mut next_from = None;
    for draft in drafts.iter_mut().rev() {
        draft.shown_to = next_from.unwrap_or(draft.shown_to);
        next_from = Some(draft.shown_from);
    }
}
