//! One span, from its row in the plan to its record.

use std::sync::Arc;

use tokio::sync::{mpsc, watch};

use crate::account::{Account, Hold, Kind};
use crate::cache::Profile;
use crate::cache::commit::Committed;
use crate::cache::places::{Placed, Placing, packing_bytes};
use crate::cache::planned::{Planned, Row};
use crate::cache::record::Outcome;
use crate::decode::Backend;
use crate::error::{Error, Reason, Result};
use crate::extract::{Output, SpanEnd, SpanJob, Turn};
use crate::frames::Frames;
use crate::frames::collect::Collector;
use crate::frames::extract::chunk_error;
use crate::frames::flights::{Asked, Flight, Key};
use crate::frames::library::blocking;
use crate::metrics::{Metrics, SpanOutcome};
use crate::timeline::plan::{ChunkError, FrameLayout, PlannedChunk};
use crate::verdict::Verdict;

/// Frames that wait between the workers and the store, a span.
const QUEUED_FRAMES: usize = 16;

/// Times that one flight extracts its span, where others clear what it puts.
pub(super) const MAX_ROUNDS: usize = 5;

/// A row to be extracted.
#[derive(Clone)]
pub(super) struct Span {
    pub profile: Profile,
    pub plan: Arc<Planned>,
    /// In the plan's rows.
    pub place: usize,
    /// Committed or not.
    pub again: bool,
    /// Even where its record says that it cannot be decoded.
    pub retry_failed: bool,
    pub backend: Backend,
    pub turn: Turn,
}

/// What came of it.
#[derive(Clone)]
pub(super) struct Landed {
    pub outcome: Outcome,
    /// Absent where it was found committed, or failed.
    pub end: Option<SpanEnd>,
    /// By this flight.
    pub made: bool,
}

impl Frames {
    /// The flight that has the span made: one that is on its way, or a new one.
    pub(super) fn fly(&self, span: Span) -> Result<Arc<Flight>> {
        let Some(others) = self.others_for(span.backend) else {
            return self.fly_here(span);
        };
        let (key, turn) = (span.key()?, span.turn.clone());
        let (frames, asked) = (self.clone(), others.clone());
        let work = |made| async move { span.land_elsewhere((&frames, &asked), made).await };
        Ok(others.flights.join(key, turn, work))
    }

    /// The flight that extracts the span in this process.
    pub(super) fn fly_here(&self, span: Span) -> Result<Arc<Flight>> {
        let (key, turn, frames) = (span.key()?, span.turn.clone(), self.clone());
        let work = |made| async move { span.land(&frames, made).await };
        Ok(self.flights.join(key, turn, work))
    }
}

impl Span {
    pub(super) fn row(&self) -> Result<Row<'_>> {
        let row = self.plan.row(self.place);
        row.ok_or_else(|| Error::internal("a row is gone"))
    }

    fn key(&self) -> Result<Key> {
        Ok(Key {
            place: self.profile.keys().place(),
            digest: self.row()?.digest.to_owned(),
            asked: Asked {
                again: self.again,
                retry_failed: self.retry_failed,
                backend: self.backend,
            },
        })
    }

    /// Found committed meanwhile, or made, and committed; made again where the profile was cleared,
    /// replaced or repaired before its record stood.
    async fn land(mut self, frames: &Frames, made: watch::Sender<u64>) -> Result<Landed> {
        self.follow_last();
        for _ in 0..MAX_ROUNDS {
            if let Some(landed) = self.round(frames, &made).await? {
                return Ok(landed);
            }
            self.follow_anew().await?;
            // A record that is there now may be the one that was written too late.
            self.again = true;
        }
        Err(always_cleared(self.row()?))
    }

    /// Works by the plan that was read last, if it has the row.
    pub(super) fn follow_last(&mut self) {
        if let Some(plan) = self.profile.plan_read_last() {
            self.follow(plan);
        }
    }

    /// Works by the plan as it is now.
    ///
    /// # Errors
    /// PLAN_DIFFERS where it has the row no more.
    pub(super) async fn follow_anew(&mut self) -> Result<()> {
        let plan = self.profile.load_plan().await?;
        match plan.is_some_and(|plan| self.follow(plan)) {
            true => Ok(()),
            false => Err(superseded(self.row()?)),
        }
    }

    fn follow(&mut self, plan: Arc<Planned>) -> bool {
        let place = self.row().ok().and_then(|row| plan.place_of(row));
        if let Some(place) = place {
            (self.plan, self.place) = (plan, place);
        }
        place.is_some()
    }

    /// None where it is to be started again.
    async fn round(&self, frames: &Frames, made: &watch::Sender<u64>) -> Result<Option<Landed>> {
        let row = self.row()?;
        if let Some(landed) = self.found(row).await? {
            return Ok(Some(landed));
        }
        let counted = Counted::new(&frames.metrics);
        let (placed, end) = match self.extract(row, frames, made).await {
            Ok((end, placed)) => (Ok(placed), Some(end)),
            Err(error) if error.reason().verdict() == Verdict::Record => {
                (Err(chunk_error(&error)), None)
            }
            Err(error) => {
                counted.ended(None);
                return Err(error);
            }
        };
        counted.ended(end.as_ref());
        self.commit(row, placed, end).await
    }

    /// What others committed while this one waited for its turn.
    pub(super) async fn found(&self, row: Row<'_>) -> Result<Option<Landed>> {
        if self.again {
            return Ok(None);
        }
        let record = self.profile.record(row).await?.ok();
        let outcome = record.map(|record| record.outcome);
        let counts =
            |outcome: &Outcome| !(self.retry_failed && matches!(outcome, Outcome::Failed(_)));
        Ok(outcome.filter(counts).map(|outcome| Landed {
            outcome,
            end: None,
            made: false,
        }))
    }

    async fn commit(
        &self,
        row: Row<'_>,
        placed: Result<Placed, ChunkError>,
        end: Option<SpanEnd>,
    ) -> Result<Option<Landed>> {
        let (outcome, packs, abandoned) = match placed {
            Ok(placed) => {
                let outcome = Outcome::Frames(placed.facts);
                (outcome, placed.packs, placed.abandoned)
            }
            Err(error) => (Outcome::Failed(error), None, Vec::new()),
        };
        let committed = self.profile.commit_span(row, outcome.clone(), packs);
        match committed.await? {
            Committed::Yes => {
                self.profile.forget_packs(&abandoned).await;
                Ok(Some(Landed {
                    outcome,
                    end,
                    made: true,
                }))
            }
            // It failed here, and another run's frames are there.
            Committed::Kept => match self.profile.record(row).await? {
                Ok(record) => Ok(Some(Landed {
                    outcome: record.outcome,
                    end: None,
                    made: false,
                })),
                Err(_) => Ok(None),
            },
            Committed::Outdated => Ok(None),
            Committed::Superseded => Err(superseded(row)),
        }
    }

    async fn extract(
        &self,
        row: Row<'_>,
        frames: &Frames,
        made: &watch::Sender<u64>,
    ) -> Result<(SpanEnd, Placed)> {
        let chunk = chunk_of(&self.plan, row)?;
        let parameters = self.plan.plan().parameters.clone();
        let parameters =
            parameters.ok_or_else(|| Error::internal("an extracted plan has no parameters"))?;
        let dedup = parameters.dedup;
        let media = frames.library.media(&chunk.spec, &self.turn).await?;
        let _room = self.room(row, frames).await?;
        let job = SpanJob {
            chunk: chunk.spec.clone(),
            row: row.row.clone(),
            parameters,
            output: Output::Jpeg,
            only: None,
            backend: self.backend,
            recipe: None,
            turn: self.turn.clone(),
            fed: frames.library.pulse().count(),
        };
        let (events, receiver) = mpsc::channel(QUEUED_FRAMES);
        let foundry = frames.foundry.clone();
        blocking(move || {
            foundry.develop(job, &media, events);
            Ok(())
        })
        .await?;
        let progress = |count: u64| {
            frames.library.pulse().step();
            made.send_replace(count);
        };
        let placing = Placing::new(&self.profile, row, self.plan.plan().layout);
        Collector::new(placing, dedup, &progress)
            .collect(receiver)
            .await
    }
}

