//! Source time of each unit: the container's clock, and what stands in for it where it starts again,
//! wraps, or is not told (notes in `clock` and `order`). Pure.

use std::ops::Range;

use super::clock::{Rules, Stretch, Told, stretches};
use super::index::{CUT, NUMBERED, SECOND_FIELD, Unit};

/// Stands for a dts or a time that is not known.
pub(super) const UNKNOWN: i64 = i64::MIN;

/// What source time is made of beside the units.
pub(super) struct Source<'a> {
    /// Of each unit; `UNKNOWN` where absent.
    pub dts: &'a [i64],
    /// The units' places in the order of showing, where timestamps do not tell it.
    pub ranks: Option<&'a [u32]>,
    pub rules: Rules,
    /// Ticks of so many frames at the stated rate.
    pub frames: &'a dyn Fn(usize) -> i64,
}

/// What came of it.
#[derive(Default)]
pub(super) struct Outcome {
    /// The unit that is shown last before the clock starts again, and the first one shown after it.
    pub breaks: Vec<(u32, u32)>,
    /// Numbered units that have no pts, or one that contradicts the order of showing.
    pub placed: u64,
    /// Timestamps have wrapped in a way that the demuxer did not mend.
    pub wrapped: bool,
    /// Times are counted, of pictures that timestamps order otherwise, or that are shown in another
    /// order than they are decoded in.
    pub reordered: bool,
}

impl Outcome {
    /// [`SourceIndex::revision`](crate::timeline::index::SourceIndex::revision).
    pub fn revision(&self) -> u32 {
        let otherwise =
            !self.breaks.is_empty() || self.placed > 0 || self.wrapped || self.reordered;
        otherwise.into()
    }
}

/// Gives units their times by the container's timestamps.
pub(super) fn by_timestamps(units: &mut [Unit], source: &Source) -> Outcome {
    let told = |unit: usize| told(&units[unit], source.dts[unit]);
    let stretches = stretches(units.len(), told, source.rules);
    let mut outcome = Outcome {
        wrapped: stretches.iter().any(|stretch| stretch.fold != 0),
        ..Outcome::default()
    };
    unfold(units, source, &stretches);
    let begins = stretches.iter().filter(|stretch| stretch.again);
    let begins: Vec<usize> = begins.map(|stretch| stretch.from).collect();
    let mut from = 0;
    for until in begins.iter().copied().chain([units.len()]) {
        outcome.placed += place(units, from..until, source);
        from = until;
    }
    if !begins.is_empty() {
        outcome.breaks = join(units, &begins, source);
    }
    if source.ranks.is_some() {
        // Timestamps that miss may be wrong, too; the pictures' headers are not.
        outcome.placed += sort_times(units, source);
    }
    outcome
}

/// Moves each part behind the one before, and gives what is shown beside their seams.
fn join(units: &mut [Unit], begins: &[usize], source: &Source) -> Vec<(u32, u32)> {
    let mut breaks = Vec::with_capacity(begins.len());
    let mut before: Option<Part> = None;
    let mut from = 0;
    for until in begins.iter().copied().chain([units.len()]) {
        if let Some(own) = Part::of(units, from..until, source) {
            breaks.extend(before.as_ref().map(|before| (before.last, own.first)));
            before = Some(own.behind(before.as_ref(), &mut units[from..until]));
        }
        from = until;
    }
    breaks
}

/// Gives units times by counting: the k-th shown has the k-th smallest dts, or k / rate.
pub(super) fn by_counting(units: &mut [Unit], source: &Source) -> Outcome {
    let mut dts: Vec<i64> = source
        .dts
        .iter()
        .copied()
        .filter(|dts| *dts != UNKNOWN)
        .collect();
    dts.sort_unstable();
    let order = in_order(units, 0..units.len(), source.ranks);
    let enough = dts.len() >= order.len() && dts.first() < dts.last();
    let timed = units
        .iter()
        .any(|unit| unit.is(NUMBERED) && unit.pts().is_some());
    for (k, unit) in order.iter().enumerate() {
        units[*unit as usize].time = if enough { dts[k] } else { (source.frames)(k) };
    }
    fill_unnumbered(units);
    Outcome {
        reordered: timed || !order.is_sorted(),
        ..Outcome::default()
    }
}

