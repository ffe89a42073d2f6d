//! The server's end: nothing new, running calls finish, what is left is told.

use std::time::Duration;

use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use crate::error::Result;
use crate::serve::gate::Gate;
use crate::serve::stage::Stage;
use crate::signals::Signals;

/// For trailers to be written once calls are ended.
const LAST_WORDS: Duration = Duration::from_secs(1);
/// A connection that stays although no call was inside for so long is idle: a health watch, or a client that is gone.
const IDLE: Duration = Duration::from_secs(1);
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// What the end of a server needs of it.
pub struct Ending<'a> {
    pub gate: &'a Gate,
    /// Ends once health tells that nothing is served.
    pub told: JoinHandle<()>,
    /// Closes the listener, and asks the clients of all connections to open others (GOAWAY, RFC 9113, 6.8): calls that
    /// were on their way are answered still.
    pub close: oneshot::Sender<()>,
    pub patience: Duration,
}

impl Ending<'_> {
    /// Waits for running calls within the patience, or until a second signal; ends what is left. `serving` ends with
    /// the last connection.
    ///
    /// # Errors
    /// Those of `serving`.
    pub async fn drain(
        self,
        serving: impl Future<Output = Result<()>>,
        signals: &mut Signals,
    ) -> Result<()> {
        let mut serving = std::pin::pin!(serving);
        self.gate.stages.move_on(Stage::Draining);
        // Who looks at health before connecting looks elsewhere from now on. It fails only where telling panicked.
        let _ = self.told.await;
        // Fails only where serving ended.
        let _ = self.close.send(());
        let done = tokio::select! {
            outcome = &mut serving => return outcome,
            done = timeout(self.patience, idle(self.gate)) => done.is_ok(),
            _ = signals.next() => false,
        };
        if !done {
            tracing::warn!("calls are ended that did not finish");
        }
        self.gate.stages.move_on(Stage::Ended);
        // Streams that a client does not read cannot be told.
        timeout(LAST_WORDS, serving).await.unwrap_or(Ok(()))
    }
}

/// Ends once no call was inside for a while: one may be on its way from a client that was not reached yet.
async fn idle(gate: &Gate) {
    let looks = IDLE.as_millis() / LOOK_EVERY.as_millis();
    let mut left = looks;
    while left > 0 {
        tokio::time::sleep(LOOK_EVERY).await;
        left = if gate.inside() == 0 { left - 1 } else { looks };
    }
}
