//! Whether work goes on in this process: a number that moves with whatever is indexed, decoded or made.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};

#[derive(Default)]
pub struct Pulse {
    steps: Arc<AtomicU64>,
    /// Of spans that are decoded now.
    units: Mutex<Vec<Weak<AtomicU64>>>,
}

impl Pulse {
    pub fn step(&self) {
        self.steps.fetch_add(1, Ordering::Relaxed);
    }

    /// For work that counts its steps itself.
    pub fn steps(&self) -> Arc<AtomicU64> {
        self.steps.clone()
    }

    /// A number that a span moves while it is decoded.
    pub fn count(&self) -> Arc<AtomicU64> {
        let units = Arc::<AtomicU64>::default();
        // Nothing that can panic runs under the lock.
        let mut all = self.units.lock().unwrap_or_else(PoisonError::into_inner);
        all.retain(|units| units.strong_count() > 0);
        all.push(Arc::downgrade(&units));
        units
    }

    /// Another number than before where something went on since.
    pub fn now(&self) -> u64 {
        let all = self.units.lock().unwrap_or_else(PoisonError::into_inner);
        let units = all.iter().filter_map(Weak::upgrade);
        let units: u64 = units.map(|units| units.load(Ordering::Relaxed)).sum();
        units.wrapping_add(self.steps.load(Ordering::Relaxed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cancel::Stop;

    #[test]
    fn it_moves_with_steps_units_and_questions_and_not_with_waiting() {
        let pulse = Pulse::default();
        let units = pulse.count();
        let stop = Stop::never().counting(pulse.steps());
        let mut last = pulse.now();
        let mut moved = || {
            let now = pulse.now();
            std::mem::replace(&mut last, now) != now
        };
        assert!(!moved());
        units.fetch_add(1, Ordering::Relaxed);
        assert!(moved());
        assert!(!stop.is_set() && moved());
        assert!(!stop.is_set_meanwhile() && !moved());
        pulse.step();
        assert!(moved());
    }
}
