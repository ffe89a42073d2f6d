//! JPEGs of pixels that are there already.

use crate::error::Result;
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

impl RawPicture<'_> {
    /// As a JPEG: 4:2:0 by libjpeg's own RGB to YCbCr, or gray.
    ///
    /// # Errors
    /// FIELD_INVALID for a quality that is none; INTERNAL where bytes do not fit the size.
    pub fn jpeg(&self, quality: u8) -> Result<Vec<u8>> {
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
        let pixels = Plane {
            data: self.data,
            stride: self.samples * self.width,
        };
        let picture = Picture {
            layout,
            depth: 8,
            width: self.width,
            height: self.height,
            planes: [pixels, NONE, NONE],
            matrix,
            range: Range::Full,
        };
        Encoder::new(quality)?.encode(&to_jfif(&picture, &JfifRequest::default())?)
    }
}
