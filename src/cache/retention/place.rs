//! How far a collection came: an object beside the timelines, so that one that was stopped is gone on
//! with. It may vanish at any time; then a walk begins at the beginning.

use serde::{Deserialize, Serialize};

use crate::cache::Cache;
use crate::cache::objects;
use crate::cache::retention::SAFE_SECS;
use crate::error::{Error, Reason, Result};
use crate::store::Condition;

/// A walk through all timelines, in the order of a listing.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Place {
    /// The timeline that was done last; none: at the beginning.
    pub after: Option<String>,
    /// When it began, by the store's clock.
    pub began: i64,
    /// A timeline could not be looked at.
    pub missed: bool,
    /// When the last walk began that came to its end and missed none.
    pub finished: Option<i64>,
    /// Timelines of prefixes that together have a limit, as they were found.
    pub held: Vec<Held>,
}

/// A timeline that counts towards a limit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Held {
    pub timeline: String,
    pub objects: u64,
    pub bytes: u64,
    /// When it was last written or read.
    pub last: i64,
    /// It is young, or of frames without a plan: it counts and stays.
    pub stays: bool,
}

impl Place {
    /// What was written before this was looked at by a walk that came to its end, when it was no
    /// longer young.
    pub fn horizon(&self) -> i64 {
        let judged = |finished: i64| finished.saturating_sub(SAFE_SECS);
        self.finished.map_or(i64::MIN, judged)
    }
}

impl Cache {
    /// What time the store has: that which it gives to an object written now, in seconds since the
    /// Unix epoch.
    ///
    /// # Errors
    /// STORE_UNAVAILABLE for a store that gives objects no time; the store's own.
    pub(super) async fn store_time(&self) -> Result<i64> {
        let key = self.layout.clock();
        objects::put_json(&*self.store, &key, "{}".into(), Condition::Always).await?;
        let entry = objects::entry(&*self.store, &key).await?;
        entry.and_then(|entry| entry.modified).ok_or_else(|| {
            let message = format!("the store does not say when an object was written: key={key}");
            Error::new(Reason::StoreUnavailable, message)
                .hint("nothing can be let go by age there; use `framecache clear`")
        })
    }

    /// What cannot be read is no place.
    pub(super) async fn collection_place(&self) -> Result<Place> {
        let object = self.store.get(&self.layout.collection_place()).await?;
        let place = object.and_then(|object| serde_json::from_slice(&object.data).ok());
        Ok(place.unwrap_or_default())
    }

    pub(super) async fn keep_place(&self, place: &Place) -> Result<()> {
        let key = self.layout.collection_place();
        let data = serde_json::to_vec(place)
            .map_err(|e| Error::internal("could not write JSON").caused_by(e))?;
        objects::put_json(&*self.store, &key, data.into(), Condition::Always).await?;
        Ok(())
    }
}
