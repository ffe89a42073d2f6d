//! JPEGs of pixels that are there already.

use crate::cancel::Stop;
use crate::error::{Error, Result};
use crate::jpeg::Encoder;
use crate::media::colour::{Matrix, Range};
use crate::media::picture::{Layout, Picture, Plane};
use crate::pixel::jfif::{JfifRequest, to_jfif};

/// Full-range 8-bit pixels, `height x width x samples`, rows not padded.
#[derive(Debug, Clone, Copy)]
pub struct RawPicture<'d> {
    pub data: &'d [u8],
    pub width: usize,
    pub height: usize,
    /// 3: RGB; 1: gray.
    pub samples: usize,
}

/// Between two looks whether the picture is still wanted; a multiple of what a coder takes at a time.
const STRETCH_ROWS: usize = 256;

impl RawPicture<'_> {
    /// As a JPEG: 4:2:0 by libjpeg's own RGB to YCbCr, or gray.
    ///
    /// # Errors
    /// FIELD_INVALID for a quality that is none; INTERNAL where bytes do not fit the size; CANCELLED.
    pub fn jpeg(&self, quality: u8, stop: &Stop) -> Result<Vec<u8>> {
        let mut encoder = Encoder::new(quality)?;
        let mut coding = encoder.begin((self.width, self.height), self.samples == 1)?;
        for first in (0..self.height).step_by(STRETCH_ROWS) {
            stop.check()?;
            let rows = STRETCH_ROWS.min(self.height - first);
            let picture = self.rows(first, rows)?;
            coding.rows(&to_jfif(&picture, &JfifRequest::default())?)?;
        }
        coding.end()
    }

    /// So many of its rows, which begin with an even one.
    fn rows(&self, first: usize, rows: usize) -> Result<Picture<'_>> {
        const NONE: Plane<'_> = Plane {
            data: &[],
            stride: 0,
        };
        let (layout, matrix) = if self.samples == 1 {
            (Layout::Gray, Matrix::Bt601)
        } else {
            let (r, g, b, step) = (0, 1, 2, 3);
            (Layout::Packed { r, g, b, step }, Matrix::Rgb)
        };
        let stride = self.samples * self.width;
        let data = self.data.get(first * stride..(first + rows) * stride);
        let data = data.ok_or_else(|| Error::internal("encode JPEG: bytes are missing"))?;
        Ok(Picture {
            layout,
            depth: 8,
            width: self.width,
            height: rows,
            planes: [Plane { data, stride }, NONE, NONE],
            matrix,
            range: Range::Full,
        })
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;
    use crate::error::Reason;

    const SIDES: [(usize, usize); 4] = [(37, 255), (8, 256), (37, 513), (21, 700)];

    fn pixels(count: usize) -> Vec<u8> {
        (0..count).map(|at| (at * at / 7) as u8).collect()
    }

    #[test]
    fn a_picture_coded_in_stretches_is_that_of_the_whole() {
        for (width, height) in SIDES {
            for samples in [1, 3] {
                let data = pixels(width * height * samples);
                let raw = RawPicture {
                    data: &data,
                    width,
                    height,
                    samples,
                };
                let whole = raw.rows(0, height).unwrap();
                let whole = to_jfif(&whole, &JfifRequest::default()).unwrap();
                let whole = Encoder::new(85).unwrap().encode(&whole).unwrap();
                assert_eq!(raw.jpeg(85, &Stop::never()).unwrap(), whole);
            }
        }
    }

    #[test]
    fn a_picture_that_nobody_waits_for_any_more_is_not_coded_to_its_end() {
        let data = pixels(16 * 2000);
        let raw = RawPicture {
            data: &data,
            width: 16,
            height: 2000,
            samples: 1,
        };
        let asked = std::sync::Arc::new(AtomicU32::new(0));
        let times = asked.clone();
        let stop = Stop::when(move || times.fetch_add(1, Ordering::Relaxed) == 3);
        assert_eq!(raw.jpeg(85, &stop).unwrap_err().reason(), Reason::Cancelled);
        assert_eq!(asked.load(Ordering::Relaxed), 4);
    }

    #[test]
    fn bytes_that_are_missing_are_refused() {
        let raw = RawPicture {
            data: &[0; 47],
            width: 4,
            height: 4,
            samples: 3,
        };
        assert_eq!(
            raw.jpeg(85, &Stop::never()).unwrap_err().reason(),
            Reason::Internal
        );
    }
}
