//! What only the whole of a pass tells: whether key flags can be believed, what a decoder needs
//! where, and whether anything is read otherwise than it was before that was asked.

use super::configuration::{self, Configurations};
use super::index::{COMPLETE, CUT, DISPOSABLE, KEY, LAYERED, OPEN, REFRAMED, Unit};
use super::pass::Pass;
use super::unit::{Classifier, Headers};
use crate::av::StreamInfo;
use crate::error::Result;

impl Pass {
    /// Leaves one cut point where a container calls every picture a key frame of a codec whose
    /// pictures refer to others. True where cut points are other ones than the container says.
    pub(super) fn settle_keys(&mut self, info: &StreamInfo) -> bool {
        let classifier = Classifier::of(info);
        let differs = |unit: &Unit| unit.is(KEY) != unit.is(CUT);
        if !classifier.trusts_keys() {
            return classifier.reads_keys() && self.units.iter().any(differs);
        }
        let lies = self.units.len() > 1 && self.units.iter().all(|unit| unit.is(KEY));
        if lies {
            for unit in &mut self.units[1..] {
                unit.flags &= !CUT;
            }
        }
        lies
    }

    /// What a decoder needs where. A unit that brings a change is needed by those behind it.
    pub(super) fn configurations(&mut self, info: &StreamInfo) -> Result<Configurations> {
        let units = &self.units;
        let closed = |unit: u32| {
            let unit = units.get(unit as usize);
            unit.is_some_and(|unit| unit.cut() && !unit.is(OPEN))
        };
        let headers = Headers::of(info);
        let found =
            configuration::resolve(&headers, &self.changes, &closed, &|| reorder_depth(units))?;
        for unit in found.units() {
            if let Some(unit) = self.units.get_mut(unit as usize) {
                unit.flags &= !DISPOSABLE;
            }
        }
        Ok(found)
    }

    /// Whether frames came out otherwise before the index knew all this.
    pub(super) fn is_untidy(&self, configurations: &Configurations) -> bool {
        let cuts = || (0..).zip(&self.units).filter(|(_, unit)| unit.cut());
        let first = cuts().next().map_or(0, |(place, _)| place);
        let needed = cuts().any(|(place, unit)| place > first && !unit.is(COMPLETE));
        let changes = configurations.change_after(first);
        let any = |flag| self.units.iter().any(|unit| unit.is(flag));
        let incomplete = configurations.needs(first).is_some() && needed;
        changes || incomplete || self.packed || any(LAYERED) || any(REFRAMED)
    }
}

/// Most pictures that stand before one in decode order and are shown after it.
fn reorder_depth(units: &[Unit]) -> u32 {
    /// No codec reorders over more.
    const MOST: usize = 16;
    let depth = |place: usize| {
        let own = units[place].pts();
        let before = &units[place.saturating_sub(MOST)..place];
        before.iter().filter(|unit| unit.pts() > own).count()
    };
    (0..units.len()).map(depth).max().unwrap_or(0) as u32
}
