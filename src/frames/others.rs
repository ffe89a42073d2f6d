//! Who makes spans in this process's place, and what is done where they cannot be asked.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::watch;

use crate::cache::record::Record;
use crate::decode::Backend;
use crate::error::{Error, Reason, Result};
use crate::extract::SpanEnd;
use crate::frames::Frames;
use crate::frames::elsewhere::{Heard, Wanted};
use crate::frames::flights::Flights;
use crate::frames::orders::Elsewhere;
use crate::frames::refusal::recorded;
use crate::frames::span::{Landed, MAX_ROUNDS, Span, always_cleared};
use crate::metrics::Metrics;
use crate::timeline::plan::ChunkError;

/// Spans that readers wait for at once.
const AT_ONCE: usize = 1024;
/// By which metrics and messages know that the queue was not taken.
pub const UNREACHED: &str = "queue_unavailable";

/// What is done where the queue cannot be reached.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Fallback {
    /// Spans are made here.
    #[default]
    Local,
    /// What waits for them ends with QUEUE_UNAVAILABLE.
    Refuse,
}

/// Those who make spans.
#[derive(Clone)]
pub struct Others {
    pub queue: Arc<dyn Elsewhere>,
    pub fallback: Fallback,
    pub(super) flights: Arc<Flights>,
}

impl Others {
    pub fn new(queue: Arc<dyn Elsewhere>, fallback: Fallback) -> Self {
        Others {
            queue,
            fallback,
            flights: Arc::new(Flights::new(AT_ONCE)),
        }
    }

    /// Whether spans are made here after that.
    pub(super) fn falls_back(&self, error: &Error) -> bool {
        error.reason() == Reason::QueueUnavailable && self.fallback == Fallback::Local
    }
}

/// Tells it.
pub(super) fn fell_back(metrics: &Metrics, error: &Error) {
    metrics.fell_back(UNREACHED);
    tracing::warn!(%error, "the queue cannot be reached: spans are decoded here");
}

impl Frames {
    /// The same, whose spans others make.
    pub fn with_others(mut self, others: Others) -> Self {
        self.others = Some(others);
        self
    }

    /// Those who make spans in this process's place, if anybody does.
    pub fn others(&self) -> Option<&Others> {
        self.others.as_ref()
    }

    /// Those who make spans of that backend: a caller who chose one gets it here, or not at all.
    pub(super) fn others_for(&self, backend: Backend) -> Option<&Others> {
        self.others.as_ref().filter(|_| backend == Backend::Auto)
    }
}

impl Span {
    /// Has others make it for a reader, or makes it here where they cannot be asked and it may be.
    pub(super) async fn land_elsewhere(
        mut self,
        (frames, others): (&Frames, &Others),
        made: watch::Sender<u64>,
    ) -> Result<Landed> {
        self.follow_last();
        for _ in 0..MAX_ROUNDS {
            if let Some(landed) = self.found(self.row()?).await? {
                return Ok(landed);
            }
            match self.ordered(others, &made).await {
                Ok(Some(result)) => return self.landed(result).await,
                Ok(None) => self.follow_anew().await?,
                Err(error) if others.falls_back(&error) => {
                    fell_back(&frames.metrics, &error);
                    let flight = frames.fly_here(self)?;
                    let progress = |count| {
                        made.send_replace(count);
                    };
                    let landed = flight.land(progress).await?;
                    return Ok(Landed::clone(&landed));
                }
                Err(error) => return Err(error),
            }
        }
        Err(always_cleared(self.row()?))
    }

    /// What became of it; none where it is to be ordered by another plan.
    async fn ordered(
        &self,
        others: &Others,
        made: &watch::Sender<u64>,
    ) -> Result<Option<Result<Record, ChunkError>>> {
        let ended = Mutex::new(None);
        let hear = |_, heard: Heard| match heard {
            Heard::Made(frames) => {
                made.send_replace(frames);
            }
            Heard::Ended(result) => {
                // Nothing that can panic runs under the lock.
                *ended.lock().unwrap_or_else(PoisonError::into_inner) = Some(*result);
            }
        };
        let wanted = Wanted {
            profile: &self.profile,
            plan: &self.plan,
            rows: vec![(self.place, self.again)],
            retry_failed: self.retry_failed,
            awaited: true,
        };
        wanted.have_made(&*others.queue, &hear).await?;
        Ok(ended.into_inner().unwrap_or_else(PoisonError::into_inner))
    }

    async fn landed(&self, result: Result<Record, ChunkError>) -> Result<Landed> {
        let record = result.map_err(|given_up| recorded(&given_up))?;
        self.profile.reader().forget_record(self.row()?).await;
        let first = record.frames().first();
        let end = first.map(|first| SpanEnd {
            backend: first.backend.clone().unwrap_or_default(),
            fallback_reason: first.fallback_reason.clone(),
            decoded_units: 0,
        });
        Ok(Landed {
            outcome: record.outcome,
            end,
            made: true,
        })
    }
}
