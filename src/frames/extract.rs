//! An extraction: plan, claim, and every span that is not committed yet.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use futures::{StreamExt, TryStreamExt, stream};

use crate::cache::Profile;
use crate::cache::planned::{Planned, Row};
use crate::cache::read::Miss;
use crate::cache::record::Outcome;
use crate::cache::status::{FrameCounts, SpanState};
use crate::error::{Error, Reason, Result};
use crate::extract::{Caller, Turn};
use crate::frames::request::{
    ChunkResult, Event, Extraction, Only, Progress, Sink, Stage, Summary,
};
use crate::frames::span::{Landed, Span, superseded};
use crate::frames::{Frames, spans_at_once};
use crate::timeline::plan::{ChunkError, PlannedChunk};

mod ordered;

pub use ordered::Submitted;

/// Times that one extraction looks for its rows, where others clear them.
const MAX_LOOKS: usize = 5;

/// What became of one row.
struct RowResult {
    place: usize,
    counts: FrameCounts,
    backend: Option<String>,
    fallback_reason: Option<String>,
    made: bool,
    error: Option<ChunkError>,
}

/// A row to be extracted; `again`: whatever its record says.
#[derive(Clone, Copy)]
struct ToMake {
    place: usize,
    again: bool,
}

impl Frames {
    /// Plans a timeline and extracts what of it is not in the cache. Dropping the future
    /// stops the workers; what is committed stays, and calling again goes on from there.
    ///
    /// # Errors
    /// Whatever stops all of it: a plan that differs, a chunk that cannot be indexed, a store
    /// that fails. A chunk that fails alone is in its result.
    pub async fn extract(&self, extraction: &Extraction, sink: Sink<'_>) -> Result<Summary> {
        let run = self.begin(extraction, sink).await?;
        let rows = chosen_rows(&run.plan, &extraction.only)?;
        let results = run.rows(&rows, sink).await?;
        if extraction.replace.is_some() && !extraction.plan_only {
            run.profile.sweep_stale().await?;
        }
        Ok(run.summary(results))
    }

    /// Has the plan, made or found.
    async fn begin<'a>(&'a self, extraction: &'a Extraction, sink: Sink<'_>) -> Result<Run<'a>> {
        let begun = Instant::now();
        self.check_backend(extraction.backend).await?;
        let profile = self
            .cache
            .profile(&extraction.timeline, &extraction.profile)?;
        self.sweep().await;
        let caller = Caller::new();
        let claim = self.claim(&profile, (extraction, caller), sink).await?;
        sink(Event::Plan {
            plan: claim.plan.plan(),
            claimed: claim.claimed,
        });
        Run {
            frames: self,
            profile,
            extraction,
            caller,
            plan: claim.plan,
            begun,
            done: AtomicU64::new(0),
        }
        .checked()
    }

    /// What writers that died left behind is nobody's way: a sweep that fails stops nothing.
    pub async fn sweep(&self) {
        if let Err(error) = self.cache.store().sweep().await {
            tracing::warn!(%error, "could not remove what writers that died left behind");
        }
    }
}

/// One extraction's spans.
struct Run<'a> {
    frames: &'a Frames,
    profile: Profile,
    extraction: &'a Extraction,
    caller: Caller,
    plan: Arc<Planned>,
    begun: Instant,
    done: AtomicU64,
}

