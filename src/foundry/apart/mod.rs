//! Media in processes of their own: what ends one of them costs what it was doing there, which is
//! done again, each thing alone; what ends that one, too, is the media's own fault.

mod call;
mod ears;
mod log;
mod pictures;
mod places;
mod process;
mod readers;
#[cfg(test)]
mod tests;

use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::mpsc::Sender;

use crate::cancel::Stop;
use crate::decode::Backend;
use crate::error::{Error, Reason, Result};
use crate::extract::{SpanEvent, SpanJob};
use crate::foundry::apart::call::{Asked, Outcome, Patience, Subject};
use crate::foundry::apart::ears::{Ear, One, Span};
use crate::foundry::apart::places::Places;
use crate::foundry::apart::process::{Death, Process};
use crate::foundry::media::{self, Known};
use crate::foundry::protocol::{Answer, Beside, Footing, Request, Walls};
use crate::foundry::{CardsThere, Foundry, Lent, Media, Probe, Report, Source};
use crate::metrics::Metrics;
use crate::pixel::RgbImage;
use crate::sandbox;
use crate::timeline::plan::SpanRow;

#[cfg(test)]
pub(in crate::foundry) use tests::planted;

pub use process::{NAME, Program};

/// Between the starts of processes that end before they stand, doubled with each. One that media crashed
/// is started anew at once: others wait for it.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LAST_PAUSE: Duration = Duration::from_secs(5);
/// Processes that are started for one call, where they do not come to stand.
const STARTS: usize = 3;
const PATIENCE: Patience = Patience {
    still: Duration::from_secs(60),
    behind: Duration::from_secs(600),
};

/// Decodes in other processes; cheap to clone.
#[derive(Clone)]
pub struct Apart(Arc<Shared>);

struct Shared {
    program: Program,
    workers: usize,
    walls: Walls,
    metrics: Arc<Metrics>,
    running: Mutex<Running>,
    /// Of what is done again: as many as there are workers, each of one thread.
    again: Places,
    /// Numbers of sources.
    next: AtomicU64,
    patience: Patience,
}

#[derive(Default)]
struct Running {
    process: Option<Arc<Process>>,
    /// Processes that ended before they stood, one after the other.
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
            again: Places::new(workers),
            next: AtomicU64::new(0),
            patience: PATIENCE,
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
            running.fallen = if process.stood() {
                0
            } else {
                running.fallen + 1
            };
        }
        if running.fallen > 0 {
            let pause = FIRST_PAUSE.saturating_mul(1 << (running.fallen - 1).min(16));
            std::thread::sleep(pause.min(LAST_PAUSE));
        }
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
                Ok(process) => call::ask(&process, asked, (ear, self.0.patience)),
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
        tracing::warn!(%death, what = asked.what, "a media process died; what it did is done again");
        // Footage goes as fast as its client takes it, which nobody else is to wait for; lanes bound it.
        let _alone = match asked.what {
            FOOTAGE => None,
            _ => Some(self.0.again.take(&|| ear.is_gone())?),
        };
        ear.again();
        match self.attempt(&|| Ok(Arc::new(self.start(1)?)), asked, ear) {
            Outcome::Answered(answered) => answered,
            Outcome::NotBegun(error) => Err(error),
            Outcome::Died(death) => {
                tracing::error!(%death, what = asked.what, "a media process died of it alone");
                Err(blamed(&death))
            }
        }
    }

    /// The one answer to a request.
    fn answer(
        &self,
        what: &'static str,
        subject: Subject<'_>,
        stop: &Stop,
    ) -> Result<(Answer, Vec<u8>)> {
        let mut ear = One::new(stop);
        self.ask(&Asked { what, subject }, &mut ear)?;
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
        let request = |footing: Footing| {
            let beside = Beside {
                caller: job.turn.caller().number(),
                awaited: job.turn.is_awaited(),
                tensor: job.recipe.as_ref().map(|recipe| recipe.spec().clone()),
            };
            let job = Box::new(without_places(job));
            match in_order {
                false => Request::Develop(footing, job, beside),
                true => Request::Footage(footing, job, beside),
            }
        };
        let mut ear = Span::new(&events, job);
        let ended = apart_of(media).and_then(|known| {
            let asked = Asked {
                what: if in_order { FOOTAGE } else { "span" },
                subject: Subject::Of(&known.source, known.id, &request),
            };
            self.ask(&asked, &mut ear)
        });
        if let Err(error) = ended {
            // Who left needs no end.
            let _ = events.blocking_send(SpanEvent::Ended(Err(error)));
        }
    }
}

/// What is asked for where its caller decides how fast it comes.
const FOOTAGE: &str = "footage";

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
        Death::Unread => Error::new(
            Reason::SourceUnavailable,
            "the source does not answer: bytes of it were waited for in vain",
        )
        .hint("see whether the disk or server that has it is there, and try again"),
        // Nothing fails of it: calls that it has go on.
        Death::Spent => Error::internal("a GPU failed for good in a media process"),
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
        let subject = Subject::Of(&source, id, &Request::Index);
        let (answer, bytes) = self.answer("index", subject, stop)?;
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
        let subject = Subject::Of(&known.source, known.id, &Request::Probe);
        match self.answer("probe", subject, stop)? {
            (Answer::Probed(probe), _) => Ok(*probe),
            _ => Err(nonsense("no probe")),
        }
    }

    fn framemd5(&self, media: &Media, how: (Backend, usize), stop: &Stop) -> Result<Report> {
        let known = apart_of(media)?;
        let request = |footing| Request::Framemd5(footing, how.0, how.1);
        let subject = Subject::Of(&known.source, known.id, &request);
        match self.answer("framemd5", subject, stop)? {
            (Answer::Described(complained), text) => Ok(Report {
                text: String::from_utf8(text).map_err(|_| nonsense("no text"))?,
                complained,
            }),
            _ => Err(nonsense("no md5")),
        }
    }

    fn cards(&self) -> Result<CardsThere> {
        let subject = Subject::Alone(&Request::Cards, &[]);
        match self.answer("cards", subject, &Stop::never())? {
            (Answer::Cards(cards), _) => Ok(cards),
            _ => Err(nonsense("no cards")),
        }
    }

    fn check(&self, backend: Backend) -> Result<()> {
        let request = Request::Check(backend);
        let subject = Subject::Alone(&request, &[]);
        match self.answer("check", subject, &Stop::never())? {
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
        *out = self.picture(jpeg)?;
        Ok(())
    }

    fn jpegs_at_least(&self, wanted: &[(Bytes, (usize, usize))]) -> Result<Vec<RgbImage>> {
        self.pictures(wanted)
    }
}
