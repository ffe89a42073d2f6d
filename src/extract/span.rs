//! One span while it is extracted: which pictures came, what was damaged, where it is decoded and
//! what for. Who decodes and codes its parts is `worker.rs`'s and `device.rs`'s.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::mpsc::Sender;

use crate::cancel::Stop;
use crate::decode::Backend;
use crate::demux::Unit;
use crate::error::{Error, Reason, Result};
use crate::extract::deal::{Mode, Wanted, for_device, for_workers, wanted_pictures, whole};
use crate::extract::develop::Development;
use crate::extract::fallback::Fallback;
use crate::extract::job::{Made, SpanEnd, SpanEvent, SpanJob, SpanMedia};
use crate::extract::segments::{Segment, Task};
use crate::gpu::nvdec::Codec;
use crate::media::facts::FrameFacts;
use crate::timeline::samples::Sample;

/// What a span has decoded, and how.
pub(super) type Tasks = Vec<(Task, Mode)>;

pub(super) struct SpanRun {
    pub(super) job: SpanJob,
    pub(super) media: SpanMedia,
    pub(super) wanted: Vec<Wanted>,
    /// Place in `wanted` by the picture's unit.
    pub(super) by_unit: HashMap<u32, usize>,
    pub(super) events: Sender<SpanEvent>,
    workers: usize,
    /// Tasks and pictures that are not done.
    pub(super) pending: AtomicUsize,
    pub(super) stop: AtomicBool,
    pub(super) progress: Mutex<Progress>,
}

/// Where a span begins to be decoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Placed {
    /// And why not on a card, where there is one.
    Workers(Option<Fallback>),
    Device,
}

pub(super) struct Progress {
    placed: Placed,
    pub(super) delivered: Vec<bool>,
    /// Everything is decoded, in order, on one thread: what that says counts.
    whole: bool,
    /// What was made does not count: the span is decoded again, in another way.
    restart: Option<Restart>,
    /// Damage was reported by the decoding that counts.
    pub(super) damage: bool,
    error: Option<Error>,
    ended: bool,
}

#[derive(Debug, Clone, Copy)]
enum Restart {
    /// Damage was met by tasks that skip, or have several threads, or run on a card: everything is
    /// decoded, in order, on one thread.
    Whole,
    OffDevice(Fallback),
}

impl SpanRun {
    /// Of an engine of so many workers.
    ///
    /// # Errors
    /// Those of the plan's row against the source as it is.
    pub fn new(
        (job, media): (SpanJob, SpanMedia),
        events: Sender<SpanEvent>,
        workers: usize,
    ) -> Result<Arc<Self>, (Sender<SpanEvent>, Error)> {
        let wanted = match wanted_pictures(&job, &media.track) {
            Ok(wanted) => wanted,
            Err(error) => return Err((events, error)),
        };
        let track = &media.track;
        let key = |w: &Wanted| track.index.shown[w.shown].unit;
        let by_unit = wanted
            .iter()
            .enumerate()
            .map(|(place, w)| (key(w), place))
            .collect();
        let progress = Progress {
            placed: Placed::Workers(None),
            delivered: vec![false; wanted.len()],
            whole: false,
            restart: None,
            damage: false,
            error: None,
            ended: false,
        };
        Ok(Arc::new(SpanRun {
            by_unit,
            wanted,
            events,
            workers,
            pending: AtomicUsize::new(0),
            stop: AtomicBool::new(false),
            progress: Mutex::new(progress),
            job,
            media,
        }))
    }

    /// The first tasks, where it is placed; cards have so many `sessions`.
    pub fn begin(&self, placed: Placed, sessions: u32) -> Tasks {
        let tasks = match placed {
            Placed::Device => {
                let (job, track) = (&self.job, &self.media.track);
                for_device(job, track, &self.wanted, sessions as usize)
            }
            Placed::Workers(_) => self.for_workers(),
        };
        let mut progress = self.progress();
        progress.placed = placed;
        progress.whole = tasks.iter().all(|(_, mode)| *mode == Mode::SINGLE);
        drop(progress);
        self.pend(tasks)
    }

    fn for_workers(&self) -> Tasks {
        let (job, track) = (&self.job, &self.media.track);
        for_workers(job, track, &self.wanted, self.workers)
    }

    /// Units that have to be fed, and the workers that there are.
    pub fn work(&self) -> (u64, usize) {
        let tasks = self.for_workers();
        let segments = tasks.iter().flat_map(|(task, _)| task);
        (segments.map(Segment::units).sum(), self.workers)
    }

