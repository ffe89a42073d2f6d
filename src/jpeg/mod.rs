//! JPEG from planes and back, by libjpeg-turbo: baseline, standard Huffman
//! tables, `islow` DCT both ways, fancy upsampling, as Pillow decodes.

mod raw;

use turbojpeg::{
    Colorspace, Compressor, Decompressor, Image, OutputBuf, PixelFormat, Subsamp, YuvImage,
    YuvPlanesImage,
};

use crate::error::{Error, Reason, Result};
use crate::media::picture::JfifPlanes;
use crate::pixel::{RgbImage, fit};

pub use self::raw::RawPicture;

/// The most pixels [`decode_rgb`] decodes.
const MAX_PIXELS: usize = 64 << 20;

/// Encodes pictures at one quality; keep one for each thread.
#[derive(Debug)]
pub struct Encoder {
    compressor: Compressor,
    /// Planes of odd pictures, whose last column and row are there twice.
    padded: [Vec<u8>; 3],
    jpeg: Vec<u8>,
}

impl Encoder {
    /// `quality` 1 to 100; FIELD_INVALID otherwise.
    pub fn new(quality: u8) -> Result<Encoder> {
        if !(1..=100).contains(&quality) {
            return Err(
                Error::field(format!("encode JPEG: no such quality quality={quality}"))
                    .hint("give a quality from 1 to 100"),
            );
        }
        let mut compressor = Compressor::new().map_err(|e| library("start a JPEG encoder", e))?;
        compressor
            .set_quality(i32::from(quality))
            .map_err(|e| library("start a JPEG encoder", e))?;
        Ok(Encoder {
            compressor,
            padded: Default::default(),
            jpeg: Vec::new(),
        })
    }

    /// The planes as a JFIF file: 4:2:0, or gray.
    ///
    /// # Errors
    /// INTERNAL where planes do not fit their size, or the picture is over 65,500 a side.
    pub fn encode(&mut self, planes: &JfifPlanes) -> Result<Vec<u8>> {
        check(planes)?;
        let (width, height) = (planes.width, planes.height);
        let subsamp = if planes.is_gray() {
            Subsamp::Gray
        } else {
            Subsamp::Sub2x2
        };
        let most = turbojpeg::compressed_buf_len(width, height, subsamp)
            .map_err(|e| library("size a JPEG", e))?;
        // Grows only: pages behind it stay mapped, and only those written are ever touched.
        if self.jpeg.len() < most {
            self.jpeg = vec![0; most];
        }
        let mut output = OutputBuf::borrowed(&mut self.jpeg);
        let encoded = if planes.is_gray() {
            let gray = YuvImage {
                pixels: &planes.y[..],
                width,
                align: 1,
                height,
                subsamp,
            };
            self.compressor.compress_yuv(gray, &mut output)
        } else {
            // The library reads Y planes of even width and height.
            let (y_width, y_height) = (width.next_multiple_of(2), height.next_multiple_of(2));
            let y = if (y_width, y_height) == (width, height) {
                &planes.y[..]
            } else {
                pad_luma(planes, &mut self.padded[0])
            };
            self.compressor.compress_yuv_planes(
                &YuvPlanesImage {
                    y_plane: y,
                    u_plane: &planes.cb[..],
                    v_plane: &planes.cr[..],
                    width,
                    height,
                    y_stride: y_width,
                    u_stride: y_width / 2,
                    v_stride: y_width / 2,
                    subsamp,
                },
                &mut output,
            )
        };
        encoded.map_err(|e| library("encode JPEG", e))?;
        Ok(output.to_vec())
    }
}

fn check(planes: &JfifPlanes) -> Result<()> {
    let (width, height) = (planes.width, planes.height);
    let half = width.div_ceil(2) * height.div_ceil(2);
    let chroma_fits =
        planes.cb.len() == planes.cr.len() && (planes.is_gray() || planes.cb.len() == half);
    let sides_fit = (1..=65_500).contains(&width) && (1..=65_500).contains(&height);
    if sides_fit && planes.y.len() == width * height && chroma_fits {
        return Ok(());
    }
    Err(Error::internal(format!(
        "encode JPEG: planes do not fit their size width={width} height={height} y={} cb={} cr={}",
        planes.y.len(),
        planes.cb.len(),
        planes.cr.len()
    )))
}

/// The Y plane with its last column and row repeated where their number is odd, as libjpeg pads.
fn pad_luma<'p>(planes: &JfifPlanes, padded: &'p mut Vec<u8>) -> &'p [u8] {
    let width = planes.width.next_multiple_of(2);
    let height = planes.height.next_multiple_of(2);
    for (y, out) in fit(padded, width * height)
        .chunks_exact_mut(width)
        .enumerate()
    {
        let row = &planes.y[y.min(planes.height - 1) * planes.width..][..planes.width];
        out[..planes.width].copy_from_slice(row);
        out[planes.width..].fill(row[planes.width - 1]);
    }
    padded
}

/// Width and height, from the header alone.
///
/// # Errors
/// MEDIA_CORRUPT where it is no JPEG.
pub fn dimensions(jpeg: &[u8]) -> Result<(usize, usize)> {
    let mut decompressor = Decompressor::new().map_err(|e| library("start a JPEG decoder", e))?;
    let header = decompressor
        .read_header(jpeg)
        .map_err(|e| corrupt("read a JPEG's header", jpeg, e))?;
    Ok((header.width, header.height))
}

