//! Why a stream is left to the CPU.

use std::error::Error as _;
use std::fmt;

use super::Shape;
use crate::error::{Error, Reason};
use crate::gpu::Unavailable;

/// Why NVDEC does not decode a stream, or may not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    Unavailable(Unavailable),
    /// A codec that NVDEC lacks, or that it does not decode to the same bytes; FFmpeg's name.
    Codec(String),
    /// The stream's header does not say its depth and chroma.
    UnknownSamples,
    /// Neither 4:2:0 nor 4:4:4.
    Chroma(String),
    Monochrome,
    /// Luma and chroma differ in depth.
    UnequalDepths,
    /// This device does not decode it.
    Shape(Shape),
    /// Outside what this device decodes.
    Size {
        width: u32,
        height: u32,
    },
    /// A coded side is odd: NVDEC's surfaces are even.
    OddSize {
        width: u32,
        height: u32,
    },
    /// Pictures may be fields; what is known of them would differ from the CPU's.
    Interlaced,
    /// AV1 film grain: applied after decoding, and not to the same bytes.
    FilmGrain,
    /// VP9 and AV1 may change size without a key frame.
    SizeChanges,
    /// What is said of colour changes in mid-stream.
    ColourChanges,
    /// Size, depth or anything else of a sequence changes within what was to be decoded in one go:
    /// what is known of its pictures would be that of the first ones.
    SequenceChanges,
    /// The stream's header cannot be read.
    Header,
}

impl Refusal {
    /// The refusal that an error carries, if it is one.
    pub fn of(error: &Error) -> Option<&Refusal> {
        error.source()?.downcast_ref()
    }

    /// Whether the whole of a track is refused, rather than a stretch of it.
    pub fn is_of_the_track(&self) -> bool {
        !matches!(
            self,
            Refusal::Unavailable(_)
                | Refusal::SizeChanges
                | Refusal::ColourChanges
                | Refusal::SequenceChanges
        )
    }

    /// All that [`Refusal::name`] says of a device that is there.
    pub const NAMES: [&'static str; 14] = [
        "codec",
        "unknown_samples",
        "chroma",
        "monochrome",
        "unequal_depths",
        "not_decoded_here",
        "size",
        "odd_size",
        "interlaced",
        "film_grain",
        "size_changes",
        "colour_changes",
        "sequence_changes",
        "header",
    ];

    /// One word for labels and facts.
    pub fn name(&self) -> &'static str {
        match self {
            Refusal::Unavailable(why) => why.name(),
            Refusal::Codec(_) => "codec",
            Refusal::UnknownSamples => "unknown_samples",
            Refusal::Chroma(_) => "chroma",
            Refusal::Monochrome => "monochrome",
            Refusal::UnequalDepths => "unequal_depths",
            Refusal::Shape(_) => "not_decoded_here",
            Refusal::Size { .. } => "size",
            Refusal::OddSize { .. } => "odd_size",
            Refusal::Interlaced => "interlaced",
            Refusal::FilmGrain => "film_grain",
            Refusal::SizeChanges => "size_changes",
            Refusal::ColourChanges => "colour_changes",
            Refusal::SequenceChanges => "sequence_changes",
            Refusal::Header => "header",
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Refusal::Unavailable(why) => why.fmt(f),
            Refusal::Codec(codec) => {
                write!(f, "NVDEC is not used for this codec, codec={codec}")
            }
            Refusal::UnknownSamples => {
                f.write_str("the video's header does not say its depth and chroma")
            }
            Refusal::Chroma(chroma) => {
                write!(f, "NVDEC is not used for this chroma, chroma={chroma}")
            }
            Refusal::Monochrome => f.write_str("NVDEC is not used for monochrome video"),
            Refusal::UnequalDepths => {
                f.write_str("NVDEC is not used where luma and chroma differ in depth")
            }
            Refusal::Shape(shape) => write!(f, "this GPU does not decode {shape}"),
            Refusal::Size { width, height } => {
                write!(
                    f,
                    "this GPU does not decode pictures of this size, size={width}x{height}"
                )
            }
            Refusal::OddSize { width, height } => {
                write!(
                    f,
                    "NVDEC is not used for odd coded sizes, size={width}x{height}"
                )
            }
            Refusal::Interlaced => f.write_str("NVDEC is not used for interlaced video"),
            Refusal::FilmGrain => f.write_str("NVDEC is not used for video with film grain"),
            Refusal::SizeChanges => {
                f.write_str("NVDEC is not used where pictures change size without a key frame")
            }
            Refusal::ColourChanges => {
                f.write_str("NVDEC is not used where the video's colour tags change")
            }
            Refusal::SequenceChanges => {
                f.write_str("NVDEC is not used across a change of the video's sequence headers")
            }
            Refusal::Header => f.write_str("NVDEC's parser cannot be given this video's header"),
        }
    }
}

impl std::error::Error for Refusal {}

impl From<Unavailable> for Refusal {
    fn from(why: Unavailable) -> Self {
        Refusal::Unavailable(why)
    }
}

impl From<Refusal> for Error {
    fn from(refusal: Refusal) -> Self {
        let hint = match &refusal {
            Refusal::Unavailable(why) => why.hint(),
            _ => "use backend auto or cpu; the frames are the same",
        };
        Error::new(Reason::GpuUnavailable, refusal.to_string())
            .hint(hint)
            .caused_by(refusal)
    }
}
