//! Whose tasks come next: callers take turns, and what somebody waits for goes first.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::watch;

/// One call, of those whose spans are decoded at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Caller(u64);

impl Caller {
    pub fn new() -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        Caller(NEXT.fetch_add(1, Ordering::Relaxed))
    }

    /// As it is told to another process.
    pub fn number(self) -> u64 {
        self.0
    }

    /// One that another process told: there are no callers there but its own.
    pub fn numbered(number: u64) -> Self {
        Caller(number)
    }
}

impl Default for Caller {
    fn default() -> Self {
        Caller::new()
    }
}

/// A span's place among those that are decoded: whose it is, and whether a reader waits for its
/// frames. Clones are the same.
#[derive(Debug, Clone)]
pub struct Turn {
    caller: Caller,
    awaited: Arc<watch::Sender<bool>>,
}

impl Turn {
    /// Of work that nobody waits for more than for all the rest of its call.
    pub fn of(caller: Caller) -> Self {
        Turn {
            caller,
            awaited: Arc::new(watch::Sender::new(false)),
        }
    }

    /// Of what a reader waits for.
    pub fn awaited(caller: Caller) -> Self {
        let turn = Turn::of(caller);
        turn.raise();
        turn
    }

    pub fn caller(&self) -> Caller {
        self.caller
    }

    pub fn is_awaited(&self) -> bool {
        *self.awaited.borrow()
    }

    /// A reader waits for it, too, from now on.
    pub fn raise(&self) {
        self.awaited.send_replace(true);
    }

    /// Waits until a reader waits for it.
    pub async fn raised(&self) {
        // Fails only without a sender, which is in self.
        let _ = self.awaited.subscribe().wait_for(|awaited| *awaited).await;
    }
}

impl Default for Turn {
    /// Of a call by itself.
    fn default() -> Self {
        Turn::of(Caller::new())
    }
}
