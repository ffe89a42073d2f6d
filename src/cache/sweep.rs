//! The stale tail of a replaced or repacked profile: records, frames and packs that the plan, as
//! it is now, does not account for.

use std::collections::HashSet;

use futures::{StreamExt, TryStreamExt, stream};

use crate::cache::inventory::{ListedFrame, ListedFrames, ListedPacks, ListedRecords};
use crate::cache::objects::Tally;
use crate::cache::places::Place;
use crate::cache::planned::{Planned, Row};
use crate::cache::{CONCURRENCY, Profile};
use crate::error::Result;
use crate::store::Entry;

/// What was swept away.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Swept {
    pub records: Tally,
    pub frames: Tally,
    pub packs: Tally,
}

/// Keys and bytes of what is to be deleted.
#[derive(Default)]
struct Stale {
    frames: Vec<(String, u64)>,
    packs: Vec<(String, u64)>,
}

fn keyed(entry: &Entry) -> (String, u64) {
    (entry.key.clone(), entry.bytes)
}

impl Profile {
    /// Deletes the records that no row of the plan has, then the frames and packs that no row has
    /// or that its record does not name.
    /// To be called when a replaced profile's spans are committed; once more does no harm.
    ///
    /// # Errors
    /// Those of `load_plan`; the store's own.
    pub async fn sweep_stale(&self) -> Result<Swept> {
        // Listed before the plan is read: what is listed was written under
        // this plan or an older one, so rows appended meanwhile lose nothing.
        let records = ListedRecords::read(&*self.store, &self.keys).await?;
        let frames = ListedFrames::read(&*self.store, &self.keys).await?;
        let packs = ListedPacks::read(&*self.store, &self.keys).await?;
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
        let stale = self.stale(&plan, (&frames, &packs)).await?;
        let swept = Swept {
            records: self.delete_counted(stale_records).await?,
            frames: self.delete_counted(stale.frames).await?,
            packs: self.delete_counted(stale.packs).await?,
        };
        if swept.packs.objects > 0 {
            // One may have been of a span that is under way.
            self.renew().await?;
        }
        Ok(swept)
    }

    /// What is listed and the plan has no use for.
    async fn stale(
        &self,
        plan: &Planned,
        (frames, packs): (&ListedFrames, &ListedPacks),
    ) -> Result<Stale> {
        let mut stale = Stale::default();
        let unplanned = frames.frames.iter();
        let unplanned = unplanned.filter(|f| plan.row_of(f.seq).is_none());
        stale.frames.extend(unplanned.map(|f| self.keyed(f)));
        stale.frames.extend(frames.others.iter().map(keyed));
        let unplanned = packs.packs.iter();
        let unplanned = unplanned.filter(|(id, _)| plan.row_named(id).is_none());
        stale.packs.extend(unplanned.map(|(_, entry)| keyed(entry)));
        stale.packs.extend(packs.others.iter().map(keyed));
        let checks = plan.in_sequence();
        let checks = checks.map(|row| self.unnamed(row, (frames, packs)));
        let mut unnamed = stream::iter(checks.collect::<Vec<_>>()).buffered(CONCURRENCY);
        while let Some(of_row) = unnamed.try_next().await? {
            stale.frames.extend(of_row.frames);
            stale.packs.extend(of_row.packs);
        }
        Ok(stale)
    }

    /// What is listed of a committed row, and its record does not name: frames that are repeats,
    /// missing or packed, all of a failed span, packs of others.
    async fn unnamed(
        &self,
        row: Row<'_>,
        (frames, packs): (&ListedFrames, &ListedPacks),
    ) -> Result<Stale> {
        let (frames, packs) = (frames.within(row.sequences()), packs.of(&row.id()));
        if frames.is_empty() && packs.is_empty() {
            return Ok(Stale::default());
        }
        let Ok(record) = self.record(row).await? else {
            return Ok(Stale::default());
        };
        let named: HashSet<_> = record.packs(&self.keys).map(|(key, _)| key).collect();
        let loose = frames.iter().filter(|f| !record.is_loose(f.seq));
        let packs = packs.iter().map(|(_, entry)| entry);
        let others = packs.filter(|entry| !named.contains(&entry.key));
        Ok(Stale {
            frames: loose.map(|f| self.keyed(f)).collect(),
            packs: others.map(keyed).collect(),
        })
    }

    pub(super) fn keyed(&self, frame: &ListedFrame) -> (String, u64) {
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