/// Gives units times by sorting: the k-th shown has the k-th smallest pts.
pub(super) fn by_sorting(units: &mut [Unit], source: &Source) -> Outcome {
    let stated = |unit: &mut Unit| {
        unit.time = if unit.is(NUMBERED) {
            unit.stated
        } else {
            UNKNOWN
        }
    };
    units.iter_mut().for_each(stated);
    let placed = sort_times(units, source);
    fill_unnumbered(units);
    Outcome {
        placed,
        ..Outcome::default()
    }
}

/// Deals the times of numbered units anew in the order of showing. How many get another one.
fn sort_times(units: &mut [Unit], source: &Source) -> u64 {
    let order = in_order(units, 0..units.len(), source.ranks);
    let time = |unit: &u32| units[*unit as usize].time;
    let mut times: Vec<i64> = order.iter().map(time).collect();
    times.sort_unstable();
    let mut moved = 0;
    for (unit, time) in order.iter().zip(times) {
        let known = std::mem::replace(&mut units[*unit as usize].time, time);
        moved += u64::from(known != time);
    }
    moved
}

fn told(unit: &Unit, dts: i64) -> Told {
    if unit.is(SECOND_FIELD) {
        return Told::default();
    }
    Told {
        pts: unit.pts(),
        dts: (dts != UNKNOWN).then_some(dts),
        cut: unit.is(CUT),
    }
}

/// The container's times on one turn of its clock.
fn unfold(units: &mut [Unit], source: &Source, stretches: &[Stretch]) {
    let ends = stretches.iter().skip(1).map(|stretch| stretch.from);
    let ends = ends.chain([units.len()]);
    for (stretch, end) in stretches.iter().zip(ends) {
        let own = stretch.from..end;
        for (unit, &dts) in units[own.clone()].iter_mut().zip(&source.dts[own]) {
            let near = |pts: i64| if dts == UNKNOWN { pts } else { dts };
            let time = unit.pts().map(|pts| {
                let pts = source.rules.unwrapped(pts, near(pts));
                pts.saturating_add(stretch.fold)
            });
            unit.time = time.unwrap_or(UNKNOWN);
        }
    }
}

/// The numbered units in the order of showing.
fn in_order(units: &[Unit], range: Range<usize>, ranks: Option<&[u32]>) -> Vec<u32> {
    let mut order: Vec<u32> = range
        .filter(|unit| units[*unit].is(NUMBERED))
        .map(|unit| unit as u32)
        .collect();
    if let Some(ranks) = ranks {
        order.sort_by_key(|unit| ranks[*unit as usize]);
    }
    order
}

/// Units without a time get one between their neighbours'. How many numbered ones.
fn place(units: &mut [Unit], range: Range<usize>, source: &Source) -> u64 {
    let untimed = |unit: &Unit| unit.is(NUMBERED) && unit.time == UNKNOWN;
    let mut placed = 0;
    if units[range.clone()].iter().any(untimed) {
        let order = in_order(units, range.clone(), source.ranks);
        let mut times: Vec<Option<i64>> = order
            .iter()
            .map(|unit| Some(units[*unit as usize].time).filter(|time| *time != UNKNOWN))
            .collect();
        keep_rising(&mut times);
        placed = times.iter().filter(|time| time.is_none()).count() as u64;
        let times = spread(&times, (source.frames)(1));
        for (unit, time) in order.iter().zip(times) {
            units[*unit as usize].time = time;
        }
    }
    fill_unnumbered(&mut units[range]);
    placed
}

