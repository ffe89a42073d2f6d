//! The frames of a span on their way to where they are to lie.

use std::collections::BTreeMap;

use bytes::Bytes;
use futures::future::BoxFuture;
use futures::stream::FuturesUnordered;

use crate::cache::Profile;
use crate::cache::keys::{PackId, SpanId};
use crate::cache::places::pack::{Pack, PackWriter, Slot, crc32c};
use crate::cache::places::packs::Packs;
use crate::cache::planned::Row;
use crate::error::Result;
use crate::media::facts::FrameFacts;
use crate::store::PutOptions;
use crate::timeline::plan::FrameLayout;
use crate::ustar::member_bytes;

/// Bytes of a pack, unless a single frame has more: what one PUT sends in time on a slow line, and
/// what is made in memory.
const PACK_BYTES: usize = 32 << 20;
/// Frames of one span on their way to the store at once, and packs.
const FRAMES_AT_ONCE: usize = 16;
const PACKS_AT_ONCE: usize = 2;
/// What a frame is taken for before there is one: most of 1080p have less.
const FRAME_BYTES: u64 = 256 << 10;
const TAR: &str = "application/x-tar";

/// Bytes that so many frames of a span are taken to hold while they are packed: all of them, or the pack that is made
/// and those on their way.
pub fn packing_bytes(frames: u64) -> u64 {
    let most = (PACK_BYTES * (1 + PACKS_AT_ONCE)) as u64;
    frames.saturating_mul(FRAME_BYTES).min(most)
}

/// Puts that are under way; durable after the next `sync`.
pub type Puts<'a> = FuturesUnordered<BoxFuture<'a, Result<()>>>;

/// Takes the frames of one span, in any order.
pub struct Placing<'a> {
    profile: &'a Profile,
    facts: Vec<FrameFacts>,
    /// None: they lie loose.
    packing: Option<Packing>,
}

/// What came of a span's frames.
pub struct Placed {
    /// In sequence order.
    pub facts: Vec<FrameFacts>,
    /// None where they lie loose, or there are none.
    pub packs: Option<Packs>,
    /// Keys of packs of a run that was started again: nobody's, once the record stands.
    pub abandoned: Vec<String>,
}

/// Frames wait for those before them: members of a pack are in sequence order.
struct Packing {
    row_digest: String,
    span: SpanId,
    first: u64,
    next: u64,
    waiting: BTreeMap<u64, (FrameFacts, Option<Bytes>)>,
    writer: PackWriter,
    packs: Vec<Pack>,
    slots: BTreeMap<u64, Slot>,
    abandoned: Vec<Pack>,
}

impl<'a> Placing<'a> {
    pub fn new(profile: &'a Profile, row: Row<'_>, layout: FrameLayout) -> Self {
        Placing {
            profile,
            facts: Vec::new(),
            packing: match layout {
                FrameLayout::Frames => None,
                FrameLayout::Packed => Some(Packing::new(row)),
            },
        }
    }

    /// Puts that may be under way before the next frame is taken: few where each has a pack in memory.
    pub fn at_once(&self) -> usize {
        match self.packing {
            None => FRAMES_AT_ONCE,
            Some(_) => PACKS_AT_ONCE,
        }
    }

    /// Takes a frame, with its bytes if it is stored. It counts only once its span is committed.
    pub fn take(
        &mut self,
        facts: FrameFacts,
        jpeg: Option<Bytes>,
        puts: &mut Puts<'a>,
    ) -> Result<()> {
        match (&mut self.packing, jpeg) {
            (Some(packing), jpeg) => {
                packing.waiting.insert(facts.seq, (facts.clone(), jpeg));
                let full = packing.pack(false)?;
                self.put(full, puts);
            }
            (None, Some(jpeg)) => {
                let (profile, seq) = (self.profile, facts.seq);
                puts.push(Box::pin(async move { profile.put_frame(seq, jpeg).await }));
            }
            (None, None) => {}
        }
        self.facts.push(facts);
        Ok(())
    }

    /// What is left to be put: no more frames come.
    pub fn end(&mut self, puts: &mut Puts<'a>) -> Result<()> {
        if let Some(packing) = &mut self.packing {
            let mut last = packing.pack(true)?;
            last.extend(packing.close());
            self.put(last, puts);
        }
        Ok(())
    }

