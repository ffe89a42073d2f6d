//! NVIDIA's video decoder, through libnvcuvid.
//!
//! | codec | decoded | left to the CPU |
//! |---|---|---|
//! | H.264, HEVC | progressive 4:2:0 and 4:4:4, as the device can | 4:2:2, monochrome, interlaced |
//! | VP8, VP9 | what the device can | odd sizes, sizes that change between key frames |
//! | AV1 | what the device can | film grain, and as VP9 |
//! | all others | | always: their decoding is not exact to the bit |
//!
//! The pieces, from the outside in: [`Nvdec`] is a [`Decode`]; `feed` reframes packets; `parser` has
//! NVIDIA's parser call us back; `session` keeps count of a decoder's surfaces; `pool` keeps
//! decoders between uses; `hardware` is the driver's decoder. [`Picture`]s leave on the way.

mod caps;
mod feed;
mod hardware;
mod library;
mod native;
mod parser;
mod picture;
mod pool;
mod refusal;
mod sequence;
mod session;
mod shape;
#[cfg(test)]
mod tests;

use std::fmt;

pub use caps::{Capability, capability};
pub use picture::{MappedSurface, Picture, SurfacePlane};
pub use pool::Pool;
pub use refusal::Refusal;
pub use sequence::Crop;
pub use shape::{Chroma, Codec, Shape, SurfaceFormat};

use feed::Feed;
use parser::{Data, Parsed, Parser};

use super::{Device, Unavailable};
use crate::av::{Packet, StreamInfo};
use crate::decode::{Decode, Event};
use crate::error::{Error, Reason, Result};

/// Pictures of one decoder that can be mapped at the same time.
pub const OUTPUT_SURFACES: u32 = 2;

/// How a stream is decoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Options {
    /// Pictures that their taker may hold at the same time without making the decoder wait.
    pub extra_surfaces: u32,
}

impl Default for Options {
    fn default() -> Self {
        Options { extra_surfaces: 4 }
    }
}

/// Whether libnvcuvid is here.
///
/// # Errors
/// Why NVDEC cannot be used.
pub fn available() -> Result<(), Unavailable> {
    library::Library::load().map(|_| ())
}

/// Whether the device decodes the stream, by what its header says. Cheap: nothing is opened, and
/// the device is asked once in a process.
///
/// # Errors
/// A [`Refusal`] as the error's source, or why the device could not be asked.
pub fn check(device: &Device, stream: &StreamInfo) -> Result<Shape> {
    let shape = Shape::of(stream)?;
    if stream.interlaced() == Some(true) {
        return Err(Refusal::Interlaced.into());
    }
    let Some(capability) = capability(device, shape)? else {
        return Err(Refusal::Shape(shape).into());
    };
    // The header's size is the shown one, up to a macroblock less than the coded one.
    let (width, height) = stream.size();
    if width > capability.max.0 || height > capability.max.1 {
        return Err(Refusal::Size { width, height }.into());
    }
    Ok(shape)
}

/// A stream decoded by NVDEC.
///
/// A failure of `submit` or `finish` is final for the units since the last cut point, and may be a
/// [`Refusal`] that only the bitstream told ([`Refusal::of`]). The next unit must be a cut point then.
pub struct Nvdec {
    feed: Feed,
    parser: Parser,
    /// The unit given last, to which damage without a picture is ascribed.
    latest: u32,
    complaint: bool,
    /// Of the first unit.
    sequence: Option<u32>,
}

impl Nvdec {
    /// Creates nothing on the device yet: what the bitstream says decides what is needed.
    ///
    /// # Errors
    /// As [`check`].
    pub fn open(pool: &Pool, stream: &StreamInfo, options: Options) -> Result<Self> {
        let shape = check(pool.device(), stream)?;
        Ok(Nvdec {
            feed: Feed::open(shape.codec, stream)?,
            parser: Parser::new(pool, shape.codec, options),
            latest: 0,
            complaint: false,
            sequence: None,
        })
    }

    /// Forgets everything held, without delivering it: the next unit must be a cut point.
    pub fn discard(&mut self) {
        self.parser.discard();
        self.feed.restart();
    }

