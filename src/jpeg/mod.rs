//! JPEG from planes and back, as libjpeg-turbo does it: baseline, standard Huffman
//! tables, `islow` DCT both ways, fancy upsampling, as Pillow decodes.
//!
//! Files are libjpeg-turbo's whoever makes them: `coder` by itself, `own` on processors with AVX2.

mod coder;
mod coding;
mod markers;
#[cfg(target_arch = "x86_64")]
mod own;
mod raw;

use turbojpeg::{Colorspace, Decompressor, Image, PixelFormat, ScalingFactor, Subsamp};

use crate::error::{Error, Reason, Result};
use crate::media::picture::JfifView;
use crate::pixel::{RgbImage, fit};

use self::coder::Coder;
pub use self::coding::Coding;
use self::coding::Work;
use self::markers::{check_scans, frame_size};
#[cfg(target_arch = "x86_64")]
use self::own::Own;
pub use self::raw::RawPicture;

/// The most pixels [`decode_rgb`] decodes.
const MAX_PIXELS: usize = 64 << 20;

/// Encodes pictures at one quality; keep one for each thread.
#[derive(Debug)]
pub struct Encoder {
    library: Coder,
    #[cfg(target_arch = "x86_64")]
    own: Option<Own>,
    quality: u8,
}

impl Encoder {
    /// `quality` 1 to 100; FIELD_INVALID otherwise.
    pub fn new(quality: u8) -> Result<Encoder> {
        #[cfg(target_arch = "x86_64")]
        {
            let mut encoder = Encoder::of_library(quality)?;
            encoder.own = Own::new(&mut encoder.library, quality)?;
            Ok(encoder)
        }
        #[cfg(not(target_arch = "x86_64"))]
        Encoder::of_library(quality)
    }

    /// An encoder that leaves all to libjpeg-turbo: what ours is measured by.
    ///
    /// # Errors
    /// As [`Encoder::new`].
    pub fn of_library(quality: u8) -> Result<Encoder> {
        if !(1..=100).contains(&quality) {
            return Err(
                Error::field(format!("encode JPEG: no such quality quality={quality}"))
                    .hint("give a quality from 1 to 100"),
            );
        }
        Ok(Encoder {
            library: Coder::new()?,
            #[cfg(target_arch = "x86_64")]
            own: None,
            quality,
        })
    }

    /// The planes as a JFIF file: 4:2:0, or gray.
    ///
    /// # Errors
    /// INTERNAL where planes do not fit their size, or the picture is over 65,500 a side.
    pub fn encode<'p>(&mut self, planes: impl Into<JfifView<'p>>) -> Result<Vec<u8>> {
        let planes = planes.into();
        let mut coding = self.begin((planes.width, planes.height), planes.cb.is_empty())?;
        coding.rows(planes)?;
        coding.end()
    }

    /// Begins a file whose planes come strip by strip.
    ///
    /// # Errors
    /// INTERNAL where the picture is empty or over 65,500 a side.
    pub fn begin(&mut self, (width, height): (usize, usize), gray: bool) -> Result<Coding<'_>> {
        let sides_fit = (1..=65_500).contains(&width) && (1..=65_500).contains(&height);
        if !sides_fit {
            return Err(Error::internal(format!(
                "encode JPEG: no such size width={width} height={height}"
            )));
        }
        let subsamp = if gray { Subsamp::Gray } else { Subsamp::Sub2x2 };
        let most = turbojpeg::compressed_buf_len(width, height, subsamp)
            .map_err(|e| library("size a JPEG", e))?;
        let size = (width, height);
        let work = self.work(size, gray, most)?;
        Ok(Coding {
            work,
            size,
            gray,
            rows: 0,
        })
    }

    /// Who makes the next file.
    fn work(&mut self, size: (usize, usize), gray: bool, most: usize) -> Result<Work<'_>> {
        #[cfg(target_arch = "x86_64")]
        if let Some(own) = &mut self.own {
            return Ok(Work::Own(own.begin(size, gray, most)));
        }
        let work = self.library.begin(size, gray, self.quality, most)?;
        Ok(Work::Library(work))
    }
}

/// Width and height, from the markers alone: no decoder sees the bytes.
///
/// # Errors
/// MEDIA_CORRUPT where it is no JPEG.
pub fn dimensions(jpeg: &[u8]) -> Result<(usize, usize)> {
    frame_size(jpeg).ok_or_else(|| damaged("read a JPEG's header", jpeg))
}

/// The picture as Pillow's `open(...).convert("RGB")` gives it.
///
/// # Errors
/// MEDIA_CORRUPT where it is no JPEG, truncated or damaged; LIMIT_EXCEEDED over 64 megapixels
/// or 100 scans.
pub fn decode_rgb(jpeg: &[u8]) -> Result<RgbImage> {
    let mut image = RgbImage::default();
    decode_rgb_into(jpeg, &mut image)?;
    Ok(image)
}

/// The same at a half, a quarter or an eighth of its size, where that is as large as `least` (width, height) still: of a
/// large picture that is to be a small one most is never decoded. Pictures of inks are decoded whole.
///
/// # Errors
/// As [`decode_rgb`].
pub fn decode_rgb_at_least(jpeg: &[u8], least: (usize, usize)) -> Result<RgbImage> {
    let mut image = RgbImage::default();
    decode(jpeg, &mut image, Some(least))?;
    Ok(image)
}

/// [`decode_rgb`] into a buffer that the caller keeps; what it holds after an error is nothing.
pub fn decode_rgb_into(jpeg: &[u8], out: &mut RgbImage) -> Result<()> {
    decode(jpeg, out, None)
}

