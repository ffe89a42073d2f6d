//! SIGINT and SIGTERM, from the first moment of a command to its last.

use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::error::{Error, Result};

/// What asks a command to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    Interrupt,
    Terminate,
}

/// Both signals of this process, which no longer end it by themselves.
pub struct Signals {
    interrupt: Signal,
    terminate: Signal,
}

impl Signals {
    /// Needs no runtime. What comes from here on waits for [`Signals::next`].
    ///
    /// # Errors
    /// INTERNAL where the system takes no handlers.
    pub fn install() -> Result<Signals> {
        let failed = |e| Error::internal("could not wait for signals").caused_by(e);
        // tokio installs handlers within a runtime and leaves them to the process: what they wrote down is told by
        // whichever runtime runs next.
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_io()
            .build()
            .map_err(failed)?;
        let _within = runtime.enter();
        Ok(Signals {
            interrupt: signal(SignalKind::interrupt()).map_err(failed)?,
            terminate: signal(SignalKind::terminate()).map_err(failed)?,
        })
    }

    /// Ends with the next one.
    pub async fn next(&mut self) -> Ending {
        tokio::select! {
            _ = self.interrupt.recv() => Ending::Interrupt,
            _ = self.terminate.recv() => Ending::Terminate,
        }
    }
}
