//! Where a source's clock starts again or wraps, told from its packets' timestamps. Pure.
//!
//! A decoder gives pictures out as soon as they are next to be shown, so of what is decoded before a
//! picture at most a few are shown after it, and none where it is a cut point. Where dts goes back and
//! a picture is shown before more than that, the clock was set back.

use crate::av::StreamInfo;

/// What the container says of a unit, in ticks.
#[derive(Debug, Clone, Copy, Default)]
pub struct Told {
    pub pts: Option<i64>,
    pub dts: Option<i64>,
    pub cut: bool,
}

/// How a stream's timestamps are to be read.
#[derive(Debug, Clone, Copy)]
pub struct Rules {
    /// So many pictures may be decoded before one that is shown earlier.
    pub depth: usize,
    /// Timestamps begin again at 0 after so many bits.
    pub wrap_bits: u32,
}

/// From this unit on the clock is read so.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stretch {
    pub from: usize,
    /// Ticks to be added since timestamps have wrapped.
    pub fold: i64,
    /// The clock starts again here.
    pub again: bool,
}

/// Most streams say how many pictures they hold back; some that hold any back say too few.
const LEAST_DEPTH: usize = 4;

impl Rules {
    pub fn of(info: &StreamInfo) -> Self {
        Rules {
            depth: info
                .reorder_depth()
                .map_or(0, |depth| depth.max(LEAST_DEPTH)),
            wrap_bits: info.wrap_bits,
        }
    }

    /// Ticks until timestamps begin again, where they do.
    fn period(&self) -> Option<i64> {
        (16..=62)
            .contains(&self.wrap_bits)
            .then(|| 1 << self.wrap_bits)
    }

    /// How often a period is to be added to `value` for it to be on the turn of what is `near`: -1, 0 or 1. What
    /// is far ahead has jumped, unless it is more than the bits hold (libavformat adds a turn to a clock that
    /// starts again) or back by less than an eighth of a turn.
    fn turns(&self, value: i64, near: i64) -> i64 {
        let Some(period) = self.period() else {
            return 0;
        };
        let ahead = value.saturating_sub(near);
        let back = value >= period || period.saturating_sub(ahead) <= period / 8;
        match ahead {
            _ if ahead > period / 2 && back => -1,
            _ if ahead < -(period / 2) => 1,
            _ => 0,
        }
    }

    /// Whether stamps never fall, over less than half a turn: a clock that neither starts again nor wraps.
    fn are_kept(&self, mut stamps: impl Iterator<Item = i64>) -> bool {
        let Some(first) = stamps.next() else {
            return true;
        };
        let mut last = first;
        let rise = stamps.all(|stamp| stamp >= std::mem::replace(&mut last, stamp));
        let half = self.period().map_or(i64::MAX, |period| period / 2);
        rise && last.saturating_sub(first) <= half
    }

    /// A pts on the turn of the clock of its dts, `near`, behind which it may have wrapped. It is never before
    /// it: one that is half a turn ahead has jumped.
    pub fn unwrapped(&self, value: i64, near: i64) -> i64 {
        let turns = self.turns(value, near).max(0);
        value.saturating_add(turns * self.period().unwrap_or(0))
    }
}

/// The stretches of `count` units in decode order; the first begins at 0.
pub fn stretches(count: usize, told: impl Fn(usize) -> Told, rules: Rules) -> Vec<Stretch> {
    let by_dts = (0..count).any(|unit| told(unit).dts.is_some());
    let stamp = |told: Told| if by_dts { told.dts } else { told.pts };
    let mut found = vec![Stretch {
        from: 0,
        fold: 0,
        again: false,
    }];
    if rules.are_kept((0..count).filter_map(|unit| stamp(told(unit)))) {
        return found;
    }
    let mut follower = Follower::new(rules);
    let mut unit = 0;
    while unit < count {
        let Told { pts, cut, .. } = told(unit);
        let Some(stamp) = stamp(told(unit)) else {
            unit += 1;
            continue;
        };
        let fold = found.last().map_or(0, |stretch| stretch.fold);
        let turned = follower.fold(stamp, fold);
        if turned != fold {
            found.push(Stretch {
                from: unit,
                fold: turned,
                again: false,
            });
        }
        match follower.take(unit, (stamp.saturating_add(turned), pts, turned), cut) {
            None => unit += 1,
            Some(from) => {
                found.retain(|stretch| stretch.from < from || stretch.from == 0);
                let fold = found.last().map_or(0, |stretch| stretch.fold);
                found.push(Stretch {
                    from,
                    fold,
                    again: true,
                });
                follower = Follower::new(rules);
                unit = from;
            }
        }
    }
    found
}

/// Follows the clock from where it started.
struct Follower {
    rules: Rules,
    last: Option<i64>,
    /// The highest pts up to here, ascending: one more than may be shown after a picture that follows.
    highest: Vec<i64>,
    /// Where the clock went back a moment ago.
    back: Option<usize>,
    /// The cut point just before, if it is shown before what is decoded before it: dts that libavformat makes
    /// up go back one unit late.
    early: Option<usize>,
}

impl Follower {
    fn new(rules: Rules) -> Self {
        Follower {
            rules,
            last: None,
            highest: Vec::with_capacity(rules.depth + 2),
            back: None,
            early: None,
        }
    }

    /// What is to be added to this stamp, where `fold` was to be added to the one before.
    fn fold(&self, stamp: i64, fold: i64) -> i64 {
        let Some(last) = self.last else { return fold };
        let turns = self.rules.turns(stamp.saturating_add(fold), last);
        fold.saturating_add(turns * self.rules.period().unwrap_or(0))
    }

    /// The unit at which the clock started again, if this one tells it.
    fn take(
        &mut self,
        unit: usize,
        (stamp, pts, fold): (i64, Option<i64>, i64),
        cut: bool,
    ) -> Option<usize> {
        self.back = self.back.filter(|from| unit - from <= self.rules.depth + 2);
        let falls = self.last.is_some_and(|last| stamp < last);
        if falls {
            // Where pts stand in for dts they fall at each picture shown early, too: a cut point is none.
            let back = self.back.filter(|_| !cut);
            self.back = back.or(self.early).or(Some(unit));
        }
        self.early = None;
        self.last = Some(stamp);
        // A cut point that lacks one is shown at its dts at the earliest.
        let pts = pts.map(|pts| self.rules.unwrapped(pts.saturating_add(fold), stamp));
        let pts = pts.or(cut.then_some(stamp))?;
        let later = self.highest.len() - self.highest.partition_point(|known| *known <= pts);
        let most = if cut { 0 } else { self.rules.depth };
        if later > most && self.back.is_some() {
            return self.back;
        }
        self.early = (cut && later > 0).then_some(unit);
        self.highest.insert(self.highest.len() - later, pts);
        if self.highest.len() > self.rules.depth + 1 {
            self.highest.remove(0);
        }
        None
    }
}
