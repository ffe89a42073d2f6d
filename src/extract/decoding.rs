//! One task of a span being decoded: what is fed, what is delivered, what was damaged.

use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use crate::decode::{Decode, Event, Purpose, Software};
use crate::demux::{Track, Unit, UnitReader};
use crate::error::{Error, Reason, Result};
use crate::extract::deal::Mode;
use crate::extract::parts::DecodeTask;
use crate::extract::segments::Segment;
use crate::extract::span::SpanRun;

/// A span ends after so long without a decoded picture.
const STALL: Duration = Duration::from_secs(60);

/// What a worker keeps open between tasks, of the last one that ended without an error or a panic.
#[derive(Default)]
pub(super) struct Decoders(Option<Open>);

/// A reader, and a decoder of the same track on so many threads.
pub(super) struct Open {
    track: Arc<Track>,
    pub reader: UnitReader,
    threads: usize,
    pub decoder: Software,
}

impl Decoders {
    /// A reader and a decoder for the task: the ones that are open where they fit. They are given
    /// back by `keep`; what a task leaves half used is nobody's any more.
    pub fn take_for(&mut self, task: &DecodeTask) -> Result<Open> {
        let (threads, whole) = match task.mode {
            Mode::Sparse { threads } => (threads, false),
            Mode::Whole { threads } => (threads, true),
            Mode::Device => (1, false),
        };
        let (track, opener) = (&task.span.media.track, &task.span.media.opener);
        let purpose = match task.mode {
            Mode::SINGLE => Purpose::Damaged,
            _ => Purpose::Frames,
        };
        let decoder = || Software::open(&track.info, threads, purpose);
        let stop = task.span.stop_asked();
        // What a decoder has learnt of a stream can decide which damaged pictures it delivers, and
        // with them their count: where everything is decoded all is new.
        let kept = self.0.take();
        let kept = kept.filter(|open| !whole && Arc::ptr_eq(&open.track, track));
        Ok(match kept {
            Some(mut open) => {
                open.reader.follow(stop);
                if open.threads != threads {
                    (open.threads, open.decoder) = (threads, decoder()?);
                }
                open
            }
            None => Open {
                track: track.clone(),
                reader: UnitReader::open(track.clone(), opener.clone(), stop)?,
                threads,
                decoder: decoder()?,
            },
        })
    }

    pub fn keep(&mut self, open: Open) {
        self.0 = Some(open);
    }

    /// Forgets what is needed by nobody now.
    pub fn close(&mut self) {
        self.0 = None;
    }
}

/// A wanted picture, decoded.
pub(super) struct Found<P> {
    /// Place in the span's `wanted`.
    pub place: usize,
    pub picture: P,
    pub damaged: bool,
}

/// One task being decoded.
pub(super) struct Decoding<'a, D: Decode> {
    span: &'a Arc<SpanRun>,
    task: &'a DecodeTask,
    reader: &'a mut UnitReader,
    decoder: &'a mut D,
    segment: &'a Segment,
    /// The unit before was given to the decoder.
    fed: bool,
    /// Within the pictures up to the first cut point after an open start.
    open_start: bool,
    /// The segment before may still be decoded, and whether its open start excuses what is met in it.
    unsettled: Option<bool>,
    /// Of a unit that shows several pictures, the latest: the last one is the frame.
    held: Option<(u32, D::Picture, bool)>,
    /// Places in `shown` that damage reaches.
    damaged: Range<usize>,
    last_picture: Instant,
}

/// Takes what was decoded. An error ends the task.
type Deliver<'d, P> = &'d mut dyn FnMut(Found<P>) -> Result<()>;

