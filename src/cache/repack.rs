//! Repacking: a profile's frames from one layout to the other, byte for byte; nothing is decoded.
//!
//! The plan first, under a new nonce: spans that are under way lie as they began and are started
//! again. Then span by span: its frames are read and compared, put, and the record is written over the
//! old one; only then does what the old one named go. Whoever dies in between leaves both, and the
//! next call goes on from there and sweeps what nothing names any more.

use bytes::Bytes;
use futures::{StreamExt, TryStreamExt, stream};

use crate::cache::commit::Committed;
use crate::cache::places::{Place, Placing, Puts};
use crate::cache::planned::Row;
use crate::cache::record::{Outcome, Record, is_stored};
use crate::cache::sealed::sha256_hex;
use crate::cache::{CONCURRENCY, Profile};
use crate::error::{Error, Reason, Result};
use crate::media::facts::FrameFacts;
use crate::timeline::plan::FrameLayout;

/// What a repacking did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Repacked {
    /// Spans whose frames lie as asked now and did not before, and their frames.
    pub spans: u64,
    pub frames: u64,
    /// Spans whose frames lay so already.
    pub before: u64,
    /// Spans that have no record: they will lie so once they are extracted.
    pub uncommitted: u64,
    /// Spans with frames that are damaged or gone: they were left as they are.
    pub damaged: u64,
}

/// What became of one span.
enum Done {
    Repacked(u64),
    Before,
    Uncommitted,
    Damaged,
}

impl Profile {
    /// Has the profile's frames lie so, those that are there and those to come. Calling again goes on
    /// where it stopped. `hear`: spans done, of so many.
    ///
    /// # Errors
    /// PLAN_DIFFERS for frames that were put or have no plan, and where the
    /// profile is cleared, replaced or repacked meanwhile; the store's own.
    pub async fn repack(
        &self,
        layout: FrameLayout,
        hear: &(dyn Fn(u64, u64) + Send + Sync),
    ) -> Result<Repacked> {
        let plan = self.lay_out(layout).await?;
        let total = plan.in_sequence().count() as u64;
        let mut repacked = Repacked::default();
        for (done, row) in (1..).zip(plan.in_sequence()) {
            match self.repack_span(row, layout).await? {
                Done::Repacked(frames) => {
                    repacked.spans += 1;
                    repacked.frames += frames;
                }
                Done::Before => repacked.before += 1,
                Done::Uncommitted => repacked.uncommitted += 1,
                Done::Damaged => repacked.damaged += 1,
            }
            hear(done, total);
        }
        self.sweep_stale().await?;
        self.memory.forget(self);
        Ok(repacked)
    }

    async fn repack_span(&self, row: Row<'_>, layout: FrameLayout) -> Result<Done> {
        let Ok(record) = self.record(row).await? else {
            return Ok(Done::Uncommitted);
        };
        let is_packed = record.packs.is_some();
        let stored = record.frames().iter().filter(|f| is_stored(f)).count();
        if stored == 0 || is_packed == (layout == FrameLayout::Packed) {
            return Ok(Done::Before);
        }
        let mut placing = Placing::new(self, row, layout);
        if !self.place_again(&record, &mut placing).await? {
            return Ok(Done::Damaged);
        }
        let placed = placing.placed();
        let outcome = Outcome::Frames(placed.facts);
        match self.commit_span(row, outcome, placed.packs).await? {
            Committed::Yes => {}
            Committed::Superseded | Committed::Outdated | Committed::Kept => {
                self.take_back(row).await?;
                return Err(self.changed_meanwhile());
            }
        }
        self.store.delete(&self.objects_of(&record)).await?;
        Ok(Done::Repacked(stored as u64))
    }

    /// Removes the row's record if it is this handle's: its frames may have gone before it stood.
    async fn take_back(&self, row: Row<'_>) -> Result<()> {
        let record = self.record(row).await?.ok();
        if record.is_some_and(|record| record.attempt == *self.attempt) {
            let key = self.keys.record(&row.id());
            self.store.delete(&[key]).await?;
            self.memory.forget_record(self, row).await;
        }
        Ok(())
    }

    /// Puts a record's frames anew; false where one is damaged or gone.
    async fn place_again<'a>(&'a self, record: &Record, placing: &mut Placing<'a>) -> Result<bool> {
        let mut puts = Puts::new();
        let frames = record.frames().iter();
        let reads = frames.map(|facts| async move {
            let jpeg = self.read_again(record, facts).await?;
            Ok::<_, Error>((facts, jpeg))
        });
        let mut reads = stream::iter(reads.collect::<Vec<_>>()).buffered(CONCURRENCY);
        while let Some((facts, jpeg)) = reads.try_next().await? {
            if is_stored(facts) && jpeg.is_none() {
                return Ok(false);
            }
            placing.take(facts.clone(), jpeg, &mut puts)?;
            while puts.len() >= placing.at_once() {
                puts.try_next().await?;
            }
        }
        placing.end(&mut puts)?;
        while puts.try_next().await?.is_some() {}
        Ok(true)
    }

    /// A stored frame's bytes, if they are its own.
    async fn read_again(&self, record: &Record, facts: &FrameFacts) -> Result<Option<Bytes>> {
        let place = record.place(facts).filter(|_| is_stored(facts));
        let Some(place) = place else {
            return Ok(None);
        };
        let read = self.read_place(&place).await?.ok();
        Ok(read.filter(|jpeg| facts.sha256.as_deref() == Some(sha256_hex(&[jpeg]).as_str())))
    }

    /// Keys of what a record names.
    pub(super) fn objects_of(&self, record: &Record) -> Vec<String> {
        let packs = record.packs(&self.keys).map(|(key, _)| key);
        let loose = record.frames().iter().filter(|f| record.is_loose(f.seq));
        let loose = loose.map(|facts| Place::Loose(facts.seq).key(&self.keys));
        packs.chain(loose).collect()
    }

    fn changed_meanwhile(&self) -> Error {
        let what = "the profile was cleared, replaced or repacked by others meanwhile";
        self.keys
            .error(Reason::PlanDiffers, what)
            .hint("repack it again")
    }
}
