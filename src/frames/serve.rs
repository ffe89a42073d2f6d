//! Frames out of the cache; what is not there, or damaged there, is extracted again first.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures::{StreamExt, TryStreamExt, stream};

use crate::cache::Profile;
use crate::cache::planned::Planned;
use crate::cache::read::{Frame, Miss, Reader, View};
use crate::cache::record::Outcome;
use crate::decode::Backend;
use crate::error::Result;
use crate::extract::{Caller, Turn};
use crate::frames::refusal::{absent, not_planned, recorded, unmended};
use crate::frames::span::Span;
use crate::frames::{Extraction, Frames, Only, Sink};
use crate::media::facts::FrameFacts;
use crate::timeline::plan::ChunkError;

/// Records looked at ahead.
const READ_AHEAD: usize = 16;

/// What becomes of a frame that is planned and not in the cache.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum OnMiss {
    /// Its span is extracted, then it is answered.
    #[default]
    Extract,
    /// It is left out.
    Skip,
    /// It is answered with FRAME_NOT_CACHED.
    Fail,
}

/// Serves one profile's frames; to be kept while reading goes on.
pub struct Serving {
    frames: Frames,
    reader: Reader,
    /// Whoever reads through this handle is one call.
    caller: Caller,
    /// Rows that this handle had extracted, and why it could not: once is enough.
    tried: Mutex<HashMap<usize, Result<()>>>,
}

impl Frames {
    pub fn serve(&self, profile: &Profile) -> Serving {
        Serving {
            frames: self.clone(),
            reader: profile.reader(),
            caller: Caller::new(),
            tried: Mutex::default(),
        }
    }
}

impl Serving {
    pub fn reader(&self) -> &Reader {
        &self.reader
    }

    pub(super) fn caller(&self) -> Caller {
        self.caller
    }

    pub(super) fn frames(&self) -> &Frames {
        &self.frames
    }

    pub(super) fn profile(&self) -> &Profile {
        self.reader.profile()
    }

    /// The profile, which must be there.
    ///
    /// # Errors
    /// TIMELINE_NOT_FOUND; those of [`Reader::view`].
    pub async fn view(&self) -> Result<View> {
        match self.reader.view().await? {
            View::Absent => Err(absent(self.profile())),
            view => Ok(view),
        }
    }

    /// Refuses sequences that the profile cannot have, and extracts the spans that have no record,
    /// all at once, so that reading the frames finds them. A span that fails fails its frames only.
    ///
    /// # Errors
    /// TIMELINE_NOT_FOUND, FRAME_NOT_CACHED, and whatever stops the extraction.
    pub async fn prepare(&self, seqs: &[u64], sink: Sink<'_>) -> Result<()> {
        let plan = match self.view().await? {
            View::Extracted(plan) => plan,
            View::Put(index) => {
                let unknown = seqs.iter().find(|seq| index.candidates(**seq).is_empty());
                return unknown.map_or(Ok(()), |seq| Err(not_planned(self.profile(), *seq)));
            }
            View::Legacy | View::Absent => return Ok(()),
        };
        let places = self.places_of(&plan, seqs)?;
        let states = places
            .into_iter()
            .map(|place| self.missing_row(&plan, place));
        let missing: Vec<Option<usize>> = stream::iter(states.collect::<Vec<_>>())
            .buffered(READ_AHEAD)
            .try_collect()
            .await?;
        let missing: Vec<usize> = missing.into_iter().flatten().collect();
        if missing.is_empty() {
            return Ok(());
        }
        let errors = self
            .extract(&plan, Only::Rows(missing.clone()), sink)
            .await?;
        for (place, error) in missing.into_iter().zip(errors) {
            if let Some(error) = error {
                self.tried().insert(place, Err(recorded(&error)));
            }
        }
        Ok(())
    }

    pub(super) fn places_of(&self, plan: &Planned, seqs: &[u64]) -> Result<BTreeSet<usize>> {
        let place = |seq: &u64| match place_of(plan, *seq) {
            Some(place) => Ok(place),
            None => Err(self.unplanned(plan, *seq)),
        };
        seqs.iter().map(place).collect()
    }

    async fn missing_row(&self, plan: &Planned, place: usize) -> Result<Option<usize>> {
        let Some(row) = plan.row(place) else {
            return Ok(None);
        };
        Ok(self.reader.record(row).await?.is_err().then_some(place))
    }

    /// One frame, under a valid record and with its sha256; extracted again where it is not there.
    ///
    /// # Errors
    /// MEDIA_CORRUPT for a frame that the decoder did not deliver or a span that cannot be decoded;
    /// FRAME_NOT_CACHED, TIMELINE_NOT_FOUND; OBJECT_CORRUPT for a damaged object that cannot be
    /// made again; the store's and the source's own.
    pub async fn frame(&self, seq: u64) -> Result<Frame> {
        let miss = match self.reader.read_frame(seq).await? {
            Ok(frame) => return Ok(frame),
            Err(miss) => miss,
        };
        self.mend(seq, &miss)
            .await
            .map_err(|error| unmended(seq, &miss, error))?;
        match self.reader.read_frame(seq).await? {
            Ok(frame) => Ok(frame),
            Err(miss) => Err(self.refusal(seq, &miss).await),
        }
    }

