//! The server's end: nothing new, running calls finish, what is left is told.

use std::time::Duration;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::time::timeout;

use crate::error::{Error, Result};
use crate::serve::gate::Gate;
use crate::serve::stage::Stage;

/// For trailers to be written once calls are ended.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// SIGINT and SIGTERM.
pub struct Signals {
    interrupt: Signal,
    terminate: Signal,
}

impl Signals {
    /// # Errors
    /// INTERNAL where the system takes no handlers.
    pub fn new() -> Result<Signals> {
        let failed = |e| Error::internal("could not wait for signals").caused_by(e);
        Ok(Signals {
            interrupt: signal(SignalKind::interrupt()).map_err(failed)?,
            terminate: signal(SignalKind::terminate()).map_err(failed)?,
        })
    }

    /// Ends with the next one.
    pub async fn next(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}

/// Waits for running calls within `patience`, or until a second signal; ends what is left.
pub async fn drain(gate: &Gate, patience: Duration, signals: &mut Signals) {
    gate.stages.move_on(Stage::Draining);
    let done = tokio::select! {
        done = timeout(patience, gate.empty()) => done.is_ok(),
        () = signals.next() => false,
    };
    if !done {
        tracing::warn!("calls are ended that did not finish");
    }
    gate.stages.move_on(Stage::Ended);
    // Streams that a client does not read cannot be told.
    let _ = timeout(LAST_WORDS, gate.empty()).await;
}
