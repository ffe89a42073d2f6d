//! What kind of video a stream is, as far as a decoding engine cares.

use std::ffi::c_int;
use std::fmt;

use super::Refusal;
use crate::av::StreamInfo;
use crate::gpu::sys::cuvid;

/// The codecs that NVDEC and libavcodec decode to the same bytes.
///
/// Note: MPEG-1, -2, -4 and VC-1 leave room in their inverse transforms, and Motion JPEG in
/// everything: NVDEC decodes them, but not to the bytes that a CPU gives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Codec {
    H264,
    Hevc,
    Vp8,
    Vp9,
    Av1,
}

impl Codec {
    pub const ALL: [Codec; 5] = [Codec::H264, Codec::Hevc, Codec::Vp8, Codec::Vp9, Codec::Av1];

    /// FFmpeg's name.
    pub fn name(self) -> &'static str {
        match self {
            Codec::H264 => "h264",
            Codec::Hevc => "hevc",
            Codec::Vp8 => "vp8",
            Codec::Vp9 => "vp9",
            Codec::Av1 => "av1",
        }
    }

    /// The stream's, if it is one of these.
    pub fn of(stream: &StreamInfo) -> Option<Self> {
        let name = stream.codec_name();
        Codec::ALL.into_iter().find(|codec| codec.name() == name)
    }

    /// Whether an engine says how decoding a picture went.
    pub fn has_status(self) -> bool {
        matches!(self, Codec::H264 | Codec::Hevc)
    }

    pub(super) fn raw(self) -> c_int {
        match self {
            Codec::H264 => cuvid::codec::H264,
            Codec::Hevc => cuvid::codec::HEVC,
            Codec::Vp8 => cuvid::codec::VP8,
            Codec::Vp9 => cuvid::codec::VP9,
            Codec::Av1 => cuvid::codec::AV1,
        }
    }

    /// Most pictures that decoding one may depend on, and the one itself.
    fn most_references(self) -> u32 {
        match self {
            Codec::H264 | Codec::Hevc => 17,
            Codec::Vp8 => 4,
            Codec::Vp9 | Codec::Av1 => 9,
        }
    }
}

/// Chroma sampling.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Chroma {
    C420,
    C444,
}

impl Chroma {
    pub(super) fn raw(self) -> c_int {
        match self {
            Chroma::C420 => cuvid::chroma::C420,
            Chroma::C444 => cuvid::chroma::C444,
        }
    }
}

/// Codec, chroma sampling and bits a sample: what an engine can decode or not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Shape {
    pub codec: Codec,
    pub chroma: Chroma,
    pub depth: u8,
}

impl Shape {
    /// By the stream's header.
    ///
    /// # Errors
    /// Why no NVDEC decodes it to the right bytes.
    pub fn of(stream: &StreamInfo) -> Result<Self, Refusal> {
        let codec = Codec::of(stream).ok_or_else(|| Refusal::Codec(stream.codec_name()))?;
        let (depth, chroma) = stream.samples().ok_or(Refusal::UnknownSamples)?;
        let chroma = match chroma {
            "4:2:0" => Chroma::C420,
            "4:4:4" => Chroma::C444,
            "gray" => return Err(Refusal::Monochrome),
            other => return Err(Refusal::Chroma(other.to_owned())),
        };
        Ok(Shape {
            codec,
            chroma,
            depth,
        })
    }

    /// Every combination that some NVDEC decodes.
    pub fn all() -> impl Iterator<Item = Shape> {
        let deep = |codec| match codec {
            Codec::H264 => &[8, 10][..],
            Codec::Vp8 => &[8],
            _ => &[8, 10, 12],
        };
        Codec::ALL.into_iter().flat_map(move |codec| {
            let chromas = [Chroma::C420, Chroma::C444].into_iter();
            chromas.flat_map(move |chroma| {
                deep(codec).iter().map(move |depth| Shape {
                    codec,
                    chroma,
                    depth: *depth,
                })
            })
        })
    }

    pub(super) fn surface(self) -> SurfaceFormat {
        match (self.chroma, self.depth) {
            (Chroma::C420, 8) => SurfaceFormat::Nv12,
            (Chroma::C420, _) => SurfaceFormat::P016,
            (Chroma::C444, 8) => SurfaceFormat::Yuv444,
            (Chroma::C444, _) => SurfaceFormat::Yuv444P16,
        }
    }

    /// Roughly what decoding one such stream takes of the device's memory, with `extra` pictures
    /// held by who takes them: for a budget, before the stream has been looked into.
    pub fn memory_bytes(self, width: u32, height: u32, extra: u32) -> u64 {
        let surfaces = self.codec.most_references() + extra;
        self.session_bytes(width, height, surfaces)
    }

    /// The same for so many surfaces.
    ///
    /// Note: an estimate. Surfaces are padded to a pitch of 256 bytes and whole macroblocks; the
    /// rest (bitstream, motion vectors, the engine's state) is taken as a half more and 32 MiB.
    pub(super) fn session_bytes(self, width: u32, height: u32, surfaces: u32) -> u64 {
        let bytes = u64::from(self.surface().sample_bytes());
        let pitch = (u64::from(width) * bytes).next_multiple_of(256);
        let luma = pitch * u64::from(height).next_multiple_of(16);
        let picture = match self.chroma {
            Chroma::C420 => luma * 3 / 2,
            Chroma::C444 => luma * 3,
        };
        let all = picture * u64::from(surfaces + super::OUTPUT_SURFACES);
        all + all / 2 + (32 << 20)
    }
}

impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let chroma = match self.chroma {
            Chroma::C420 => "4:2:0",
            Chroma::C444 => "4:4:4",
        };
        write!(f, "{} {} bit {chroma}", self.codec.name(), self.depth)
    }
}

/// How a mapped picture's samples lie.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SurfaceFormat {
    /// Y, then interleaved Cb Cr at 4:2:0; bytes.
    Nv12,
    /// The same in 16-bit words, the value in the high bits: shift right by 16 - depth.
    P016,
    /// Y, Cb, Cr at 4:4:4; bytes.
    Yuv444,
    /// The same in 16-bit words, the value in the high bits.
    Yuv444P16,
}

impl SurfaceFormat {
    pub fn planes(self) -> usize {
        match self {
            SurfaceFormat::Nv12 | SurfaceFormat::P016 => 2,
            SurfaceFormat::Yuv444 | SurfaceFormat::Yuv444P16 => 3,
        }
    }

    pub fn sample_bytes(self) -> u32 {
        match self {
            SurfaceFormat::Nv12 | SurfaceFormat::Yuv444 => 1,
            SurfaceFormat::P016 | SurfaceFormat::Yuv444P16 => 2,
        }
    }

    pub(super) fn raw(self) -> c_int {
        match self {
            SurfaceFormat::Nv12 => cuvid::surface::NV12,
            SurfaceFormat::P016 => cuvid::surface::P016,
            SurfaceFormat::Yuv444 => cuvid::surface::YUV444,
            SurfaceFormat::Yuv444P16 => cuvid::surface::YUV444_16,
        }
    }
}