/// Leaves out the fewest times that let the others rise.
fn keep_rising(times: &mut [Option<i64>]) {
    let told: Vec<(usize, i64)> = times
        .iter()
        .enumerate()
        .filter_map(|(place, time)| Some((place, (*time)?)))
        .collect();
    // Of the rising runs of each length, the one that ends lowest; and what stands before each in its run.
    let mut ends: Vec<usize> = Vec::new();
    let mut before = vec![None; told.len()];
    for (n, (_, time)) in told.iter().enumerate() {
        let length = ends.partition_point(|end| told[*end].1 < *time);
        before[n] = length.checked_sub(1).map(|shorter| ends[shorter]);
        match ends.get_mut(length) {
            Some(end) => *end = n,
            None => ends.push(n),
        }
    }
    let mut kept = ends.last().copied();
    for n in (0..told.len()).rev() {
        if kept == Some(n) {
            kept = before[n];
        } else {
            times[told[n].0] = None;
        }
    }
}

/// Evenly between the times beside, and at the ends by the gap beside; by `frame` where there is none.
fn spread(times: &[Option<i64>], frame: i64) -> Vec<i64> {
    let told: Vec<(i64, i64)> = (0..)
        .zip(times)
        .filter_map(|(place, time)| Some((place, (*time)?)))
        .collect();
    let count = times.len() as i64;
    let (Some(first), Some(last)) = (told.first(), told.last()) else {
        return (0..count)
            .map(|place| frame.saturating_mul(place))
            .collect();
    };
    let gap = |pair: Option<&[(i64, i64); 2]>| {
        pair.map_or(frame, |[a, b]| {
            (b.1.saturating_sub(a.1) / (b.0 - a.0)).max(1)
        })
    };
    let from = |(place, time): (i64, i64), gap: i64| {
        move |other: i64| time.saturating_add(gap.saturating_mul(other - place))
    };
    let mut spread = Vec::with_capacity(times.len());
    spread.extend((0..first.0).map(from(*first, gap(told.first_chunk()))));
    for pair in told.windows(2) {
        let (a, b) = (pair[0], pair[1]);
        let span = i128::from(b.1) - i128::from(a.1);
        let share = |place: i64| (span * i128::from(place - a.0) / i128::from(b.0 - a.0)) as i64;
        spread.extend((a.0..b.0).map(|place| a.1.saturating_add(share(place))));
    }
    spread.extend((last.0..count).map(from(*last, gap(told.last_chunk()))));
    spread
}

/// What has no number has the time of what is before it, or behind it.
fn fill_unnumbered(units: &mut [Unit]) {
    let mut known = units
        .iter()
        .map(|unit| unit.time)
        .find(|time| *time != UNKNOWN)
        .unwrap_or(0);
    for unit in units {
        match unit.time {
            UNKNOWN => unit.time = known,
            time => known = time,
        }
    }
}

/// The numbered units between two starts of the clock.
struct Part {
    /// The units shown first and last.
    first: u32,
    last: u32,
    begin: i64,
    /// Where the last one ends.
    end: i64,
}

impl Part {
    fn of(units: &[Unit], range: Range<usize>, source: &Source) -> Option<Part> {
        let numbered = || range.clone().filter(|unit| units[*unit].is(NUMBERED));
        let time = |unit: &usize| units[*unit].time;
        let first = numbered().min_by_key(time)?;
        let last = numbered().max_by_key(time)?;
        let before_last = numbered().map(|unit| units[unit].time);
        let before_last = before_last.filter(|time| *time < units[last].time).max();
        let gap = before_last.map(|before| units[last].time.saturating_sub(before));
        let gap = gap.unwrap_or_else(|| (source.frames)(1));
        Some(Part {
            first: first as u32,
            last: last as u32,
            begin: units[first].time,
            end: units[last].time.saturating_add(gap),
        })
    }

    /// Moves it to where the one before ends.
    fn behind(self, before: Option<&Part>, units: &mut [Unit]) -> Part {
        let shift = before.map_or(0, |before| before.end.saturating_sub(self.begin));
        for unit in units {
            unit.time = unit.time.saturating_add(shift);
        }
        Part {
            begin: self.begin.saturating_add(shift),
            end: self.end.saturating_add(shift),
            ..self
        }
    }
}

#[cfg(test)]
mod tests;
