//! Decoded pictures as borrowed planes, and the 8-bit planes a JPEG is made of.

use serde::{Deserialize, Serialize};

use crate::media::colour::{Matrix, Range};

/// How samples lie in memory. Subsampled chroma has `ceil(w/2)` and, for
/// 4:2:0 and 4:4:0, `ceil(h/2)` samples (4:1:1 and 4:1:0: quarters).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Layout {
    Gray,
    Yuv420,
    Yuv422,
    Yuv444,
    Yuv440,
    Yuv411,
    Yuv410,
    /// Y plane, then interleaved Cb Cr at 4:2:0 (NV12; P010/P016 shifted down by the view's maker).
    Nv12,
    /// Three planes in the order G, B, R.
    Gbr,
    /// One plane of packed 8-bit pixels; offsets of R, G, B in a pixel of `step` bytes.
    Packed {
        r: u8,
        g: u8,
        b: u8,
        step: u8,
    },
}

/// One plane: `data` starts at its first sample; a row starts every `stride` bytes.
#[derive(Debug, Clone, Copy)]
pub struct Plane<'a> {
    pub data: &'a [u8],
    pub stride: usize,
}

/// A decoded picture, cropped to its shown size, in coded orientation.
/// Depth 8: one byte a sample. Depth 9 to 16: two bytes, native little endian,
/// the value in the low bits.
#[derive(Debug, Clone, Copy)]
pub struct Picture<'a> {
    pub layout: Layout,
    pub depth: u8,
    pub width: usize,
    pub height: usize,
    /// Planes that the layout has, in its order; the rest are empty.
    pub planes: [Plane<'a>; 3],
    pub matrix: Matrix,
    pub range: Range,
}

/// Mirror (left-right, applied first) and clockwise rotation (0, 90, 180, 270)
/// that make a coded picture upright.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Orientation {
    pub mirrored: bool,
    pub rotation: u16,
}

impl Orientation {
    /// Whether width and height change places.
    pub fn swaps_sides(self) -> bool {
        self.rotation % 180 == 90
    }

    /// Width and height of the upright picture.
    pub fn upright(self, width: usize, height: usize) -> (usize, usize) {
        if self.swaps_sides() {
            (height, width)
        } else {
            (width, height)
        }
    }
}

/// 8-bit full-range BT.601 planes as a JFIF JPEG stores them: Y, and for
/// colour Cb and Cr at 4:2:0 (`ceil(w/2) x ceil(h/2)`). Rows are not padded.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct JfifPlanes {
    pub width: usize,
    pub height: usize,
    pub y: Vec<u8>,
    /// Empty for gray.
    pub cb: Vec<u8>,
    pub cr: Vec<u8>,
}

impl JfifPlanes {
    pub fn is_gray(&self) -> bool {
        self.cb.is_empty()
    }
}

/// [`JfifPlanes`] that lie elsewhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct JfifView<'a> {
    pub width: usize,
    pub height: usize,
    pub y: &'a [u8],
    /// Empty for gray.
    pub cb: &'a [u8],
    pub cr: &'a [u8],
}

impl<'a> From<&'a JfifPlanes> for JfifView<'a> {
    fn from(planes: &'a JfifPlanes) -> Self {
        JfifView {
            width: planes.width,
            height: planes.height,
            y: &planes.y,
            cb: &planes.cb,
            cr: &planes.cr,
        }
    }
}
