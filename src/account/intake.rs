//! The memory of one call's request, counted as its bytes come in.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::account::{Account, Hold, Kind};
use crate::error::Result;

/// Memory is asked for in steps of so many bytes.
const STEP_BYTES: u64 = 256 << 10;

/// Shared by who counts what comes and who lets go of it. Cheap to clone.
#[derive(Clone)]
pub struct Intake(Arc<Inner>);

struct Inner {
    account: Account,
    /// What may be on the way to us uncounted, as the client was told that it may send it.
    window: Option<Hold>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// That came and were not let go of.
    bytes: u64,
    holds: Vec<Hold>,
    held: u64,
}

impl Intake {
    pub fn new(account: &Account) -> Intake {
        Intake::open(account, None)
    }

    /// Of a request that may have so many bytes on their way.
    ///
    /// # Errors
    /// MEMORY_BUDGET where they are not free: it does not wait, as they would be on their way already.
    pub fn with_window(account: &Account, bytes: u64) -> Result<Intake> {
        let window = account.take_now(Kind::Uploads, bytes)?;
        Ok(Intake::open(account, Some(window)))
    }

    fn open(account: &Account, window: Option<Hold>) -> Intake {
        Intake(Arc::new(Inner {
            account: account.clone(),
            window,
            state: Mutex::default(),
        }))
    }

    /// Bytes that came and were not let go of.
    pub fn bytes(&self) -> u64 {
        self.state().bytes
    }

    /// The most that one call may ever have, beside its window.
    pub fn most(&self) -> u64 {
        let most = self.0.account.accountant().most(Kind::Uploads);
        let window = self.0.window.as_ref().map_or(0, Hold::amount);
        most.saturating_sub(window)
    }

    /// Counts what came. What is more than one connection may ever hold, its reader has to refuse.
    ///
    /// # Errors
    /// MEMORY_BUDGET where others hold the memory for half a minute.
    pub async fn count(&self, bytes: u64) -> Result<()> {
        if let Some(more) = self.lacking(bytes) {
            let hold = self.0.account.take(Kind::Uploads, more).await?;
            self.cover(hold);
        }
        Ok(())
    }

    /// Counts what came.
    ///
    /// # Errors
    /// MEMORY_BUDGET where the memory is not free now.
    pub fn count_now(&self, bytes: u64) -> Result<()> {
        match self.lacking(bytes) {
            Some(more) => {
                let hold = self.0.account.take_now(Kind::Uploads, more)?;
                self.cover(hold);
                Ok(())
            }
            None => Ok(()),
        }
    }

    /// What it has to ask for, once so much more came.
    fn lacking(&self, bytes: u64) -> Option<u64> {
        let most = self.most();
        let mut state = self.state();
        state.bytes = state.bytes.saturating_add(bytes);
        let lacking = state.bytes.min(most).saturating_sub(state.held);
        let step = lacking.max(STEP_BYTES).min(most.saturating_sub(state.held));
        (lacking > 0).then_some(step)
    }

    fn cover(&self, hold: Hold) {
        let mut state = self.state();
        state.held += hold.amount();
        state.holds.push(hold);
    }

    /// So much of it is not in memory any more.
    pub fn let_go(&self, bytes: u64) {
        // Dropped outside of the lock.
        let mut over = Vec::new();
        let mut state = self.state();
        let State {
            bytes: left,
            holds,
            held,
        } = &mut *state;
        *left = left.saturating_sub(bytes);
        while let Some(hold) = holds.pop_if(|last| *held - last.amount() >= *left) {
            *held -= hold.amount();
            over.push(hold);
        }
        let more = held.saturating_sub(*left);
        if let Some(last) = holds.last_mut().filter(|_| more > STEP_BYTES) {
            last.shrink_to(last.amount().saturating_sub(more));
            *held -= more;
        }
        drop(state);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing that can panic runs under the lock.
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
