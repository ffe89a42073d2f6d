//! A picture's luma as Pillow's `convert("L")` of its RGB gives it, without
//! making the RGB: what perceptual hashes and GRAY tensors are made of.

use crate::error::Result;
use crate::media::picture::{Orientation, Picture};
use crate::pixel::each::{Pixel, each_pixel};
use crate::pixel::planes::Checked;
use crate::pixel::simd::Level;
use crate::pixel::{GrayImage, RgbImage, fit, orient};

struct Luma;

impl Pixel for Luma {
    type Out = u8;
    #[inline(always)]
    fn of(red: i32, green: i32, blue: i32) -> u8 {
        ((red * 19595 + green * 38470 + blue * 7471 + 0x8000) >> 16) as u8
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
    Checked::new(picture)?;
    let (width, height) = (picture.width, picture.height);
    (out.width, out.height) = orientation.upright(width, height);
    let upright = orientation == Orientation::default();
    let target = if upright { &mut out.data } else { &mut *coded };
    convert(Level::best(), picture, fit(target, width * height))?;
    if !upright {
        orient::turn::<1>(coded, (width, height), orientation, &mut out.data);
    }
    Ok(())
}

/// In coded orientation.
pub fn convert(level: Level, picture: &Picture, out: &mut [u8]) -> Result<()> {
    each_pixel::<Luma>(level, picture, out)
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
        *out = Luma::of(red, green, blue);
    }
}
