//! What of a profile is there, by its plan and records; and which timelines
//! and profiles there are.

use std::collections::HashSet;
use std::sync::Arc;

use futures::{StreamExt, TryStreamExt, stream};

use crate::cache::inventory::ListedRecords;
use crate::cache::keys::{DEFAULT_PROFILE, SpanId, folder_name};
use crate::cache::objects;
use crate::cache::planned::{Planned, Row};
use crate::cache::put_index::PutIndex;
use crate::cache::read::{Miss, View};
use crate::cache::record::{Outcome, Record, is_stored};
use crate::cache::{CONCURRENCY, Cache, Profile};
use crate::error::Result;
use crate::media::facts::FrameFacts;
use crate::store::ListRequest;
use crate::timeline::plan::ChunkError;

/// Rows whose records are asked for without listing them.
const FEW_ROWS: usize = 32;

/// How much of a profile is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// Neither plan nor frames.
    Absent,
    /// Frames and no plan.
    Legacy,
    /// Spans are missing or failed.
    Partial,
    /// Every span has its frames; a put profile always.
    Complete,
}

/// Frames by what became of them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct FrameCounts {
    /// With facts: stored, repeats and missing ones.
    pub frames: u64,
    /// With bytes of their own in the store.
    pub stored: u64,
    pub repeats: u64,
    pub missing: u64,
    pub damaged: u64,
    /// Of the stored ones.
    pub bytes: u64,
}

/// What the records say of one row of the plan.
#[derive(Debug, Clone, PartialEq)]
pub enum SpanState {
    Complete(FrameCounts),
    Failed(ChunkError),
    /// To be extracted.
    Missing(Miss),
}

/// A span that cannot be decoded.
#[derive(Debug, Clone, PartialEq)]
pub struct FailedSpan {
    pub id: SpanId,
    pub error: ChunkError,
}

/// A profile as `GetTimeline` tells it.
#[derive(Debug, Clone)]
pub struct Status {
    pub state: State,
    /// Absent for `absent` and `legacy`.
    pub plan: Option<Arc<Planned>>,
    /// Frames planned; for put profiles, those put. Unknown (0) for `legacy`:
    /// its frames are not listed here.
    pub planned: u64,
    pub counts: FrameCounts,
    /// One for each row, in the plan's order.
    pub spans: Vec<SpanState>,
    pub failed: Vec<FailedSpan>,
}

/// A page of ids.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Ids {
    pub ids: Vec<String>,
    /// Give this to the next call; none at the end.
    pub next: Option<String>,
}

impl FrameCounts {
    pub fn of<'a>(frames: impl IntoIterator<Item = &'a FrameFacts>) -> Self {
        let mut counts = FrameCounts::default();
        for frame in frames {
            counts.frames += 1;
            counts.repeats += u64::from(frame.repeats.is_some());
            counts.missing += u64::from(frame.missing);
            counts.damaged += u64::from(frame.damaged);
            if is_stored(frame) {
                counts.stored += 1;
                counts.bytes = counts.bytes.saturating_add(frame.bytes.unwrap_or(0));
            }
        }
        counts
    }

    fn add(&mut self, other: FrameCounts) {
        self.frames += other.frames;
        self.stored += other.stored;
        self.repeats += other.repeats;
        self.missing += other.missing;
        self.damaged += other.damaged;
        self.bytes = self.bytes.saturating_add(other.bytes);
    }
}

impl Cache {
    /// Timelines that have any object, a page of at most `limit`.
    pub async fn list_timelines(&self, token: Option<String>, limit: Option<usize>) -> Result<Ids> {
        let request = ListRequest {
            prefix: self.layout.timelines_prefix(),
            delimited: true,
            token,
            limit,
        };
        let page = self.store.list(request).await?;
        let ids = page
            .prefixes
            .iter()
            .filter_map(|f| self.layout.timeline_of(f));
        Ok(Ids {
            ids: ids.map(str::to_owned).collect(),
            next: page.next,
        })
    }

    /// Profiles of a timeline that have any object, `default` first.
    pub async fn list_profiles(&self, timeline: &str) -> Result<Vec<String>> {
        let mut found = Vec::new();
        if self.profile(timeline, DEFAULT_PROFILE)?.exists().await? {
            found.push(DEFAULT_PROFILE.to_owned());
        }
        let parent = self.layout.profiles_prefix(timeline)?;
        let folders = objects::folders(&*self.store, &parent).await?;
        let names = folders.iter().filter_map(|f| folder_name(f, &parent));
        // A folder of that name would be nobody's: the default's keys are at the root.
        let names = names.filter(|name| *name != DEFAULT_PROFILE);
        found.extend(names.map(str::to_owned));
        Ok(found)
    }
}

