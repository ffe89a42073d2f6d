//! A picture as full-range RGB; chroma is replicated (nearest), which swscale
//! and OpenCV do otherwise.
//!
//! Y, Cb, Cr by [`ToRgb`](crate::pixel::coefficients::ToRgb); gray, and samples
//! that are RGB already, by [`Expand`](crate::pixel::coefficients::Expand).

use crate::error::Result;
use crate::media::picture::{Orientation, Picture};
use crate::pixel::each::{Pixel, each_pixel};
use crate::pixel::planes::Checked;
use crate::pixel::simd::Level;
use crate::pixel::{RgbImage, fit, orient};

struct Rgb;

impl Pixel for Rgb {
    type Out = [u8; 3];
    #[inline(always)]
    fn of(red: i32, green: i32, blue: i32) -> [u8; 3] {
        [red as u8, green as u8, blue as u8]
    }
}

/// The upright picture as RGB.
///
/// # Errors
/// MEDIA_UNSUPPORTED where Y, Cb, Cr planes claim an RGB matrix; INTERNAL where planes are too short.
pub fn to_rgb(picture: &Picture, orientation: Orientation) -> Result<RgbImage> {
    let mut image = RgbImage::default();
    to_rgb_into(picture, orientation, &mut Vec::new(), &mut image)?;
    Ok(image)
}

/// [`to_rgb`] into buffers that the caller keeps; `coded` is used where the picture is turned.
pub fn to_rgb_into(
    picture: &Picture,
    orientation: Orientation,
    coded: &mut Vec<u8>,
    out: &mut RgbImage,
) -> Result<()> {
    orient::check(orientation)?;
    Checked::new(picture)?;
    let (width, height) = (picture.width, picture.height);
    (out.width, out.height) = orientation.upright(width, height);
    let upright = orientation == Orientation::default();
    let target = if upright { &mut out.data } else { &mut *coded };
    let (pixels, _) = fit(target, 3 * width * height).as_chunks_mut::<3>();
    convert(Level::best(), picture, pixels)?;
    if !upright {
        orient::turn::<3>(coded, (width, height), orientation, &mut out.data);
    }
    Ok(())
}

/// In coded orientation.
pub fn convert(level: Level, picture: &Picture, out: &mut [[u8; 3]]) -> Result<()> {
    each_pixel::<Rgb>(level, picture, out)
}
