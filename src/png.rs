//! PNG files to 8-bit pixels and back.

use std::io::Cursor;

use image::codecs::png::{PngDecoder, PngEncoder};
use image::{ColorType, DynamicImage, ExtendedColorType, ImageDecoder, ImageEncoder, Limits};

use crate::error::{Error, Reason, Result};
use crate::extract::check_size;
use crate::pixel::{GrayImage, RgbImage};

/// Of colour profiles and texts, inflated: a few kilobytes may stand for gigabytes.
const MAX_SIDE_DATA_BYTES: u64 = 16 << 20;

/// A PNG that is no gray one, or is; alpha is left out.
#[derive(Debug, Clone)]
pub enum Pixels {
    Gray(GrayImage),
    Rgb(RgbImage),
}

/// 8-bit RGB with straight alpha, `height x width x 4`.
#[derive(Debug, Clone)]
pub struct RgbaImage {
    pub width: usize,
    pub height: usize,
    pub data: Vec<u8>,
}

/// The picture as a PNG file of 8-bit RGB.
///
/// # Errors
/// INTERNAL where bytes do not fit the size.
pub fn encode(image: &RgbImage) -> Result<Vec<u8>> {
    let side = |side: usize| u32::try_from(side).unwrap_or(u32::MAX);
    let mut out = Vec::new();
    PngEncoder::new(&mut out)
        .write_image(
            &image.data,
            side(image.width),
            side(image.height),
            ExtendedColorType::Rgb8,
        )
        .map_err(|e| Error::internal("could not write a PNG").caused_by(e))?;
    Ok(out)
}

/// The pixels without their alpha, brought to 8 bits.
///
/// # Errors
/// MEDIA_CORRUPT where it is no PNG or damaged, LIMIT_EXCEEDED where it is too large.
pub fn decode(png: &[u8]) -> Result<Pixels> {
    let (image, gray) = open(png)?;
    let (width, height) = (image.width() as usize, image.height() as usize);
    Ok(if gray {
        Pixels::Gray(GrayImage {
            width,
            height,
            data: image.into_luma8().into_raw(),
        })
    } else {
        Pixels::Rgb(RgbImage {
            width,
            height,
            data: image.into_rgb8().into_raw(),
        })
    })
}

/// The pixels with their alpha (opaque where there is none).
///
/// # Errors
/// As [`decode`].
pub fn decode_rgba(png: &[u8]) -> Result<RgbaImage> {
    let (image, _) = open(png)?;
    let (width, height) = (image.width() as usize, image.height() as usize);
    Ok(RgbaImage {
        width,
        height,
        data: image.into_rgba8().into_raw(),
    })
}

fn open(png: &[u8]) -> Result<(DynamicImage, bool)> {
    let mut limits = Limits::no_limits();
    limits.max_alloc = Some(MAX_SIDE_DATA_BYTES);
    let decoder = PngDecoder::with_limits(Cursor::new(png), limits);
    let decoder = decoder.map_err(|e| corrupt(png, e))?;
    let (width, height) = decoder.dimensions();
    check_size(width, height)?;
    let gray = matches!(
        decoder.color_type(),
        ColorType::L8 | ColorType::L16 | ColorType::La8 | ColorType::La16
    );
    let image = DynamicImage::from_decoder(decoder).map_err(|e| corrupt(png, e))?;
    Ok((image, gray))
}

fn corrupt(png: &[u8], error: image::ImageError) -> Error {
    Error::new(
        Reason::MediaCorrupt,
        format!("decode PNG: damaged or no PNG bytes={}", png.len()),
    )
    .caused_by(error)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pixels_come_back_as_they_were() {
        let data: Vec<u8> = (0..5 * 3 * 3).map(|n| (n * 5) as u8).collect();
        let image = RgbImage {
            width: 5,
            height: 3,
            data: data.clone(),
        };
        let png = encode(&image).unwrap();
        assert!(matches!(decode(&png).unwrap(), Pixels::Rgb(back) if back == image));
        let rgba = decode_rgba(&png).unwrap();
        assert_eq!(&rgba.data[..4], &[data[0], data[1], data[2], 255]);
    }

    #[test]
    fn what_is_no_png_or_cut_off_is_corrupt() {
        let png = encode(&RgbImage {
            width: 9,
            height: 9,
            data: vec![7; 243],
        })
        .unwrap();
        for bad in [&b""[..], b"text", &png[..20], &png[..png.len() / 2]] {
            assert_eq!(decode(bad).unwrap_err().reason(), Reason::MediaCorrupt);
        }
    }
}