impl Run<'_> {
    fn checked(self) -> Result<Self> {
        if self.plan.is_put() {
            return Err(Error::new(
                Reason::PlanDiffers,
                "the profile's frames were put, not extracted",
            )
            .hint("choose another profile, or --replace"));
        }
        Ok(self)
    }

    /// Every chosen row: reused, kept as failed, or extracted. Where the profile was cleared,
    /// replaced or repaired meanwhile they are looked through again, so that what is answered is so.
    async fn rows(&self, rows: &[usize], sink: Sink<'_>) -> Result<Vec<RowResult>> {
        let mut results = BTreeMap::new();
        let mut nonce = self.plan.nonce().map(str::to_owned);
        for look in 0..MAX_LOOKS {
            let (settled, todo) = self.look(rows, look == 0 && self.is_again()).await?;
            for row in settled {
                results.entry(row.place).or_insert(row);
            }
            if self.extraction.plan_only {
                return Ok(results.into_values().collect());
            }
            for row in self.make(&todo, sink).await? {
                results.insert(row.place, row);
            }
            let now = self.nonce_now(rows).await?;
            if now == nonce {
                return Ok(results.into_values().collect());
            }
            nonce = now;
        }
        Err(Error::new(
            Reason::StoreUnavailable,
            format!("the profile was cleared each time that it was extracted, times={MAX_LOOKS}"),
        )
        .hint("try again when nobody clears it"))
    }

    /// Rows of which nothing is to be done, and those to be made; `again`: all of them.
    async fn look(&self, rows: &[usize], again: bool) -> Result<(Vec<RowResult>, Vec<ToMake>)> {
        // Before a span counts as reused its frames are looked for.
        let states = if again || self.extraction.plan_only {
            self.profile.span_states(&self.plan, rows).await?
        } else {
            self.profile.reusable_states(&self.plan, rows).await?
        };
        let (mut settled, mut todo) = (Vec::new(), Vec::new());
        for (&place, state) in rows.iter().zip(&states) {
            match self.settled(place, state, again) {
                Some(row) => settled.push(row),
                None => todo.push(ToMake {
                    place,
                    again: again || matches!(state, SpanState::Missing(Miss::NoObject)),
                }),
            }
        }
        Ok((settled, todo))
    }

    async fn make(&self, todo: &[ToMake], sink: Sink<'_>) -> Result<Vec<RowResult>> {
        match self.frames.others_for(self.extraction.backend) {
            Some(others) => self.have_made(others, todo, sink).await,
            None => self.make_here(todo, sink).await,
        }
    }

    async fn make_here(&self, todo: &[ToMake], sink: Sink<'_>) -> Result<Vec<RowResult>> {
        let total = self.count_of_all(todo);
        let spans = todo.iter().map(|row| self.span(*row, total, sink));
        stream::iter(spans.collect::<Vec<_>>())
            // In any order: a long span keeps no later one waiting.
            .buffer_unordered(spans_at_once(self.frames.workers()))
            .try_collect()
            .await
    }

    /// The plan's nonce as it is now.
    ///
    /// # Errors
    /// PLAN_DIFFERS where the plan has these rows no more.
    async fn nonce_now(&self, rows: &[usize]) -> Result<Option<String>> {
        let now = self.profile.load_plan().await?;
        let mut rows = rows.iter().filter_map(|place| self.plan.row(*place));
        let gone = rows.find(|row| !now.as_ref().is_some_and(|now| now.has(*row)));
        match (gone, now) {
            (Some(row), _) => Err(superseded(row)),
            (None, now) => Ok(now.and_then(|now| now.nonce().map(str::to_owned))),
        }
    }

    fn count_of_all(&self, rows: &[ToMake]) -> u64 {
        rows.iter().map(|row| self.count_of(row.place)).sum()
    }

    fn count_of(&self, place: usize) -> u64 {
        self.plan.row(place).map_or(0, |row| row.row.count)
    }

    fn is_again(&self) -> bool {
        self.extraction.replace.is_some() || matches!(self.extraction.only, Only::Again(_))
    }

    /// The row's result, if nothing is to be done for it.
    fn settled(&self, place: usize, state: &SpanState, again: bool) -> Option<RowResult> {
        let again = again && self.count_of(place) > 0;
        let (counts, error) = match state {
            SpanState::Complete(counts) if !again => (*counts, None),
            SpanState::Failed(error) if !again && !self.extraction.retry_failed => {
                (FrameCounts::default(), Some(error.clone()))
            }
            _ => return None,
        };
        Some(RowResult {
            place,
            counts,
            backend: None,
            fallback_reason: None,
            made: false,
            error,
        })
    }

    async fn span(&self, to_make: ToMake, total: u64, sink: Sink<'_>) -> Result<RowResult> {
        let ToMake { place, again } = to_make;
        let row = self
            .plan
            .row(place)
            .ok_or_else(|| Error::internal("a row is gone"))?;
        let flight = self.frames.fly_here(Span {
            profile: self.profile.clone(),
            plan: self.plan.clone(),
            place,
            again,
            retry_failed: self.extraction.retry_failed,
            backend: self.extraction.backend,
            turn: Turn::of(self.caller),
        })?;
        let counted = AtomicU64::new(0);
        let progress = |frames: u64| {
            let before = counted.swap(frames, Ordering::Relaxed);
            sink(self.more(row, (before, frames), total));
        };
        let mut result = RowResult::made(place);
        match flight.land(progress).await {
            Ok(landed) => self.landed(&mut result, &landed, sink),
            // A failure of the store (or of ourselves) is no fault of one chunk.
            Err(error) if !error.reason().verdict().fails_alone() => return Err(error),
            Err(error) => result.error = Some(chunk_error(&error)),
        }
        Ok(result)
    }

    fn landed(&self, result: &mut RowResult, landed: &Landed, sink: Sink<'_>) {
        result.made = landed.made;
        if let Some(end) = &landed.end {
            result.backend = Some(end.backend.clone());
            result.fallback_reason.clone_from(&end.fallback_reason);
        }
        match &landed.outcome {
            Outcome::Failed(error) => result.error = Some(error.clone()),
            Outcome::Frames(facts) => {
                result.counts = FrameCounts::of(facts);
                sink(Event::Committed {
                    place: result.place,
                    facts,
                });
            }
        }
    }

    /// A row has so many frames now that had so many before.
    fn more(&self, row: Row<'_>, (before, frames): (u64, u64), total: u64) -> Event<'static> {
        let more = frames.wrapping_sub(before);
        let done = self.done.fetch_add(more, Ordering::Relaxed);
        Event::Progress(Progress {
            stage: Stage::Extract,
            chunk_id: Some(row.row.chunk_id.clone()),
            done: done.wrapping_add(more),
            total,
            media_seconds: row.row.start.to_f64(),
        })
    }

    fn summary(&self, results: Vec<RowResult>) -> Summary {
        let mut summary = Summary {
            timeline: self.extraction.timeline.clone(),
            profile: self.extraction.profile.clone(),
            frames: 0,
            written: 0,
            reused: 0,
            seconds: 0.0,
            media_seconds: 0.0,
            chunks: self.plan.plan().chunks.iter().map(chunk_result).collect(),
        };
        let places: HashMap<String, usize> = summary
            .chunks
            .iter()
            .enumerate()
            .map(|(place, chunk)| (chunk.chunk_id.clone(), place))
            .collect();
        for result in &results {
            let Some(row) = self.plan.row(result.place) else {
                continue;
            };
            let frames = result.counts.frames - result.counts.missing;
            summary.frames += frames;
            if result.made && result.error.is_none() {
                summary.written += frames;
                summary.media_seconds += row.row.end.to_f64() - row.row.start.to_f64();
            } else {
                summary.reused += frames;
            }
            if let Some(place) = places.get(&row.row.chunk_id) {
                add(&mut summary.chunks[*place], result);
            }
        }
        summary.seconds = self.begun.elapsed().as_secs_f64();
        summary
    }
}

