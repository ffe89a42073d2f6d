//! Media in processes of their own: what ends one of them costs what it was doing there, which is
//! done again, each thing alone; what ends that one, too, is the media's own fault.

mod call;
mod ears;
mod log;
mod process;
mod readers;
#[cfg(test)]
mod tests;

use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::mpsc::Sender;

use crate::cancel::Stop;
use crate::decode::Backend;
use crate::error::{Error, Reason, Result};
use crate::extract::{SpanEvent, SpanJob};
use crate::foundry::apart::call::{Asked, Outcome};
use crate::foundry::apart::ears::{Ear, One, Span};
use crate::foundry::apart::process::{Death, Process};
use crate::foundry::media::{self, Known};
use crate::foundry::protocol::{Answer, Beside, Footing, Request, Walls};
use crate::foundry::{Foundry, Lent, Media, Probe, Report, Source};
use crate::metrics::Metrics;
use crate::pixel::RgbImage;
use crate::sandbox;
use crate::timeline::plan::SpanRow;

#[cfg(test)]
pub(in crate::foundry) use tests::planted;

pub use process::{NAME, Program};

/// A process that lived for less has fallen, not died.
const STANDS: Duration = Duration::from_secs(1);
/// Between the starts of processes that fall, doubled with each.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LAST_PAUSE: Duration = Duration::from_secs(5);
/// Processes that are started for one call, where they do not come to stand.
const STARTS: usize = 3;
/// Of a process in which nothing at all goes on.
const MAX_STILL: Duration = Duration::from_secs(60);

/// Decodes in other processes; cheap to clone.
#[derive(Clone)]
pub struct Apart(Arc<Shared>);

struct Shared {
    program: Program,
    workers: usize,
    walls: Walls,
    metrics: Arc<Metrics>,
    running: Mutex<Running>,
    /// What is done again is done one after the other.
    again: Mutex<()>,
    /// Numbers of sources.
    next: AtomicU64,
    /// A process in which nothing goes on for so long has stopped.
    still: Duration,
}

#[derive(Default)]
struct Running {
    process: Option<Arc<Process>>,
    begun: Option<Instant>,
    /// Processes that fell, one after the other.
    fallen: u32,
}

impl Apart {
    /// Starts the first process, so that it is warm for the first call.
    ///
    /// # Errors
    /// INTERNAL where the system starts none.
    pub fn new(
        program: Program,
        (workers, walls): (usize, Walls),
        metrics: Arc<Metrics>,
    ) -> Result<Self> {
        metrics.expect_media_deaths(&Death::CAUSES);
        let shared = Shared {
            program,
            workers: workers.max(1),
            walls,
            metrics,
            running: Mutex::default(),
            again: Mutex::default(),
            next: AtomicU64::new(0),
            still: MAX_STILL,
        };
        let apart = Apart(Arc::new(shared));
        apart.process()?;
        Ok(apart)
    }

    /// What holds its processes.
    ///
    /// # Errors
    /// INTERNAL where none can be started.
    pub fn report(&self) -> Result<sandbox::Report> {
        self.process()?.report()
    }

    fn running(&self) -> MutexGuard<'_, Running> {
        // A panic leaves no process, or one that is found dead.
        self.0
            .running
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// The process that lives, or a new one.
    fn process(&self) -> Result<Arc<Process>> {
        let mut running = self.running();
        if let Some(process) = running.process.take() {
            if process.is_alive() {
                return Ok(running.process.insert(process).clone());
            }
            let lived = running.begun.map(|begun| begun.elapsed());
            let fell = lived.is_some_and(|lived| lived < STANDS);
            running.fallen = if fell { running.fallen + 1 } else { 0 };
        }
        if running.fallen > 0 {
            let pause = FIRST_PAUSE.saturating_mul(1 << (running.fallen - 1).min(16));
            std::thread::sleep(pause.min(LAST_PAUSE));
        }
        running.begun = Some(Instant::now());
        let process = self.start(self.0.workers)?;
        Ok(running.process.insert(Arc::new(process)).clone())
    }

    fn start(&self, workers: usize) -> Result<Process> {
        let Shared {
            program,
            walls,
            metrics,
            ..
        } = &*self.0;
        Process::start(program, (workers, *walls), metrics)
    }

