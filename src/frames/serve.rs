//! Frames out of the cache; what is not there, or damaged there, is extracted again first.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Once};

use futures::{StreamExt, TryStreamExt, stream};

use crate::cache::Profile;
use crate::cache::planned::Planned;
use crate::cache::read::{Frame, Miss, Reader, View, With};
use crate::cache::record::Outcome;
use crate::decode::Backend;
use crate::error::{Error, Reason, Result};
use crate::extract::{Caller, Turn};
use crate::frames::refusal::{absent, not_planned, recorded, unmended};
use crate::frames::span::{Landed, Span};
use crate::frames::tries::{Moment, Next, Tries};
use crate::frames::{Extraction, Frames, Only, Sink};
use crate::media::facts::FrameFacts;
use crate::timeline::plan::ChunkError;

/// Times that a frame is looked for, where others replace and clear what it is of.
const MAX_LOOKS: usize = 8;
/// Records looked at ahead.
const READ_AHEAD: usize = 16;

/// What becomes of a frame that is planned and not in the cache.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum OnMiss {
    /// Its span is extracted, then it is answered.
    #[default]
    Extract,
    /// It is left out; one whose object is lost or damaged is answered with OBJECT_CORRUPT.
    Skip,
    /// It is answered with FRAME_NOT_CACHED, or OBJECT_CORRUPT.
    Fail,
}

/// A row to be extracted.
#[derive(Clone, Copy)]
struct ToExtract<'a> {
    plan: &'a Arc<Planned>,
    place: usize,
    /// Whatever its record says.
    again: bool,
}

/// Serves one profile's frames; to be kept while reading goes on.
pub struct Serving {
    frames: Frames,
    reader: Reader,
    /// Whoever reads through this handle is one call.
    caller: Caller,
    /// Rows that this handle had extracted.
    tries: Tries,
    /// Whether the timeline's use was noted.
    noted: Once,
}

