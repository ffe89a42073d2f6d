//! Reading: a frame is served only under a valid record and with its sha256.
//!
//! Plans (for at most five seconds), records and frames are kept in [`Memory`]. Whatever
//! would be a miss by what is remembered is looked up afresh before it counts as one.

use std::sync::Arc;

use bytes::Bytes;

use crate::account::{Hold, Kind};
use crate::cache::Profile;
use crate::cache::memory::{Memory, NotRead};
use crate::cache::places::Place;
use crate::cache::planned::{Planned, Row};
use crate::cache::plans::Stored;
use crate::cache::put_index::PutIndex;
use crate::cache::record::{Outcome, Record};
use crate::cache::sealed::sha256_hex;
use crate::error::{Error, Reason, Result};
use crate::media::facts::FrameFacts;
use crate::metrics::Tier;
use crate::timeline::plan::ChunkError;

mod ahead;
mod legacy;

use ahead::ReadSlice;
pub use ahead::{Ahead, With};
pub(super) use legacy::legacy_facts;

/// What a frame is taken to need before it is read where nothing tells: few are larger.
const UNKNOWN_BYTES: u64 = 1 << 20;

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
    /// Where the bytes came from.
    pub tier: Tier,
    /// Its share of the memory that reads may have in flight; dropped with the frame.
    pub hold: Arc<Hold>,
}

impl Frame {
    /// Read from the store now.
    fn stored(facts: &FrameFacts, jpeg: Bytes, hold: Arc<Hold>) -> Self {
        Frame {
            facts: facts.clone(),
            jpeg,
            tier: Tier::Store,
            hold,
        }
    }
}

/// Reads one profile; to be kept and shared while reading goes on.
pub struct Reader {
    profile: Profile,
}

/// A frame that is asked for, and those that it may be read together with.
#[derive(Clone, Copy)]
struct Wanted<'a> {
    seq: u64,
    with: Option<With<'a>>,
}

/// What was found, and whether it was remembered rather than read now.
struct Found<T> {
    value: T,
    remembered: bool,
}

impl Profile {
    pub fn reader(&self) -> Reader {
        Reader {
            profile: self.clone(),
        }
    }

