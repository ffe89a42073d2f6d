//! An extraction whose spans others make.

use std::collections::{HashMap, HashSet};
use std::sync::{Mutex, PoisonError};

use super::{RowResult, Run, ToMake, chosen_rows};
use crate::cache::record::Record;
use crate::cache::status::FrameCounts;
use crate::error::Result;
use crate::frames::Frames;
use crate::frames::elsewhere::{Heard, Wanted};
use crate::frames::orders::Elsewhere;
use crate::frames::others::{Others, fell_back};
use crate::frames::request::{Event, Extraction, Sink, Summary};
use crate::timeline::plan::ChunkError;

/// What was ordered.
#[derive(Debug)]
pub struct Submitted {
    /// Of what is there already.
    pub summary: Summary,
    pub spans: u64,
    pub frames: u64,
}

/// What was heard so far.
#[derive(Default)]
struct Heards {
    /// Frames of rows that are on their way.
    frames: HashMap<usize, u64>,
    results: Vec<RowResult>,
}

impl Frames {
    /// Plans a timeline and orders what of it is not in the cache; waits for none of it.
    ///
    /// # Errors
    /// As [`Frames::extract`] until there is a plan; QUEUE_UNAVAILABLE and QUEUE_FULL.
    pub async fn submit(
        &self,
        extraction: &Extraction,
        (others, sink): (&dyn Elsewhere, Sink<'_>),
    ) -> Result<Submitted> {
        let run = self.begin(extraction, sink).await?;
        let rows = chosen_rows(&run.plan, &extraction.only)?;
        let (settled, todo) = run.look(&rows, run.is_again()).await?;
        others.keep(&run.wanted(&todo).orders()).await?;
        Ok(Submitted {
            spans: todo.len() as u64,
            frames: run.count_of_all(&todo),
            summary: run.summary(settled),
        })
    }
}

impl Run<'_> {
    fn wanted(&self, todo: &[ToMake]) -> Wanted<'_> {
        Wanted {
            profile: &self.profile,
            plan: &self.plan,
            rows: todo.iter().map(|row| (row.place, row.again)).collect(),
            retry_failed: self.extraction.retry_failed,
            awaited: false,
        }
    }

    /// Every row that others made or gave up. Where the queue cannot be reached the rest is made here, if it may be.
    pub(super) async fn have_made(
        &self,
        others: &Others,
        todo: &[ToMake],
        sink: Sink<'_>,
    ) -> Result<Vec<RowResult>> {
        let heards = Mutex::<Heards>::default();
        let total = self.count_of_all(todo);
        let hear = |place: usize, heard: Heard| self.heard(&heards, (place, heard), (total, sink));
        let wanted = self.wanted(todo);
        let followed = wanted.have_made(&*others.queue, &hear).await;
        let heards = heards.into_inner().unwrap_or_else(PoisonError::into_inner);
        let mut results = heards.results;
        match followed {
            Err(error) if others.falls_back(&error) => {
                fell_back(&self.frames.metrics, &error);
                let made: HashSet<usize> = results.iter().map(|row| row.place).collect();
                let rest = todo.iter().filter(|row| !made.contains(&row.place));
                let rest: Vec<ToMake> = rest.copied().collect();
                results.extend(self.make_here(&rest, sink).await?);
            }
            followed => followed?,
        }
        Ok(results)
    }

    fn heard(
        &self,
        heards: &Mutex<Heards>,
        (place, heard): (usize, Heard),
        (total, sink): (u64, Sink<'_>),
    ) {
        let Some(row) = self.plan.row(place) else {
            return;
        };
        // Nothing that can panic runs under the lock.
        let lock = || heards.lock().unwrap_or_else(PoisonError::into_inner);
        match heard {
            Heard::Made(frames) => {
                let before = lock().frames.insert(place, frames).unwrap_or(0);
                sink(self.more(row, (before, frames), total));
            }
            Heard::Ended(result) => {
                let before = lock().frames.remove(&place).unwrap_or(0);
                sink(self.more(row, (before, row.row.count), total));
                if let Ok(record) = &*result {
                    let facts = record.frames();
                    sink(Event::Committed { place, facts });
                }
                lock().results.push(RowResult::of_others(place, *result));
            }
        }
    }
}

impl RowResult {
    fn of_others(place: usize, result: Result<Record, ChunkError>) -> RowResult {
        let mut made = RowResult::made(place);
        match result.and_then(Record::into_frames) {
            Ok(facts) => {
                made.counts = FrameCounts::of(&facts);
                let first = facts.into_iter().next().unwrap_or_default();
                (made.backend, made.fallback_reason) = (first.backend, first.fallback_reason);
            }
            Err(error) => made.error = Some(error),
        }
        made
    }
}
