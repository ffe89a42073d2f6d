//! The stale tail of a replaced profile: records and frames that the plan, as
//! it is now, does not account for.

use futures::{StreamExt, TryStreamExt, stream};

use crate::cache::inventory::{ListedFrame, ListedFrames, ListedRecords};
use crate::cache::objects::Tally;
use crate::cache::places::Place;
use crate::cache::planned::{Planned, Row};
use crate::cache::record::is_stored;
use crate::cache::{CONCURRENCY, Profile};
use crate::error::Result;

/// What was swept away.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Swept {
    pub records: Tally,
    pub frames: Tally,
}

impl Profile {
    /// Deletes the records that no row of the plan has, then the frames that
    /// no row has or whose record says that they have no object of their own.
    /// To be called when a replaced profile's spans are committed; once more does no harm.
    ///
    /// # Errors
    /// Those of `load_plan`; the store's own.
    pub async fn sweep_stale(&self) -> Result<Swept> {
        // Listed before the plan is read: what is listed was written under
        // this plan or an older one, so rows appended meanwhile lose nothing.
        let records = ListedRecords::read(&*self.store, &self.keys).await?;
        let frames = ListedFrames::read(&*self.store, &self.keys).await?;
        let Some(plan) = self.load_plan().await?.filter(|p| !p.is_put()) else {
            return Ok(Swept::default());
        };
        let stale_records: Vec<_> = records
            .records
            .into_iter()
            .filter(|(id, _)| plan.row_named(id).is_none())
            .map(|(_, entry)| entry)
            .chain(records.others)
            .map(|entry| (entry.key, entry.bytes))
            .collect();
        let stale_frames = self.stale_frames(&plan, &frames).await?;
        Ok(Swept {
            records: self.delete_counted(stale_records).await?,
            frames: self.delete_counted(stale_frames).await?,
        })
    }

    /// Keys and bytes of listed frames that the plan has no use for.
    async fn stale_frames(
        &self,
        plan: &Planned,
        listed: &ListedFrames,
    ) -> Result<Vec<(String, u64)>> {
        let unplanned = listed
            .frames
            .iter()
            .filter(|f| plan.row_of(f.seq).is_none());
        let others = listed.others.iter().map(|e| (e.key.clone(), e.bytes));
        let mut stale: Vec<_> = unplanned.map(|f| self.keyed(f)).chain(others).collect();
        let checks = plan.in_sequence().map(|row| self.unstored(row, listed));
        let mut unstored = stream::iter(checks.collect::<Vec<_>>()).buffered(CONCURRENCY);
        while let Some(frames) = unstored.try_next().await? {
            stale.extend(frames.iter().map(|f| self.keyed(f)));
        }
        Ok(stale)
    }

    /// Listed frames of a committed row whose facts say that they have no
    /// object of their own: repeats, missing ones, all of a failed span.
    async fn unstored(&self, row: Row<'_>, listed: &ListedFrames) -> Result<Vec<ListedFrame>> {
        let listed = listed.within(row.sequences());
        if listed.is_empty() {
            return Ok(Vec::new());
        }
        let Ok(record) = self.record(row).await? else {
            return Ok(Vec::new());
        };
        let stored = |f: &ListedFrame| record.frame(f.seq).is_some_and(is_stored);
        Ok(listed.iter().filter(|f| !stored(f)).copied().collect())
    }

    fn keyed(&self, frame: &ListedFrame) -> (String, u64) {
        (Place::Loose(frame.seq).key(&self.keys), frame.bytes)
    }

    async fn delete_counted(&self, doomed: Vec<(String, u64)>) -> Result<Tally> {
        let tally = Tally {
            objects: doomed.len() as u64,
            bytes: doomed.iter().map(|(_, bytes)| bytes).sum(),
        };
        let keys: Vec<_> = doomed.into_iter().map(|(key, _)| key).collect();
        if !keys.is_empty() {
            self.store.delete(&keys).await?;
        }
        Ok(tally)
    }
}