fn decode(jpeg: &[u8], out: &mut RgbImage, least: Option<(usize, usize)>) -> Result<()> {
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
    check_scans(jpeg)?;
    let inked = matches!(header.colorspace, Colorspace::CMYK | Colorspace::YCCK);
    let least = least.filter(|_| !inked).unwrap_or((width, height));
    let factor = smallest((width, height), least);
    decompressor
        .set_scaling_factor(factor)
        .map_err(|e| library("scale a JPEG", e))?;
    let (width, height) = (factor.scale(width), factor.scale(height));
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
    if !inked {
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

/// The least of the quick ones at which the picture is as large as that.
fn smallest((width, height): (usize, usize), least: (usize, usize)) -> ScalingFactor {
    let quick = [
        ScalingFactor::ONE_EIGHTH,
        ScalingFactor::ONE_QUARTER,
        ScalingFactor::ONE_HALF,
    ];
    let fits =
        |factor: &ScalingFactor| factor.scale(width) >= least.0 && factor.scale(height) >= least.1;
    quick.into_iter().find(fits).unwrap_or(ScalingFactor::ONE)
}

/// Pillow's CMYK to RGB, of inks as Adobe writes them: inverted, so that 255 is none.
fn of_ink(ink: u8, black: u8) -> u8 {
    let (covered, light) = (u32::from(255 - ink), u32::from(black));
    let product = covered * light + 128;
    (light - (((product >> 8) + product) >> 8)).min(255) as u8
}

fn corrupt(attempt: &str, jpeg: &[u8], error: turbojpeg::Error) -> Error {
    damaged(attempt, jpeg).caused_by(error)
}

fn damaged(attempt: &str, jpeg: &[u8]) -> Error {
    Error::new(
        Reason::MediaCorrupt,
        format!("{attempt}: damaged or no JPEG bytes={}", jpeg.len()),
    )
}

fn library(attempt: &str, error: turbojpeg::Error) -> Error {
    Error::internal(format!("{attempt}: libjpeg-turbo refused")).caused_by(error)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media::picture::JfifPlanes;

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
    fn a_picture_that_is_to_be_small_is_decoded_small_and_looks_the_same() {
        let file = Encoder::new(95).unwrap().encode(&planes(640, 360)).unwrap();
        for (least, size) in [
            ((80, 45), (80, 45)),
            ((81, 45), (160, 90)),
            ((320, 181), (640, 360)),
            ((9999, 1), (640, 360)),
        ] {
            let picture = decode_rgb_at_least(&file, least).unwrap();
            assert_eq!((picture.width, picture.height), size, "{least:?}");
        }
        assert_eq!(
            decode_rgb_at_least(&file, (640, 360)).unwrap(),
            decode_rgb(&file).unwrap()
        );
        assert!(decode_rgb_at_least(&file[..40], (1, 1)).is_err());
    }

    #[test]
    fn an_encoder_gives_the_same_file_again_after_a_larger_picture() {
        let mut encoder = Encoder::new(85).unwrap();
        let first = encoder.encode(&planes(31, 17)).unwrap();
        encoder.encode(&planes(400, 300)).unwrap();
        assert_eq!(encoder.encode(&planes(31, 17)).unwrap(), first);
    }

    #[test]
    fn a_file_coded_in_strips_is_that_of_the_whole() {
        for (width, height) in [(31, 17), (48, 64), (50, 39), (1, 1)] {
            let whole = planes(width, height);
            let mut gray = whole.clone();
            gray.cb.clear();
            gray.cr.clear();
            for planes in [whole, gray] {
                let mut encoder = Encoder::new(85).unwrap();
                let file = encoder.encode(&planes).unwrap();
                let mut coding = encoder.begin((width, height), planes.is_gray()).unwrap();
                for first in (0..height).step_by(16) {
                    coding
                        .rows(&strip(&planes, first..(first + 16).min(height)))
                        .unwrap();
                }
                assert_eq!(coding.end().unwrap(), file);
            }
        }
    }

    fn strip(planes: &JfifPlanes, rows: std::ops::Range<usize>) -> JfifPlanes {
        let half = planes.width.div_ceil(2);
        let chroma = |plane: &[u8]| match plane {
            [] => Vec::new(),
            plane => plane[rows.start / 2 * half..rows.end.div_ceil(2) * half].to_vec(),
        };
        JfifPlanes {
            width: planes.width,
            height: rows.len(),
            y: planes.y[rows.start * planes.width..rows.end * planes.width].to_vec(),
            cb: chroma(&planes.cb),
            cr: chroma(&planes.cr),
        }
    }

    #[test]
    fn rows_that_are_not_the_pictures_are_refused_and_the_next_picture_is_coded() {
        let mut encoder = Encoder::new(85).unwrap();
        let whole = planes(31, 40);
        let file = encoder.encode(&whole).unwrap();
        let wrong = |strips: &[JfifPlanes], encoder: &mut Encoder| {
            let mut coding = encoder.begin((31, 40), false).unwrap();
            let given = strips.iter().try_for_each(|strip| coding.rows(strip));
            given.and_then(|()| coding.end()).unwrap_err()
        };
        for strips in [
            vec![],
            vec![strip(&whole, 0..16)],
            vec![strip(&whole, 0..10)],
            vec![whole.clone(), strip(&whole, 0..16)],
            vec![planes(32, 40)],
            vec![JfifPlanes {
                cb: Vec::new(),
                cr: Vec::new(),
                ..whole.clone()
            }],
        ] {
            assert_eq!(wrong(&strips, &mut encoder).reason(), Reason::Internal);
        }
        assert_eq!(encoder.encode(&whole).unwrap(), file);
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