    /// Asks a process, once it stands: one may be killed before it does, as others are.
    fn attempt(
        &self,
        process: &dyn Fn() -> Result<Arc<Process>>,
        asked: &Asked<'_>,
        ear: &mut dyn Ear,
    ) -> Outcome {
        let mut pause = FIRST_PAUSE;
        let mut last = nonsense("no start");
        for _ in 0..STARTS {
            let outcome = match process() {
                Ok(process) => call::ask(&process, asked, (ear, self.0.still)),
                Err(error) => Outcome::NotBegun(error),
            };
            match outcome {
                Outcome::NotBegun(error) => last = error,
                outcome => return outcome,
            }
            std::thread::sleep(pause);
            pause = pause.saturating_mul(2);
        }
        Outcome::Answered(Err(last))
    }

    /// Asks, and asks once more of a process of its own where the first one died.
    fn ask(&self, asked: &Asked<'_>, ear: &mut dyn Ear) -> Result<()> {
        let death = match self.attempt(&|| self.process(), asked, ear) {
            Outcome::Answered(answered) => return answered,
            Outcome::NotBegun(error) => return Err(error),
            Outcome::Died(death) => death,
        };
        self.0.metrics.media_process_died(death.cause());
        tracing::warn!(%death, what = asked.what, "a media process died; what it did is done again");
        let _alone = self.0.again.lock().unwrap_or_else(PoisonError::into_inner);
        if ear.is_gone() {
            return Err(Error::new(
                Reason::Cancelled,
                "nobody waits for it any more",
            ));
        }
        ear.again();
        match self.attempt(&|| Ok(Arc::new(self.start(1)?)), asked, ear) {
            Outcome::Answered(answered) => answered,
            Outcome::NotBegun(error) => Err(error),
            Outcome::Died(death) => {
                self.0.metrics.media_process_died(death.cause());
                tracing::error!(%death, what = asked.what, "a media process died of it alone");
                Err(blamed(&death))
            }
        }
    }

    /// The one answer to a request.
    fn answer(
        &self,
        what: &'static str,
        (source, bulk): (Option<(&Source, u64)>, &[u8]),
        (request, stop): (&dyn Fn(Option<Footing>) -> Option<Request>, &Stop),
    ) -> Result<(Answer, Vec<u8>)> {
        let mut ear = One::new(stop);
        let asked = Asked {
            what,
            source,
            request,
            bulk,
        };
        self.ask(&asked, &mut ear)?;
        ear.heard()
    }

    fn span(&self, media: &Media, in_order: bool, job: SpanJob, events: Sender<SpanEvent>) {
        let apart = self.clone();
        let media = media.clone();
        let thread = std::thread::Builder::new().name("media-span".to_owned());
        let ending = events.clone();
        let thread = thread.spawn(move || apart.spanned(&media, in_order, &job, events));
        if let Err(error) = thread {
            let error = Error::internal("could not start a thread for a span").caused_by(error);
            // A queue that is new has room.
            drop(ending.try_send(SpanEvent::Ended(Err(error))));
        }
    }

    fn spanned(&self, media: &Media, in_order: bool, job: &SpanJob, events: Sender<SpanEvent>) {
        let request = |footing: Option<Footing>| {
            let beside = Beside {
                caller: job.turn.caller().number(),
                awaited: job.turn.is_awaited(),
                tensor: job.recipe.as_ref().map(|recipe| recipe.spec().clone()),
            };
            let job = Box::new(without_places(job));
            Some(match in_order {
                false => Request::Develop(footing?, job, beside),
                true => Request::Footage(footing?, job, beside),
            })
        };
        let mut ear = Span::new(&events, job);
        let ended = match apart_of(media) {
            Ok(known) => self.ask(
                &Asked {
                    what: "span",
                    source: Some((&known.source, known.id)),
                    request: &request,
                    bulk: &[],
                },
                &mut ear,
            ),
            Err(error) => Err(error),
        };
        if let Err(error) = ended {
            // Who left needs no end.
            let _ = events.blocking_send(SpanEvent::Ended(Err(error)));
        }
    }
}

/// The job as a process is told it that is to know no places.
fn without_places(job: &SpanJob) -> SpanJob {
    let mut job = job.clone();
    job.chunk.uri = String::new();
    job.chunk.init_uri = None;
    job
}

