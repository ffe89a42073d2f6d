//! A picture's luma as Pillow's `convert("L")` of its RGB gives it, without
//! making the RGB: what perceptual hashes and GRAY tensors are made of.

use crate::error::Result;
use crate::media::picture::{Orientation, Picture};
use crate::pixel::coefficients::{ToRgb, luma_of};
use crate::pixel::each::{Pixel, Pixels, Terms};
use crate::pixel::simd::{Level, Machine};
use crate::pixel::{GrayImage, RgbImage, fit, orient};

/// In 16 bits, as resampling takes them.
pub(crate) struct Luma;

impl Pixel for Luma {
    type Out = i16;
    #[inline(always)]
    fn of(red: i32, green: i32, blue: i32) -> i16 {
        luma_of(red, green, blue) as i16
    }

    const IN_PAIRS: bool = true;

    #[inline(always)]
    fn of_pairs<M: Machine>(luma: &[u8], c: &ToRgb, terms: Terms, out: &mut [i16]) {
        // Coefficients for 8 bits have 16 fraction bits.
        M::luma(luma, c.cy, terms, out);
    }
}

/// The upright picture's luma.
///
/// # Errors
/// As [`to_rgb`](crate::pixel::rgb::to_rgb).
pub fn to_luma(picture: &Picture, orientation: Orientation) -> Result<GrayImage> {
    let mut image = GrayImage::default();
    to_luma_into(picture, orientation, &mut Vec::new(), &mut image)?;
    Ok(image)
}

/// [`to_luma`] into buffers that the caller keeps; `coded` is used where the picture is turned.
pub fn to_luma_into(
    picture: &Picture,
    orientation: Orientation,
    coded: &mut Vec<u8>,
    out: &mut GrayImage,
) -> Result<()> {
    orient::check(orientation)?;
    let (width, height) = (picture.width, picture.height);
    (out.width, out.height) = orientation.upright(width, height);
    let upright = orientation == Orientation::default();
    let target = if upright { &mut out.data } else { &mut *coded };
    convert(Level::best(), picture, target)?;
    if !upright {
        orient::turn::<1>(coded, (width, height), orientation, &mut out.data);
    }
    Ok(())
}

/// In coded orientation.
pub fn convert(level: Level, picture: &Picture, out: &mut Vec<u8>) -> Result<()> {
    let mut pixels = Pixels::new(picture)?;
    let (width, height) = (picture.width, picture.height);
    let strip = Pixels::ALIGNED * width;
    let mut lanes = vec![0; strip];
    let strips = fit(out, width * height).chunks_mut(strip);
    for (first, out) in (0..height).step_by(Pixels::ALIGNED).zip(strips) {
        let rows = first..(first + Pixels::ALIGNED).min(height);
        pixels.rows::<Luma>(level, rows, (width, &mut lanes));
        for (out, &lane) in out.iter_mut().zip(&lanes) {
            *out = lane as u8;
        }
    }
    Ok(())
}

/// Luma of an RGB image, as Pillow's `convert("L")`.
pub fn of_rgb(image: &RgbImage) -> GrayImage {
    let mut gray = GrayImage::default();
    of_rgb_into(image, &mut gray);
    gray
}

/// [`of_rgb`] into a buffer that the caller keeps.
pub fn of_rgb_into(image: &RgbImage, out: &mut GrayImage) {
    (out.width, out.height) = (image.width, image.height);
    let (pixels, _) = image.data.as_chunks::<3>();
    for (out, pixel) in fit(&mut out.data, pixels.len()).iter_mut().zip(pixels) {
        let [red, green, blue] = pixel.map(i32::from);
        *out = luma_of(red, green, blue) as u8;
    }
}
