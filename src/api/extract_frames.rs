//! ExtractFrames: a timeline planned and extracted, told while it goes on.
//!
//! The extraction runs in a task that ends with the answer's stream. What it tells is kept in a
//! [`Board`], not in a queue of messages: the latest progress, and which spans were committed;
//! their facts are read when the client takes them. So a slow client costs a number a span.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use futures::stream;
use tokio::sync::Notify;

use crate::api::convert::{chunk_result_message, facts_message};
use crate::api::{Answers, Api, v1};
use crate::cache::plans::Claimed;
use crate::cache::read::View;
use crate::error::Result;
use crate::frames::{Event, Extraction, Frames, Progress, Serving, Stage, Summary, Task};
use crate::timeline::plan::Plan;

mod request;

pub use crate::api::v1::extract_frames_response::Event as Told;

use request::extraction;

/// Progress is told when it changed, at most so often, …
const PROGRESS_EVERY: Duration = Duration::from_millis(500);
/// … and at least so often.
const PROGRESS_AT_LEAST: Duration = Duration::from_secs(4);
/// Facts in one message: about 400 bytes each.
const FACTS_A_MESSAGE: usize = 1000;

type Message = Result<v1::ExtractFramesResponse>;

impl Api {
    pub async fn extract_frames(
        &self,
        request: v1::ExtractFramesRequest,
    ) -> Result<Answers<v1::ExtractFramesResponse>> {
        let extraction = extraction(&request)?;
        let serving = self.serving(&extraction.timeline, &extraction.profile)?;
        let board = Arc::new(Board::default());
        let task = Task::spawn(run(self.frames.clone(), extraction, board.clone()));
        let telling = Telling {
            board,
            serving,
            facts: VecDeque::new(),
            last_told: Instant::now(),
            done: false,
            _task: task,
        };
        let messages = stream::unfold(telling, |mut telling| async {
            telling.next().await.map(|message| (message, telling))
        });
        Ok(Box::pin(messages))
    }

    /// The same for a caller who hears nothing of it but how it ended.
    ///
    /// # Errors
    /// FIELD_INVALID at once for what cannot be asked; the extraction's own.
    pub fn extract_unheard(
        &self,
        request: &v1::ExtractFramesRequest,
    ) -> Result<impl Future<Output = Result<Summary>> + Send + use<>> {
        let extraction = extraction(request)?;
        let frames = self.frames.clone();
        Ok(async move { frames.extract(&extraction, &|_| {}).await })
    }
}

async fn run(frames: Frames, extraction: Extraction, board: Arc<Board>) {
    let hear = |event: Event<'_>| board.hear(&event);
    let outcome = frames.extract(&extraction, &hear).await;
    board.change(|state| state.ended = Some(outcome));
}

/// What is to be told.
#[derive(Default)]
struct Board {
    state: Mutex<State>,
    changed: Notify,
}

#[derive(Default)]
struct State {
    plan: Option<v1::PlanClaimed>,
    progress: Option<Progress>,
    /// The stage that goes on, and since when.
    stage: Option<(Stage, Instant)>,
    /// Places of rows, in the order in which they were committed.
    committed: VecDeque<usize>,
    ended: Option<Result<Summary>>,
}

impl Board {
    fn hear(&self, event: &Event<'_>) {
        self.change(|state| match event {
            Event::Plan { plan, claimed } => state.plan = Some(plan_message(plan, *claimed)),
            Event::Progress(progress) => {
                if state.stage.is_none_or(|(stage, _)| stage != progress.stage) {
                    state.stage = Some((progress.stage, Instant::now()));
                }
                state.progress = Some(progress.clone());
            }
            Event::Committed { place, .. } => state.committed.push_back(*place),
        });
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.lock());
        self.changed.notify_one();
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing that can panic runs under the lock.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The answer's stream.
struct Telling {
    board: Arc<Board>,
    serving: Arc<Serving>,
    /// Messages that wait for the client.
    facts: VecDeque<Told>,
    last_told: Instant,
    done: bool,
    _task: Task<()>,
}

/// What the board has for the client next.
enum Next {
    Tell(Told),
    Committed(usize),
    Ended(Result<Summary>),
    Wait,
}

impl Telling {
    async fn next(&mut self) -> Option<Message> {
        loop {
            if let Some(told) = self.facts.pop_front() {
                return Some(tell(told));
            }
            if self.done {
                return None;
            }
            match self.look() {
                Next::Tell(told) => return Some(tell(told)),
                Next::Committed(place) => match self.read_facts(place).await {
                    Ok(messages) => self.facts = messages,
                    Err(error) => {
                        self.done = true;
                        return Some(Err(error));
                    }
                },
                Next::Ended(Ok(summary)) => {
                    self.done = true;
                    self.facts = summary_messages(&summary);
                }
                Next::Ended(Err(error)) => {
                    self.done = true;
                    return Some(Err(error));
                }
                Next::Wait => {
                    let changed = self.board.changed.notified();
                    // Progress that came too early is looked at again.
                    let _ = tokio::time::timeout(PROGRESS_EVERY, changed).await;
                }
            }
        }
    }

