//! The threads: a fixed number of workers that decode, and help each other develop.
//!
//! A worker takes a decoding task and develops the pictures it decodes itself,
//! unless another worker has nothing to decode: then it hands them over through a
//! short queue. So the cores are full whether there are many tasks or one, and a
//! decoded picture waits in memory only while somebody is about to take it.
//!
//! Where there are cards, each has threads of its own (`device`), which take the tasks of spans that
//! are decoded there, and hand what they made to the workers.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use tokio::sync::mpsc::Sender;

use crate::decode::{Backend, Fallback};
use crate::error::{Error, Result};
use crate::extract::cards::{Card, Cards};
use crate::extract::deal::Mode;
use crate::extract::decoding::Decoders;
use crate::extract::develop::{Developer, Exposed};
use crate::extract::device::Lane;
use crate::extract::job::{SpanEvent, SpanJob, SpanMedia};
use crate::extract::span::{DecodeTask, PictureTask, Placed, SpanRun};
use crate::media::picture::JfifPlanes;

/// Pictures that may wait for each helping worker.
const QUEUED_PER_HELPER: usize = 2;

/// A worker that has nothing to do keeps its source open this long.
const REST_AFTER: Duration = Duration::from_secs(1);

/// How often a card's thread that waits for workers looks whether its span still goes on.
const LOOK_AGAIN: Duration = Duration::from_millis(100);

pub struct Engine {
    shared: Arc<Shared>,
    cards: Arc<Cards>,
    threads: Mutex<Vec<JoinHandle<()>>>,
    /// The cards' threads, once they were started.
    lanes: OnceLock<Result<()>>,
}

pub(super) struct Shared {
    state: Mutex<State>,
    work: Condvar,
    /// For the cards' threads: a task is there, and room for a picture.
    device_work: Condvar,
    room: Condvar,
    workers: usize,
}

#[derive(Default)]
struct State {
    pictures: VecDeque<PictureTask>,
    decodes: VecDeque<DecodeTask>,
    device_decodes: VecDeque<DecodeTask>,
    /// Planes of pictures that were coded, for those that come.
    spare_planes: Vec<JfifPlanes>,
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
            device_work: Condvar::new(),
            room: Condvar::new(),
            workers,
        });
        let engine = Engine {
            shared,
            cards: Arc::new(Cards::new()),
            threads: Mutex::default(),
            lanes: OnceLock::new(),
        };
        for n in 0..workers {
            let (shared, cards) = (engine.shared.clone(), engine.cards.clone());
            engine.start(format!("extract-{n}"), move || work(&shared, &cards))?;
        }
        Ok(engine)
    }

    fn start(&self, name: String, work: impl FnOnce() + Send + 'static) -> Result<()> {
        let thread = std::thread::Builder::new().name(name).spawn(work);
        let thread =
            thread.map_err(|e| Error::internal("could not start a worker thread").caused_by(e))?;
        // Nothing that can panic runs under the lock.
        let mut threads = self.threads.lock().unwrap_or_else(PoisonError::into_inner);
        threads.push(thread);
        Ok(())
    }

    pub fn workers(&self) -> usize {
        self.shared.workers
    }

    /// Whether spans can be asked of that backend here.
    ///
    /// # Errors
    /// GPU_UNAVAILABLE with the reason, for `gpu`.
    pub fn check(&self, backend: Backend) -> Result<()> {
        match backend {
            Backend::Auto | Backend::Cpu => Ok(()),
            Backend::Gpu => self.cards.opened().map(|_| ()),
        }
    }

    /// Starts a span; all that comes of it goes to `events`, `Ended` last. Dropping the
    /// receiver cancels the span. May wait while a card is opened.
    pub fn submit(&self, job: SpanJob, media: SpanMedia, events: Sender<SpanEvent>) {
        if let Err((events, error)) = self.try_submit(job, media, events) {
            drop(events.try_send(SpanEvent::Ended(Err(error))));
        }
    }

    fn try_submit(
        &self,
        job: SpanJob,
        media: SpanMedia,
        events: Sender<SpanEvent>,
    ) -> Result<(), (Sender<SpanEvent>, Error)> {
        let span = SpanRun::new((job, media), events, self.shared.clone())?;
        let placed = self.cards.place(&span.job, &span.media.track, span.work());
        let placed = placed.and_then(|placed| {
            if placed == Placed::Device {
                self.start_lanes()?;
            }
            Ok(placed)
        });
        match placed {
            Ok(placed) => self.shared.add(span.begin(placed, self.cards.sessions())),
            Err(error) => span.refuse(error),
        }
        Ok(())
    }

    /// The cards' threads; started once.
    fn start_lanes(&self) -> Result<()> {
        let started = self.lanes.get_or_init(|| {
            for card in self.cards.opened()? {
                for n in 0..card.sessions {
                    let (shared, cards) = (self.shared.clone(), self.cards.clone());
                    let card = card.clone();
                    let name = format!("gpu-{}-{n}", card.device().ordinal());
                    self.start(name, move || work_on_card(&shared, &cards, card))?;
                }
            }
            Ok(())
        });
        started.clone()
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        {
            let mut state = self.shared.lock();
            state.closing = true;
            let waiting = state.decodes.iter().chain(&state.device_decodes);
            waiting.for_each(|task| task.span.cancel());
        }
        self.shared.work.notify_all();
        self.shared.device_work.notify_all();
        let threads = self
            .threads
            .get_mut()
            .unwrap_or_else(PoisonError::into_inner);
        for thread in threads.drain(..) {
            // A worker that panicked has reported it to its span.
            let _ = thread.join();
        }
    }
}

