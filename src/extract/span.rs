//! One span while it is extracted: its pictures, its tasks, its damage.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::mpsc::Sender;

use crate::av::Frame;
use crate::demux::{Track, Unit};
use crate::error::{Error, Reason, Result};
use crate::extract::decoding::{Decoders, Decoding, Found};
use crate::extract::develop::{Developer, Development};
use crate::extract::engine::Shared;
use crate::extract::job::{Made, Output, SpanEnd, SpanEvent, SpanJob, SpanMedia};
use crate::extract::segments::{Segment, Task, segments, start, tasks};
use crate::media::facts::FrameFacts;
use crate::timeline::samples::{Sample, check_source, of_span};

/// A wanted picture and the numbers it has.
pub(super) struct Wanted {
    /// Place in the index's `shown`.
    pub(super) shown: usize,
    /// Consecutive samples that show it.
    pub(super) samples: Vec<Sample>,
}

/// How a task decodes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mode {
    /// Only what the wanted pictures need, on so many frame threads.
    Sparse { threads: usize },
    /// Everything, in order; damage is marked. The way of damaged spans, and of tracks without
    /// timestamps, whose pictures are told apart by counting.
    Whole { threads: usize },
}

pub(super) struct DecodeTask {
    pub span: Arc<SpanRun>,
    pub(super) task: Task,
    pub(super) mode: Mode,
}

/// A picture to be developed.
pub(super) struct PictureTask {
    pub span: Arc<SpanRun>,
    pub(super) place: usize,
    pub(super) frame: Frame,
    pub(super) damaged: bool,
}

pub(super) struct SpanRun {
    pub(super) job: SpanJob,
    pub(super) media: SpanMedia,
    pub(super) wanted: Vec<Wanted>,
    /// Place in `wanted` by the picture's unit (by its place in `shown` in tracks without timestamps).
    pub(super) by_unit: HashMap<u32, usize>,
    pub(super) events: Sender<SpanEvent>,
    /// Tasks and pictures that are not done.
    pub(super) pending: AtomicUsize,
    pub(super) stop: AtomicBool,
    pub(super) decoded_units: AtomicU64,
    pub(super) progress: Mutex<Progress>,
}

#[derive(Default)]
pub(super) struct Progress {
    pub(super) delivered: Vec<bool>,
    /// Damage met by tasks that skip or have several threads: everything is decoded again.
    pub(super) must_repeat: bool,
    /// The repeat is under way, or was never needed.
    pub(super) repeated: bool,
    /// Damage was reported by the decoding that counts.
    pub(super) damage: bool,
    pub(super) error: Option<Error>,
    pub(super) ended: bool,
}

impl SpanRun {
    /// The span and its first tasks.
    #[allow(clippy::type_complexity)]
    pub fn begin(
        job: SpanJob,
        media: SpanMedia,
        events: Sender<SpanEvent>,
        workers: usize,
    ) -> Result<(Arc<Self>, Vec<DecodeTask>), (Sender<SpanEvent>, Error)> {
        let wanted = match wanted_pictures(&job, &media.track) {
            Ok(wanted) => wanted,
            Err(error) => return Err((events, error)),
        };
        let track = &media.track;
        let key = |w: &Wanted| {
            if track.has_pts {
                track.index.shown[w.shown].unit
            } else {
                w.shown as u32
            }
        };
        let by_unit = wanted
            .iter()
            .enumerate()
            .map(|(place, w)| (key(w), place))
            .collect();
        let delivered = vec![false; wanted.len()];
        let span = Arc::new(SpanRun {
            by_unit,
            wanted,
            events,
            pending: AtomicUsize::new(0),
            stop: AtomicBool::new(false),
            decoded_units: AtomicU64::new(0),
            progress: Mutex::new(Progress {
                delivered,
                ..Progress::default()
            }),
            job,
            media,
        });
        let tasks = span.first_tasks(workers);
        span.pending.store(tasks.len(), Ordering::SeqCst);
        Ok((span, tasks))
    }