    /// Forgets all that came: the span is made again.
    pub fn restart(&mut self) {
        self.facts.clear();
        if let Some(packing) = &mut self.packing {
            packing.restart();
        }
    }

    fn put(&self, packs: Vec<(PackId, Bytes)>, puts: &mut Puts<'a>) {
        let profile = self.profile;
        puts.extend(packs.into_iter().map(|(id, tar)| {
            let put: BoxFuture<'a, Result<()>> = Box::pin(profile.put_pack(id, tar));
            put
        }));
    }

    pub fn placed(self) -> Placed {
        let mut facts = self.facts;
        facts.sort_by_key(|frame| frame.seq);
        let Some(packing) = self.packing else {
            return Placed {
                facts,
                packs: None,
                abandoned: Vec::new(),
            };
        };
        let slots = facts.iter().map(|frame| packing.slots.get(&frame.seq));
        let packs = Packs {
            slots: slots.map(Option::<&Slot>::copied).collect(),
            packs: packing.packs,
        };
        let keys = &self.profile.keys;
        let mut abandoned = packing.abandoned;
        abandoned.retain(|pack| !packs.packs.contains(pack));
        let abandoned = Packs {
            packs: abandoned,
            slots: Vec::new(),
        };
        let abandoned = abandoned.keyed(keys, &packing.span);
        Placed {
            facts,
            abandoned: abandoned.map(|(key, _)| key).collect(),
            packs: Some(packs).filter(|packs| !packs.packs.is_empty()),
        }
    }
}

impl Packing {
    fn new(row: Row<'_>) -> Packing {
        Packing {
            row_digest: row.digest.to_owned(),
            span: row.id(),
            first: row.row.first,
            next: row.row.first,
            waiting: BTreeMap::new(),
            writer: PackWriter::new(row.digest),
            packs: Vec::new(),
            slots: BTreeMap::new(),
            abandoned: Vec::new(),
        }
    }

    /// Packs what waits for nobody any more, or `all`; answers the packs that are full.
    fn pack(&mut self, all: bool) -> Result<Vec<(PackId, Bytes)>> {
        let mut full = Vec::new();
        while let Some(entry) = self.waiting.first_entry()
            && (all || *entry.key() == self.next)
        {
            let (facts, jpeg) = entry.remove();
            self.next = facts.seq.saturating_add(1);
            if let Some(jpeg) = jpeg {
                full.extend(self.add(&facts, &jpeg)?);
            }
        }
        Ok(full)
    }

    fn add(&mut self, facts: &FrameFacts, jpeg: &Bytes) -> Result<Option<(PackId, Bytes)>> {
        let more = self.writer.bytes() + member_bytes(jpeg.len());
        let full = match more > PACK_BYTES {
            true => self.close(),
            false => None,
        };
        let slot = Slot {
            pack: u32::try_from(self.packs.len()).unwrap_or(u32::MAX),
            offset: self.writer.add(facts, jpeg)?,
            crc32c: crc32c(jpeg),
        };
        self.slots.insert(facts.seq, slot);
        Ok(full)
    }

    /// The pack as it is, if it has frames.
    fn close(&mut self) -> Option<(PackId, Bytes)> {
        if self.writer.bytes() == 0 {
            return None;
        }
        let next = PackWriter::new(&self.row_digest);
        let (pack, tar) = std::mem::replace(&mut self.writer, next).finish();
        let id = PackId {
            span: self.span.clone(),
            digest: pack.name()?.to_owned(),
        };
        self.packs.push(pack);
        Some((id, tar))
    }

    fn restart(&mut self) {
        self.abandoned.append(&mut self.packs);
        self.slots.clear();
        self.waiting.clear();
        self.writer = PackWriter::new(&self.row_digest);
        self.next = self.first;
    }
}

impl Profile {
    /// Removes packs that no record names. What cannot be removed is in nobody's way.
    pub async fn forget_packs(&self, keys: &[String]) {
        if keys.is_empty() {
            return;
        }
        if let Err(error) = self.store.delete(keys).await {
            tracing::warn!(%error, "could not remove packs of a span that was made again");
        }
    }

