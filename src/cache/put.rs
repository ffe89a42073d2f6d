//! Put profiles: frames made elsewhere. Each call commits one record under
//! chunk `put`; the latest that names a sequence wins, and a frame is served
//! under the highest-numbered record whose sha256 its bytes have.
//!
//! Order of writes: the plan (frames without one would be a legacy cache);
//! frames that are new, where nothing is; the record; then frames over older
//! ones. So a call that dies leaves each older frame served as it was. Behind
//! the record a call looks again for others (`put_settle.rs`), and at the plan.

use std::sync::Arc;

use bytes::Bytes;
use futures::{StreamExt, TryStreamExt, stream};

use crate::cache::inventory::ListedFrames;
use crate::cache::keys::{PUT_CHUNK, SpanId};
use crate::cache::objects;
use crate::cache::planned::Planned;
use crate::cache::plans::{Over, Stored};
use crate::cache::put_index::{DIGEST, PutIndex, next_number, no_number};
use crate::cache::read::legacy_facts;
use crate::cache::record::{Outcome, Record};
use crate::cache::sealed::sha256_hex;
use crate::cache::{CONCURRENCY, Profile};
use crate::error::{Error, Reason, Result};
use crate::media::facts::FrameFacts;
use crate::similar::tones;
use crate::store::{Condition, Written};
use crate::timeline::plan::{FrameLayout, Kind, Plan, SCHEMA};

/// Clears that one call survives.
const MAX_PUT_ROUNDS: usize = 16;
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

/// A frame that was looked at: a JPEG, and all that will be recorded of it.
#[derive(Debug, Clone)]
pub struct ReadyFrame {
    facts: FrameFacts,
    jpeg: Bytes,
}

impl ReadyFrame {
    pub fn facts(&self) -> &FrameFacts {
        &self.facts
    }

    pub fn jpeg(&self) -> &Bytes {
        &self.jpeg
    }
}

impl PutFrame {
    /// Looks at the bytes: the frame with its facts as a record has them. Hashes all of it.
    ///
    /// # Errors
    /// FIELD_INVALID for bytes that are no JPEG, and facts that a put frame cannot have.
    pub fn ready(self) -> Result<ReadyFrame> {
        let seq = self.seq;
        let Some((width, height)) = jpeg_size(&self.jpeg) else {
            let message = format!("a put frame is no JPEG: seq={seq}");
            return Err(Error::field(message)
                .hint("give the bytes of a JPEG file")
                .in_field("jpeg"));
        };
        let given = &self.facts;
        if given.missing || given.repeats.is_some() {
            let field = if given.missing { "missing" } else { "repeats" };
            return Err(Error::field(format!(
                "a put frame has bytes, so it cannot be missing or a repeat: seq={seq}"
            ))
            .in_field(format!("facts.{field}")));
        }
        let times = [("timestamp", given.timestamp), ("duration", given.duration)];
        let is_number = |time: Option<f64>| time.is_none_or(f64::is_finite);
        if let Some((name, _)) = times.into_iter().find(|(_, time)| !is_number(*time)) {
            let message = format!("a put frame's time is no number: seq={seq}");
            return Err(Error::field(message).in_field(format!("facts.{name}")));
        }
        check_tones(seq, given)?;
        let facts = FrameFacts {
            seq,
            bytes: Some(self.jpeg.len() as u64),
            sha256: Some(sha256_hex(&[&self.jpeg])),
            content_type: Some(objects::JPEG.to_owned()),
            width: Some(width),
            height: Some(height),
            ..self.facts
        };
        Ok(ReadyFrame {
            facts,
            jpeg: self.jpeg,
        })
    }
}