impl RowResult {
    fn made(place: usize) -> RowResult {
        RowResult {
            place,
            counts: FrameCounts::default(),
            backend: None,
            fallback_reason: None,
            made: true,
            error: None,
        }
    }
}

fn chunk_result(chunk: &PlannedChunk) -> ChunkResult {
    ChunkResult {
        chunk_id: chunk.spec.chunk_id.clone(),
        frames: 0,
        backend: None,
        fallback_reason: None,
        damaged: 0,
        missing: 0,
        unshown: chunk.unshown,
        clock: chunk.clock.clone(),
        error: chunk.error.clone(),
    }
}

fn add(chunk: &mut ChunkResult, row: &RowResult) {
    chunk.frames += row.counts.frames - row.counts.missing;
    chunk.damaged += row.counts.damaged;
    chunk.missing += row.counts.missing;
    chunk.backend = chunk.backend.take().or(row.backend.clone());
    chunk.fallback_reason = chunk.fallback_reason.take().or(row.fallback_reason.clone());
    chunk.error = chunk.error.take().or(row.error.clone());
}

fn chosen_rows(plan: &Planned, only: &Only) -> Result<Vec<usize>> {
    let all = 0..plan.rows().len();
    let rows: Vec<usize> = match only {
        Only::All => all.collect(),
        Only::Shard(shard) => all.filter(|place| shard.takes(*place)).collect(),
        Only::Rows(rows) | Only::Again(rows) => rows.clone(),
        Only::Chunks(ids) => {
            let known = |id: &String| plan.plan().chunks.iter().any(|c| c.spec.chunk_id == *id);
            if let Some((n, unknown)) = ids.iter().enumerate().find(|(_, id)| !known(id)) {
                return Err(Error::field(format!(
                    "the timeline has no such chunk, chunk_id={unknown}"
                ))
                .hint("`framecache timelines ID` lists its chunks")
                .in_field(format!("only_chunk_ids[{n}]")));
            }
            all.filter(|place| ids.contains(&plan.rows()[*place].chunk_id))
                .collect()
        }
    };
    Ok(rows)
}

pub fn chunk_error(error: &Error) -> ChunkError {
    ChunkError {
        reason: error.reason().name().to_owned(),
        message: error.message().to_owned(),
    }
}