impl Span {
    /// Memory for its packs, until they are in the store. Waits for as long as other spans need theirs, before anything
    /// of this one is decoded: one that waited half made would keep workers from those that it waits for.
    async fn room(&self, row: Row<'_>, frames: &Frames) -> Result<Option<Hold>> {
        if self.plan.plan().layout != FrameLayout::Packed {
            return Ok(None);
        }
        let account = Account::own(frames.cache().memory().accountant());
        let bytes = packing_bytes(row.row.count);
        loop {
            match account.take(Kind::Packs, bytes).await {
                Err(error) if error.reason() == Reason::MemoryBudget => {}
                taken => return taken.map(Some),
            }
        }
    }
}

/// The chunk of a row of the plan.
pub(super) fn chunk_of<'p>(plan: &'p Planned, row: Row<'_>) -> Result<&'p PlannedChunk> {
    let mut chunks = plan.plan().chunks.iter();
    let chunk = chunks.find(|chunk| chunk.spec.chunk_id == row.row.chunk_id);
    chunk.ok_or_else(|| Error::internal("a row's chunk is not in the plan"))
}

pub(super) fn superseded(row: Row<'_>) -> Error {
    Error::new(
        Reason::PlanDiffers,
        format!(
            "the plan was changed by others while its spans were extracted, chunk_id={}",
            row.row.chunk_id
        ),
    )
    .hint("run again to work by the plan as it is now")
}

pub(super) fn always_cleared(row: Row<'_>) -> Error {
    Error::new(
        Reason::StoreUnavailable,
        format!(
            "the profile was cleared each time that a span of it was extracted, chunk_id={} span={} times={MAX_ROUNDS}",
            row.row.chunk_id, row.row.span
        ),
    )
    .hint("try again when nobody clears it")
}

/// Counts a span that was decoded; one that is dropped before it ended as cancelled.
struct Counted<'a> {
    metrics: &'a Metrics,
    ended: bool,
}

impl<'a> Counted<'a> {
    fn new(metrics: &'a Metrics) -> Self {
        Counted {
            metrics,
            ended: false,
        }
    }

    /// `end`: none for one that failed.
    fn ended(mut self, end: Option<&SpanEnd>) {
        self.ended = true;
        match end {
            Some(end) => self.metrics.span_decoded(&end.backend, SpanOutcome::Ok),
            None => self.metrics.span_decoded(BACKEND, SpanOutcome::Failed),
        }
        if let Some(reason) = end.and_then(|end| end.fallback_reason.as_deref()) {
            self.metrics.fell_back(reason);
        }
    }
}

/// What decodes where no end says it.
const BACKEND: &str = "cpu";

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        if !self.ended {
            self.metrics.span_decoded(BACKEND, SpanOutcome::Cancelled);
        }
    }
}