    fn first_tasks(self: &Arc<Self>, workers: usize) -> Vec<DecodeTask> {
        if self.media.track.gradual {
            return vec![self.whole_task(1)];
        }
        if !self.media.track.has_pts || self.job.parameters.dedup.is_some() {
            return vec![self.whole_task(workers)];
        }
        let shown = self
            .wanted
            .iter()
            .map(|w| self.media.track.index.shown[w.shown]);
        let units = &self.media.track.units;
        let mut needed = segments(&self.media.track.cuts, shown);
        for segment in &mut needed {
            segment.until = with_second_field(units, segment.until);
        }
        let dealt = tasks(needed, workers);
        let open = |segment: &Segment| units.get(segment.from as usize).is_some_and(Unit::open);
        // On several threads an error cannot be told to be one of an open start (`Decoding::take`).
        let threads = if dealt.len() >= workers || dealt.iter().flatten().any(open) {
            1
        } else {
            workers.div_ceil(dealt.len().max(1))
        };
        dealt
            .into_iter()
            .map(|task| DecodeTask {
                span: self.clone(),
                task,
                mode: Mode::Sparse { threads },
            })
            .collect()
    }

    /// All units of the span, in order.
    fn whole_task(self: &Arc<Self>, threads: usize) -> DecodeTask {
        let track = &self.media.track;
        let first = usize::try_from(self.job.row.first_frame).unwrap_or(usize::MAX);
        let count = usize::try_from(self.job.row.frames).unwrap_or(usize::MAX);
        let own = track.index.shown.get(first..).unwrap_or(&[]);
        let own = &own[..count.min(own.len())];
        let last_unit = track.units.len().saturating_sub(1) as u32;
        let (from, until) = if track.has_pts {
            let from = own.iter().map(|shown| start(&track.cuts, shown)).min();
            (
                from.unwrap_or(0),
                with_second_field(
                    &track.units,
                    own.iter().map(|shown| shown.unit).max().unwrap_or(0),
                ),
            )
        } else {
            let first = track.units.iter().position(Unit::cut).unwrap_or(0);
            (first as u32, last_unit)
        };
        let wanted = (from..=until).collect();
        DecodeTask {
            span: self.clone(),
            task: vec![Segment {
                from,
                until,
                wanted,
            }],
            mode: Mode::Whole { threads },
        }
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

    pub(super) fn stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed) || self.events.is_closed()
    }

    pub fn decode(
        task: DecodeTask,
        shared: &Shared,
        decoders: &mut Decoders,
        developer: &mut Developer,
    ) {
        let span = task.span.clone();
        // Under dedup pictures must not overtake each other. Of damaged ones libavcodec leaves parts as
        // the buffer's last user left them (seen with HEVC), so that buffers must come back in order.
        let single = task.mode == Mode::Whole { threads: 1 };
        let in_order = single || span.job.parameters.dedup.is_some();
        let mut deliver = |found: Found<Frame>| {
            let picture = PictureTask {
                span: span.clone(),
                place: found.place,
                frame: found.picture,
                damaged: found.damaged,
            };
            span.pending.fetch_add(1, Ordering::SeqCst);
            let own = if in_order {
                Some(picture)
            } else {
                shared.offer(picture)
            };
            if let Some(picture) = own {
                SpanRun::develop(picture, developer);
                // Never the last part: the task itself is still pending.
                span.pending.fetch_sub(1, Ordering::SeqCst);
            }
            Ok(())
        };
        let decoded = decoders
            .open_for(&task)
            .and_then(|(reader, decoder)| Decoding::new(&task, reader, decoder))
            .and_then(|mut decoding| decoding.run(&mut deliver));
        if let Err(error) = decoded {
            decoders.close();
            span.fail(error);
        }
    }

    pub fn develop(picture: PictureTask, developer: &mut Developer) {
        let span = &picture.span;
        if span.stopped() {
            return;
        }
        let how = Development {
            parameters: &span.job.parameters,
            orientation: span.media.track.orientation,
        };
        let made = match span.job.output {
            Output::Jpeg => developer.develop(&picture.frame, &how),
            Output::Rgb => developer.rgb(&picture.frame, &how),
        };
        let made = made.and_then(|(facts, data)| {
            let facts = FrameFacts {
                damaged: picture.damaged,
                ..facts
            };
            Ok(Made {
                facts: span.facts_of(picture.place, facts)?,
                data,
            })
        });
        match made {
            Ok(made) => span.send(SpanEvent::Made(made)),
            Err(error) => span.fail(error),
        }
    }

    fn send(&self, event: SpanEvent) {
        if self.events.blocking_send(event).is_err() {
            self.cancel();
        }
    }

    /// The picture's facts under each of its numbers.
    fn facts_of(&self, place: usize, picture: FrameFacts) -> Result<Vec<FrameFacts>> {
        let wanted = &self.wanted[place];
        let track = &self.media.track;
        let shown = &track.index.shown[wanted.shown];
        let tick = track.index.time_base.seconds()?;
        let duration = tick.times(crate::media::time::Exact::whole(shown.duration))?;
        let base = FrameFacts {
            chunk_id: Some(self.job.row.chunk_id.clone()),
            pts: Some(shown.pts),
            time_base: Some(format!(
                "{}/{}",
                track.index.time_base.num, track.index.time_base.den
            )),
            duration: Some(duration.to_f64()),
            keyframe: Some(shown.cut),
            backend: Some("cpu".to_owned()),
            ..picture
        };
        let numbered = |sample: &Sample| FrameFacts {
            seq: sample.seq,
            timestamp: Some(sample.timestamp.to_f64()),
            ..base.clone()
        };
        Ok(wanted.samples.iter().map(numbered).collect())
    }

    /// One task or picture is done; where it was the last, the span ends or starts again.
    pub fn part_done(self: &Arc<Self>) -> Option<DecodeTask> {
        if self.pending.fetch_sub(1, Ordering::SeqCst) != 1 {
            return None;
        }
        let repeat = {
            let mut progress = self.progress();
            let repeat = progress.must_repeat && !progress.repeated && progress.error.is_none();
            if repeat {
                progress.repeated = true;
                progress.delivered.fill(false);
            }
            repeat
        };
        if repeat && !self.events.is_closed() {
            self.stop.store(false, Ordering::SeqCst);
            self.pending.store(1, Ordering::SeqCst);
            self.send(SpanEvent::Restarted);
            return Some(self.whole_task(1));
        }
        self.end();
        None
    }

    fn end(&self) {
        let (error, missing, damage) = {
            let mut progress = self.progress();
            if std::mem::replace(&mut progress.ended, true) {
                return;
            }
            let missing = places_of(&progress.delivered, false);
            (progress.error.take(), missing, progress.damage)
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
                backend: "cpu".to_owned(),
                fallback_reason: damage.then(|| "damage".to_owned()),
                decoded_units: self.decoded_units.load(Ordering::Relaxed),
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
            };
            self.send(SpanEvent::Made(made));
        }
        Ok(())
    }
}

/// The unit, or the one after it where that belongs to the same picture.
fn with_second_field(units: &[Unit], unit: u32) -> u32 {
    let next = unit.saturating_add(1);
    let pair = units.get(next as usize).is_some_and(Unit::second_field);
    if pair { next } else { unit }
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

/// The pictures that the row samples, each once.
fn wanted_pictures(job: &SpanJob, track: &Track) -> Result<Vec<Wanted>> {
    check_source(&job.row, &track.index)?;
    let mut wanted: Vec<Wanted> = Vec::new();
    let asked = |sample: &Sample| {
        job.only
            .as_ref()
            .is_none_or(|only| only.binary_search(&sample.seq).is_ok())
    };
    for sample in of_span(&job.parameters, &job.row, &track.index)?
        .into_iter()
        .filter(asked)
    {
        match wanted.last_mut() {
            Some(last) if last.shown == sample.shown => last.samples.push(sample),
            _ => wanted.push(Wanted {
                shown: sample.shown,
                samples: vec![sample],
            }),
        }
    }
    Ok(wanted)
}
