//! What is looked at before the server calls itself ready, and again until it is known.

use std::sync::Arc;
use std::time::Duration;

use crate::api::ServerInfo;
use crate::cache::Cache;
use crate::error::Result;
use crate::serve::stage::{Stage, Stages};
use crate::store::probe_conditional;

/// A store that does not answer keeps the server from nothing but this long.
const PATIENCE: Duration = Duration::from_secs(10);
const AGAIN_AFTER: Duration = Duration::from_secs(60);

/// Tries the store: whether it is there, and whether it keeps create-only puts. The server is
/// ready after the first try, whatever it found: frames may come back with the store. Ends once
/// the answer is known.
pub async fn check(cache: Cache, info: Arc<ServerInfo>, stages: Arc<Stages>) {
    loop {
        let found = tokio::time::timeout(PATIENCE, try_store(&cache)).await;
        stages.move_on(Stage::Ready);
        match found {
            Ok(Ok(conditional)) => {
                // Nobody else sets it.
                let _ = info.conditional_put.set(conditional);
                tracing::info!(conditional_put = conditional, "the store is there");
                return;
            }
            Ok(Err(e)) => tracing::warn!("the store cannot be used now: {e}"),
            Err(_) => tracing::warn!("the store does not answer"),
        }
        tokio::time::sleep(AGAIN_AFTER).await;
    }
}

async fn try_store(cache: &Cache) -> Result<bool> {
    let timelines = cache.layout().timelines_prefix();
    // Beside the timelines, where a client that may write them may write this too.
    let folder = timelines.strip_suffix("timelines/").unwrap_or_default();
    probe_conditional(&**cache.store(), folder).await
}
