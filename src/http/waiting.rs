//! Waiting for what is extracted: for as long as the client says, and no longer.

use std::time::Duration;

use tokio::time::timeout;

use crate::account::Kind;
use crate::error::{Error, Result};
use crate::frames::Task;
use crate::http::{Asked, Problem};

/// When to ask again for what is not there yet.
const AGAIN: Duration = Duration::from_secs(2);

/// What `work` gives within the time that the request allows. Where it takes longer it goes on in a place of its own
/// among the calls, if one is free, so that asking again finds it.
///
/// # Errors
/// Its own; 503 where it is not there in time.
pub async fn patiently<T: Send + 'static>(
    asked: &Asked,
    work: impl Future<Output = Result<T>> + Send + 'static,
) -> Result<T, Problem> {
    let wait = asked.wait()?;
    let mut ended = Box::pin(Task::spawn(work).ended());
    let Ok(outcome) = timeout(wait, &mut ended).await else {
        if let Ok(place) = asked.api.account().take_now(Kind::Calls, 1) {
            tokio::spawn(async move {
                drop(ended.await);
                drop(place);
            });
        }
        let what = format!(
            "it is being extracted still: waited_secs={}",
            wait.as_secs()
        );
        let hint = "ask again in a moment, or allow more time with ?wait=SECONDS";
        return Err(Problem::new(503, "NOT_READY", what)
            .hint(hint)
            .again_after(AGAIN));
    };
    let outcome = outcome.ok_or_else(|| Error::internal("a call's work panicked"))?;
    Ok(outcome?)
}
