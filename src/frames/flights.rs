//! Single flight: a span is extracted once at a time in this process, however many want it.
//!
//! The contract of a [`Flight`]: it runs in a task of its own. Whoever wants the same span while
//! it runs joins it. Each holds it by an `Arc`; when the last one lets go before it landed, it
//! stops, and the decoder with it. So one caller's cancel does not hurt the others, and nothing
//! runs for nobody. No more spans are open at once than keep the workers busy; the others wait. One
//! that a reader joins, while it waits or runs, goes before those that nobody waits for.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use futures::FutureExt;
use futures::future::{BoxFuture, Shared};
use tokio::sync::watch;
use tokio::task::AbortHandle;
use tracing::Instrument;

use crate::decode::Backend;
use crate::error::{Error, Reason, Result};
use crate::extract::Turn;
use crate::frames::slots::Slots;
use crate::frames::span::Landed;

/// Which span, and what of it is asked for: nobody gets what another asked for.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Key {
    /// The profile's.
    pub place: Arc<str>,
    /// The row's.
    pub digest: String,
    pub asked: Asked,
}

/// How a span is to be extracted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub(super) struct Asked {
    /// Committed or not.
    pub again: bool,
    /// Even where its record says that it cannot be decoded.
    pub retry_failed: bool,
    pub backend: Backend,
}

type Running = Mutex<HashMap<Key, Weak<Flight>>>;

pub(super) struct Flights {
    running: Arc<Running>,
    open: Arc<Slots>,
}

/// One span on its way.
pub(super) struct Flight {
    key: Key,
    running: Arc<Running>,
    turn: Turn,
    frames: watch::Receiver<u64>,
    landed: Shared<BoxFuture<'static, Result<Arc<Landed>>>>,
    task: AbortHandle,
}

impl Flights {
    /// `open`: spans that may be extracted at once, and as many that readers wait for.
    pub fn new(open: usize) -> Self {
        Flights {
            running: Arc::default(),
            open: Arc::new(Slots::new(open)),
        }
    }

    /// The running flight of that key, or a new one. `work` tells the frames it made so far; its
    /// `turn` is the caller's.
    pub fn join<W, F>(&self, key: Key, turn: Turn, work: W) -> Arc<Flight>
    where
        W: FnOnce(watch::Sender<u64>) -> F,
        F: Future<Output = Result<Landed>> + Send + 'static,
    {
        let mut running = lock(&self.running);
        let known = running.get(&key).and_then(Weak::upgrade);
        let flight = match &known {
            Some(flight) if flight.landed.peek().is_none() => {
                if turn.is_awaited() {
                    flight.turn.raise();
                }
                flight.clone()
            }
            // One that landed is history: what it found may be lost again since.
            _ => {
                let flight = Arc::new(self.start(key.clone(), turn, work));
                running.insert(key, Arc::downgrade(&flight));
                flight
            }
        };
        drop(running);
        // Only now: this may be the last one to hold the flight, and its drop takes the lock.
        drop(known);
        flight
    }

    fn start<W, F>(&self, key: Key, turn: Turn, work: W) -> Flight
    where
        W: FnOnce(watch::Sender<u64>) -> F,
        F: Future<Output = Result<Landed>> + Send + 'static,
    {
        let (made, frames) = watch::channel(0);
        let (open, own, work) = (self.open.clone(), turn.clone(), work(made));
        let run = async move {
            let slot = open.take(&own).await?;
            let landed = work.await;
            drop(slot);
            landed
        };
        let task = tokio::spawn(run.in_current_span());
        let abort = task.abort_handle();
        let landed = task.map(|ended| match ended {
            Ok(landed) => landed.map(Arc::new),
            Err(failed) if failed.is_cancelled() => Err(cancelled()),
            Err(failed) => Err(Error::internal("a span's task failed").caused_by(failed)),
        });
        Flight {
            key,
            running: self.running.clone(),
            turn,
            frames,
            landed: landed.boxed().shared(),
            task: abort,
        }
    }

    #[cfg(test)]
    pub fn count(&self) -> usize {
        lock(&self.running).len()
    }
}

impl Flight {
    /// Waits until it landed; meanwhile `progress` hears how many frames are made.
    ///
    /// # Errors
    /// The span's own; the same for all who wait.
    pub async fn land(&self, progress: impl Fn(u64)) -> Result<Arc<Landed>> {
        let (mut frames, mut landed) = (self.frames.clone(), self.landed.clone());
        loop {
            tokio::select! {
                biased;
                landed = &mut landed => return landed,
                // An error: the work has ended, and lands next.
                Ok(()) = frames.changed() => progress(*frames.borrow_and_update()),
            }
        }
    }
}

