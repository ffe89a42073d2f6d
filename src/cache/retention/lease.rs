//! Whose turn it is to let go, of servers that do so by themselves: an object beside the timelines. It only saves
//! work, as two collections at once do no harm; so it may vanish, and a store without conditional puts will do.

use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use crate::cache::Cache;
use crate::cache::objects;
use crate::error::{Error, Result};
use crate::store::{Condition, Written};

/// Who says nothing of it for so long, by the store's clock, has it no more.
const LEASE_SECS: i64 = 300;
/// How often its holder says that it goes on.
const SAY_EVERY: Duration = Duration::from_secs(60);
const RETRY_EVERY: Duration = Duration::from_secs(10);

/// As it lies in the store.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
struct Turn {
    holder: String,
    /// When its collection began, by the store's clock.
    began: i64,
    /// It came to its end.
    ended: bool,
}

/// A turn that this process has.
pub struct Lease {
    cache: Cache,
    turn: Turn,
}

impl Cache {
    /// A turn to collect, where the last collection began longer ago than `every`, and nobody is at one.
    ///
    /// # Errors
    /// As [`Cache::collect`].
    pub async fn take_turn(&self, holder: &str, every: Duration) -> Result<Option<Lease>> {
        let key = self.layout.collection_lease();
        let object = self.store.get(&key).await?;
        let turn = object
            .as_ref()
            .and_then(|o| serde_json::from_slice(&o.data).ok());
        let turn: Turn = turn.unwrap_or_default();
        let now = self.store_time().await?;
        let finished = self.collection_place().await?.finished;
        let last = finished.max(turn.ended.then_some(turn.began));
        let every = i64::try_from(every.as_secs()).unwrap_or(i64::MAX);
        if last.is_some_and(|last| now.saturating_sub(last) < every) {
            return Ok(None);
        }
        if object.is_some() && !turn.ended && self.is_held(&key, now).await? {
            return Ok(None);
        }
        let lease = Lease {
            cache: self.clone(),
            turn: Turn {
                holder: holder.to_owned(),
                began: now,
                ended: false,
            },
        };
        let when = match object {
            None => Condition::IfAbsent,
            Some(object) => object.unchanged(),
        };
        Ok(lease.put(when).await?.then_some(lease))
    }

    async fn is_held(&self, key: &str, now: i64) -> Result<bool> {
        let said = objects::entry(&*self.store, key).await?;
        let said = said.and_then(|entry| entry.modified);
        Ok(said.is_some_and(|said| now.saturating_sub(said) < LEASE_SECS))
    }
}

impl Lease {
    /// Whether it is this holder's now.
    async fn put(&self, when: Condition) -> Result<bool> {
        let key = self.cache.layout.collection_lease();
        let data = serde_json::to_vec(&self.turn)
            .map_err(|e| Error::internal("could not write JSON").caused_by(e))?;
        let written = objects::put_json(&*self.cache.store, &key, data.into(), when).await?;
        Ok(written == Written::Yes && self.version().await?.is_some())
    }

    /// The version of the lease in the store, where it is this holder's.
    async fn version(&self) -> Result<Option<Condition>> {
        let key = self.cache.layout.collection_lease();
        let Some(object) = self.cache.store.get(&key).await? else {
            return Ok(None);
        };
        let turn: Option<Turn> = serde_json::from_slice(&object.data).ok();
        let own = turn.is_some_and(|turn| turn.holder == self.turn.holder);
        Ok(own.then(|| object.unchanged()))
    }

    async fn say(&self) -> Result<bool> {
        match self.version().await? {
            Some(when) => self.put(when).await,
            None => Ok(false),
        }
    }

    /// Says again and again that it goes on; ends once it is another's, or may be.
    pub async fn keep(&self) {
        let mut said = Instant::now();
        let mut pause = SAY_EVERY;
        while said.elapsed().as_secs() < LEASE_SECS.unsigned_abs() {
            tokio::time::sleep(pause).await;
            match self.say().await {
                Ok(true) => (said, pause) = (Instant::now(), SAY_EVERY),
                Ok(false) => return,
                Err(error) => {
                    tracing::debug!(%error, "the lease could not be renewed");
                    pause = RETRY_EVERY;
                }
            }
        }
    }

    /// The collection came to its end.
    ///
    /// # Errors
    /// The store's own.
    pub async fn end(mut self) -> Result<()> {
        self.turn.ended = true;
        self.say().await.map(drop)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::cache::keys::Layout;
    use crate::cache::memory::Memory;
    use crate::store::dir::DirStore;

    const NEVER: Duration = Duration::from_secs(3600);

    fn cache() -> (tempfile::TempDir, Cache) {
        let folder = tempfile::tempdir().unwrap();
        let store = Arc::new(DirStore::open(folder.path()).unwrap());
        let layout = Layout::new("cache").unwrap();
        (folder, Cache::new(store, layout, Memory::new(1 << 20)))
    }

    #[tokio::test]
    async fn one_of_several_has_the_turn_and_none_has_it_again_before_it_is_time() {
        let (_folder, cache) = cache();
        let mut turns = Vec::new();
        for name in ["a", "b", "c"] {
            turns.extend(cache.take_turn(name, NEVER).await.unwrap());
        }
        let [turn] = &turns[..] else {
            panic!("{} have it", turns.len());
        };
        assert_eq!(turn.turn.holder, "a");
        assert!(turn.say().await.unwrap());
        turns.remove(0).end().await.unwrap();
        assert!(cache.take_turn("b", NEVER).await.unwrap().is_none());
        assert!(
            cache
                .take_turn("b", Duration::ZERO)
                .await
                .unwrap()
                .is_some()
        );
    }

    #[tokio::test]
    async fn a_holder_that_is_silent_loses_it_and_hears_so() {
        let (folder, cache) = cache();
        let lost = cache.take_turn("a", NEVER).await.unwrap().unwrap();
        let path = folder.path().join(cache.layout.collection_lease());
        let long_ago = std::time::SystemTime::now() - Duration::from_secs(400);
        let file = std::fs::File::options().write(true).open(&path).unwrap();
        file.set_modified(long_ago).unwrap();
        drop(file);
        let turn = cache.take_turn("b", NEVER).await.unwrap().unwrap();
        assert!(!lost.say().await.unwrap() && turn.say().await.unwrap());
        // The end of one who has it no more changes nothing.
        lost.end().await.unwrap();
        assert!(turn.say().await.unwrap());
    }

    #[tokio::test]
    async fn a_collection_by_hand_counts_as_one() {
        let (_folder, cache) = cache();
        let asked = crate::cache::retention::Asked::default();
        cache.collect(&asked, &|_| ()).await.unwrap();
        assert!(cache.take_turn("a", NEVER).await.unwrap().is_none());
    }
}
