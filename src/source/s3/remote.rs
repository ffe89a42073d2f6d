//! What all objects that are read share: the client, and the blocks that were read last.

use std::future::Future;
use std::num::NonZero;
use std::sync::{Arc, Once, Weak};
use std::thread::available_parallelism;
use std::time::Duration;

use bytes::Bytes;
use moka::future::Cache;
use moka::policy::EvictionPolicy;

use crate::aws::{Endpoint, Failure, Lazy};

/// A chunk is opened for its identity, for its index and by each worker that decodes it: a few of
/// them are kept for every worker that there may be.
const KEPT_BYTES_A_CORE: u64 = 32 << 20;
const KEPT_BYTES: u64 = 512 << 20;
/// A chunk that is in work is read more often.
const KEPT_FOR: Duration = Duration::from_secs(30);

pub(in crate::source) struct Remote {
    pub(super) aws: Lazy,
    kept: Arc<Cache<BlockId, Bytes>>,
    sweeping: Once,
}

/// A block of one version of an object.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct BlockId {
    /// Bucket, key and ETag.
    pub object: [String; 3],
    /// Size of the object.
    pub bytes: u64,
    pub index: u64,
}

impl Remote {
    pub(in crate::source) fn new(endpoint: Endpoint) -> Remote {
        Remote::over(Lazy::new(endpoint))
    }

    pub(in crate::source) fn over(aws: Lazy) -> Remote {
        let cores = available_parallelism().map_or(1, NonZero::get) as u64;
        let weight = |_: &BlockId, block: &Bytes| u32::try_from(block.len()).unwrap_or(u32::MAX);
        let kept = Cache::builder()
            .max_capacity((cores * KEPT_BYTES_A_CORE).min(KEPT_BYTES))
            .weigher(weight)
            // Blocks are read in order, and soon again or never.
            .eviction_policy(EvictionPolicy::lru())
            .time_to_idle(KEPT_FOR)
            .build();
        Remote {
            aws,
            kept: Arc::new(kept),
            sweeping: Once::new(),
        }
    }

    /// The block, by `fetch` where it is not kept: once, however many wait. Where the one who
    /// fetches goes away, another of them takes over. To be called on a runtime.
    pub(super) async fn block(
        &self,
        id: BlockId,
        fetch: impl Future<Output = Result<Bytes, Failure>>,
    ) -> Result<Bytes, Failure> {
        self.sweeping.call_once(|| {
            tokio::spawn(sweep(Arc::downgrade(&self.kept)));
        });
        let block = self.kept.try_get_with(id, fetch).await;
        // What is over the bound goes now, not with a later batch.
        self.kept.run_pending_tasks().await;
        block.map_err(|failed| Arc::try_unwrap(failed).unwrap_or_else(|shared| shared.again()))
    }
}

/// Lets go of what nobody read for long, while nobody reads anything.
async fn sweep(kept: Weak<Cache<BlockId, Bytes>>) {
    loop {
        tokio::time::sleep(KEPT_FOR / 2).await;
        let Some(kept) = kept.upgrade() else { return };
        kept.run_pending_tasks().await;
    }
}