    /// One frame as `on_miss` has it; none where it is left out.
    ///
    /// # Errors
    /// As [`Serving::frame`].
    pub async fn find_frame(&self, seq: u64, on_miss: OnMiss) -> Result<Option<Frame>> {
        if on_miss == OnMiss::Extract {
            return self.frame(seq).await.map(Some);
        }
        match self.reader.read_frame(seq).await? {
            Ok(frame) => Ok(Some(frame)),
            Err(miss) if on_miss == OnMiss::Skip && is_absent(&miss) => Ok(None),
            Err(miss) => Err(self.refusal(seq, &miss).await),
        }
    }

    /// The facts of one frame as `on_miss` has it, missing ones too; none where it is left out.
    ///
    /// # Errors
    /// As [`Serving::frame`], but for frames that the decoder did not deliver.
    pub async fn find_facts(&self, seq: u64, on_miss: OnMiss) -> Result<Option<FrameFacts>> {
        let mut found = self.reader.read_facts(seq).await?;
        if let Err(miss) = &found
            && on_miss == OnMiss::Extract
        {
            self.mend(seq, miss).await?;
            found = self.reader.read_facts(seq).await?;
        }
        match found {
            Ok(facts) => Ok(Some(facts)),
            Err(miss) if on_miss == OnMiss::Skip && is_absent(&miss) => Ok(None),
            Err(miss) => Err(self.refusal(seq, &miss).await),
        }
    }

    /// Has a row extracted where it has no record.
    ///
    /// # Errors
    /// Why it could not be, which its frames are answered with too; the store's own.
    pub(super) async fn ensure(&self, plan: &Arc<Planned>, place: usize) -> Result<()> {
        let Some(row) = plan.row(place) else {
            return Ok(());
        };
        match self.reader.record(row).await? {
            Err(Miss::NoRecord | Miss::StaleRecord | Miss::DamagedRecord) => {
                self.extract_row(plan, place, false).await
            }
            _ => Ok(()),
        }
    }

    /// Extracts the span of a frame that is not there again, where that can help.
    async fn mend(&self, seq: u64, miss: &Miss) -> Result<()> {
        let (again, plan) = match (miss, self.reader.view().await?) {
            (Miss::NoRecord | Miss::StaleRecord | Miss::DamagedRecord, View::Extracted(plan)) => {
                (false, plan)
            }
            (Miss::NoObject | Miss::WrongSha256, View::Extracted(plan)) => (true, plan),
            _ => return Err(self.refusal(seq, miss).await),
        };
        let place = place_of(&plan, seq).ok_or_else(|| not_planned(self.profile(), seq))?;
        self.extract_row(&plan, place, again).await
    }

    async fn extract_row(&self, plan: &Arc<Planned>, place: usize, again: bool) -> Result<()> {
        if let Some(known) = self.tried().get(&place) {
            return known.clone();
        }
        let flight = self.frames.fly(Span {
            profile: self.profile().clone(),
            plan: plan.clone(),
            place,
            again,
            retry_failed: false,
            backend: Backend::Auto,
            turn: Turn::awaited(self.caller),
        })?;
        let outcome = match flight.land(|_| ()).await {
            Ok(landed) => match &landed.outcome {
                Outcome::Frames(_) => Ok(()),
                Outcome::Failed(error) => Err(recorded(error)),
            },
            Err(error) => Err(error),
        };
        self.tried().insert(place, outcome.clone());
        outcome
    }

    fn tried(&self) -> MutexGuard<'_, HashMap<usize, Result<()>>> {
        // Nothing that can panic runs under the lock.
        self.tried.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What became of each row's chunk.
    async fn extract(
        &self,
        plan: &Planned,
        only: Only,
        sink: Sink<'_>,
    ) -> Result<Vec<Option<ChunkError>>> {
        let places = match &only {
            Only::Rows(rows) | Only::Again(rows) => rows.clone(),
            Only::All | Only::Chunks(_) | Only::Shard(_) => Vec::new(),
        };
        let summary = self
            .frames
            .extract(&again(self.profile(), only), sink)
            .await?;
        let errors: HashMap<_, _> = summary
            .chunks
            .into_iter()
            .map(|chunk| (chunk.chunk_id, chunk.error))
            .collect();
        let error = |place: usize| errors.get(&plan.rows().get(place)?.chunk_id)?.clone();
        Ok(places.into_iter().map(error).collect())
    }
}

/// Whether extraction would put it there.
fn is_absent(miss: &Miss) -> bool {
    !matches!(miss, Miss::Failed(_) | Miss::Absent | Miss::NotPlanned)
}

/// An extraction of what is planned already.
pub fn again(profile: &Profile, only: Only) -> Extraction {
    Extraction {
        timeline: profile.keys().timeline().to_owned(),
        profile: profile.keys().profile().to_owned(),
        asked: None,
        only,
        plan_only: false,
        replace: None,
        retry_failed: false,
        skip_bad: false,
        backend: Backend::Auto,
    }
}

/// The place of the row that holds a sequence.
pub fn place_of(plan: &Planned, seq: u64) -> Option<usize> {
    crate::timeline::select::row_of_sequence(plan.plan(), seq)
}
