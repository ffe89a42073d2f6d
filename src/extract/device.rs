//! A thread of a card: it feeds one decoder, and hands its pictures through the darkroom to the
//! workers, who code them.

use std::sync::Arc;
use std::time::Instant;

use crate::av::{Frame, Purpose};
use crate::decode::{Decode, Event, Software};
use crate::demux::{Track, UnitReader};
use crate::error::{Error, Reason, Result};
use crate::extract::cards::{Card, Cards};
use crate::extract::darkroom::{Darkroom, Sitter};
use crate::extract::decoding::{Decoding, Found};
use crate::extract::develop::Developer;
use crate::extract::fallback::Fallback;
use crate::extract::job::Output;
use crate::extract::parts::{DecodeTask, PictureTask};
use crate::extract::queues::Shared;
use crate::extract::span::SpanRun;
use crate::gpu::nvdec::{Nvdec, Options, Picture, Refusal};

/// What a card's thread keeps open between tasks.
pub(super) struct Lane {
    card: Arc<Card>,
    darkroom: Darkroom,
    open: Option<Open>,
    developer: Developer,
}

/// One track being decoded.
struct Open {
    track: Arc<Track>,
    reader: UnitReader,
    decoder: Nvdec,
    sample: Frame,
    /// What the sample is of.
    sequence: Option<u32>,
}

impl Lane {
    /// # Errors
    /// GPU_UNAVAILABLE where the card gives no stream.
    pub fn new(card: Arc<Card>) -> Result<Self> {
        Ok(Lane {
            darkroom: Darkroom::new(card.clone())?,
            card,
            open: None,
            developer: Developer::default(),
        })
    }

    /// Forgets what nobody needs now; the decoder goes back to its pool.
    pub fn close(&mut self) {
        self.open = None;
        self.darkroom.clear();
    }

    /// Decodes the task, or has its span leave the card.
    pub fn decode(&mut self, task: &DecodeTask, shared: &Shared, cards: &Cards) {
        if task.span.stopped() {
            return;
        }
        let began = Instant::now();
        match self.run(task, shared) {
            Ok(()) if task.span.stopped() => {}
            // Pixels wait for who takes them.
            Ok(()) if task.span.job.output == Output::Rgb => {}
            Ok(()) => cards.cards_rate.measured(task.load(), began.elapsed()),
            Err(error) => {
                self.close();
                cards.remember(&task.span.media.track, &error);
                leave(&task.span, error);
            }
        }
    }

    fn run(&mut self, task: &DecodeTask, shared: &Shared) -> Result<()> {
        let span = &task.span;
        // Kept again only once the task went well.
        let mut open = match self.open.take() {
            Some(mut open)
                if Arc::ptr_eq(&open.track, &span.media.track)
                    && open.sequence == sequence(task) =>
            {
                open.reader.follow(span.stop_asked());
                open
            }
            _ => Open::new(&self.card, task)?,
        };
        self.darkroom.forget();
        let sitter = Sitter {
            span,
            sample: &open.sample,
        };
        let (darkroom, developer) = (&mut self.darkroom, &mut self.developer);
        // Of pixels nothing is left to do, and who takes them does so in their order, one by one.
        let is_pixels = span.job.output == Output::Rgb;
        // Under dedup pictures must not overtake each other.
        let in_order = is_pixels || span.job.parameters.dedup.is_some();
        let mut came = 0;
        let mut hand_on = |mut picture: PictureTask| {
            let before = came..picture.place;
            came = picture.place;
            if is_pixels && !before.is_empty() && !span.came(before) {
                span.leave_device_undelivered(1);
            } else if in_order {
                picture.develop(developer);
            } else {
                span.add_part();
                shared.hand_over(picture);
            }
        };
        let mut deliver = |found: Found<Picture>| darkroom.expose(sitter, found, &mut hand_on);
        Decoding::new(task, &mut open.reader, &mut open.decoder)?.run(&mut deliver)?;
        darkroom.finish(span, &mut hand_on)?;
        self.open = Some(open);
        Ok(())
    }
}

/// The card's own failures and refusals are mended by the CPU; the source's are not.
fn leave(span: &SpanRun, error: Error) {
    match error.reason() {
        Reason::GpuUnavailable | Reason::MemoryBudget | Reason::ChunkStalled => {
            span.leave_device(Fallback::of(&error), error);
        }
        _ => span.task_failed(error),
    }
}

impl Open {
    fn new(card: &Card, task: &DecodeTask) -> Result<Self> {
        let media = &task.span.media;
        let track = media.track.clone();
        let stop = task.span.stop_asked();
        let mut reader = UnitReader::open(track.clone(), media.opener.clone(), stop)?;
        reader.go_to(task.task.first().map_or(0, |segment| segment.from))?;
        let sample = sample(&track, &mut reader)?;
        if sample.interlaced() {
            return Err(Refusal::Interlaced.into());
        }
        Ok(Open {
            decoder: Nvdec::open(&card.pool, &track.info, Options::default())?,
            reader,
            sample,
            track,
            sequence: sequence(task),
        })
    }
}

/// The sequence in force where the task begins.
fn sequence(task: &DecodeTask) -> Option<u32> {
    let configurations = &task.span.media.track.configurations;
    let needs = configurations.needs(task.task.first()?.from)?;
    Some(needs.sequence)
}

/// The first picture that libavcodec gives from here on: that of the cut point, once drained.
fn sample(track: &Track, reader: &mut UnitReader) -> Result<Frame> {
    let mut decoder = Software::open(&track.info, 1, Purpose::Frames)?;
    let mut found = None;
    let mut take = |event| {
        if let Event::Picture { picture, .. } = event {
            found.get_or_insert(picture);
        }
        Ok(())
    };
    if let Some(unit) = reader.advance()? {
        reader.packet().show();
        decoder.submit(unit, reader.packet(), &mut take)?;
        decoder.finish(&mut take)?;
    }
    found.ok_or_else(|| {
        let message = "libavcodec gives no picture to learn the video's facts from";
        Error::new(Reason::GpuUnavailable, message)
    })
}
