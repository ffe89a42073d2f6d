//! A decoded picture as the 8-bit planes a JFIF JPEG stores: full-range BT.601
//! at 4:2:0, or gray.
//!
//! Order: [`ToJfif`](crate::pixel::coefficients::ToJfif) at the source's chroma sampling (Y' uses the nearest
//! chroma sample) -> 4:2:0 (see `average`) -> `max_side` by BOX, each plane as a
//! whole -> mirror, rotate. RGB is 4:4:4, by the formula below.
//!
//! # RGB
//! Samples are brought to 8 bits full range by [`Expand`](crate::pixel::coefficients::Expand), then as libjpeg's
//! jccolor.c does, in 16-bit fixed point:
//!
//! ```text
//! Y  = ( 19595*R + 38470*G +  7471*B + 32768) >> 16
//! Cb = (-11059*R - 21709*G + 32768*B + (128 << 16) + 32767) >> 16
//! Cr = ( 32768*R - 27439*G -  5329*B + (128 << 16) + 32767) >> 16
//! ```

mod convert;
mod strips;

use std::ops::Range;

use crate::error::{Error, Result};
use crate::media::picture::{JfifPlanes, Orientation, Picture};
use crate::pixel::orient;
use crate::pixel::planes::subsampled;
use crate::pixel::resample::{self, Filter, Geometry, Resampler};
use crate::pixel::simd::Level;
pub use convert::convert;
pub use strips::Strips;

/// How the planes are to stand, and how large they may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct JfifRequest {
    pub orientation: Orientation,
    /// The longer side's limit in pixels; smaller pictures keep their size.
    pub max_side: Option<u32>,
}

/// Buffers between the steps, kept from picture to picture.
#[derive(Debug, Default)]
pub struct Scratch {
    /// Chroma at the source's sampling, before it is averaged.
    chroma: [Vec<u8>; 2],
    /// Y, Cb, Cr pixels of RGB sources.
    pixels: Vec<u8>,
    converted: JfifPlanes,
    resized: JfifPlanes,
    /// For the Y plane, and for chroma.
    resamplers: [Option<Resampler>; 2],
    resampling: resample::Scratch,
}

/// The picture's JFIF planes.
///
/// # Errors
/// MEDIA_UNSUPPORTED where Y, Cb, Cr planes claim an RGB matrix; FIELD_INVALID
/// for `max_side` 0; INTERNAL where planes are too short.
pub fn to_jfif(picture: &Picture, request: &JfifRequest) -> Result<JfifPlanes> {
    let mut planes = JfifPlanes::default();
    let scratch = &mut Scratch::default();
    to_jfif_into(picture, request, (scratch, &mut planes), &mut |_| ())?;
    Ok(planes)
}

/// [`to_jfif`] into buffers that the caller keeps. `along` is called for stretches of the
/// picture's rows, from the first to the last, while they are in the processor's cache.
pub fn to_jfif_into(
    picture: &Picture,
    request: &JfifRequest,
    (scratch, out): (&mut Scratch, &mut JfifPlanes),
    along: &mut dyn FnMut(Range<usize>),
) -> Result<()> {
    orient::check(request.orientation)?;
    let size = (picture.width, picture.height);
    let target = limited_size(size, request.max_side)?;
    let upright = request.orientation == Orientation::default();
    let level = Level::best();
    let mut converted = std::mem::take(&mut scratch.converted);
    let mut resized = std::mem::take(&mut scratch.resized);
    let result = match (target == size, upright) {
        (true, true) => convert(level, picture, scratch, out, along),
        (false, true) => convert(level, picture, scratch, &mut converted, along)
            .and_then(|()| resize(&converted, target, scratch, out)),
        (true, false) => convert(level, picture, scratch, &mut converted, along)
            .map(|()| turn(&converted, request.orientation, out)),
        (false, false) => convert(level, picture, scratch, &mut converted, along)
            .and_then(|()| resize(&converted, target, scratch, &mut resized))
            .map(|()| turn(&resized, request.orientation, out)),
    };
    scratch.converted = converted;
    scratch.resized = resized;
    result
}

/// The size under `max_side`: longer side N, the other `max(1, floor(side*N/longer + 1/2))`.
pub fn limited_size(size: (usize, usize), max_side: Option<u32>) -> Result<(usize, usize)> {
    let longer = size.0.max(size.1) as u128;
    let Some(limit) = max_side else {
        return Ok(size);
    };
    if limit == 0 {
        return Err(Error::field("limit the frames' size: max_side is 0")
            .hint("leave max_side out, or give 1 or more"));
    }
    let limit = u128::from(limit);
    if longer <= limit {
        return Ok(size);
    }
    let scaled = |side: usize| ((2 * side as u128 * limit + longer) / (2 * longer)).max(1) as usize;
    Ok((scaled(size.0), scaled(size.1)))
}

fn resize(
    source: &JfifPlanes,
    target: (usize, usize),
    scratch: &mut Scratch,
    out: &mut JfifPlanes,
) -> Result<()> {
    let halved = |(width, height)| (subsampled(width, 1), subsampled(height, 1));
    let size = (source.width, source.height);
    (out.width, out.height) = target;
    let [luma, chroma] = &mut scratch.resamplers;
    let luma = Resampler::cached(luma, &Geometry::whole(size, target, Filter::Box))?;
    luma.run::<1>(&source.y, &mut scratch.resampling, &mut out.y)?;
    if source.is_gray() {
        out.cb.clear();
        out.cr.clear();
        return Ok(());
    }
    let geometry = Geometry::whole(halved(size), halved(target), Filter::Box);
    let chroma = Resampler::cached(chroma, &geometry)?;
    chroma.run::<1>(&source.cb, &mut scratch.resampling, &mut out.cb)?;
    chroma.run::<1>(&source.cr, &mut scratch.resampling, &mut out.cr)
}

/// Mirrors and rotates each plane.
fn turn(source: &JfifPlanes, orientation: Orientation, out: &mut JfifPlanes) {
    let (width, height) = (source.width, source.height);
    (out.width, out.height) = orientation.upright(width, height);
    orient::turn::<1>(&source.y, (width, height), orientation, &mut out.y);
    let half = if source.is_gray() {
        (0, 0)
    } else {
        (subsampled(width, 1), subsampled(height, 1))
    };
    orient::turn::<1>(&source.cb, half, orientation, &mut out.cb);
    orient::turn::<1>(&source.cr, half, orientation, &mut out.cr);
}
