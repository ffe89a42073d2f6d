//! Access units to pictures.
//!
//! A decoder is a blocking thing of two methods; which thread it runs on is the
//! engine's business. Pictures are told apart by the ordinal of their unit, never
//! by a timestamp.

mod backend;
#[cfg(test)]
pub(crate) mod conformance;
mod cost;
mod software;

pub use backend::Backend;
pub use cost::{CPU_MEGAPIXELS, ENGINE_MEGAPIXELS, Load, Means, Rate};
pub use software::Software;

pub use crate::av::Purpose;

use crate::av::Packet;
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
pub enum Event<P> {
    /// A picture; `unit` is the ordinal of the unit that began it, `damaged` says that the decoder flagged it.
    Picture {
        unit: u32,
        picture: P,
        damaged: bool,
    },
    /// Damage was reported; the units up to this one may have given no picture.
    Refused { unit: u32 },
}

/// What every decoder promises, and `conformance` proves: takes units in decode order and gives their pictures in output order.
pub trait Decode: Send {
    /// A decoded picture, wherever its planes lie.
    type Picture;

    /// Decodes one unit; what becomes ready meanwhile goes to `out`.
    fn submit(
        &mut self,
        unit: u32,
        packet: &mut Packet,
        out: &mut dyn FnMut(Event<Self::Picture>) -> Result<()>,
    ) -> Result<()>;

    /// Delivers everything still held and forgets it: the next unit must be a cut point. It may still be
    /// decoded after that.
    fn finish(&mut self, out: &mut dyn FnMut(Event<Self::Picture>) -> Result<()>) -> Result<()>;

    /// Waits until all that was finished is decoded. Whether damage was met in it that no complaint told of.
    fn settle(&mut self) -> Result<bool>;

    /// Whether damage was met in any way since this was last asked: a refusal, a flagged picture
    /// or a logged error. What was decoded may then depend on threads and on where decoding began.
    /// Of what was finished [`Decode::settle`] says so, as far as it was not known by then.
    fn take_complaint(&mut self) -> bool;
}
