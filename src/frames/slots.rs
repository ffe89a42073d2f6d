//! Places that work takes: so many for calls that fill the cache, and as many again for what a
//! reader waits for, so that it never queues behind them.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::error::{Error, Result};
use crate::extract::Turn;

pub(super) struct Slots {
    filling: Arc<Semaphore>,
    reading: Arc<Semaphore>,
}

impl Slots {
    pub fn new(slots: usize) -> Self {
        let slots = || Arc::new(Semaphore::new(slots.max(1)));
        Slots {
            filling: slots(),
            reading: slots(),
        }
    }

    /// Waits for a place, first come, first served; who is raised meanwhile goes to the readers'.
    ///
    /// # Errors
    /// INTERNAL, never: the places are not closed.
    pub async fn take(&self, turn: &Turn) -> Result<OwnedSemaphorePermit> {
        let reading = async {
            turn.raised().await;
            self.reading.clone().acquire_owned().await
        };
        let taken = tokio::select! {
            biased;
            taken = reading => taken,
            taken = self.filling.clone().acquire_owned(), if !turn.is_awaited() => taken,
        };
        taken.map_err(|e| Error::internal("no places are left").caused_by(e))
    }
}
