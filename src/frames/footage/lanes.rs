//! Engines of one thread each, lent to one group at a time.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::error::{Error, Result};
use crate::extract::{Cards, Engine};

pub(in crate::frames) struct Lanes {
    /// Made when first needed, kept for the next.
    free: Mutex<Vec<Engine>>,
    permits: Arc<Semaphore>,
    cards: Arc<Cards>,
}

/// An engine that decodes for nobody else until this is dropped.
pub(super) struct Lane {
    engine: Option<Engine>,
    home: Arc<Lanes>,
    _permit: OwnedSemaphorePermit,
}

impl Lanes {
    pub fn new(lanes: usize, cards: Arc<Cards>) -> Self {
        Lanes {
            free: Mutex::default(),
            permits: Arc::new(Semaphore::new(lanes.max(1))),
            cards,
        }
    }

    /// Waits for a lane, first come, first served.
    ///
    /// # Errors
    /// INTERNAL where the system gives no threads.
    pub(super) async fn lend(self: &Arc<Self>) -> Result<Lane> {
        let permit = self.permits.clone().acquire_owned().await;
        let permit = permit.map_err(|e| Error::internal("no lanes are left").caused_by(e))?;
        let kept = {
            let mut free = self.free();
            // Places on cards are few, and stay with those who have them.
            let place = free.iter().rposition(Engine::is_on_cards);
            match place {
                Some(place) => Some(free.remove(place)),
                None => free.pop(),
            }
        };
        let engine = match kept {
            Some(engine) => engine,
            None => Engine::lane(self.cards.clone())?,
        };
        Ok(Lane {
            engine: Some(engine),
            home: self.clone(),
            _permit: permit,
        })
    }

    fn free(&self) -> MutexGuard<'_, Vec<Engine>> {
        // Nothing that can panic runs under the lock.
        self.free.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Lane {
    /// # Errors
    /// INTERNAL, never.
    pub fn engine(&self) -> Result<&Engine> {
        let engine = self.engine.as_ref();
        engine.ok_or_else(|| Error::internal("a lane has no engine"))
    }
}

impl Drop for Lane {
    fn drop(&mut self) {
        if let Some(engine) = self.engine.take() {
            self.home.free().push(engine);
        }
    }
}