impl<'a, D: Decode> Decoding<'a, D> {
    pub fn new(
        task: &'a DecodeTask,
        reader: &'a mut UnitReader,
        decoder: &'a mut D,
    ) -> Result<Self> {
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
            unsettled: None,
            held: None,
            damaged: 0..0,
            last_picture: Instant::now(),
        })
    }

    pub fn run(&mut self, deliver: Deliver<D::Picture>) -> Result<()> {
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
        self.settle()
    }

    /// Waits for the segment before: what was met in it counts before anything of this one is delivered.
    fn settle(&mut self) -> Result<()> {
        let Some(excused) = self.unsettled.take() else {
            return Ok(());
        };
        if self.decoder.settle()? && !excused {
            self.report_damage();
        }
        Ok(())
    }

    fn given_up(&self) -> bool {
        self.span.stopped()
    }

    fn feed(&mut self, segment: &Segment, deliver: Deliver<D::Picture>) -> Result<()> {
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

    fn submit(&mut self, unit: u32, deliver: Deliver<D::Picture>) -> Result<()> {
        self.span.job.fed.fetch_add(1, Ordering::Relaxed);
        let mut ready = Vec::new();
        self.decoder
            .submit(unit, self.reader.packet(), &mut |event| {
                ready.push(event);
                Ok(())
            })?;
        self.take(ready, deliver)
    }

    fn finish(&mut self, deliver: Deliver<D::Picture>) -> Result<()> {
        self.settle()?;
        let mut ready = Vec::new();
        self.decoder.finish(&mut |event| {
            ready.push(event);
            Ok(())
        })?;
        self.take(ready, deliver)?;
        self.unsettled = Some(self.open_start);
        self.release(deliver)
    }

    fn take(&mut self, events: Vec<Event<D::Picture>>, deliver: Deliver<D::Picture>) -> Result<()> {
        // Pictures up to the next cut point may miss what was before an open start, and libavcodec
        // says so in errors that concern none of the wanted ones. Before any picture is delivered:
        // who takes pictures one by one cannot give them back.
        let complained = self.decoder.take_complaint() && !self.open_start;
        if complained && self.task.mode != Mode::SINGLE {
            self.report_damage();
        }
        if !events.is_empty() {
            self.settle()?;
        }
        for event in events {
            match event {
                Event::Picture {
                    unit,
                    picture,
                    damaged,
                } => {
                    if self.held.as_ref().is_some_and(|held| held.0 != unit) {
                        self.release(deliver)?;
                    }
                    match self.unit(unit).is_some_and(Unit::layered) {
                        true => self.held = Some((unit, picture, damaged)),
                        false => self.picture(unit, (picture, damaged), deliver)?,
                    }
                }
                Event::Refused { unit } if self.left_out(unit) => {}
                Event::Refused { .. } => self.report_damage(),
            }
        }
        Ok(())
    }

    fn release(&mut self, deliver: Deliver<D::Picture>) -> Result<()> {
        match self.held.take() {
            Some((unit, picture, damaged)) => self.picture(unit, (picture, damaged), deliver),
            None => Ok(()),
        }
    }

    fn unit(&self, unit: u32) -> Option<&'a Unit> {
        self.span.media.track.units.get(unit as usize)
    }

    /// Leading pictures of the cut point where decoding began, unless they are wanted from there.
    fn left_out(&self, unit: u32) -> bool {
        let time = |unit| self.unit(unit).map(|known| known.time);
        let leads = time(unit)
            .zip(time(self.segment.from))
            .is_some_and(|(own, from)| own < from);
        let wanted = self.segment.wants(unit) && self.span.by_unit.contains_key(&unit);
        leads && !wanted
    }

    fn picture(
        &mut self,
        unit: u32,
        (picture, flagged): (D::Picture, bool),
        deliver: Deliver<D::Picture>,
    ) -> Result<()> {
        self.last_picture = Instant::now();
        if self.left_out(unit) {
            return Ok(());
        }
        if flagged {
            self.report_damage();
            self.mark_damage(unit);
        }
        let Some(&place) = self.span.by_unit.get(&unit) else {
            return Ok(());
        };
        if self.given_up() || std::mem::replace(&mut self.span.progress().delivered[place], true) {
            return Ok(());
        }
        let damaged = self.damaged.contains(&self.span.wanted[place].shown);
        deliver(Found {
            place,
            picture,
            damaged,
        })?;
        // Waiting for the store is no stall of the decoder.
        self.last_picture = Instant::now();
        Ok(())
    }

    fn report_damage(&self) {
        self.span.report_damage(self.task.mode);
    }

    /// A flagged picture and all later ones up to the next cut point are damaged.
    fn mark_damage(&mut self, unit: u32) {
        let track = &self.span.media.track;
        let shown = &track.index.shown;
        let own = track.shown_of(unit);
        // A picture that is not shown damages those after it all the same.
        let time = self.unit(unit).map(|unit| unit.time);
        let after = time.map(|time| shown.partition_point(|s| s.pts <= time));
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
