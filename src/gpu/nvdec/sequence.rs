//! What the parser says of a stream, checked: everything in it came out of the bitstream.

use super::shape::{Chroma, Codec, Shape};
use super::{Refusal, nonsense};
use crate::error::Result;
use crate::gpu::sys::cuvid::{self, VideoFormat};

/// No codec needs more surfaces to decode; the parser's own limit.
const MOST_SURFACES: u32 = 64;
const LONGEST_SIDE: u32 = 32_768;

/// The part of a coded picture that is shown, in pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Crop {
    pub left: u32,
    pub top: u32,
    pub width: u32,
    pub height: u32,
}

/// A stretch of a stream that one decoder decodes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Sequence {
    pub shape: Shape,
    /// Coded width and height.
    pub coded: (u32, u32),
    pub crop: Crop,
    /// Surfaces that decoding needs, whatever is shown.
    pub surfaces: u32,
    /// What is said of colour, as bits to be compared.
    pub signal: [u8; 4],
}

impl Sequence {
    /// # Errors
    /// A [`Refusal`] for what is left to the CPU; GPU_UNAVAILABLE for what no parser may say.
    pub fn read(format: &VideoFormat, codec: Codec) -> Result<Self> {
        if format.codec != codec.raw() {
            return Err(nonsense("another codec", format.codec));
        }
        let chroma = match format.chroma {
            cuvid::chroma::C420 => Chroma::C420,
            cuvid::chroma::C444 => Chroma::C444,
            cuvid::chroma::C422 => return Err(Refusal::Chroma("4:2:2".to_owned()).into()),
            cuvid::chroma::MONOCHROME => return Err(Refusal::Monochrome.into()),
            other => return Err(nonsense("an unknown chroma format", other)),
        };
        if format.luma_depth_minus_8 != format.chroma_depth_minus_8 {
            return Err(Refusal::UnequalDepths.into());
        }
        if format.luma_depth_minus_8 > 8 {
            return Err(nonsense("an unknown depth", format.luma_depth_minus_8));
        }
        if format.progressive_sequence == 0 {
            return Err(Refusal::Interlaced.into());
        }
        Ok(Sequence {
            shape: Shape {
                codec,
                chroma,
                depth: 8 + format.luma_depth_minus_8,
            },
            coded: coded_size(format)?,
            crop: crop(format, chroma)?,
            surfaces: surfaces(format)?,
            signal: format.signal,
        })
    }
}

fn coded_size(format: &VideoFormat) -> Result<(u32, u32)> {
    let (width, height) = (format.coded_width, format.coded_height);
    let side = 1..=LONGEST_SIDE;
    if !side.contains(&width) || !side.contains(&height) {
        let size = format!("{width}x{height}");
        return Err(nonsense("an impossible size", size));
    }
    Ok((width, height))
}

fn surfaces(format: &VideoFormat) -> Result<u32> {
    match u32::from(format.min_surfaces) {
        0 => Err(nonsense("no surfaces", 0)),
        more if more > MOST_SURFACES => Err(nonsense("too many surfaces", more)),
        surfaces => Ok(surfaces),
    }
}

fn crop(format: &VideoFormat, chroma: Chroma) -> Result<Crop> {
    let area = format.display_area;
    let wrong = || {
        let (l, t, r, b) = (area.left, area.top, area.right, area.bottom);
        nonsense("an impossible display area", format!("{l},{t},{r},{b}"))
    };
    let place = |from: i32, to: i32, size: u32| {
        let (from, to) = (u32::try_from(from).ok()?, u32::try_from(to).ok()?);
        (from < to && to <= size).then_some((from, to - from))
    };
    let (left, width) = place(area.left, area.right, format.coded_width).ok_or_else(wrong)?;
    let (top, height) = place(area.top, area.bottom, format.coded_height).ok_or_else(wrong)?;
    // Between two chroma samples nothing can begin.
    if chroma == Chroma::C420 && (left % 2 == 1 || top % 2 == 1) {
        return Err(wrong());
    }
    Ok(Crop {
        left,
        top,
        width,
        height,
    })
}
