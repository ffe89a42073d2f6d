//! Access units to pictures.
//!
//! A decoder is a blocking thing of two methods; which thread it runs on is the
//! engine's business. Pictures are told apart by the ordinal of their unit, never
//! by a timestamp.

mod backend;
mod software;

pub use backend::Backend;
pub use software::Software;

pub use crate::av::Purpose;

use crate::av::{Frame, Packet};
use crate::error::Result;

/// The codecs that are tested, by FFmpeg's names.
pub const CODECS: [&str; 9] = [
    "h264",
    "hevc",
    "vp8",
    "vp9",
    "av1",
    "mpeg2video",
    "mpeg4",
    "mjpeg",
    "prores",
];

/// What a decoder has to say.
pub enum Event {
    /// A picture; `unit` is the ordinal of the unit that began it.
    Picture { unit: u32, frame: Frame },
    /// Damage was reported; the units up to this one may have given no picture.
    Refused { unit: u32 },
}

/// Takes units in decode order and gives their pictures in output order.
pub trait Decode: Send {
    /// Decodes one unit; what becomes ready meanwhile goes to `out`.
    fn submit(
        &mut self,
        unit: u32,
        packet: &mut Packet,
        out: &mut dyn FnMut(Event) -> Result<()>,
    ) -> Result<()>;

    /// Delivers everything still held and forgets it: the next unit must be a cut point.
    fn finish(&mut self, out: &mut dyn FnMut(Event) -> Result<()>) -> Result<()>;

    /// Whether damage was met in any way since this was last asked: a refusal, a flagged picture
    /// or a logged error. What was decoded may then depend on threads and on where decoding began.
    fn take_complaint(&mut self) -> bool;
}
