//! Engines of one thread each, lent to one span at a time, and kept for the next.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::mpsc::Sender;

use crate::error::Result;
use crate::extract::{Cards, Engine, SpanEvent, SpanJob, SpanMedia};

pub(super) struct Lanes {
    /// As many as were lent at once, at most.
    free: Mutex<Vec<Engine>>,
    cards: Arc<Cards>,
}

/// An engine that decodes for nobody else until this is dropped.
pub(super) struct Lane {
    engine: Option<Engine>,
    home: Arc<Lanes>,
}

impl Lanes {
    pub fn new(cards: Arc<Cards>) -> Self {
        Lanes {
            free: Mutex::default(),
            cards,
        }
    }

    /// # Errors
    /// INTERNAL where the system gives no threads.
    pub fn lend(self: &Arc<Self>) -> Result<Lane> {
        let engine = match self.kept() {
            Some(engine) => engine,
            None => Engine::lane(self.cards.clone())?,
        };
        Ok(Lane {
            engine: Some(engine),
            home: self.clone(),
        })
    }

    fn kept(&self) -> Option<Engine> {
        let mut free = self.free();
        // Places on cards are few, and stay with those who have them.
        match free.iter().rposition(Engine::is_on_cards) {
            Some(place) => Some(free.remove(place)),
            None => free.pop(),
        }
    }

    fn free(&self) -> MutexGuard<'_, Vec<Engine>> {
        // Nothing that can panic runs under the lock.
        self.free.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Lane {
    pub fn submit(&self, job: SpanJob, media: SpanMedia, events: Sender<SpanEvent>) {
        if let Some(engine) = &self.engine {
            engine.submit(job, media, events);
        }
    }
}

impl Drop for Lane {
    fn drop(&mut self) {
        if let Some(engine) = self.engine.take() {
            self.home.free().push(engine);
        }
    }
}