/// # Errors
/// FIELD_INVALID for a flatness or luma that no picture has.
fn check_tones(seq: u64, given: &FrameFacts) -> Result<()> {
    let flat = given.flatness.is_none_or(|f| (0.0..=1.0).contains(&f));
    let spread = given
        .luma
        .as_deref()
        .is_none_or(|l| tones::spread(l).is_some());
    let field = match (flat, spread) {
        (true, true) => return Ok(()),
        (false, _) => "flatness",
        (true, false) => "luma",
    };
    let message = format!("a put frame's {field} is none that a picture has: seq={seq}");
    Err(Error::field(message)
        .hint("pass on what this timeline's facts have, or leave it out")
        .in_field(format!("facts.{field}")))
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
    /// As [`PutFrame::ready`] and [`Profile::put_ready`].
    pub async fn put_frames(&self, frames: Vec<PutFrame>) -> Result<PutDone> {
        let ready: Result<_> = frames.into_iter().map(PutFrame::ready).collect();
        self.put_ready(ready?).await
    }

    /// The same of frames that were looked at.
    ///
    /// # Errors
    /// FIELD_INVALID for no frames or a sequence named twice; PLAN_DIFFERS on an extracted
    /// profile; the store's own.
    pub async fn put_ready(&self, mut frames: Vec<ReadyFrame>) -> Result<PutDone> {
        if frames.is_empty() {
            return Err(Error::field("a put names no frames").hint("send at least one frame"));
        }
        frames.sort_by_key(|f| f.facts.seq);
        check_distinct(&frames)?;
        for _ in 0..MAX_PUT_ROUNDS {
            let plan = self.claim_put().await?;
            if let Some(record) = self.try_put(&plan, &frames).await? {
                self.memory.forget(self);
                let frames = frames.into_iter().map(|frame| frame.facts).collect();
                return Ok(PutDone { record, frames });
            }
        }
        let what = "the profile was cleared or replaced each time that frames were put";
        Err(self
            .keys
            .error(Reason::PlanDiffers, what)
            .hint("put them again"))
    }

    /// One round; none where the profile was cleared or replaced before it ended.
    async fn try_put(&self, plan: &Arc<Planned>, frames: &[ReadyFrame]) -> Result<Option<u32>> {
        let index = PutIndex::read(self, plan.clone()).await?;
        // A frame over other bytes waits until a record knows the new ones.
        let (mut over, new): (Vec<_>, Vec<_>) = frames
            .iter()
            .partition(|frame| index.names(frame.facts.seq));
        over.extend(self.put_new(&new).await?);
        if !self.still_put(plan, &new).await? {
            return Ok(None);
        }
        let facts = frames.iter().map(|f| f.facts.clone()).collect();
        let number = index.next_number().ok_or_else(|| no_number(self))?;
        let record = self.commit_put(facts, number).await?;
        self.settle(record, plan, (over, new)).await?;
        self.compact_puts(index.records()).await;
        Ok(self.has_plan(plan).await?.then_some(record))
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
        let reads = listed.frames.into_iter().map(|f| self.legacy_frame(f.seq));
        let found: Vec<_> = stream::iter(reads.collect::<Vec<_>>())
            .buffered(CONCURRENCY)
            .try_collect()
            .await?;
        let facts: Vec<_> = found.into_iter().flatten().collect();
        if !facts.is_empty() {
            self.commit_put(facts, next_number(self).await?).await?;
        }
        Ok(())
    }

    async fn legacy_frame(&self, seq: u64) -> Result<Option<FrameFacts>> {
        let Some(object) = self.loose_frame(seq).await? else {
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

    /// Puts frames that no record names, where nothing is; answers those where something is: another
    /// put's, or what one that died left behind.
    async fn put_new<'f>(&self, frames: &[&'f ReadyFrame]) -> Result<Vec<&'f ReadyFrame>> {
        let puts = frames.iter().map(|frame| async {
            let (seq, jpeg) = (frame.facts.seq, frame.jpeg.clone());
            let written = self.put_loose(seq, jpeg, Condition::IfAbsent).await?;
            Ok::<_, Error>((written == Written::ConditionFailed).then_some(*frame))
        });
        let there: Vec<_> = stream::iter(puts.collect::<Vec<_>>())
            .buffer_unordered(CONCURRENCY)
            .try_collect()
            .await?;
        self.store.sync().await?;
        Ok(there.into_iter().flatten().collect())
    }

    /// Whether the plan is the one that the frames were put under. Where there is none any more the
    /// new frames go too: without a plan they would pass for a legacy cache.
    async fn still_put(&self, plan: &Planned, new: &[&ReadyFrame]) -> Result<bool> {
        match self.stored_plan().await? {
            Stored::Plan(now, _) => Ok(is_same(&now, plan)),
            Stored::Damaged(_) => Err(self.damaged_plan()),
            Stored::Absent => {
                self.delete_loose(new.iter().map(|f| f.facts.seq)).await?;
                Ok(false)
            }
        }
    }

    /// Whether whoever cleared the profile did so before the frames were put.
    async fn has_plan(&self, plan: &Planned) -> Result<bool> {
        let now = self.stored_plan().await?;
        Ok(matches!(now, Stored::Plan(now, _) if is_same(&now, plan)))
    }

    /// Commits a record under the next free number, which may be this one: claimed, read back, compared.
    async fn commit_put(&self, facts: Vec<FrameFacts>, mut number: u32) -> Result<u32> {
        let mut record = Record {
            digest: DIGEST.to_owned(),
            packs: None,
            attempt: crate::hex::new_id(),
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

fn is_same(now: &Planned, plan: &Planned) -> bool {
    now.is_put() && now.nonce() == plan.nonce()
}

fn check_distinct(sorted: &[ReadyFrame]) -> Result<()> {
    let mut pairs = sorted.iter().zip(sorted.iter().skip(1));
    match pairs.find(|(one, next)| one.facts.seq == next.facts.seq) {
        None => Ok(()),
        Some((twice, _)) => {
            let message = format!("a put names a sequence twice: seq={}", twice.facts.seq);
            Err(Error::field(message).in_field("sequence"))
        }
    }
}

/// The plan of every put profile.
pub fn put_plan() -> Plan {
    Plan {
        schema: SCHEMA,
        reader: None,
        kind: Kind::Put,
        layout: FrameLayout::Frames,
        nonce: None,
        reading: 0,
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
