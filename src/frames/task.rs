//! A task that ends with whoever waits for it.

use tokio::task::JoinHandle;
use tracing::Instrument;

/// Runs on its own; dropped before its end, it is stopped.
pub struct Task<T>(JoinHandle<T>);

impl<T: Send + 'static> Task<T> {
    /// Starts it, in the caller's tracing span.
    pub fn spawn(work: impl Future<Output = T> + Send + 'static) -> Self {
        Task(tokio::spawn(work.in_current_span()))
    }

    /// Waits until it ended; none where it panicked.
    pub async fn ended(mut self) -> Option<T> {
        (&mut self.0).await.ok()
    }
}

impl<T> Drop for Task<T> {
    fn drop(&mut self) {
        self.0.abort();
    }
}
