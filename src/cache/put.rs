//! Put profiles: frames made elsewhere. Each call commits one record under
//! chunk `put`; the latest that names a sequence wins, and a frame is served
//! under the highest-numbered record whose sha256 its bytes have.
//!
//! Order of writes: the plan (frames without one would be a legacy cache);
//! frames that are new; the record; then frames over older ones. So a call
//! that dies leaves each older frame served as it was.

use std::collections::BTreeSet;
use std::sync::Arc;

use bytes::Bytes;
use futures::{StreamExt, TryStreamExt, stream};

use crate::cache::inventory::ListedFrames;
use crate::cache::keys::{PUT_CHUNK, SpanId};
use crate::cache::objects;
use crate::cache::planned::Planned;
use crate::cache::plans::{Over, Stored};
use crate::cache::put_index::{DIGEST, PutIndex, next_number};
use crate::cache::read::legacy_facts;
use crate::cache::record::{Outcome, Record};
use crate::cache::sealed::sha256_hex;
use crate::cache::{CONCURRENCY, LAYOUT, Profile};
use crate::error::{Error, Reason, Result};
use crate::media::facts::FrameFacts;
use crate::store::Condition;
use crate::timeline::plan::{Kind, Plan, SCHEMA};

/// Races for a record's number that one call survives.
const MAX_NUMBER_ROUNDS: usize = 64;

/// A frame to put.
#[derive(Debug, Clone)]
pub struct PutFrame {
    pub seq: u64,
    pub jpeg: Bytes,
    /// What its maker knows; `seq`, `bytes`, `sha256`, `content_type`, `width`
    /// and `height` are taken from the frame itself.
    pub facts: FrameFacts,
}

/// What a put did.
#[derive(Debug, Clone)]
pub struct PutDone {
    /// Number of its record.
    pub record: u32,
    /// Facts as recorded, in sequence order.
    pub frames: Vec<FrameFacts>,
}

impl Profile {
    /// Stores the frames and commits them in one record.
    ///
    /// # Errors
    /// FIELD_INVALID for no frames, a sequence named twice, bytes that are no
    /// JPEG or facts that a put frame cannot have; PLAN_DIFFERS on an extracted
    /// profile; the store's own.
    pub async fn put_frames(&self, mut frames: Vec<PutFrame>) -> Result<PutDone> {
        if frames.is_empty() {
            return Err(Error::field("a put names no frames"));
        }
        frames.sort_by_key(|f| f.seq);
        let facts = self.check_put(&frames)?;
        let plan = self.claim_put().await?;
        let index = PutIndex::read(self, plan).await?;
        // A frame over other bytes waits until a record knows the new ones.
        let (over, new): (Vec<_>, Vec<_>) = frames.iter().zip(&facts).partition(|(_, facts)| {
            let stored = index.candidates(facts.seq);
            !stored.is_empty() && stored.iter().all(|s| s.sha256 != facts.sha256)
        });
        self.put_all(new.iter().map(|(f, _)| *f)).await?;
        self.still_put(&new).await?;
        let record = self.commit_put(facts.clone()).await?;
        self.put_all(over.into_iter().map(|(f, _)| f)).await?;
        self.memory.forget(self);
        Ok(PutDone {
            record,
            frames: facts,
        })
    }

    fn check_put(&self, frames: &[PutFrame]) -> Result<Vec<FrameFacts>> {
        let mut seen = BTreeSet::new();
        let mut facts = Vec::with_capacity(frames.len());
        for frame in frames {
            if !seen.insert(frame.seq) {
                let message = format!("a put names a sequence twice: seq={}", frame.seq);
                return Err(Error::field(message));
            }
            facts.push(facts_of(frame)?);
        }
        Ok(facts)
    }

    /// The profile's put plan, made if there is none; frames of a legacy cache
    /// get a record before they get a plan.
    async fn claim_put(&self) -> Result<Arc<Planned>> {
        let asked = put_plan();
        match self.stored_plan().await? {
            Stored::Plan(plan, _) if !plan.is_put() => return Err(self.refuse_extracted()),
            Stored::Absent if self.is_legacy().await? => {
                self.adopt_legacy().await?;
                return Ok(self.claim_over(&asked, Over::Legacy).await?.plan);
            }
            _ => {}
        }
        Ok(self.claim_over(&asked, Over::Nothing).await?.plan)
    }

    async fn adopt_legacy(&self) -> Result<()> {
        let listed = ListedFrames::read(&*self.store, &self.keys).await?;
        let reads = listed.frames.iter().map(|f| self.legacy_frame(f.seq));
        let found: Vec<_> = stream::iter(reads.collect::<Vec<_>>())
            .buffered(CONCURRENCY)
            .try_collect()
            .await?;
        let facts: Vec<_> = found.into_iter().flatten().collect();
        if !facts.is_empty() {
            self.commit_put(facts).await?;
        }
        Ok(())
    }