    async fn put_pack(&self, id: PackId, tar: Bytes) -> Result<()> {
        let options = PutOptions::unsynced(TAR);
        self.store.put(&self.keys.pack(&id), tar, options).await?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use futures::TryStreamExt;

    use super::*;
    use crate::cache::places::Place;
    use crate::cache::record::Outcome;
    use crate::cache::testing::*;

    async fn put(puts: &mut Puts<'_>) {
        while puts.try_next().await.unwrap().is_some() {}
    }

    /// Frames of so many bytes, by (sequence, bytes), in this order; those of a run before first.
    async fn placed(frames: &[(u64, usize)], before: &[(u64, usize)]) -> (Profile, Placed) {
        let (_, cache) = memory_cache();
        let profile = cache.profile("t", "default").unwrap();
        let plan = plan_of(vec![row("0", 0, 0, frames.len() as u64)]);
        let plan = planned(plan.laid_out(FrameLayout::Packed));
        let mut puts = Puts::new();
        let mut placing = Placing::new(&profile, plan.row(0).unwrap(), FrameLayout::Packed);
        for (run, frames) in [before, frames].into_iter().enumerate() {
            placing.restart();
            for (seq, bytes) in frames {
                let jpeg = Bytes::from(vec![*seq as u8 + 10 * (1 - run as u8); *bytes]);
                let facts = frame_facts(*seq, &jpeg);
                placing.take(facts, Some(jpeg), &mut puts).unwrap();
            }
            put(&mut puts).await;
        }
        placing.end(&mut puts).unwrap();
        put(&mut puts).await;
        let placed = placing.placed();
        drop(puts);
        (profile, placed)
    }

    #[tokio::test]
    async fn frames_that_come_in_any_order_lie_in_the_order_of_their_sequences() {
        let (_, one) = placed(&[(0, 10), (1, 20), (2, 30)], &[]).await;
        let (_, other) = placed(&[(2, 30), (0, 10), (1, 20)], &[]).await;
        assert_eq!(one.packs, other.packs);
        assert_eq!(one.facts, other.facts);
        let slots = one.packs.unwrap().slots;
        assert!(slots.is_sorted_by_key(|slot| slot.unwrap().offset));
    }

    #[tokio::test]
    async fn a_span_of_more_than_32_mib_is_several_packs_and_each_frame_is_in_one_of_them() {
        let third = 12 << 20;
        let frames = [(0, third), (1, third), (2, third), (3, 40 << 20), (4, 7)];
        let (profile, placed) = placed(&frames, &[]).await;
        let packs = placed.packs.as_ref().unwrap();
        assert_eq!(packs.packs.len(), 4);
        let plan = planned(plan_of(vec![row("0", 0, 0, 5)]).laid_out(FrameLayout::Packed));
        profile.claim_plan(plan.plan(), None).await.unwrap();
        let plan = profile.load_plan().await.unwrap().unwrap();
        let row = plan.row(0).unwrap();
        let outcome = Outcome::Frames(placed.facts);
        profile
            .commit_span(row, outcome, placed.packs)
            .await
            .unwrap();
        let record = profile.record(row).await.unwrap().unwrap();
        let within = |(_, pack): (String, &Pack)| pack.bytes <= PACK_BYTES as u64 + 4096;
        assert_eq!(
            record
                .packs(&profile.keys)
                .filter(|p| within(p.clone()))
                .count(),
            3
        );
        for (seq, bytes) in frames {
            let place = record.place(record.frame(seq).unwrap()).unwrap();
            assert!(matches!(place, Place::Packed(_)));
            let jpeg = profile.read_place(&place).await.unwrap().unwrap();
            assert!(jpeg.len() == bytes && jpeg.iter().all(|b| *b == seq as u8));
        }
    }

    #[tokio::test]
    async fn packs_of_a_run_that_was_started_again_are_told_and_nothing_else_is() {
        let large = 20 << 20;
        let (profile, placed) = placed(&[(0, 5), (1, 6)], &[(0, large), (1, large)]).await;
        let [abandoned] = &placed.abandoned[..] else {
            panic!("{:?}", placed.abandoned);
        };
        assert!(profile.store.get(abandoned).await.unwrap().is_some());
        assert_eq!(placed.packs.unwrap().packs.len(), 1);
        profile.forget_packs(&placed.abandoned).await;
        assert_eq!(listing(&*profile.store).await.len(), 1);
    }
}
