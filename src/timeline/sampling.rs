//! Which samples a mode takes: a grid of times (`fps`, `timestamps`, `count`),
//! or frames themselves (`every`, `all`, `keyframes`).

use std::ops::Range;

use crate::error::{Error, Result};
use crate::media::time::Exact;
use crate::timeline::clock::Clock;
use crate::timeline::index::Shown;
use crate::timeline::plan::{Parameters, Sampling, SpanRow, Window};

/// The times at which `fps`, `timestamps` and `count` look, numbered from 0.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Grid<'a> {
    /// k/fps; only those in the window count.
    Rate {
        fps: Exact,
        window: Window,
    },
    Listed(&'a [Exact]),
    /// Midpoints of equal parts of [from, from + length).
    Parts {
        from: Exact,
        length: Exact,
        parts: u64,
    },
}

impl<'a> Grid<'a> {
    /// `None` where the mode takes frames. Under `count` the window must be resolved.
    pub fn of(parameters: &'a Parameters) -> Result<Option<Grid<'a>>> {
        let window = parameters.window;
        match &parameters.sampling {
            Sampling::Fps(fps) => Ok(Some(Grid::Rate { fps: *fps, window })),
            Sampling::Timestamps(times) => Ok(Some(Grid::Listed(times))),
            Sampling::Count(parts) => {
                let (Some(from), Some(to)) = (window.from, window.to) else {
                    return Err(Error::internal("a plan by count lacks its window's ends"));
                };
                Ok(Some(Grid::Parts {
                    from,
                    length: to.minus(from)?,
                    parts: *parts,
                }))
            }
            Sampling::Every(_) | Sampling::All | Sampling::Keyframes => Ok(None),
        }
    }

    /// The time of number `k`.
    pub fn time(&self, k: u64) -> Result<Exact> {
        let number = |n: u64| Exact::ratio(i128::from(n), 1);
        match self {
            Grid::Rate { fps, .. } => number(k)?.over(*fps),
            Grid::Listed(times) => usize::try_from(k)
                .ok()
                .and_then(|k| times.get(k).copied())
                .ok_or_else(|| Error::internal(format!("no such timestamp: number={k}"))),
            Grid::Parts {
                from,
                length,
                parts,
            } => {
                let half_parts = Exact::ratio(2 * i128::from(k) + 1, 2 * i128::from(*parts))?;
                half_parts.times(*length)?.plus(*from)
            }
        }
    }

    /// The numbers whose times lie in [from, to); `None` where they exceed u64.
    pub fn between(&self, from: Exact, to: Exact) -> Result<Option<Range<u64>>> {
        let (from, to) = match self {
            Grid::Rate { window, .. } => (into_window(from, window), into_window(to, window)),
            Grid::Listed(_) | Grid::Parts { .. } => (from, to),
        };
        let first = u64::try_from(self.before(from)?).ok();
        let end = u64::try_from(self.before(to)?).ok();
        Ok(first.zip(end).map(|(first, end)| first..end.max(first)))
    }

    /// How many of its times are before `time`.
    fn before(&self, time: Exact) -> Result<i128> {
        match self {
            // k/fps < time, k < time * fps
            Grid::Rate { fps, .. } => Ok(time.times(*fps)?.ceil().max(0)),
            Grid::Listed(times) => Ok(times.partition_point(|t| *t < time) as i128),
            // (2k + 1) / 2 < (time - from) * parts / length
            Grid::Parts {
                from,
                length,
                parts,
            } => {
                let parts = i128::from(*parts);
                let place = time.minus(*from)?.times(Exact::ratio(parts, 1)?)?;
                let place = place.over(*length)?.minus(Exact::ratio(1, 2)?)?;
                Ok(place.ceil().clamp(0, parts))
            }
        }
    }
}

fn into_window(time: Exact, window: &Window) -> Exact {
    let time = window.from.map_or(time, |from| time.max(from));
    window.to.map_or(time, |to| time.min(to))
}

/// Under `every`, `all` and `keyframes`: the places in `shown` that a span's row takes.
pub(crate) fn picked<'a>(
    parameters: &'a Parameters,
    row: &'a SpanRow,
    clock: &Clock,
    shown: &'a [Shown],
) -> Result<impl Iterator<Item = usize> + 'a> {
    let frames = places(row, shown)?;
    let Window { from, to } = parameters.window;
    let first = match from {
        Some(from) => clock.first_at(shown, from)?.max(frames.start),
        None => frames.start,
    };
    let end = match to {
        Some(to) => clock.first_at(shown, to)?.min(frames.end),
        None => frames.end,
    };
    let start = frames.start;
    let ordinal = row.ordinal.unwrap_or(0);
    let wanted = move |place: usize| match &parameters.sampling {
        // The rest of the division decides, so the sum must not wrap.
        Sampling::Every(n) => {
            (u128::from(ordinal) + (place - start) as u128).is_multiple_of(u128::from(*n))
        }
        Sampling::Keyframes => shown.get(place).is_some_and(|s| s.cut),
        Sampling::All => true,
        Sampling::Fps(_) | Sampling::Timestamps(_) | Sampling::Count(_) => false,
    };
    Ok((first..end).filter(move |place| wanted(*place)))
}

/// The frames of a row as places in the index; an error where it has not that many.
pub(crate) fn places(row: &SpanRow, shown: &[Shown]) -> Result<Range<usize>> {
    let end = row.first_frame.checked_add(row.frames);
    let first = usize::try_from(row.first_frame).ok();
    let end = end.and_then(|end| usize::try_from(end).ok());
    match (first, end) {
        (Some(first), Some(end)) if end <= shown.len() => Ok(first..end),
        _ => Err(Error::internal(format!(
            "the plan names frames that the source has not: chunk_id={} span={} first_frame={} frames={} shown={}",
            row.chunk_id,
            row.span,
            row.first_frame,
            row.frames,
            shown.len()
        ))),
    }
}