    /// Whether damage is known of in what has to be fed, of which a card would say nothing.
    pub fn has_unseen_damage(&self) -> bool {
        let track = &self.media.track;
        let is_told = Codec::of(&track.info).is_none_or(Codec::has_status);
        let tasks = self.for_workers();
        let mut segments = tasks.iter().flat_map(|(task, _)| task);
        !is_told
            && segments.any(|segment| {
                let units = segment.from as usize..=segment.until as usize;
                let mut units = track.units.get(units).into_iter().flatten();
                units.any(|unit| unit.corrupt() || unit.unreadable())
            })
    }

    /// Ends before it began.
    pub fn refuse(&self, error: Error) {
        self.fail(error);
        self.end();
    }

    pub(super) fn development(&self) -> Development<'_> {
        Development {
            parameters: &self.job.parameters,
            orientation: self.media.track.orientation,
        }
    }

    fn pend(&self, tasks: Tasks) -> Tasks {
        self.pending.store(tasks.len(), Ordering::SeqCst);
        tasks
    }

    pub(super) fn progress(&self) -> MutexGuard<'_, Progress> {
        // Nothing that can panic runs under the lock.
        self.progress.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn cancel(&self) {
        self.stop.store(true, Ordering::SeqCst);
    }

    /// Ends the span with an error; the first one counts.
    pub fn fail(&self, error: Error) {
        self.cancel();
        self.progress().error.get_or_insert(error);
    }

    /// Damage outside the one thread that decodes everything calls for that.
    pub(super) fn report_damage(&self, mode: Mode) {
        let mut progress = self.progress();
        if mode == Mode::SINGLE {
            progress.damage = true;
        } else {
            progress.restart = Some(Restart::Whole);
            drop(progress);
            self.cancel();
        }
    }

    /// The card cannot go on with the span: it starts again on the CPU, or fails where only a card will do.
    pub(super) fn leave_device(&self, why: Fallback, error: Error) {
        if self.job.backend == Backend::Gpu {
            return self.fail(with_hint(error));
        }
        tracing::warn!(
            chunk_id = self.job.row.chunk_id,
            span = self.job.row.span,
            reason = why.name(),
            error = error.message(),
            "a span is decoded again on the CPU"
        );
        let off = Restart::OffDevice(why);
        self.progress().restart.get_or_insert(off);
        self.cancel();
    }

    pub(super) fn stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed) || self.events.is_closed()
    }

    /// For who reads its source, and outlives it.
    pub(super) fn stop_asked(self: &Arc<Self>) -> Stop {
        let span = Arc::downgrade(self);
        Stop::when(move || span.upgrade().is_none_or(|span| span.stopped()))
    }

    /// A task that was told to stop has not failed: it may be that the span starts again.
    pub(super) fn task_failed(&self, error: Error) {
        if error.reason() != Reason::Cancelled || !self.stopped() {
            self.fail(error);
        }
    }

    /// One more picture is on its way; `part_done` is called for it, too.
    pub(super) fn add_part(&self) {
        self.pending.fetch_add(1, Ordering::SeqCst);
    }

    pub(super) fn send(&self, event: SpanEvent) {
        if self.events.blocking_send(event).is_err() {
            self.cancel();
        }
    }

    /// The picture's facts under each of its numbers.
    pub(super) fn facts_of(&self, place: usize, picture: FrameFacts) -> Result<Vec<FrameFacts>> {
        let wanted = &self.wanted[place];
        let track = &self.media.track;
        let shown = &track.index.shown[wanted.shown];
        let stated = track.units.get(shown.unit as usize).and_then(Unit::pts);
        let tick = track.index.time_base.seconds()?;
        let duration = tick.times(crate::media::time::Exact::whole(shown.duration))?;
        let base = FrameFacts {
            chunk_id: Some(self.job.row.chunk_id.clone()),
            pts: stated.or(Some(shown.pts)),
            time_base: Some(format!(
                "{}/{}",
                track.index.time_base.num, track.index.time_base.den
            )),
            duration: Some(duration.to_f64()),
            keyframe: Some(shown.cut),
            backend: Some(self.backend().to_owned()),
            ..picture
        };
        let numbered = |sample: &Sample| FrameFacts {
            seq: sample.seq,
            timestamp: Some(sample.timestamp.to_f64()),
            ..base.clone()
        };
        Ok(wanted.samples.iter().map(numbered).collect())
    }

    /// What decodes it now, as facts say it.
    fn backend(&self) -> &'static str {
        match self.progress().placed {
            Placed::Device => "nvdec",
            Placed::Workers(_) => "cpu",
        }
    }

    /// One task or picture is done; where it was the last, the span ends, or starts again with these tasks.
    pub fn part_done(&self) -> Tasks {
        if self.pending.fetch_sub(1, Ordering::SeqCst) != 1 {
            return Vec::new();
        }
        self.check_delivered();
        match self.restart() {
            Some(tasks) => tasks,
            None => {
                self.end();
                Vec::new()
            }
        }
    }

    /// A card may leave out what libavcodec delivers, and libavcodec, where it is not fed everything or
    /// has several threads, what it delivers otherwise: only that decides what is missing.
    fn check_delivered(&self) {
        let mut progress = self.progress();
        let missing = places_of(&progress.delivered, false).len();
        if missing == 0 || progress.whole || self.stopped() {
            return;
        }
        match progress.placed {
            Placed::Workers(_) => {
                progress.restart.get_or_insert(Restart::Whole);
            }
            Placed::Device => {
                drop(progress);
                self.leave_device_undelivered(missing);
            }
        }
    }

    pub(super) fn leave_device_undelivered(&self, missing: usize) {
        let message = format!("the GPU did not deliver all pictures, missing={missing}");
        let error = Error::new(Reason::GpuUnavailable, message)
            .hint("use backend auto or cpu; the frames are the same");
        self.leave_device(Fallback::Undelivered, error);
    }

    /// Whether all of these pictures came from the decoder.
    pub(super) fn came(&self, places: Range<usize>) -> bool {
        let progress = self.progress();
        progress
            .delivered
            .get(places)
            .is_some_and(|came| !came.contains(&false))
    }

    fn restart(&self) -> Option<Tasks> {
        let mut progress = self.progress();
        let restart = progress.restart.take().filter(|_| progress.error.is_none());
        let restart = restart.filter(|_| !self.events.is_closed())?;
        progress.delivered.fill(false);
        progress.whole = matches!(restart, Restart::Whole);
        progress.placed = Placed::Workers(match (restart, progress.placed) {
            (Restart::OffDevice(why), _) => Some(why),
            (Restart::Whole, Placed::Workers(why)) => why,
            (Restart::Whole, Placed::Device) => Some(Fallback::Damage),
        });
        drop(progress);
        self.stop.store(false, Ordering::SeqCst);
        let tasks = self.pend(match restart {
            Restart::Whole => vec![whole(&self.job, &self.media.track, 1)],
            Restart::OffDevice(_) => self.for_workers(),
        });
        self.send(SpanEvent::Restarted);
        Some(tasks)
    }

    fn end(&self) {
        let (error, missing, fallback) = {
            let mut progress = self.progress();
            if std::mem::replace(&mut progress.ended, true) {
                return;
            }
            let fallback = match progress.placed {
                _ if progress.damage => Some(Fallback::Damage),
                Placed::Workers(why) => why,
                Placed::Device => None,
            };
            let missing = places_of(&progress.delivered, false);
            (progress.error.take(), missing, fallback)
        };
        let outcome = match error {
            Some(error) => Err(error),
            None if self.stopped() => Err(Error::new(
                Reason::Cancelled,
                "the extraction was cancelled",
            )),
            None if missing.len() == self.wanted.len() && !self.wanted.is_empty() => {
                Err(undecodable())
            }
            None => self.send_missing(&missing).map(|()| SpanEnd {
                backend: self.backend().to_owned(),
                fallback_reason: fallback.map(|why| why.name().to_owned()),
                decoded_units: self.job.fed.load(Ordering::Relaxed),
            }),
        };
        self.send(SpanEvent::Ended(outcome));
    }

    /// Pictures that the decoder did not deliver keep their numbers.
    fn send_missing(&self, places: &[usize]) -> Result<()> {
        for place in places {
            let facts = FrameFacts {
                missing: true,
                ..FrameFacts::default()
            };
            let made = Made {
                facts: self.facts_of(*place, facts)?,
                data: Vec::new(),
                is_tensor: false,
            };
            self.send(SpanEvent::Made(made));
        }
        Ok(())
    }
}

/// A refusal of `gpu` says how to go on.
fn with_hint(error: Error) -> Error {
    match error.hint_text() {
        Some(_) => error,
        None => error.hint("use backend auto or cpu; the frames are the same"),
    }
}

fn places_of(delivered: &[bool], value: bool) -> Vec<usize> {
    (0..delivered.len())
        .filter(|place| delivered[*place] == value)
        .collect()
}

fn undecodable() -> Error {
    Error::new(
        Reason::MediaCorrupt,
        "no picture of this stretch of the video can be decoded",
    )
    .hint("check that the file is complete and plays elsewhere")
}