impl Shared {
    pub(super) fn workers(&self) -> usize {
        self.workers
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing that can panic runs under the lock.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn add(&self, tasks: Vec<DecodeTask>) {
        if tasks.is_empty() {
            return;
        }
        let (device, workers): (Vec<_>, Vec<_>) = tasks
            .into_iter()
            .partition(|task| task.mode == Mode::Device);
        let mut state = self.lock();
        state.device_decodes.extend(device);
        state.decodes.extend(workers);
        drop(state);
        self.work.notify_all();
        self.device_work.notify_all();
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

    /// Hands a card's picture to the workers, once there is room for it or its span stops.
    pub(super) fn hand_over(&self, picture: PictureTask) {
        let mut state = self.lock();
        while state.pictures.len() >= self.workers * QUEUED_PER_HELPER
            && !state.closing
            && !picture.span.stopped()
        {
            let waited = self.room.wait_timeout(state, LOOK_AGAIN);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        state.pictures.push_back(picture);
        drop(state);
        self.work.notify_one();
    }

    /// Planes to be filled: used ones, whose memory is there already, where there are some.
    pub(super) fn spare_planes(&self) -> JfifPlanes {
        self.lock().spare_planes.pop().unwrap_or_default()
    }

    /// Keeps a coded picture's planes for the next.
    fn recycle(&self, picture: PictureTask) {
        let Exposed::Converted(converted) = picture.exposed else {
            return;
        };
        let mut state = self.lock();
        if state.spare_planes.len() < self.workers * QUEUED_PER_HELPER {
            state.spare_planes.push(converted.planes);
        }
    }

    /// A worker's next piece of work; none when the engine closes. `rest` is called once there was
    /// none for [`REST_AFTER`].
    fn next(&self, rest: impl FnOnce()) -> Option<Work> {
        self.wait(&self.work, rest, |state| {
            if let Some(picture) = state.pictures.pop_front() {
                self.room.notify_one();
                return Some(Work::Picture(picture));
            }
            let task = state.decodes.pop_front()?;
            state.helpers -= 1;
            Some(Work::Decode(task))
        })
    }

    /// The same for a card's thread.
    fn next_on_card(&self, rest: impl FnOnce()) -> Option<DecodeTask> {
        self.wait(&self.device_work, rest, |state| {
            state.device_decodes.pop_front()
        })
    }

    fn wait<T>(
        &self,
        until: &Condvar,
        rest: impl FnOnce(),
        mut take: impl FnMut(&mut State) -> Option<T>,
    ) -> Option<T> {
        let mut rest = Some(rest);
        let mut state = self.lock();
        loop {
            if let Some(found) = take(&mut state) {
                return Some(found);
            }
            if state.closing {
                return None;
            }
            state = match rest.take() {
                None => until.wait(state).unwrap_or_else(PoisonError::into_inner),
                Some(first) => {
                    let waited = until.wait_timeout(state, REST_AFTER);
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

fn work(shared: &Shared, cards: &Cards) {
    let mut developer = Developer::default();
    let mut decoders = Decoders::default();
    while let Some(work) = shared.next(|| decoders.close()) {
        match work {
            Work::Picture(mut picture) => {
                let span = picture.span.clone();
                let more = guarded(&span, || {
                    SpanRun::develop(&mut picture, &mut developer);
                    shared.recycle(picture);
                });
                shared.add(more);
            }
            Work::Decode(task) => {
                let span = task.span.clone();
                let (load, began) = (task.load(), Instant::now());
                let more = guarded(&span, || {
                    SpanRun::decode(task, shared, &mut decoders, &mut developer);
                });
                // A task that was stopped did not feed all of it.
                if !span.stopped() {
                    cards.workers_rate.measured(load, began.elapsed());
                }
                shared.decoded();
                shared.add(more);
            }
        }
    }
}

fn work_on_card(shared: &Shared, cards: &Cards, card: Arc<Card>) {
    let mut lane = None;
    while let Some(task) = shared.next_on_card(|| lane.iter_mut().for_each(Lane::close)) {
        let more = guarded(&task.span, || match opened(&mut lane, &card) {
            Ok(lane) => lane.decode(&task, shared, cards),
            Err(error) => task.span.leave_device(Fallback::of(&error), error),
        });
        shared.add(more);
    }
}

fn opened<'l>(lane: &'l mut Option<Lane>, card: &Arc<Card>) -> Result<&'l mut Lane> {
    let open = match lane.take() {
        Some(open) => open,
        None => Lane::new(card.clone())?,
    };
    Ok(lane.insert(open))
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