/// The picture as Pillow's `open(...).convert("RGB")` gives it.
///
/// # Errors
/// MEDIA_CORRUPT where it is no JPEG, truncated or damaged; LIMIT_EXCEEDED over 64 megapixels.
pub fn decode_rgb(jpeg: &[u8]) -> Result<RgbImage> {
    let mut image = RgbImage::default();
    decode_rgb_into(jpeg, &mut image)?;
    Ok(image)
}

/// [`decode_rgb`] into a buffer that the caller keeps; what it holds after an error is nothing.
pub fn decode_rgb_into(jpeg: &[u8], out: &mut RgbImage) -> Result<()> {
    let mut decompressor = Decompressor::new().map_err(|e| library("start a JPEG decoder", e))?;
    let header = decompressor
        .read_header(jpeg)
        .map_err(|e| corrupt("read a JPEG's header", jpeg, e))?;
    let (width, height) = (header.width, header.height);
    if width.saturating_mul(height) > MAX_PIXELS {
        return Err(Error::new(
            Reason::MediaLimit,
            format!(
                "decode JPEG: too many pixels width={width} height={height} limit={MAX_PIXELS}"
            ),
        ));
    }
    (out.width, out.height) = (width, height);
    let mut decode = |format: PixelFormat, pixels: &mut [u8]| {
        let image = Image {
            pixels,
            width,
            pitch: format.size() * width,
            height,
            format,
        };
        let decoded = decompressor.decompress(jpeg, image);
        decoded.map_err(|e| corrupt("decode JPEG", jpeg, e))
    };
    let out = fit(&mut out.data, 3 * width * height);
    if !matches!(header.colorspace, Colorspace::CMYK | Colorspace::YCCK) {
        return decode(PixelFormat::RGB, out);
    }
    let mut inks = vec![0; 4 * width * height];
    decode(PixelFormat::CMYK, &mut inks)?;
    let (inks, _) = inks.as_chunks::<4>();
    let (out, _) = out.as_chunks_mut::<3>();
    for (out, [cyan, magenta, yellow, black]) in out.iter_mut().zip(inks) {
        *out = [cyan, magenta, yellow].map(|ink| of_ink(*ink, *black));
    }
    Ok(())
}

/// Pillow's CMYK to RGB, of inks as Adobe writes them: inverted, so that 255 is none.
fn of_ink(ink: u8, black: u8) -> u8 {
    let (covered, light) = (u32::from(255 - ink), u32::from(black));
    let product = covered * light + 128;
    (light - (((product >> 8) + product) >> 8)).min(255) as u8
}

fn corrupt(attempt: &str, jpeg: &[u8], error: turbojpeg::Error) -> Error {
    Error::new(
        Reason::MediaCorrupt,
        format!("{attempt}: damaged or no JPEG bytes={}", jpeg.len()),
    )
    .caused_by(error)
}

fn library(attempt: &str, error: turbojpeg::Error) -> Error {
    Error::internal(format!("{attempt}: libjpeg-turbo refused")).caused_by(error)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn planes(width: usize, height: usize) -> JfifPlanes {
        let half = width.div_ceil(2) * height.div_ceil(2);
        JfifPlanes {
            width,
            height,
            y: (0..width * height).map(|at| (at * 7) as u8).collect(),
            cb: vec![90; half],
            cr: vec![160; half],
        }
    }

    #[test]
    fn an_encoder_gives_the_same_file_again_after_a_larger_picture() {
        let mut encoder = Encoder::new(85).unwrap();
        let first = encoder.encode(&planes(31, 17)).unwrap();
        encoder.encode(&planes(400, 300)).unwrap();
        assert_eq!(encoder.encode(&planes(31, 17)).unwrap(), first);
    }

    #[test]
    fn planes_that_do_not_fit_their_size_are_refused() {
        let mut encoder = Encoder::new(85).unwrap();
        let mut short = planes(31, 17);
        short.cr.pop();
        assert_eq!(
            encoder.encode(&short).unwrap_err().reason(),
            Reason::Internal
        );
        assert!(encoder.encode(&JfifPlanes::default()).is_err());
    }

    #[test]
    fn qualities_outside_1_to_100_are_refused() {
        for quality in [0, 101] {
            assert_eq!(
                Encoder::new(quality).unwrap_err().reason(),
                Reason::FieldInvalid
            );
        }
    }

    #[test]
    fn bytes_that_are_no_jpeg_are_corrupt() {
        for bytes in [&b""[..], b"\xff\xd8", b"not a picture", &[0xff; 300]] {
            assert_eq!(
                dimensions(bytes).unwrap_err().reason(),
                Reason::MediaCorrupt
            );
            assert_eq!(
                decode_rgb(bytes).unwrap_err().reason(),
                Reason::MediaCorrupt
            );
        }
    }

    #[test]
    fn a_header_that_claims_more_than_64_megapixels_is_refused_before_memory_is_taken() {
        let mut file = Encoder::new(50).unwrap().encode(&planes(16, 16)).unwrap();
        let frame = file
            .windows(2)
            .position(|pair| pair == [0xff, 0xc0])
            .unwrap();
        file[frame + 5..frame + 9].fill(0xfe);
        assert_eq!(dimensions(&file).unwrap(), (0xfefe, 0xfefe));
        assert_eq!(decode_rgb(&file).unwrap_err().reason(), Reason::MediaLimit);
    }
}
