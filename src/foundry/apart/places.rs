//! Places for what is done again: each has a process of its own for a while.

use std::sync::{Condvar, Mutex, PoisonError};
use std::time::Duration;

use crate::cancel::cancelled;
use crate::error::Result;

/// How soon who waits for a place hears that nobody waits for it any more.
const TICK: Duration = Duration::from_millis(100);

pub(super) struct Places {
    free: Mutex<usize>,
    left: Condvar,
}

/// One, until this is dropped.
pub(super) struct Place<'p>(&'p Places);

impl Places {
    pub fn new(places: usize) -> Self {
        Places {
            free: Mutex::new(places.max(1)),
            left: Condvar::new(),
        }
    }

    /// # Errors
    /// CANCELLED once `gone` says so.
    pub fn take(&self, gone: &dyn Fn() -> bool) -> Result<Place<'_>> {
        // Nothing that can panic runs under the lock, here and below.
        let mut free = self.free.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            if gone() {
                return Err(cancelled());
            }
            if *free > 0 {
                *free -= 1;
                return Ok(Place(self));
            }
            let waited = self.left.wait_timeout(free, TICK);
            free = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        let mut free = self.0.free.lock().unwrap_or_else(PoisonError::into_inner);
        *free += 1;
        drop(free);
        self.0.left.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};

    use super::*;
    use crate::error::Reason;

    #[test]
    fn who_waits_for_a_place_has_it_when_one_is_left_and_none_once_nobody_waits_for_it() {
        let places = Places::new(1);
        let gone = AtomicBool::new(false);
        let first = places.take(&|| false).unwrap();
        std::thread::scope(|scope| {
            let leaving = scope.spawn(|| places.take(&|| gone.load(Ordering::Relaxed)).err());
            gone.store(true, Ordering::Relaxed);
            assert_eq!(leaving.join().unwrap().unwrap().reason(), Reason::Cancelled);
            let waiting = scope.spawn(|| places.take(&|| false).is_ok());
            drop(first);
            assert!(waiting.join().unwrap());
        });
        assert!(places.take(&|| false).is_ok());
    }
}