/// The sequences that a row has.
fn sequences(row: &SpanRow) -> Range<u64> {
    row.first..row.first.saturating_add(row.count)
}

fn apart_of(media: &Media) -> Result<&Arc<media::Apart>> {
    match &media.0 {
        Known::Apart(known) => Ok(known),
        Known::Here(_) => Err(Error::internal("the media is of this process")),
    }
}

/// Whose fault it is that a process died of it, alone.
fn blamed(death: &Death) -> Error {
    match death {
        Death::Killed => Error::new(
            Reason::MemoryBudget,
            "the media process was killed, as happens where the machine has no memory left",
        )
        .hint("give it more memory, or fewer workers, and try again"),
        Death::Stalled => Error::new(Reason::MediaCorrupt, "the media stops the decoder")
            .hint("check that the file plays elsewhere; the log has more"),
        Death::Of(how) => Error::new(
            Reason::MediaCorrupt,
            format!("the media crashes the decoder: {how}"),
        )
        .hint("check that the file plays elsewhere; the log has more"),
    }
}

fn nonsense(what: &str) -> Error {
    Error::internal(format!("a media process answered nonsense: {what}"))
}

impl Foundry for Apart {
    fn index(&self, source: Source, stop: &Stop) -> Result<Media> {
        let id = self.0.next.fetch_add(1, Ordering::Relaxed);
        let request = |footing: Option<Footing>| Some(Request::Index(footing?));
        let from = (Some((&source, id)), &[][..]);
        let (answer, bytes) = self.answer("index", from, (&request, stop))?;
        let Answer::Indexed(told) = answer else {
            return Err(nonsense("no index"));
        };
        let (index, cuts) = told
            .index(&bytes)
            .ok_or_else(|| nonsense("an index that is none"))?;
        Ok(Media(Known::Apart(Arc::new(media::Apart {
            id,
            source,
            told: *told,
            index,
            cuts,
        }))))
    }

    fn probe(&self, media: &Media, stop: &Stop) -> Result<Probe> {
        let known = apart_of(media)?;
        let request = |footing: Option<Footing>| Some(Request::Probe(footing?));
        let from = (Some((&known.source, known.id)), &[][..]);
        match self.answer("probe", from, (&request, stop))? {
            (Answer::Probed(probe), _) => Ok(*probe),
            _ => Err(nonsense("no probe")),
        }
    }

    fn framemd5(&self, media: &Media, how: (Backend, usize), stop: &Stop) -> Result<Report> {
        let known = apart_of(media)?;
        let request = |footing: Option<Footing>| Some(Request::Framemd5(footing?, how.0, how.1));
        let from = (Some((&known.source, known.id)), &[][..]);
        match self.answer("framemd5", from, (&request, stop))? {
            (Answer::Described(complained), text) => Ok(Report {
                text: String::from_utf8(text).map_err(|_| nonsense("no text"))?,
                complained,
            }),
            _ => Err(nonsense("no md5")),
        }
    }

    fn check(&self, backend: Backend) -> Result<()> {
        let request = |_| Some(Request::Check(backend));
        match self.answer("check", (None, &[]), (&request, &Stop::never()))? {
            (Answer::Checked, _) => Ok(()),
            _ => Err(nonsense("no check")),
        }
    }

    fn develop(&self, job: SpanJob, media: &Media, events: Sender<SpanEvent>) {
        self.span(media, false, job, events);
    }

    fn footage(&self, job: SpanJob, media: &Media, events: Sender<SpanEvent>) -> Result<Lent> {
        self.span(media, true, job, events);
        // Its process knows by the call's end.
        Ok(Box::new(()))
    }

    fn jpeg_into(&self, jpeg: &[u8], out: &mut RgbImage) -> Result<()> {
        let request = |_| Some(Request::Jpeg);
        let (answer, rgb) = self.answer("jpeg", (None, jpeg), (&request, &Stop::never()))?;
        match answer {
            Answer::Picture(width, height) if width.checked_mul(height) == Some(rgb.len() / 3) => {
                (out.width, out.height, out.data) = (width, height, rgb);
                Ok(())
            }
            _ => Err(nonsense("no picture")),
        }
    }
}
