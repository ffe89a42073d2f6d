//! Parts of a span that threads take: units to be decoded, and pictures to be developed.

use std::sync::Arc;

use crate::decode::Load;
use crate::extract::deal::Mode;
use crate::extract::develop::Exposed;
use crate::extract::segments::{Segment, Task};
use crate::extract::span::SpanRun;

pub(super) struct DecodeTask {
    pub span: Arc<SpanRun>,
    pub task: Task,
    pub mode: Mode,
}

impl DecodeTask {
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