impl Profile {
    /// Whether the profile has any object.
    pub async fn exists(&self) -> Result<bool> {
        let keys = &self.keys;
        for prefix in [
            keys.plan(),
            keys.frames_prefix(),
            keys.packs_prefix(),
            keys.records_prefix(),
            keys.overlays_prefix(),
        ] {
            if objects::any(&*self.store, &prefix).await? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Reads plan and records; lists `frames/` only for one key where there is no plan.
    ///
    /// # Errors
    /// Those of `load_plan` and `record`; the store's own.
    pub async fn status(&self) -> Result<Status> {
        match self.view().await? {
            View::Absent => Ok(Status::without_plan(State::Absent)),
            View::Legacy => Ok(Status::without_plan(State::Legacy)),
            View::Put(index) => Ok(Status::of_put(&index)),
            View::Extracted(plan) => {
                let all: Vec<usize> = (0..plan.rows().len()).collect();
                let spans = self.span_states(&plan, &all).await?;
                Ok(Status::of_spans(plan, spans))
            }
        }
    }

    /// The status that a page of it is told from: the first page's is read now, and remembered, so
    /// that further pages read no record again, unless the plan was changed meanwhile.
    ///
    /// # Errors
    /// As [`Profile::status`].
    pub async fn status_for_page(&self, is_first: bool) -> Result<Arc<Status>> {
        if !is_first
            && let Some(status) = self.memory.known_status(self).await
            && self.is_of_this_plan(&status).await?
        {
            return Ok(status);
        }
        let status = Arc::new(self.status().await?);
        self.memory.keep_status(self, &status).await;
        Ok(status)
    }

    async fn is_of_this_plan(&self, status: &Status) -> Result<bool> {
        Ok(match (self.view().await?, &status.plan) {
            (View::Extracted(now), Some(then)) => {
                now.nonce() == then.nonce() && now.plan() == then.plan()
            }
            _ => false,
        })
    }

    /// What the records say of these rows, by their places in the plan.
    ///
    /// # Errors
    /// PLAN_DIFFERS for a record of a newer schema; the store's own.
    pub async fn span_states(&self, plan: &Planned, rows: &[usize]) -> Result<Vec<SpanState>> {
        self.of_records(plan, rows, |record| SpanState::of(&record))
            .await
    }

    /// Spans that have a record, whatever it says.
    ///
    /// # Errors
    /// The store's own.
    pub async fn recorded(&self) -> Result<HashSet<SpanId>> {
        let listed = ListedRecords::read(&*self.store, &self.keys).await?;
        Ok(listed.records.into_iter().map(|(id, _)| id).collect())
    }

    /// What `of` makes of each row's record, so that no more than a few records are held; a row
    /// without samples has an empty one.
    pub(super) async fn of_records<T>(
        &self,
        plan: &Planned,
        rows: &[usize],
        of: impl Fn(Result<Record, Miss>) -> T,
    ) -> Result<Vec<T>> {
        // Asking for a few records costs less than a listing; most of many rows have none.
        let listed = match rows.len() {
            0..=FEW_ROWS => None,
            _ => Some(self.recorded().await?),
        };
        let rows = rows.iter().filter_map(|place| plan.row(*place));
        let records = rows.map(|row| {
            let record = self.record_among(row, listed.as_ref());
            async { record.await.map(&of) }
        });
        stream::iter(records.collect::<Vec<_>>())
            .buffered(CONCURRENCY)
            .try_collect()
            .await
    }

    async fn record_among(
        &self,
        row: Row<'_>,
        listed: Option<&HashSet<SpanId>>,
    ) -> Result<Result<Record, Miss>> {
        if row.row.count == 0 {
            return Ok(Ok(Record::empty(row)));
        }
        if listed.is_some_and(|listed| !listed.contains(&row.id())) {
            return Ok(Err(Miss::NoRecord));
        }
        self.record(row).await
    }
}

impl SpanState {
    pub(super) fn of(record: &Result<Record, Miss>) -> Self {
        match record {
            Ok(record) => match &record.outcome {
                Outcome::Frames(frames) => SpanState::Complete(FrameCounts::of(frames)),
                Outcome::Failed(error) => SpanState::Failed(error.clone()),
            },
            Err(miss) => SpanState::Missing(miss.clone()),
        }
    }
}

impl Status {
    fn without_plan(state: State) -> Self {
        Status {
            state,
            plan: None,
            planned: 0,
            counts: FrameCounts::default(),
            spans: Vec::new(),
            failed: Vec::new(),
        }
    }

    fn of_put(index: &PutIndex) -> Self {
        let counts = FrameCounts::of(index.latest());
        Status {
            plan: Some(index.plan().clone()),
            planned: counts.frames,
            counts,
            ..Status::without_plan(State::Complete)
        }
    }

    fn of_spans(plan: Arc<Planned>, spans: Vec<SpanState>) -> Self {
        let mut status = Status::without_plan(State::Complete);
        for (row, span) in plan.digested().zip(&spans) {
            match span {
                SpanState::Complete(counts) => status.counts.add(*counts),
                SpanState::Missing(_) => status.state = State::Partial,
                SpanState::Failed(error) => {
                    status.state = State::Partial;
                    status.failed.push(FailedSpan {
                        id: row.id(),
                        error: error.clone(),
                    });
                }
            }
        }
        status.planned = plan.frames();
        status.plan = Some(plan);
        status.spans = spans;
        status
    }
}