impl Frames {
    pub fn serve(&self, profile: &Profile) -> Serving {
        Serving {
            frames: self.clone(),
            reader: profile.reader(),
            caller: Caller::new(),
            tries: Tries::default(),
            noted: Once::new(),
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

    /// That the timeline is read: something of it was found.
    pub(super) fn note_use(&self) {
        let timeline = self.profile().keys().timeline();
        self.noted
            .call_once(|| self.frames.cache().note_use(timeline));
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
                let unknown = seqs.iter().find(|seq| !index.names(**seq));
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
                self.tries.failed(place, recorded(&error));
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
    async fn frame(&self, seq: u64, with: Option<With<'_>>) -> Result<Frame> {
        for _ in 0..MAX_LOOKS {
            let since = self.tries.now();
            let miss = match self.reader.read_with(seq, with).await? {
                Ok(frame) => return Ok(frame),
                Err(miss) => miss,
            };
            self.mend(seq, &miss, since)
                .await
                .map_err(|error| unmended(seq, &miss, error))?;
        }
        Err(self.lost_each_time(seq))
    }

    /// One frame as `on_miss` has it, read together with others where it can be; none where it is left out.
    ///
    /// # Errors
    /// As [`Serving::frame`].
    pub(super) async fn find_frame(
        &self,
        seq: u64,
        on_miss: OnMiss,
        with: Option<With<'_>>,
    ) -> Result<Option<Frame>> {
        let found = self.look_for(seq, on_miss, with).await?;
        if found.is_some() {
            self.note_use();
        }
        Ok(found)
    }

    async fn look_for(
        &self,
        seq: u64,
        on_miss: OnMiss,
        with: Option<With<'_>>,
    ) -> Result<Option<Frame>> {
        if on_miss == OnMiss::Extract {
            return self.frame(seq, with).await.map(Some);
        }
        match self.reader.read_with(seq, with).await? {
            Ok(frame) => Ok(Some(frame)),
            Err(miss) if on_miss == OnMiss::Skip && is_absent(&miss) => Ok(None),
            Err(miss) => Err(self.refusal(seq, &miss).await),
        }
    }

    /// The facts of one frame as `on_miss` has it, missing ones too; none where it is left out.
    ///
    /// # Errors
    /// As of a frame with its bytes, but for one that the decoder did not deliver.
    pub async fn find_facts(&self, seq: u64, on_miss: OnMiss) -> Result<Option<FrameFacts>> {
        for _ in 0..MAX_LOOKS {
            let since = self.tries.now();
            let miss = match self.reader.read_facts(seq).await? {
                Ok(facts) => {
                    self.note_use();
                    return Ok(Some(facts));
                }
                Err(miss) => miss,
            };
            match on_miss {
                OnMiss::Extract => self.mend(seq, &miss, since).await?,
                OnMiss::Skip if is_absent(&miss) => return Ok(None),
                OnMiss::Skip | OnMiss::Fail => return Err(self.refusal(seq, &miss).await),
            }
        }
        Err(self.lost_each_time(seq))
    }

    /// Has a row extracted where it has no record.
    ///
    /// # Errors
    /// Why it could not be, which its frames are answered with too; the store's own.
    pub(super) async fn ensure(&self, plan: &Arc<Planned>, place: usize) -> Result<()> {
        let Some(row) = plan.row(place) else {
            return Ok(());
        };
        let since = self.tries.now();
        match self.reader.record(row).await? {
            Err(Miss::NoRecord | Miss::StaleRecord | Miss::DamagedRecord) => {
                let again = false;
                self.extract_row(ToExtract { plan, place, again }, since)
                    .await
                    .map(drop)
            }
            _ => Ok(()),
        }
    }

    /// Extracts the span of a frame that is not there again, where that can help. When it answers,
    /// the frame is worth another look.
    async fn mend(&self, seq: u64, miss: &Miss, since: Moment) -> Result<()> {
        let (again, plan) = match (miss, self.reader.view().await?) {
            (Miss::NoRecord | Miss::StaleRecord | Miss::DamagedRecord, View::Extracted(plan)) => {
                (false, plan)
            }
            (Miss::NoObject | Miss::WrongSha256, View::Extracted(plan)) => (true, plan),
            (_, View::Absent) => return Err(absent(self.profile())),
            _ => return Err(self.refusal(seq, miss).await),
        };
        let place = place_of(&plan, seq).ok_or_else(|| not_planned(self.profile(), seq))?;
        let plan = &plan;
        match self
            .extract_row(ToExtract { plan, place, again }, since)
            .await?
        {
            Next::GiveUp => Err(self.lost_each_time(seq)),
            Next::Read | Next::Extract => Ok(()),
        }
    }

    /// Has the row extracted, unless it was since, or too often.
    async fn extract_row(&self, row: ToExtract<'_>, since: Moment) -> Result<Next> {
        let next = self.tries.next(row.place, since)?;
        if next != Next::Extract {
            return Ok(next);
        }
        let flight = self.frames.fly(Span {
            profile: self.profile().clone(),
            plan: row.plan.clone(),
            place: row.place,
            again: row.again,
            retry_failed: false,
            backend: Backend::Auto,
            turn: Turn::awaited(self.caller),
        })?;
        match flight.land(|_| ()).await {
            Ok(landed) => self.landed(row.place, &landed),
            // Another plan came: what it has is looked up by it.
            Err(error) if error.reason() == Reason::PlanDiffers => self.follow(row, error).await,
            Err(error) => {
                self.tries.failed(row.place, error.clone());
                Err(error)
            }
        }
    }

    fn landed(&self, place: usize, landed: &Arc<Landed>) -> Result<Next> {
        match &landed.outcome {
            Outcome::Frames(_) => {
                self.tries.landed(place, landed);
                Ok(Next::Read)
            }
            Outcome::Failed(error) => {
                self.tries.failed(place, recorded(error));
                Err(recorded(error))
            }
        }
    }

    /// Looks at the plan afresh: the error stands where it is the one that the row was of.
    async fn follow(&self, row: ToExtract<'_>, error: Error) -> Result<Next> {
        let before = row.plan.row(row.place);
        match self.reader.fresh_view().await? {
            View::Extracted(now) if before.is_some_and(|row| now.has(row)) => Err(error),
            _ => Ok(Next::Read),
        }
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

/// Whether its span has no record that counts. What one names, and is lost or damaged, is not left out.
fn is_absent(miss: &Miss) -> bool {
    matches!(
        miss,
        Miss::NoRecord | Miss::StaleRecord | Miss::DamagedRecord
    )
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
        layout: None,
        backend: Backend::Auto,
    }
}

/// The place of the row that holds a sequence.
pub fn place_of(plan: &Planned, seq: u64) -> Option<usize> {
    crate::timeline::select::row_of_sequence(plan.plan(), seq)
}
