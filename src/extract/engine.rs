//! The threads: a fixed number of workers that decode, and help each other develop.
//!
//! A worker takes a decoding task and develops the pictures it decodes itself,
//! unless another worker has nothing to decode: then it hands them over through a
//! short queue. So the cores are full whether there are many tasks or one, and a
//! decoded picture waits in memory only while somebody is about to take it.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::sync::mpsc::Sender;

use crate::error::{Error, Result};
use crate::extract::decoding::Decoders;
use crate::extract::develop::Developer;
use crate::extract::job::{SpanEvent, SpanJob, SpanMedia};
use crate::extract::span::{DecodeTask, PictureTask, Placed, SpanRun};

/// Pictures that may wait for each helping worker.
const QUEUED_PER_HELPER: usize = 2;

/// A worker that has nothing to do keeps its source open this long.
const REST_AFTER: Duration = Duration::from_secs(1);

pub struct Engine {
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<()>>,
}

pub(super) struct Shared {
    state: Mutex<State>,
    work: Condvar,
    workers: usize,
}

#[derive(Default)]
struct State {
    pictures: VecDeque<PictureTask>,
    decodes: VecDeque<DecodeTask>,
    /// Workers in no decoding task.
    helpers: usize,
    closing: bool,
}

enum Work {
    Picture(PictureTask),
    Decode(DecodeTask),
}

impl Engine {
    /// # Errors
    /// INTERNAL where the system gives no threads.
    pub fn new(workers: usize) -> Result<Self> {
        crate::av::init();
        let workers = workers.max(1);
        let shared = Arc::new(Shared {
            state: Mutex::new(State {
                helpers: workers,
                ..State::default()
            }),
            work: Condvar::new(),
            workers,
        });
        let threads = (0..workers)
            .map(|n| {
                let shared = shared.clone();
                std::thread::Builder::new()
                    .name(format!("extract-{n}"))
                    .spawn(move || work(&shared))
                    .map_err(|e| Error::internal("could not start a worker thread").caused_by(e))
            })
            .collect::<Result<_>>()?;
        Ok(Engine { shared, threads })
    }

    pub fn workers(&self) -> usize {
        self.shared.workers
    }

    /// Starts a span; all that comes of it goes to `events`, `Ended` last. Dropping the
    /// receiver cancels the span.
    pub fn submit(&self, job: SpanJob, media: SpanMedia, events: Sender<SpanEvent>) {
        let placed = Placed::Workers(None);
        match SpanRun::new((job, media), events, placed, self.shared.workers) {
            Ok(span) => self.shared.add(span.begin(1)),
            Err((events, error)) => drop(events.try_send(SpanEvent::Ended(Err(error)))),
        }
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        {
            let mut state = self.shared.lock();
            state.closing = true;
            state.decodes.iter().for_each(|task| task.span.cancel());
        }
        self.shared.work.notify_all();
        for thread in self.threads.drain(..) {
            // A worker that panicked has reported it to its span.
            let _ = thread.join();
        }
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing that can panic runs under the lock.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn add(&self, tasks: Vec<DecodeTask>) {
        if tasks.is_empty() {
            return;
        }
        self.lock().decodes.extend(tasks);
        self.work.notify_all();
    }

    /// Hands a picture to a helper, or back where none is free to take it soon.
    pub(super) fn offer(&self, picture: PictureTask) -> Option<PictureTask> {
        let mut state = self.lock();
        if state.pictures.len() >= state.helpers * QUEUED_PER_HELPER {
            return Some(picture);
        }
        state.pictures.push_back(picture);
        drop(state);
        self.work.notify_one();
        None
    }

    /// The next piece of work; none when the engine closes. `rest` is called once the worker has had
    /// none for [`REST_AFTER`].
    fn next(&self, rest: impl FnOnce()) -> Option<Work> {
        let mut rest = Some(rest);
        let mut state = self.lock();
        loop {
            if let Some(picture) = state.pictures.pop_front() {
                return Some(Work::Picture(picture));
            }
            if let Some(task) = state.decodes.pop_front() {
                state.helpers -= 1;
                return Some(Work::Decode(task));
            }
            if state.closing {
                return None;
            }
            state = match rest.take() {
                None => self
                    .work
                    .wait(state)
                    .unwrap_or_else(PoisonError::into_inner),
                Some(first) => {
                    let waited = self.work.wait_timeout(state, REST_AFTER);
                    let (state, waited) = waited.unwrap_or_else(PoisonError::into_inner);
                    match waited.timed_out() {
                        true => first(),
                        false => rest = Some(first),
                    }
                    state
                }
            };
        }
    }

    fn decoded(&self) {
        self.lock().helpers += 1;
    }
}

fn work(shared: &Shared) {
    let mut developer = Developer::default();
    let mut decoders = Decoders::default();
    while let Some(work) = shared.next(|| decoders.close()) {
        match work {
            Work::Picture(picture) => {
                let span = picture.span.clone();
                let more = guarded(&span, || SpanRun::develop(picture, &mut developer));
                shared.add(more);
            }
            Work::Decode(task) => {
                let span = task.span.clone();
                let more = guarded(&span, || {
                    SpanRun::decode(task, shared, &mut decoders, &mut developer);
                });
                shared.decoded();
                shared.add(more);
            }
        }
    }
}

/// Runs a part of a span; a panic in it fails the span, and the worker goes on. Gives the tasks that follow.
fn guarded(span: &Arc<SpanRun>, part: impl FnOnce()) -> Vec<DecodeTask> {
    if catch_unwind(AssertUnwindSafe(part)).is_err() {
        span.fail(Error::internal(
            "a worker panicked while it extracted the span",
        ));
    }
    span.part_done()
}