    /// The profile as the store has it now.
    ///
    /// # Errors
    /// Those of `load_plan`; the store's own.
    pub async fn view(&self) -> Result<View> {
        match self.load_plan().await? {
            Some(plan) if plan.is_put() => Ok(View::Put(PutIndex::read(self, plan).await?)),
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

    fn memory(&self) -> &Memory {
        &self.profile.memory
    }

    /// The profile, at most five seconds old.
    ///
    /// # Errors
    /// As [`Profile::view`].
    pub async fn view(&self) -> Result<View> {
        self.find_view().await.map(|found| found.value)
    }

    /// The profile as the store has it now.
    ///
    /// # Errors
    /// As [`Profile::view`].
    pub async fn fresh_view(&self) -> Result<View> {
        self.memory().forget_view(&self.profile).await;
        self.view().await
    }

    async fn find_view(&self) -> Result<Found<View>> {
        if let Some(value) = self.memory().known_view(&self.profile).await {
            return Ok(Found {
                value,
                remembered: true,
            });
        }
        let value = self.memory().view(&self.profile).await?;
        Ok(Found {
            value,
            remembered: false,
        })
    }

    /// One frame's facts and bytes, or why there are none.
    ///
    /// # Errors
    /// MEDIA_CORRUPT for a frame that the decoder did not deliver, PLAN_DIFFERS
    /// for what a newer release wrote, OBJECT_CORRUPT for a damaged plan; the store's own.
    pub async fn read_frame(&self, seq: u64) -> Result<Result<Frame, Miss>> {
        self.read_with(seq, None).await
    }

    /// The same, of a frame that may be read together with others.
    ///
    /// # Errors
    /// As [`Reader::read_frame`].
    pub async fn read_with(&self, seq: u64, with: Option<With<'_>>) -> Result<Result<Frame, Miss>> {
        let Found {
            value: view,
            mut remembered,
        } = self.find_view().await?;
        let wanted = Wanted { seq, with };
        let miss = match self.try_read(&view, wanted, &mut remembered).await? {
            Ok(frame) => return Ok(Ok(frame)),
            Err(miss) => miss,
        };
        // What does not fit may be of before and after a clear, a replacement or a put.
        let fits = !matches!(miss, Miss::StaleRecord | Miss::NoObject | Miss::WrongSha256);
        if fits && (!remembered || self.is_current(&view, &miss).await?) {
            return Ok(Err(miss));
        }
        if let View::Extracted(plan) = &view
            && let Some(row) = plan.row_of(seq)
        {
            self.forget_record(row).await;
        }
        let view = self.fresh_view().await?;
        self.try_read(&view, wanted, &mut remembered).await
    }

    /// One frame's facts, or why there are none; its object is not looked for, but where there is
    /// no plan. Missing frames have facts too.
    ///
    /// # Errors
    /// As [`Reader::read_frame`].
    pub async fn read_facts(&self, seq: u64) -> Result<Result<FrameFacts, Miss>> {
        let Found { value, remembered } = self.find_view().await?;
        let miss = match self.try_read_facts(&value, seq).await? {
            Ok(facts) => return Ok(Ok(facts)),
            Err(miss) => miss,
        };
        if !remembered || self.is_current(&value, &miss).await? {
            return Ok(Err(miss));
        }
        let view = self.fresh_view().await?;
        self.try_read_facts(&view, seq).await
    }

    async fn try_read_facts(&self, view: &View, seq: u64) -> Result<Result<FrameFacts, Miss>> {
        match view {
            View::Absent => Ok(Err(Miss::Absent)),
            View::Legacy => Ok(self.read_legacy(seq).await?.map(|frame| frame.facts)),
            View::Put(index) => match index.candidates(seq)[..] {
                [] => Ok(Err(Miss::NotPlanned)),
                [facts] => Ok(Ok(facts.clone())),
                // Only the bytes tell under which of them they are served.
                _ => {
                    let wanted = Wanted { seq, with: None };
                    let read = self.try_read(view, wanted, &mut false).await?;
                    Ok(read.map(|frame| frame.facts))
                }
            },
            View::Extracted(plan) => {
                let Some(row) = plan.row_of(seq) else {
                    return Ok(Err(Miss::NotPlanned));
                };
                let record = match self.record(row).await? {
                    Ok(record) => record,
                    Err(miss) => return Ok(Err(miss)),
                };
                Ok(match &record.outcome {
                    Outcome::Failed(error) => Err(Miss::Failed(error.clone())),
                    Outcome::Frames(_) => record.frame(seq).cloned().ok_or(Miss::DamagedRecord),
                })
            }
        }
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
        self.find_record(row, &mut false).await
    }

    /// A row's record, if it is remembered.
    pub async fn known_record(&self, row: Row<'_>) -> Option<Arc<Record>> {
        self.memory().known_record(&self.profile, row).await
    }

    /// The next read of the row's record asks the store.
    pub async fn forget_record(&self, row: Row<'_>) {
        self.memory().forget_record(&self.profile, row).await;
    }

    async fn find_record(
        &self,
        row: Row<'_>,
        remembered: &mut bool,
    ) -> Result<Result<Arc<Record>, Miss>> {
        if let Some(record) = self.known_record(row).await {
            *remembered = true;
            return Ok(Ok(record));
        }
        or_miss(self.memory().record(&self.profile, row).await)
    }

    async fn try_read(
        &self,
        view: &View,
        wanted: Wanted<'_>,
        remembered: &mut bool,
    ) -> Result<Result<Frame, Miss>> {
        let seq = wanted.seq;
        match view {
            View::Absent => Ok(Err(Miss::Absent)),
            View::Legacy => self.read_legacy(seq).await,
            View::Extracted(plan) => match plan.row_of(seq) {
                None => Ok(Err(Miss::NotPlanned)),
                Some(row) => self.read_extracted(row, wanted, remembered).await,
            },
            View::Put(index) => match &index.candidates(seq)[..] {
                [] => Ok(Err(Miss::NotPlanned)),
                candidates => self.read_at(&Place::Loose(seq), candidates).await,
            },
        }
    }

    async fn read_extracted(
        &self,
        row: Row<'_>,
        Wanted { seq, with }: Wanted<'_>,
        remembered: &mut bool,
    ) -> Result<Result<Frame, Miss>> {
        let record = match self.find_record(row, remembered).await? {
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
        let Some(place) = record.place(facts) else {
            return Ok(Err(Miss::DamagedRecord));
        };
        match with {
            Some(with) if let Some(read) = self.read_from_run(with, &place).await? => {
                self.checked(facts, read).await
            }
            _ => self.read_at(&place, &[facts]).await,
        }
    }

    /// A frame that was read with others.
    async fn checked(&self, facts: &FrameFacts, read: ReadSlice) -> Result<Result<Frame, Miss>> {
        let (jpeg, hold) = match read {
            Ok((jpeg, hold)) if is_theirs(facts, &jpeg) => (jpeg, hold),
            Ok(_) => return Ok(Err(Miss::WrongSha256)),
            Err(miss) => return Ok(Err(miss)),
        };
        self.memory().keep_frame(facts, &jpeg).await;
        Ok(Ok(Frame::stored(facts, jpeg, hold)))
    }

    /// What lies at a place, under the first of the facts whose sha256 its bytes have.
    async fn read_at(
        &self,
        place: &Place,
        candidates: &[&FrameFacts],
    ) -> Result<Result<Frame, Miss>> {
        let hold = self.hold(candidates).await?;
        // An older record's bytes may be known while the latest one's are in the store.
        if let Some(facts) = candidates.first()
            && let Some(jpeg) = self.memory().known_frame(facts).await
        {
            return Ok(Ok(Frame {
                facts: FrameFacts::clone(facts),
                jpeg,
                tier: Tier::Memory,
                hold,
            }));
        }
        let [facts] = candidates else {
            return self.read_among(place, candidates, hold).await;
        };
        let read = async {
            match self.profile.read_place(place).await? {
                Ok(jpeg) if is_theirs(facts, &jpeg) => Ok(jpeg),
                Ok(_) => Err(NotRead::Miss(Miss::WrongSha256)),
                Err(miss) => Err(NotRead::Miss(miss)),
            }
        };
        let jpeg = or_miss(self.memory().frame(facts, read).await)?;
        Ok(jpeg.map(|jpeg| Frame::stored(facts, jpeg, hold)))
    }

    async fn read_among(
        &self,
        place: &Place,
        candidates: &[&FrameFacts],
        hold: Arc<Hold>,
    ) -> Result<Result<Frame, Miss>> {
        let jpeg = match self.profile.read_place(place).await? {
            Ok(jpeg) => jpeg,
            Err(miss) => return Ok(Err(miss)),
        };
        let sha256 = sha256_hex(&[&jpeg]);
        let theirs = |f: &&&FrameFacts| f.sha256.as_deref() == Some(sha256.as_str());
        let Some(facts) = candidates.iter().find(theirs) else {
            return Ok(Err(Miss::WrongSha256));
        };
        self.memory().keep_frame(facts, &jpeg).await;
        Ok(Ok(Frame::stored(facts, jpeg, hold)))
    }

    async fn hold(&self, candidates: &[&FrameFacts]) -> Result<Arc<Hold>> {
        let bytes = candidates.iter().filter_map(|facts| facts.bytes).max();
        let bytes = bytes.unwrap_or(UNKNOWN_BYTES);
        let first = candidates.first();
        // Only asked for: what waits must not keep it, as it may be forgotten meanwhile.
        match first.is_some_and(|facts| self.memory().knows_frame(facts)) {
            true => self.hold_known(bytes).await,
            false => self.hold_bytes(bytes).await,
        }
    }

    async fn hold_bytes(&self, bytes: u64) -> Result<Arc<Hold>> {
        let account = &self.profile.account;
        Ok(Arc::new(account.take(Kind::Answers, bytes).await?))
    }

    /// For what is in memory anyway.
    async fn hold_known(&self, bytes: u64) -> Result<Arc<Hold>> {
        let account = &self.profile.account;
        Ok(Arc::new(account.take_known(bytes).await?))
    }

    fn undelivered(&self, seq: u64) -> Error {
        let what = format!("the decoder did not deliver this frame: seq={seq}");
        let message = format!("{what} {}", self.profile.keys.facts());
        Error::new(Reason::MediaCorrupt, message)
    }
}

fn is_theirs(facts: &FrameFacts, jpeg: &Bytes) -> bool {
    facts.sha256.as_deref() == Some(sha256_hex(&[jpeg]).as_str())
}

fn or_miss<T>(read: Result<T, NotRead>) -> Result<Result<T, Miss>> {
    match read {
        Ok(value) => Ok(Ok(value)),
        Err(NotRead::Miss(miss)) => Ok(Err(miss)),
        Err(NotRead::Failed(error)) => Err(error),
    }
}
