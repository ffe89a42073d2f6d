//! Work on pixels for an answer, on as many threads as there are hands.

use tokio::task::JoinHandle;

use crate::account::{Account, Kind};
use crate::cancel::{Stop, StopOnDrop};
use crate::error::{Error, Result};

/// Work that a hand has begun. It is called off when this is dropped.
pub struct Working<T> {
    made: JoinHandle<T>,
    _waits: StopOnDrop,
}

impl<T> Working<T> {
    /// What it made.
    ///
    /// # Errors
    /// INTERNAL where its thread failed.
    pub async fn end(&mut self) -> Result<T> {
        let made = (&mut self.made).await;
        made.map_err(|failed| Error::internal("work on a picture failed").caused_by(failed))
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
        work: impl FnOnce(&Stop) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        self.begin_by_hand(work).await?.end().await?
    }

    /// As [`by_hand`](Account::by_hand), but waits for its beginning alone.
    ///
    /// # Errors
    /// QUEUE_FULL where no hand is free within half a minute.
    pub async fn begin_by_hand<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Stop) -> T + Send + 'static,
    ) -> Result<Working<T>> {
        let hand = self.take(Kind::Hands, 1).await?;
        let (waits, stop) = StopOnDrop::new();
        let working = tokio::task::spawn_blocking(move || {
            let made = work(&stop);
            drop(hand);
            made
        });
        Ok(Working {
            made: working,
            _waits: waits,
        })
    }
}
