//! Values that were used last, as far as there is room for them.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Access units that all kept videos may have together: about 64 bytes each.
const KEPT_UNITS: usize = 1_500_000;

/// Videos under keys. One stays, however large it is.
pub(crate) struct Kept<K, V> {
    /// Used last, last.
    all: Mutex<VecDeque<(K, V)>>,
    units: fn(&V) -> usize,
}

impl<K: PartialEq, V: Clone> Kept<K, V> {
    /// `units`: of one of them.
    pub fn new(units: fn(&V) -> usize) -> Self {
        Kept {
            all: Mutex::default(),
            units,
        }
    }

    fn all(&self) -> MutexGuard<'_, VecDeque<(K, V)>> {
        // Nothing that can panic runs under the lock.
        self.all.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn find(&self, key: &K) -> Option<V> {
        let mut all = self.all();
        let place = all.iter().position(|(known, _)| known == key)?;
        let found = all.remove(place)?;
        let value = found.1.clone();
        all.push_back(found);
        Some(value)
    }

    pub fn keep(&self, key: K, value: V) {
        let mut all = self.all();
        all.retain(|(known, _)| *known != key);
        all.push_back((key, value));
        let mut units: usize = all.iter().map(|(_, value)| (self.units)(value)).sum();
        while units > KEPT_UNITS && all.len() > 1 {
            if let Some((_, dropped)) = all.pop_front() {
                units -= (self.units)(&dropped);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_used_least_goes_and_the_last_one_stays_however_large() {
        let kept = Kept::new(|units: &usize| *units);
        for key in ["a", "b", "c"] {
            kept.keep(key, KEPT_UNITS / 3);
        }
        assert!(kept.find(&"a").is_some());
        kept.keep("d", KEPT_UNITS / 3);
        assert!(kept.find(&"b").is_none());
        assert!(kept.find(&"a").is_some() && kept.find(&"c").is_some());
        kept.keep("e", 2 * KEPT_UNITS);
        assert_eq!(kept.find(&"e"), Some(2 * KEPT_UNITS));
        assert!(["a", "c", "d"].iter().all(|key| kept.find(key).is_none()));
    }
}