    fn look(&mut self) -> Next {
        let quiet = self.last_told.elapsed();
        let mut state = self.board.lock();
        if let Some(plan) = state.plan.take() {
            return Next::Tell(Told::Plan(plan));
        }
        if let Some(place) = state.committed.pop_front() {
            return Next::Committed(place);
        }
        if let Some(ended) = state.ended.take() {
            return Next::Ended(ended);
        }
        let due = match &state.progress {
            Some(_) => quiet >= PROGRESS_EVERY,
            None => quiet >= PROGRESS_AT_LEAST,
        };
        if !due {
            return Next::Wait;
        }
        // Nothing changed since the last one: then only that it goes on is told.
        let progress = state.progress.take();
        let told = progress
            .zip(state.stage)
            .map(|(now, (_, begun))| progress_message(&now, begun));
        drop(state);
        self.last_told = Instant::now();
        Next::Tell(Told::Progress(told.unwrap_or_default()))
    }

    /// The facts of a span that was committed; read from its record, which is remembered.
    async fn read_facts(&self, place: usize) -> Result<VecDeque<Told>> {
        let View::Extracted(plan) = self.serving.view().await? else {
            return Ok(VecDeque::new());
        };
        let Some(row) = plan.row(place) else {
            return Ok(VecDeque::new());
        };
        let record = match self.serving.reader().record(row).await? {
            Ok(record) => record,
            // Replaced or cleared meanwhile: the call's end says what became of it.
            Err(_) => return Ok(VecDeque::new()),
        };
        let messages = record.frames().chunks(FACTS_A_MESSAGE).map(|frames| {
            Told::Committed(v1::CommittedFrames {
                frames: frames.iter().cloned().map(facts_message).collect(),
            })
        });
        Ok(messages.collect())
    }
}

/// `begun`: when its stage did.
fn progress_message(now: &Progress, begun: Instant) -> v1::Progress {
    let rate = now.done as f64 / begun.elapsed().as_secs_f64().max(0.001);
    let left = now.total.saturating_sub(now.done) as f64;
    v1::Progress {
        stage: match now.stage {
            Stage::Index => v1::progress::Stage::Index,
            Stage::Extract => v1::progress::Stage::Extract,
        } as i32,
        chunk_id: now.chunk_id.clone().unwrap_or_default(),
        done: now.done,
        total: now.total,
        media_seconds: now.media_seconds,
        frames_per_second: rate,
        eta: (rate > 0.0).then(|| left / rate),
    }
}

fn tell(told: Told) -> Message {
    Ok(v1::ExtractFramesResponse { event: Some(told) })
}

fn summary_messages(summary: &Summary) -> VecDeque<Told> {
    let chunks = summary.chunks.iter().enumerate();
    let mut messages: VecDeque<Told> = chunks
        .map(|(index, chunk)| Told::Chunk(chunk_result_message(index, chunk)))
        .collect();
    let failed = summary.chunks.iter().filter(|chunk| chunk.error.is_some());
    messages.push_back(Told::Summary(v1::ExtractSummary {
        frames: summary.frames,
        written: summary.written,
        reused: summary.reused,
        seconds: summary.seconds,
        media_seconds: summary.media_seconds,
        failed_chunks: failed.count() as u64,
        missing_frames: summary.chunks.iter().map(|chunk| chunk.missing).sum(),
    }));
    messages
}

fn plan_message(plan: &Plan, claimed: Claimed) -> v1::PlanClaimed {
    use v1::plan_claimed::Claim;
    let claim = match claimed {
        Claimed::Created => Claim::Created,
        Claimed::Unchanged => Claim::Unchanged,
        Claimed::Covered => Claim::Covered,
        Claimed::Appended => Claim::Appended,
        Claimed::Replaced => Claim::Replaced,
    };
    let begins = plan.chunks.iter().map(|chunk| chunk.begin).min();
    let ends = plan.chunks.iter().map(|chunk| chunk.end).max();
    let seconds = ends
        .zip(begins)
        .map(|(end, begin)| end.to_f64() - begin.to_f64());
    v1::PlanClaimed {
        claim: claim as i32,
        chunks: plan.chunks.len() as u64,
        spans: plan.spans.len() as u64,
        frames: plan.spans.iter().map(|row| row.count).sum(),
        seconds: seconds.unwrap_or_default(),
    }
}
