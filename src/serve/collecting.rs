//! Letting go beside the calls, as `framecache gc` does: by one of all servers of a store, every so often.

use std::time::Duration;

use crate::cache::Cache;
use crate::cache::retention::{Asked, Collected, Policies};
use crate::error::Result;
use crate::hex::new_id;

/// It is looked so many times in each of its periods whether it is time.
const LOOKS: u32 = 8;
const LOOK_EVERY: std::ops::RangeInclusive<Duration> =
    Duration::from_millis(250)..=Duration::from_secs(3600);

/// What a server lets go, and how often.
pub struct Collecting {
    pub policies: Policies,
    pub every: Duration,
}

impl Collecting {
    /// Never ends. Dropped, what is begun is gone on with by whoever has the next turn.
    pub async fn run(self, cache: Cache) {
        let holder = new_id();
        let pause = (self.every / LOOKS).clamp(*LOOK_EVERY.start(), *LOOK_EVERY.end());
        loop {
            tokio::time::sleep(pause).await;
            if let Err(error) = self.look(&cache, &holder).await {
                tracing::warn!(%error, "nothing more could be let go");
            }
        }
    }

    async fn look(&self, cache: &Cache, holder: &str) -> Result<()> {
        let Some(lease) = cache.take_turn(holder, self.every).await? else {
            return Ok(());
        };
        let asked = Asked {
            policies: self.policies.clone(),
            ..Asked::default()
        };
        let collected = tokio::select! {
            collected = cache.collect(&asked, &|_| ()) => collected?,
            () = lease.keep() => {
                tracing::warn!("another server goes on with what is let go");
                return Ok(());
            }
        };
        tell(&collected);
        lease.end().await
    }
}

fn tell(collected: &Collected) {
    let all = collected.tally();
    tracing::info!(
        timelines = collected.timelines.len(),
        objects = all.objects,
        bytes = all.bytes,
        walked = collected.walked,
        "what policies and records let go is gone"
    );
    for gone in &collected.timelines {
        tracing::info!(timeline = gone.timeline, why = %gone.why, "a timeline was let go");
    }
    for failed in &collected.failed {
        let (timeline, why) = (&failed.timeline, &failed.message);
        tracing::warn!(timeline, why, "a timeline was left as it is");
    }
}
