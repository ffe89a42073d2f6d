//! One span while it is extracted: its pictures, its tasks, its damage.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::mpsc::Sender;

use crate::av::Frame;
use crate::decode::{Decode, Event, Purpose, Software};
use crate::demux::{Track, Unit, UnitReader};
use crate::error::{Error, Reason, Result};
use crate::extract::develop::{Developer, Development};
use crate::extract::engine::Shared;
use crate::extract::job::{Made, Output, SpanEnd, SpanEvent, SpanJob, SpanMedia};
use crate::extract::segments::{Segment, Task, segments, start, tasks};
use crate::media::facts::FrameFacts;
use crate::timeline::samples::{Sample, check_source, of_span};

/// A span ends after so long without a decoded picture.
const STALL: Duration = Duration::from_secs(60);

/// A wanted picture and the numbers it has.
struct Wanted {
    /// Place in the index's `shown`.
    shown: usize,
    /// Consecutive samples that show it.
    samples: Vec<Sample>,
}

/// How a task decodes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mode {
    /// Only what the wanted pictures need, on so many frame threads.
    Sparse { threads: usize },
    /// Everything, in order; damage is marked. The way of damaged spans, and of tracks without
    /// timestamps, whose pictures are told apart by counting.
    Whole { threads: usize },
}

pub(super) struct DecodeTask {
    pub span: Arc<SpanRun>,
    task: Task,
    mode: Mode,
}

/// A picture to be developed.
pub(super) struct PictureTask {
    pub span: Arc<SpanRun>,
    place: usize,
    frame: Frame,
    damaged: bool,
}

/// What a worker keeps open between tasks.
#[derive(Default)]
pub(super) struct Decoders {
    open: Option<(Arc<Track>, usize, UnitReader, Software)>,
}

pub(super) struct SpanRun {
    job: SpanJob,
    media: SpanMedia,
    wanted: Vec<Wanted>,
    /// Place in `wanted` by the picture's unit (by its place in `shown` in tracks without timestamps).
    by_unit: HashMap<u32, usize>,
    events: Sender<SpanEvent>,
    /// Tasks and pictures that are not done.
    pending: AtomicUsize,
    stop: AtomicBool,
    decoded_units: AtomicU64,
    progress: Mutex<Progress>,
}

#[derive(Default)]
struct Progress {
    delivered: Vec<bool>,
    /// Damage met by tasks that skip or have several threads: everything is decoded again.
    must_repeat: bool,
    /// The repeat is under way, or was never needed.
    repeated: bool,
    /// Damage was reported by the decoding that counts.
    damage: bool,
    error: Option<Error>,
    ended: bool,
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

    fn progress(&self) -> MutexGuard<'_, Progress> {
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

