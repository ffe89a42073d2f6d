//! What one reader had extracted: how often each row, and why it could not be.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use crate::error::{Error, Result};
use crate::frames::span::Landed;

/// Times that one reader has a row extracted, where others clear it or its objects get lost.
pub(super) const MAX_TIMES: usize = 3;

/// What to do about a frame that was looked for in vain.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// Its row was extracted since: it is to be read again.
    Read,
    Extract,
    /// It was lost each time.
    GiveUp,
}

/// The moment before a look, for [`Tries::next`].
#[derive(Debug, Clone, Copy)]
pub(super) struct Moment(u64);

#[derive(Default)]
pub(super) struct Tries(Mutex<State>);

#[derive(Default)]
struct State {
    landings: u64,
    rows: HashMap<usize, Tried>,
}

#[derive(Default)]
struct Tried {
    times: usize,
    latest: u64,
    flight: Weak<Landed>,
    failed: Option<Error>,
}

impl Tries {
    pub fn now(&self) -> Moment {
        Moment(self.state().landings)
    }

    /// What to do for a frame of this row that was not there when it was looked for, after `since`.
    ///
    /// # Errors
    /// Why the row could not be extracted before: once is enough.
    pub fn next(&self, place: usize, since: Moment) -> Result<Next> {
        let state = self.state();
        let Some(tried) = state.rows.get(&place) else {
            return Ok(Next::Extract);
        };
        match &tried.failed {
            Some(error) => Err(error.clone()),
            None if tried.latest > since.0 => Ok(Next::Read),
            None if tried.times >= MAX_TIMES => Ok(Next::GiveUp),
            None => Ok(Next::Extract),
        }
    }

    /// A flight is counted once, however many waited for it.
    pub fn landed(&self, place: usize, flight: &Arc<Landed>) {
        let mut state = self.state();
        state.landings += 1;
        let latest = state.landings;
        let tried = state.rows.entry(place).or_default();
        let flight = Arc::downgrade(flight);
        tried.times += usize::from(!tried.flight.ptr_eq(&flight));
        (tried.flight, tried.latest) = (flight, latest);
    }

    pub fn failed(&self, place: usize, error: Error) {
        let mut state = self.state();
        state.rows.entry(place).or_default().failed = Some(error);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing that can panic runs under the lock.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cache::record::Outcome;
    use crate::error::Reason;

    fn flight() -> Arc<Landed> {
        Arc::new(Landed {
            outcome: Outcome::Frames(Vec::new()),
            end: None,
            made: true,
        })
    }

    #[test]
    fn a_row_that_is_lost_each_time_is_extracted_a_few_times_and_no_more() {
        let tries = Tries::default();
        for _ in 0..MAX_TIMES {
            let since = tries.now();
            assert_eq!(tries.next(7, since).unwrap(), Next::Extract);
            let flight = flight();
            // Whoever waited for the same flight counts no other time, and reads again.
            for _ in 0..32 {
                tries.landed(7, &flight);
            }
            assert_eq!(tries.next(7, since).unwrap(), Next::Read);
        }
        assert_eq!(tries.next(7, tries.now()).unwrap(), Next::GiveUp);
        assert_eq!(tries.next(8, tries.now()).unwrap(), Next::Extract);
    }

    #[test]
    fn a_row_that_failed_is_not_extracted_again_for_the_same_reader() {
        let tries = Tries::default();
        let error = Error::new(Reason::SourceNotFound, "the source is gone");
        tries.failed(7, error);
        let again = tries.next(7, tries.now()).unwrap_err();
        assert_eq!(again.reason(), Reason::SourceNotFound);
    }
}
