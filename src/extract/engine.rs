//! The threads: a fixed number of workers that decode, and help each other develop.
//!
//! A worker takes a decoding task and develops the pictures it decodes itself,
//! unless another worker has nothing to decode: then it hands them over through a
//! short queue. So the cores are full whether there are many tasks or one, and a
//! decoded picture waits in memory only while somebody is about to take it.
//!
//! Where there are cards, each has threads of its own (`device`), which take the tasks of spans that
//! are decoded there, and hand what they made to the workers.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

use tokio::sync::mpsc::Sender;

use crate::error::{Error, Result};
use crate::extract::cards::{Card, Cards};
use crate::extract::device::Lane;
use crate::extract::fallback::Fallback;
use crate::extract::job::{SpanEvent, SpanJob, SpanMedia};
use crate::extract::parts::DecodeTask;
use crate::extract::queues::Shared;
use crate::extract::span::{Placed, SpanRun};
use crate::extract::worker::{guarded, work};

pub struct Engine {
    shared: Arc<Shared>,
    cards: Arc<Cards>,
    threads: Mutex<Vec<JoinHandle<()>>>,
    /// Lent to one caller at a time, who takes pictures in their order: it has one thread on a card.
    is_lane: bool,
    /// The cards' threads.
    lanes: Mutex<Lanes>,
}

/// Threads on cards, as far as they were started.
#[derive(Default)]
struct Lanes {
    /// Cards that were asked for.
    cards: usize,
    threads: u32,
}

impl Engine {
    /// With so many workers, and all that these cards have.
    ///
    /// # Errors
    /// INTERNAL where the system gives no threads.
    pub fn new(workers: usize, cards: Arc<Cards>) -> Result<Self> {
        Engine::start_workers((workers, cards), false)
    }

    /// With one worker and at most one session on a card: pictures come in their order.
    ///
    /// # Errors
    /// INTERNAL where the system gives no threads.
    pub fn lane(cards: Arc<Cards>) -> Result<Self> {
        Engine::start_workers((1, cards), true)
    }

    fn start_workers((workers, cards): (usize, Arc<Cards>), is_lane: bool) -> Result<Self> {
        crate::av::init();
        let workers = workers.max(1);
        let engine = Engine {
            shared: Arc::new(Shared::new(workers)),
            cards,
            threads: Mutex::default(),
            is_lane,
            lanes: Mutex::default(),
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

    /// Nothing is decoded, and nothing waits to be.
    #[cfg(test)]
    pub(super) fn is_idle(&self) -> bool {
        self.shared.is_idle()
    }

    pub fn workers(&self) -> usize {
        self.shared.workers()
    }

    /// Whether it has threads on cards.
    pub fn is_on_cards(&self) -> bool {
        self.lanes().threads > 0
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
        let span = SpanRun::new((job, media), events, self.workers())?;
        match self.place(&span) {
            Ok((placed, sessions)) => {
                let tasks = span.begin(placed, sessions);
                self.shared.add(DecodeTask::of(&span, tasks));
            }
            Err(error) => span.refuse(error),
        }
        Ok(())
    }

    /// Where the span begins to be decoded, and by how many sessions of cards.
    fn place(&self, span: &SpanRun) -> Result<(Placed, u32)> {
        let on_workers = |why| Ok((Placed::Workers(Some(why)), 0));
        let one = self.is_lane.then_some(1);
        let load = (span.work(), one);
        let placed = self.cards.place(&span.job, &span.media.track, load)?;
        if placed != Placed::Device {
            return Ok((placed, 0));
        }
        if span.has_unseen_damage() {
            return on_workers(Fallback::UnseenDamage);
        }
        match self.start_lanes()? {
            // Other lanes have all places.
            0 => on_workers(Fallback::Cost),
            sessions => Ok((placed, sessions)),
        }
    }

    fn lanes(&self) -> MutexGuard<'_, Lanes> {
        // Nothing that can panic runs under the lock.
        self.lanes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many threads are on cards: those of one card, and of one more whenever tasks wait.
    fn start_lanes(&self) -> Result<u32> {
        let mut lanes = self.lanes();
        if lanes.cards > 0 && (self.is_lane || !self.shared.waits_for_card()) {
            return Ok(lanes.threads);
        }
        let (card, threads) = match self.is_lane {
            true => (self.cards.place_for_lane()?, 1),
            false => {
                let card = self.cards.usable(lanes.cards)?;
                let sessions = card.as_ref().map_or(0, |card| card.sessions);
                (card, sessions)
            }
        };
        if let Some(card) = card {
            lanes.threads += self.start_on(&card, threads)?;
        }
        lanes.cards += 1;
        Ok(lanes.threads)
    }

    fn start_on(&self, card: &Arc<Card>, sessions: u32) -> Result<u32> {
        for n in 0..sessions {
            let (shared, cards) = (self.shared.clone(), self.cards.clone());
            let card = card.clone();
            let name = format!("gpu-{}-{n}", card.device().ordinal());
            self.start(name, move || work_on_card(&shared, &cards, card))?;
        }
        Ok(sessions)
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        self.shared.close();
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
