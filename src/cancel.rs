//! Whether work that blocks is still wanted: set by who wanted it, asked by who does it.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use crate::error::{Error, Reason, Result};

/// Asked between the steps of work that blocks, and by libavformat while it reads. Clones ask the same.
#[derive(Clone)]
pub struct Stop {
    gone: Arc<dyn Fn() -> bool + Send + Sync>,
    steps: Option<Arc<AtomicU64>>,
}

impl Stop {
    /// For work that nobody will call off.
    pub fn never() -> Self {
        Stop::when(|| false)
    }

    /// Asks `gone`, often, and from any thread: it takes no lock.
    pub fn when(gone: impl Fn() -> bool + Send + Sync + 'static) -> Self {
        Stop {
            gone: Arc::new(gone),
            steps: None,
        }
    }

    /// The same, counting how often it is asked: who watches the number sees whether work goes on.
    pub fn counting(self, steps: Arc<AtomicU64>) -> Self {
        Stop {
            steps: Some(steps),
            ..self
        }
    }

    pub fn is_set(&self) -> bool {
        self.step();
        self.is_set_meanwhile()
    }

    /// The same for who only waits, which is no sign that work goes on.
    pub fn is_set_meanwhile(&self) -> bool {
        (self.gone)()
    }

    /// Work went on that did not ask.
    pub fn step(&self) {
        if let Some(steps) = &self.steps {
            steps.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// # Errors
    /// CANCELLED once it is set.
    pub fn check(&self) -> Result<()> {
        match self.is_set() {
            true => Err(cancelled()),
            false => Ok(()),
        }
    }
}

impl fmt::Debug for Stop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Stop")
            .field(&self.is_set_meanwhile())
            .finish()
    }
}

/// Calls the work off when it is dropped.
pub struct StopOnDrop(Arc<AtomicBool>);

impl StopOnDrop {
    /// With what the work asks.
    pub fn new() -> (Self, Stop) {
        let gone = Arc::<AtomicBool>::default();
        let asked = gone.clone();
        let stop = Stop::when(move || asked.load(Ordering::Relaxed));
        (StopOnDrop(gone), stop)
    }
}

impl Drop for StopOnDrop {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// What called-off work ends with.
pub fn cancelled() -> Error {
    Error::new(Reason::Cancelled, "nobody waits for it any more")
}
