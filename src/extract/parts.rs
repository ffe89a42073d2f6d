//! Parts of a span that threads take: units to be decoded, and pictures to be developed.

use std::sync::Arc;

use crate::decode::Load;
use crate::extract::deal::Mode;
use crate::extract::develop::{Developer, Exposed};
use crate::extract::job::{Made, Output, SpanEvent};
use crate::extract::segments::{Segment, Task};
use crate::extract::span::{SpanRun, Tasks};
use crate::media::facts::FrameFacts;

pub(super) struct DecodeTask {
    pub span: Arc<SpanRun>,
    pub task: Task,
    pub mode: Mode,
}

impl DecodeTask {
    pub fn of(span: &Arc<SpanRun>, tasks: Tasks) -> Vec<DecodeTask> {
        let tasks = tasks.into_iter().map(|(task, mode)| DecodeTask {
            span: span.clone(),
            task,
            mode,
        });
        tasks.collect()
    }

    /// What it feeds.
    pub fn load(&self) -> Load {
        let (width, height) = self.span.media.track.info.size();
        Load {
            units: self.task.iter().map(Segment::units).sum(),
            pixels: u64::from(width) * u64::from(height),
        }
    }
}

/// A picture to be developed.
pub(super) struct PictureTask {
    pub span: Arc<SpanRun>,
    pub place: usize,
    pub exposed: Exposed,
    pub damaged: bool,
}

impl PictureTask {
    /// Codes the picture, and tells of it.
    pub fn develop(&mut self, developer: &mut Developer) {
        let span = &self.span;
        if span.stopped() {
            return;
        }
        let how = span.development();
        let mut is_tensor = false;
        let made = match (&mut self.exposed, span.job.output) {
            (Exposed::Frame(frame), Output::Jpeg) => developer.develop(frame, &how),
            (Exposed::Frame(frame), Output::Rgb) => developer.rgb(frame, &how),
            (Exposed::Converted(converted), _) => developer.finish(converted, &how),
            (Exposed::Pixels(pixels), _) => {
                let pixels = std::mem::take(&mut **pixels);
                is_tensor = pixels.is_tensor;
                Ok((pixels.facts, pixels.data))
            }
        };
        let made = made.and_then(|(facts, data)| {
            let facts = FrameFacts {
                damaged: self.damaged,
                ..facts
            };
            Ok(Made {
                facts: span.facts_of(self.place, facts)?,
                data,
                is_tensor,
            })
        });
        match made {
            Ok(made) => span.send(SpanEvent::Made(made)),
            Err(error) => span.fail(error),
        }
    }
}
