//! Reading: a frame is served only under a valid record and with its sha256.
//!
//! A [`Reader`] keeps the plan for at most five seconds and the records it
//! read last. Whatever would be a miss by what it remembers is looked up
//! afresh before it counts as one.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;

use crate::cache::Profile;
use crate::cache::objects;
use crate::cache::planned::{Planned, Row};
use crate::cache::plans::Stored;
use crate::cache::put_index::PutIndex;
use crate::cache::record::{Outcome, Record};
use crate::cache::sealed::sha256_hex;
use crate::error::{Error, Reason, Result};
use crate::media::facts::FrameFacts;
use crate::timeline::plan::ChunkError;

const MAX_PLAN_AGE: Duration = Duration::from_secs(5);
/// Records kept by one reader: about 16 minutes of footage, 1 to 2 MB each at 60 frames a second.
const MAX_RECORDS: usize = 16;

/// A profile as it is.
#[derive(Debug, Clone)]
pub enum View {
    /// Neither plan nor frames.
    Absent,
    /// Frames and no plan: served as they are.
    Legacy,
    Extracted(Arc<Planned>),
    Put(Arc<PutIndex>),
}

/// Why a frame has nothing to serve.
#[derive(Debug, Clone, PartialEq)]
pub enum Miss {
    /// Neither plan nor frames.
    Absent,
    /// No row of the plan, or no record of the put profile, has this sequence.
    NotPlanned,
    NoRecord,
    /// The record is of another plan.
    StaleRecord,
    DamagedRecord,
    /// The span cannot be decoded; tried again only when asked to.
    Failed(ChunkError),
    /// The record is there, the frame's object is not.
    NoObject,
    WrongSha256,
}

/// A frame as it is served.
#[derive(Debug, Clone)]
pub struct Frame {
    /// Of a legacy frame: `seq`, `bytes`, `sha256` and `content_type` only.
    pub facts: FrameFacts,
    pub jpeg: Bytes,
}

/// Reads one profile; to be kept and shared while reading goes on.
pub struct Reader {
    profile: Profile,
    memo: Mutex<Memo>,
}

#[derive(Default)]
struct Memo {
    view: Option<(Instant, View)>,
    /// By digest, latest read last. A digest covers parameters and row, so
    /// another plan's record is never taken for this one's.
    records: VecDeque<Arc<Record>>,
}

impl Profile {
    pub fn reader(&self) -> Reader {
        Reader {
            profile: self.clone(),
            memo: Mutex::default(),
        }
    }

    /// The profile as the store has it now.
    ///
    /// # Errors
    /// Those of `load_plan`; the store's own.
    pub async fn view(&self) -> Result<View> {
        match self.load_plan().await? {
            Some(plan) if plan.is_put() => {
                Ok(View::Put(Arc::new(PutIndex::read(self, plan).await?)))
            }
            Some(plan) => Ok(View::Extracted(plan)),
            None if self.is_legacy().await? => Ok(View::Legacy),
            // A plan may have come between the two reads.
            None => match self.stored_plan().await? {
                Stored::Plan(plan, _) if !plan.is_put() => Ok(View::Extracted(plan)),
                _ => Ok(View::Absent),
            },
        }
    }
}

impl Reader {
    pub fn profile(&self) -> &Profile {
        &self.profile
    }

    /// The profile, at most five seconds old.
    ///
    /// # Errors
    /// As [`Profile::view`].
    pub async fn view(&self) -> Result<View> {
        if let Some(view) = self.remembered() {
            return Ok(view);
        }
        self.fresh_view().await
    }

    /// The profile as the store has it now.
    ///
    /// # Errors
    /// As [`Profile::view`].
    pub async fn fresh_view(&self) -> Result<View> {
        let asked = Instant::now();
        let view = self.profile.view().await?;
        let mut memo = self.memo();
        // What is not there is asked for again each time.
        memo.view = match view {
            View::Absent => None,
            _ => Some((asked, view.clone())),
        };
        Ok(view)
    }

    /// One frame's facts and bytes, or why there are none.
    ///
    /// # Errors
    /// MEDIA_CORRUPT for a frame that the decoder did not deliver, PLAN_DIFFERS
    /// for what a newer release wrote, OBJECT_CORRUPT for a damaged plan; the store's own.
    pub async fn read_frame(&self, seq: u64) -> Result<Result<Frame, Miss>> {
        let fresh = self.remembered().is_none() && self.memo().records.is_empty();
        let view = self.view().await?;
        let miss = match self.try_read(&view, seq).await? {
            Ok(frame) => return Ok(Ok(frame)),
            Err(miss) => miss,
        };
        if fresh || self.is_current(&view, &miss).await? {
            return Ok(Err(miss));
        }
        self.memo().records.clear();
        let view = self.fresh_view().await?;
        self.try_read(&view, seq).await
    }

