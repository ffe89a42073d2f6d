//! Limits of a timeline. The media's own (pixels, sides) belong to demux.

use crate::error::{Error, Reason};

/// Numbers that one picture may have, under `fps`, `count` and `timestamps`: an hour and more at 25 a
/// second. A jump of the clock asks for far more.
pub const PICTURE_NUMBERS: u64 = 100_000;

/// What one profile may hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Chunks a timeline.
    pub chunks: u64,
    /// Sampled frames a profile.
    pub frames: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            chunks: 20_000,
            frames: 4_000_000,
        }
    }
}

impl Limits {
    pub(crate) fn too_many_chunks(&self) -> Error {
        Error::new(
            Reason::RequestLimit,
            format!("a timeline has at most {0} chunks: limit={0}", self.chunks),
        )
        .hint("split it into several timelines, or raise the limit on chunks")
        .in_field("chunks")
    }

    /// `frames` is a number or "over N".
    pub(crate) fn too_many_frames(&self, frames: impl std::fmt::Display) -> Error {
        Error::new(
            Reason::RequestLimit,
            format!(
                "a profile has at most {0} frames: limit={0} frames={frames}",
                self.frames
            ),
        )
        .hint("sample more sparsely, set a window, or raise the limit on frames")
    }
}