    fn stopped(&self) -> bool {
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
        let mut deliver = |picture: PictureTask| {
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
        };
        match Decoding::new(&task, decoders).and_then(|mut decoding| decoding.run(&mut deliver)) {
            Ok(()) => {}
            Err(error) => {
                decoders.open = None;
                span.fail(error);
            }
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

/// One task being decoded.
struct Decoding<'a> {
    span: &'a Arc<SpanRun>,
    task: &'a DecodeTask,
    reader: &'a mut UnitReader,
    decoder: &'a mut Software,
    segment: &'a Segment,
    /// The unit before was given to the decoder.
    fed: bool,
    /// Within the pictures up to the first cut point after an open start.
    open_start: bool,
    /// Pictures delivered so far: how a track without timestamps numbers them.
    count: u32,
    /// Places in `shown` that damage reaches.
    damaged: std::ops::Range<usize>,
    last_picture: Instant,
}

impl<'a> Decoding<'a> {
    fn new(task: &'a DecodeTask, decoders: &'a mut Decoders) -> Result<Self> {
        let threads = match task.mode {
            Mode::Sparse { threads } | Mode::Whole { threads } => threads,
        };
        let media = &task.span.media;
        // What a decoder has learnt of a stream can decide which damaged pictures it delivers, and
        // with them their count: one that decodes everything is always new.
        let whole = matches!(task.mode, Mode::Whole { .. });
        let kept = decoders.open.take().filter(|(track, open_threads, _, _)| {
            !whole && Arc::ptr_eq(track, &media.track) && *open_threads == threads
        });
        let kept = match kept {
            Some(kept) => kept,
            None => {
                let reader = UnitReader::open(media.track.clone(), media.opener.clone())?;
                let decoder = Software::open(&media.track.info, threads, Purpose::Frames)?;
                (media.track.clone(), threads, reader, decoder)
            }
        };
        let (_, _, reader, decoder) = decoders.open.insert(kept);
        Ok(Decoding {
            span: &task.span,
            task,
            reader,
            decoder,
            segment: task
                .task
                .first()
                .ok_or_else(|| Error::internal("a task decodes nothing"))?,
            open_start: false,
            fed: false,
            count: 0,
            damaged: 0..0,
            last_picture: Instant::now(),
        })
    }

    fn run(&mut self, deliver: &mut dyn FnMut(PictureTask)) -> Result<()> {
        let task = self.task;
        for segment in &task.task {
            self.segment = segment;
            self.open_start = self.unit(segment.from).is_some_and(Unit::open);
            self.reader.go_to(segment.from)?;
            self.feed(segment, deliver)?;
            self.finish(deliver)?;
            if self.given_up() {
                break;
            }
        }
        Ok(())
    }

    fn given_up(&self) -> bool {
        self.span.stopped()
    }

    fn feed(&mut self, segment: &Segment, deliver: &mut dyn FnMut(PictureTask)) -> Result<()> {
        while self.reader.next_unit() <= segment.until && !self.given_up() {
            let Some(unit) = self.reader.advance()? else {
                break;
            };
            let known = self.span.media.track.units.get(unit as usize);
            self.open_start &= unit == segment.from || !known.is_some_and(Unit::cut);
            let needed = matches!(self.task.mode, Mode::Whole { .. })
                || segment.wants(unit)
                || !known.is_some_and(|u| u.disposable());
            let goes_with_first = known.is_some_and(Unit::second_field);
            self.fed = if goes_with_first { self.fed } else { needed };
            if !self.fed {
                continue;
            }
            if known.is_some_and(|u| u.corrupt()) {
                self.report_damage();
            }
            self.submit(unit, deliver)?;
            self.check_stall()?;
        }
        Ok(())
    }

    fn submit(&mut self, unit: u32, deliver: &mut dyn FnMut(PictureTask)) -> Result<()> {
        self.span.decoded_units.fetch_add(1, Ordering::Relaxed);
        let mut ready = Vec::new();
        self.decoder
            .submit(unit, self.reader.packet(), &mut |event| {
                ready.push(event);
                Ok(())
            })?;
        self.take(ready, deliver);
        Ok(())
    }

    fn finish(&mut self, deliver: &mut dyn FnMut(PictureTask)) -> Result<()> {
        let mut ready = Vec::new();
        self.decoder.finish(&mut |event| {
            ready.push(event);
            Ok(())
        })?;
        self.take(ready, deliver);
        Ok(())
    }

    fn take(&mut self, events: Vec<Event>, deliver: &mut dyn FnMut(PictureTask)) {
        for event in events {
            match event {
                Event::Picture { unit, frame } => self.picture(unit, frame, deliver),
                Event::Refused { unit } if self.left_out(unit) => {}
                Event::Refused { .. } => self.report_damage(),
            }
        }
        // Pictures up to the next cut point may miss what was before an open start, and libavcodec
        // says so in errors that concern none of the wanted ones.
        let complained = self.decoder.take_complaint() && !self.open_start;
        if complained && !self.single() {
            self.report_damage();
        }
    }

    fn unit(&self, unit: u32) -> Option<&'a Unit> {
        self.span.media.track.units.get(unit as usize)
    }

    /// Leading pictures of the cut point where decoding began, unless they are wanted from there.
    fn left_out(&self, unit: u32) -> bool {
        let pts = |unit| self.unit(unit).and_then(|known| known.pts);
        let leads = pts(unit)
            .zip(pts(self.segment.from))
            .is_some_and(|(own, from)| own < from);
        let wanted = self.segment.wants(unit) && self.span.by_unit.contains_key(&unit);
        self.span.media.track.has_pts && leads && !wanted
    }

    fn picture(&mut self, unit: u32, frame: Frame, deliver: &mut dyn FnMut(PictureTask)) {
        self.last_picture = Instant::now();
        let key = if self.span.media.track.has_pts {
            unit
        } else {
            self.count
        };
        self.count += 1;
        if self.left_out(unit) {
            return;
        }
        if frame.damaged() {
            self.report_damage();
            self.mark_damage(key);
        }
        let Some(&place) = self.span.by_unit.get(&key) else {
            return;
        };
        if self.given_up() || std::mem::replace(&mut self.span.progress().delivered[place], true) {
            return;
        }
        let damaged = self.damaged.contains(&self.span.wanted[place].shown);
        deliver(PictureTask {
            span: self.span.clone(),
            place,
            frame,
            damaged,
        });
        // Waiting for the store is no stall of the decoder.
        self.last_picture = Instant::now();
    }

    fn single(&self) -> bool {
        self.task.mode == Mode::Whole { threads: 1 }
    }

    /// Damage outside the one thread that decodes everything calls for that.
    fn report_damage(&mut self) {
        let mut progress = self.span.progress();
        if self.single() {
            progress.damage = true;
        } else {
            progress.must_repeat = true;
            drop(progress);
            self.span.cancel();
        }
    }

    /// A flagged picture and all later ones up to the next cut point are damaged.
    fn mark_damage(&mut self, key: u32) {
        let track = &self.span.media.track;
        let shown = &track.index.shown;
        let own = if track.has_pts {
            track.shown_of(key)
        } else {
            Some(key as usize)
        };
        // A picture that is not shown damages those after it all the same.
        let pts = self.unit(key).and_then(|unit| unit.pts);
        let after = pts.map(|pts| shown.partition_point(|s| s.pts <= pts));
        let Some(from) = own.map(|own| own + 1).or(after) else {
            return;
        };
        let later = shown.get(from..).unwrap_or(&[]);
        let length = later.iter().take_while(|shown| !shown.cut).count();
        self.damaged = own.unwrap_or(from)..from + length;
    }

    fn check_stall(&self) -> Result<()> {
        if self.last_picture.elapsed() < STALL {
            return Ok(());
        }
        Err(Error::new(
            Reason::ChunkStalled,
            format!(
                "no picture was decoded for {} s, chunk_id={}",
                STALL.as_secs(),
                self.span.job.row.chunk_id
            ),
        )
        .hint("try again; if it stalls again, the video is damaged or the machine overloaded"))
    }
}
