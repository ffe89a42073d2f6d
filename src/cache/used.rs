//! When timelines were last read: an object a timeline beside the frames, written anew at most once
//! a day. The time that the store gives it is the time of the reading, to the day.
//!
//! A hint: it is written behind the reader's back, and whatever goes wrong is nobody's failure.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, UNIX_EPOCH};

use bytes::Bytes;
use tokio::runtime::Handle;
use tokio::sync::Semaphore;

use crate::cache::Cache;
use crate::cache::objects;
use crate::error::Result;
use crate::store::{PutOptions, Store};

/// Marks are this old before they are written again.
const DAY: Duration = Duration::from_secs(86_400);
/// Timelines whose last reading this process remembers; beyond that it looks again.
const MAX_KNOWN: usize = 100_000;
/// Marks that are written at once; of more, the next reading's is.
const AT_ONCE: u32 = 16;
/// What the end of a process waits for them.
const SETTLING: Duration = Duration::from_secs(2);

/// Of all caches of this process.
static SLOTS: Semaphore = Semaphore::const_new(AT_ONCE as usize);

/// Timelines whose mark was looked at, and when.
#[derive(Default)]
pub(super) struct Uses(Mutex<HashMap<String, Instant>>);

impl Uses {
    /// Whether the mark is to be looked at now.
    fn is_due(&self, timeline: &str) -> bool {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if known.get(timeline).is_some_and(|at| at.elapsed() < DAY) {
            return false;
        }
        if known.len() >= MAX_KNOWN {
            known.clear();
        }
        known.insert(timeline.to_owned(), Instant::now());
        true
    }
}

impl Cache {
    /// Notes that a timeline was read. Waits for nothing.
    pub fn note_use(&self, timeline: &str) {
        if !self.uses.is_due(timeline) {
            return;
        }
        let (Ok(runtime), Ok(slot)) = (Handle::try_current(), SLOTS.try_acquire()) else {
            return;
        };
        let (store, key) = (self.store.clone(), self.layout.used(timeline));
        runtime.spawn(async move {
            if let Err(error) = mark(&store, &key).await {
                tracing::debug!(%error, key, "could not note that a timeline was read");
            }
            drop(slot);
        });
    }
}

/// Waits, for a short time, until the marks are written that are under way.
pub async fn settle() {
    let all = SLOTS.acquire_many(AT_ONCE);
    let _ = tokio::time::timeout(SETTLING, all).await;
}

async fn mark(store: &Arc<dyn Store>, key: &str) -> Result<()> {
    let there = objects::entry(&**store, key).await?;
    if there.is_some_and(|entry| entry.modified.is_some_and(is_of_today)) {
        return Ok(());
    }
    let options = PutOptions::unsynced("application/json");
    store.put(key, Bytes::from_static(b"{}"), options).await?;
    Ok(())
}

/// By this machine's clock, which may be wrong: a mark that seems to be of the future is written
/// again, and those who go by marks give them two days more.
fn is_of_today(modified: i64) -> bool {
    let now = UNIX_EPOCH.elapsed().unwrap_or_default().as_secs();
    let age = i64::try_from(now)
        .unwrap_or(i64::MAX)
        .saturating_sub(modified);
    u64::try_from(age).is_ok_and(|age| age < DAY.as_secs())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cache::testing::memory_cache;
    use crate::store::memory::Operation;

    #[tokio::test]
    async fn a_timeline_is_marked_once_a_day_however_often_it_is_read() {
        let (store, cache) = memory_cache();
        for _ in 0..3 {
            cache.note_use("t");
        }
        settle().await;
        let calls = store.calls();
        let puts = calls.iter().filter(|(call, _)| *call == Operation::Put);
        assert_eq!(puts.count(), 1);
        assert!(store.get("cache/used/t.json").await.unwrap().is_some());
    }

    #[test]
    fn a_mark_of_the_future_is_not_of_today() {
        let now = UNIX_EPOCH.elapsed().unwrap().as_secs() as i64;
        assert!(is_of_today(now) && is_of_today(now - 80_000));
        assert!(!is_of_today(now + 3600) && !is_of_today(now - 86_401));
    }
}