    /// Sees to what the unit needs.
    fn configure(
        &mut self,
        packet: &Packet,
        out: &mut dyn FnMut(Event<Picture>) -> Result<()>,
    ) -> Result<()> {
        let Some(given) = packet.given() else {
            return Ok(());
        };
        if *self.sequence.get_or_insert(given.needs.sequence) != given.needs.sequence {
            return Err(Refusal::SequenceChanges.into());
        }
        if given.restarts {
            self.finish(out)?;
        }
        // A parser that begins is given it as the header.
        if self.feed.take(&given.needs) && !self.parser.is_fresh() {
            let sets = Data {
                bytes: self.feed.header(),
                unit: None,
                one_picture: false,
            };
            self.parser.parse(sets, out)?;
        }
        Ok(())
    }

    fn send(
        &mut self,
        packet: &Packet,
        out: &mut dyn FnMut(Event<Picture>) -> Result<()>,
    ) -> Result<Parsed> {
        let unit = self.latest;
        let one_picture = self.feed.one_picture();
        if self.parser.is_fresh() {
            self.parser.begin(self.feed.header())?;
            if !self.feed.header().is_empty() {
                let header = Data {
                    bytes: self.feed.header(),
                    unit: None,
                    one_picture: false,
                };
                self.parser.parse(header, out)?;
            }
        }
        if packet.discarded() {
            self.parser.hide(unit);
        }
        let mut all = Parsed::Taken;
        // Errors of the parser are kept apart from the filter's, which are damage.
        let mut failed = None;
        let filtered = self.feed.packet(packet, |bytes| {
            let data = Data {
                bytes,
                unit: Some(unit),
                one_picture,
            };
            match self.parser.parse(data, out) {
                Ok(Parsed::Taken) => {}
                Ok(Parsed::Refused) => all = Parsed::Refused,
                Err(error) => {
                    failed = Some(error.clone());
                    return Err(error);
                }
            }
            Ok(())
        });
        match (failed, filtered) {
            (Some(error), _) => Err(error),
            (None, Ok(())) => Ok(all),
            (None, Err(error)) if error.reason() == Reason::MediaCorrupt => Ok(Parsed::Refused),
            (None, Err(error)) => Err(error),
        }
    }

    /// Reports damage; after a failure everything is forgotten.
    fn conclude(
        &mut self,
        parsed: Result<Parsed>,
        out: &mut dyn FnMut(Event<Picture>) -> Result<()>,
    ) -> Result<()> {
        match parsed {
            Ok(Parsed::Taken) => Ok(()),
            Ok(Parsed::Refused) => {
                self.complaint = true;
                out(Event::Refused { unit: self.latest })
            }
            Err(error) => {
                self.discard();
                Err(error)
            }
        }
    }
}

impl Decode for Nvdec {
    type Picture = Picture;

    fn submit(
        &mut self,
        unit: u32,
        packet: &mut Packet,
        out: &mut dyn FnMut(Event<Picture>) -> Result<()>,
    ) -> Result<()> {
        let configured = self.configure(packet, out);
        self.latest = unit;
        let parsed = configured.and_then(|()| self.send(packet, out));
        self.conclude(parsed, out)
    }

    fn finish(&mut self, out: &mut dyn FnMut(Event<Picture>) -> Result<()>) -> Result<()> {
        let parsed = self.parser.end(out);
        self.feed.restart();
        self.conclude(parsed, out)
    }

    fn settle(&mut self) -> Result<bool> {
        let settled = self.parser.settle();
        if settled.is_err() {
            self.discard();
        }
        settled
    }

    fn take_complaint(&mut self) -> bool {
        self.parser.take_damage() | std::mem::take(&mut self.complaint)
    }
}

/// The parser said what no parser may say. The CPU decodes on.
fn nonsense(what: &str, value: impl fmt::Display) -> Error {
    Error::new(
        Reason::GpuUnavailable,
        format!("NVIDIA's parser named {what}, value={value}"),
    )
    .hint("use backend cpu, and tell framecache's authors which driver this is")
}