    async fn legacy_frame(&self, seq: u64) -> Result<Option<FrameFacts>> {
        let Some(object) = self.store.get(&self.keys.frame(seq)).await? else {
            return Ok(None);
        };
        let mut facts = legacy_facts(seq, object.data.len() as u64);
        facts.sha256 = Some(sha256_hex(&[&object.data]));
        if let Some((width, height)) = jpeg_size(&object.data) {
            facts.width = Some(width);
            facts.height = Some(height);
        }
        Ok(Some(facts))
    }

    async fn put_all<'a>(&self, frames: impl Iterator<Item = &'a PutFrame>) -> Result<()> {
        let puts = frames.map(|f| self.put_frame(f.seq, f.jpeg.clone()));
        let mut puts = stream::iter(puts.collect::<Vec<_>>()).buffer_unordered(CONCURRENCY);
        while puts.try_next().await?.is_some() {}
        self.store.sync().await
    }

    /// Where the plan went meanwhile, the new frames go too: without a plan
    /// they would pass for a legacy cache.
    async fn still_put(&self, new: &[(&PutFrame, &FrameFacts)]) -> Result<()> {
        match self.stored_plan().await? {
            Stored::Plan(plan, _) if plan.is_put() => return Ok(()),
            Stored::Absent => {
                let keys: Vec<_> = new.iter().map(|(f, _)| self.keys.frame(f.seq)).collect();
                self.store.delete(&keys).await?;
            }
            _ => {}
        }
        let what = "the profile was cleared or replaced while frames were put";
        Err(self
            .keys
            .error(Reason::PlanDiffers, what)
            .hint("put them again"))
    }

    /// Commits a record under the next free number: claimed, read back, compared.
    async fn commit_put(&self, facts: Vec<FrameFacts>) -> Result<u32> {
        let mut number = next_number(self).await?;
        let mut record = Record {
            digest: DIGEST.to_owned(),
            attempt: crate::cache::new_attempt(),
            id: SpanId {
                chunk_id: PUT_CHUNK.to_owned(),
                span: number,
            },
            outcome: Outcome::Frames(facts),
        };
        for _ in 0..MAX_NUMBER_ROUNDS {
            record.id.span = number;
            let data = record.encode()?;
            let key = self.keys.record(&record.id);
            objects::put_json(&*self.store, &key, data.clone(), Condition::IfAbsent).await?;
            match self.store.get(&key).await? {
                Some(stored) if stored.data == data => return Ok(number),
                _ => number = next_number(self).await?.max(number.saturating_add(1)),
            }
        }
        let what = "others took each number of a put record that was tried";
        Err(self
            .keys
            .error(Reason::StoreUnavailable, what)
            .hint("try again"))
    }

    fn refuse_extracted(&self) -> Error {
        let what = "frames cannot be put on a profile that was extracted";
        self.keys
            .error(Reason::PlanDiffers, what)
            .hint("put them on another profile")
    }
}

/// The plan of every put profile.
pub fn put_plan() -> Plan {
    Plan {
        schema: SCHEMA,
        kind: Kind::Put,
        layout: LAYOUT.to_owned(),
        parameters: None,
        chunks: Vec::new(),
        spans: Vec::new(),
    }
}

/// Width and height that a JPEG's header says; none where it is no JPEG.
pub(super) fn jpeg_size(data: &[u8]) -> Option<(u32, u32)> {
    if !data.starts_with(&[0xff, 0xd8]) {
        return None;
    }
    let header = turbojpeg::read_header(data).ok()?;
    let width = u32::try_from(header.width).ok()?;
    let height = u32::try_from(header.height).ok()?;
    (width > 0 && height > 0).then_some((width, height))
}

fn facts_of(frame: &PutFrame) -> Result<FrameFacts> {
    let seq = frame.seq;
    let Some((width, height)) = jpeg_size(&frame.jpeg) else {
        return Err(Error::field(format!("a put frame is no JPEG: seq={seq}")));
    };
    let given = &frame.facts;
    if given.missing || given.repeats.is_some() {
        return Err(Error::field(format!(
            "a put frame has bytes, so it cannot be missing or a repeat: seq={seq}"
        )));
    }
    let times = [given.timestamp, given.duration];
    if times.into_iter().flatten().any(|t| !t.is_finite()) {
        return Err(Error::field(format!(
            "a put frame's time is no number: seq={seq}"
        )));
    }
    Ok(FrameFacts {
        seq,
        bytes: Some(frame.jpeg.len() as u64),
        sha256: Some(sha256_hex(&[&frame.jpeg])),
        content_type: Some(objects::JPEG.to_owned()),
        width: Some(width),
        height: Some(height),
        ..given.clone()
    })
}
