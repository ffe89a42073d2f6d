//! Work on pixels for an answer, on as many threads as there are hands.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::account::{Account, Kind};
use crate::error::{Error, Reason, Result};

/// Whether anybody waits for the work still.
#[derive(Debug, Clone, Default)]
pub struct Wanted(Arc<AtomicBool>);

/// Dropped with the future of who waits.
struct Waits(Wanted);

impl Wanted {
    /// To be asked between steps, of which none may take long.
    ///
    /// # Errors
    /// CANCELLED where nobody waits.
    pub fn check(&self) -> Result<()> {
        match self.0.load(Ordering::Relaxed) {
            true => Err(Error::new(
                Reason::Cancelled,
                "nobody waits for this picture",
            )),
            false => Ok(()),
        }
    }
}

impl Drop for Waits {
    fn drop(&mut self) {
        self.0.0.store(true, Ordering::Relaxed);
    }
}

impl Account {
    /// Runs `work` on a thread of its own, once a hand is free. The hand is free again when the work
    /// has ended, also where its caller went away before.
    ///
    /// # Errors
    /// The work's own; QUEUE_FULL where no hand is free within half a minute.
    pub async fn by_hand<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Wanted) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let hand = self.take(Kind::Hands, 1).await?;
        let wanted = Wanted::default();
        let _waits = Waits(wanted.clone());
        let working = tokio::task::spawn_blocking(move || {
            let made = wanted.check().and_then(|()| work(&wanted));
            drop(hand);
            made
        });
        match working.await {
            Ok(made) => made,
            Err(failed) => Err(Error::internal("work on a picture failed").caused_by(failed)),
        }
    }
}