    /// Whether reading all put records again can be spared: no record was added.
    async fn is_current(&self, view: &View, miss: &Miss) -> Result<bool> {
        match (view, miss) {
            (View::Put(index), Miss::NotPlanned) => index.is_current(&self.profile).await,
            _ => Ok(false),
        }
    }

    /// A row's record, remembered or read.
    ///
    /// # Errors
    /// As [`Profile::record`].
    pub async fn record(&self, row: Row<'_>) -> Result<Result<Arc<Record>, Miss>> {
        let known = |r: &&Arc<Record>| r.digest == row.digest;
        if let Some(record) = self.memo().records.iter().find(known) {
            return Ok(Ok(record.clone()));
        }
        let record = match self.profile.record(row).await? {
            Ok(record) => Arc::new(record),
            Err(miss) => return Ok(Err(miss)),
        };
        let mut memo = self.memo();
        if memo.records.len() >= MAX_RECORDS {
            memo.records.pop_front();
        }
        memo.records.push_back(record.clone());
        Ok(Ok(record))
    }

    async fn try_read(&self, view: &View, seq: u64) -> Result<Result<Frame, Miss>> {
        match view {
            View::Absent => Ok(Err(Miss::Absent)),
            View::Legacy => self.read_legacy(seq).await,
            View::Extracted(plan) => match plan.row_of(seq) {
                None => Ok(Err(Miss::NotPlanned)),
                Some(row) => self.read_extracted(row, seq).await,
            },
            View::Put(index) => match index.candidates(seq) {
                [] => Ok(Err(Miss::NotPlanned)),
                candidates => self.read_object(seq, candidates).await,
            },
        }
    }

    async fn read_extracted(&self, row: Row<'_>, seq: u64) -> Result<Result<Frame, Miss>> {
        let record = match self.record(row).await? {
            Ok(record) => record,
            Err(miss) => return Ok(Err(miss)),
        };
        if let Outcome::Failed(error) = &record.outcome {
            return Ok(Err(Miss::Failed(error.clone())));
        }
        let Some(facts) = record.frame(seq) else {
            return Ok(Err(Miss::DamagedRecord));
        };
        if facts.missing {
            return Err(self.undelivered(seq));
        }
        let object = facts.repeats.unwrap_or(seq);
        self.read_object(object, std::slice::from_ref(facts)).await
    }

    /// The object of a sequence, under the first of the facts whose sha256 its bytes have.
    async fn read_object(
        &self,
        seq: u64,
        candidates: &[FrameFacts],
    ) -> Result<Result<Frame, Miss>> {
        let key = self.profile.keys.frame(seq);
        let Some(object) = self.profile.store.get(&key).await? else {
            return Ok(Err(Miss::NoObject));
        };
        let sha256 = sha256_hex(&[&object.data]);
        let theirs = |f: &&FrameFacts| f.sha256.as_deref() == Some(sha256.as_str());
        Ok(match candidates.iter().find(theirs) {
            Some(facts) => Ok(Frame {
                facts: facts.clone(),
                jpeg: object.data,
            }),
            None => Err(Miss::WrongSha256),
        })
    }

    async fn read_legacy(&self, seq: u64) -> Result<Result<Frame, Miss>> {
        let key = self.profile.keys.frame(seq);
        let Some(object) = self.profile.store.get(&key).await? else {
            return Ok(Err(Miss::NotPlanned));
        };
        let facts = FrameFacts {
            sha256: Some(sha256_hex(&[&object.data])),
            ..legacy_facts(seq, object.data.len() as u64)
        };
        Ok(Ok(Frame {
            facts,
            jpeg: object.data,
        }))
    }

    fn undelivered(&self, seq: u64) -> Error {
        let what = format!("the decoder did not deliver this frame: seq={seq}");
        let message = format!("{what} {}", self.profile.keys.facts());
        Error::new(Reason::MediaCorrupt, message)
    }

    fn remembered(&self) -> Option<View> {
        let memo = self.memo();
        let (read, view) = memo.view.as_ref()?;
        (read.elapsed() < MAX_PLAN_AGE).then(|| view.clone())
    }

    fn memo(&self) -> std::sync::MutexGuard<'_, Memo> {
        // What is remembered is whole at every moment, whoever panicked.
        self.memo.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// All that is known of a frame without a plan.
pub(super) fn legacy_facts(seq: u64, bytes: u64) -> FrameFacts {
    FrameFacts {
        seq,
        bytes: Some(bytes),
        content_type: Some(objects::JPEG.to_owned()),
        ..FrameFacts::default()
    }
}