impl Drop for Flight {
    fn drop(&mut self) {
        self.task.abort();
        let mut running = lock(&self.running);
        // The next flight of this key may have its place already.
        if running
            .get(&self.key)
            .is_some_and(|known| known.strong_count() == 0)
        {
            running.remove(&self.key);
        }
    }
}

fn lock(running: &Running) -> MutexGuard<'_, HashMap<Key, Weak<Flight>>> {
    // Nothing that can panic runs under the lock.
    running.lock().unwrap_or_else(PoisonError::into_inner)
}

fn cancelled() -> Error {
    Error::new(Reason::Cancelled, "nobody waited for the span any more")
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::time::Duration;

    use super::*;
    use crate::cache::record::Outcome;
    use crate::extract::Caller;

    fn key(n: u64) -> Key {
        asking(n, Asked::default())
    }

    fn asking(n: u64, asked: Asked) -> Key {
        Key {
            place: "place/".into(),
            digest: n.to_string(),
            asked,
        }
    }

    fn landed() -> Landed {
        Landed {
            outcome: Outcome::Frames(Vec::new()),
            end: None,
            made: true,
        }
    }

    #[tokio::test]
    async fn however_many_join_the_work_is_done_once_and_all_hear_of_it() {
        let (flights, runs) = (Flights::new(1), Arc::new(AtomicUsize::new(0)));
        let join = || {
            let runs = runs.clone();
            flights.join(key(0), Turn::default(), |made| async move {
                runs.fetch_add(1, Ordering::SeqCst);
                made.send_replace(7);
                tokio::time::sleep(Duration::from_millis(20)).await;
                Ok(landed())
            })
        };
        let callers: Vec<_> = (0..32).map(|_| join()).collect();
        let heard = AtomicUsize::new(0);
        for flight in &callers {
            let progress = |frames| {
                heard.fetch_max(frames as usize, Ordering::SeqCst);
            };
            assert!(flight.land(progress).await.unwrap().made);
        }
        assert_eq!(
            (runs.load(Ordering::SeqCst), heard.load(Ordering::SeqCst)),
            (1, 7)
        );
        drop(callers);
        assert_eq!(flights.count(), 0);
    }

    #[tokio::test]
    async fn those_who_leave_do_not_hurt_the_others_and_the_last_one_stops_it() {
        struct Stopped(Arc<AtomicUsize>);
        impl Drop for Stopped {
            fn drop(&mut self) {
                self.0.fetch_add(1, Ordering::SeqCst);
            }
        }
        let (flights, stops) = (Flights::new(1), Arc::new(AtomicUsize::new(0)));
        let join = || {
            let stopped = Stopped(stops.clone());
            flights.join(key(0), Turn::default(), |_| async move {
                let _stopped = stopped;
                std::future::pending().await
            })
        };
        let (first, second) = (join(), join());
        tokio::task::yield_now().await;
        // The joiner's own work was never begun.
        assert_eq!(stops.load(Ordering::SeqCst), 1);
        drop(first);
        tokio::time::sleep(Duration::from_millis(5)).await;
        assert_eq!(stops.load(Ordering::SeqCst), 1);
        drop(second);
        tokio::time::sleep(Duration::from_millis(5)).await;
        assert_eq!((stops.load(Ordering::SeqCst), flights.count()), (2, 0));
    }

    /// A flight that takes a place of the only ones there are, and keeps it.
    fn busy(flights: &Flights, key: Key, turn: Turn) -> Arc<Flight> {
        flights.join(key, turn, |_| std::future::pending())
    }

    #[tokio::test]
    async fn a_reader_waits_for_no_span_that_fills_the_cache() {
        let flights = Flights::new(1);
        let _filling = [0, 1].map(|n| busy(&flights, key(n), Turn::default()));
        tokio::task::yield_now().await;
        let turn = Turn::awaited(Caller::new());
        let read = flights.join(key(2), turn, |_| async { Ok(landed()) });
        assert!(read.land(|_| ()).await.unwrap().made);
    }

    #[tokio::test]
    async fn a_span_that_waits_for_its_turn_goes_first_once_a_reader_joins_it() {
        let flights = Flights::new(1);
        let _filling = busy(&flights, key(0), Turn::default());
        let waiting = flights.join(key(1), Turn::default(), |_| async { Ok(landed()) });
        tokio::task::yield_now().await;
        assert!(waiting.landed.peek().is_none());
        let turn = Turn::awaited(Caller::new());
        let read = flights.join(key(1), turn, |_| async { panic!("it was joined") });
        assert!(read.land(|_| ()).await.unwrap().made);
        assert!(waiting.land(|_| ()).await.unwrap().made);
    }

    #[tokio::test]
    async fn readers_have_so_many_places_and_no_more() {
        let flights = Flights::new(1);
        let awaited = || Turn::awaited(Caller::new());
        let first = busy(&flights, key(0), awaited());
        let second = flights.join(key(1), awaited(), |_| async { Ok(landed()) });
        for _ in 0..100 {
            tokio::task::yield_now().await;
        }
        assert!(second.landed.peek().is_none());
        drop(first);
        assert!(second.land(|_| ()).await.unwrap().made);
    }

    /// How long nobody may land before the test says that all hang, and aborts: a thread that waits
    /// for a lock cannot be ended otherwise.
    const HANGS_AFTER: Duration = Duration::from_secs(60);

    /// Counts landings, and ends the process if there are none for long.
    #[derive(Default)]
    struct Landings(AtomicUsize);

    impl Landings {
        fn watch(self: &Arc<Self>) {
            let landings = Arc::downgrade(self);
            std::thread::spawn(move || {
                let mut before = 0;
                while let Some(now) = landings.upgrade().map(|l| l.0.load(Ordering::Relaxed)) {
                    if now == before && now > 0 {
                        eprintln!("no flight landed for {HANGS_AFTER:?}, after {now}");
                        std::process::abort();
                    }
                    before = now;
                    std::thread::sleep(HANGS_AFTER);
                }
            });
        }
    }

    /// Callers on threads of their own who join, land and let go, over and over, of few keys.
    fn join_and_let_go(callers: usize, keys: u64, enough: impl Fn(usize) -> bool + Sync) -> usize {
        let runtime = tokio::runtime::Builder::new_multi_thread().build().unwrap();
        let (flights, landings) = (Flights::new(64), Arc::new(Landings::default()));
        landings.watch();
        std::thread::scope(|threads| {
            for caller in 0..callers as u64 {
                let (flights, landings, enough) = (&flights, &landings, &enough);
                let runtime = runtime.handle();
                threads.spawn(move || {
                    let _inside = runtime.enter();
                    for round in caller.. {
                        let flight = flights.join(key(round % keys), Turn::default(), |_| async {
                            Ok(landed())
                        });
                        assert!(runtime.block_on(flight.land(|_| ())).is_ok());
                        drop(flight);
                        if enough(landings.0.fetch_add(1, Ordering::Relaxed)) {
                            break;
                        }
                    }
                });
            }
        });
        assert_eq!(flights.count(), 0);
        landings.0.load(Ordering::Relaxed)
    }

    #[test]
    fn callers_who_join_and_let_go_at_once_never_wait_for_each_other_for_ever() {
        for keys in [1, 3] {
            join_and_let_go(8, keys, |landings| landings >= 100_000);
        }
    }

    /// A minute of the same: `make test-slow`.
    #[test]
    #[ignore = "takes a minute"]
    fn millions_of_flights_land_without_a_hang() {
        let began = std::time::Instant::now();
        let landings = join_and_let_go(8, 1, |_| began.elapsed() > Duration::from_secs(60));
        println!("{landings} flights landed in 60 s");
        assert!(landings > 0);
    }

    #[tokio::test]
    async fn nobody_joins_a_flight_that_was_asked_for_otherwise() {
        let flights = Flights::new(12);
        let backends = [Backend::Auto, Backend::Cpu, Backend::Gpu];
        let asked = backends.into_iter().flat_map(|backend| {
            [(false, false), (false, true), (true, false), (true, true)].map(
                move |(again, retry_failed)| Asked {
                    again,
                    retry_failed,
                    backend,
                },
            )
        });
        let join = |asked: Asked| {
            flights.join(asking(0, asked), Turn::default(), |_| {
                std::future::pending()
            })
        };
        let callers: Vec<_> = asked.clone().map(join).collect();
        let neighbours: Vec<_> = asked.map(join).collect();
        for (one, other) in callers.iter().zip(&neighbours) {
            assert!(Arc::ptr_eq(one, other), "{:?}", one.key);
        }
        assert_eq!(flights.count(), 12);
    }

    #[tokio::test]
    async fn a_failure_is_told_to_all_and_the_next_one_tries_again() {
        let flights = Flights::new(1);
        let fail = || {
            flights.join(key(0), Turn::default(), |_| async {
                Err(Error::new(Reason::SourceUnavailable, "gone for now"))
            })
        };
        let (first, second) = (fail(), fail());
        for flight in [&first, &second] {
            let error = flight.land(|_| ()).await.err().unwrap();
            assert_eq!(error.reason(), Reason::SourceUnavailable);
        }
        let again = flights.join(key(0), Turn::default(), |_| async { Ok(landed()) });
        assert!(again.land(|_| ()).await.is_ok());
    }
}
