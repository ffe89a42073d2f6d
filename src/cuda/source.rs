//! Decoded pictures as a GPU's decoder maps them.

use crate::cuda::kernels::{Address, MAX_FRAMES, Surfaces};
use crate::error::{Error, Result};
use crate::media::colour::{Matrix, Range};
use crate::pixel::coefficients::{Expand, ToJfif, ToRgb};
use crate::pixel::planes::subsampled;

/// How samples lie in a surface. Words hold their sample in the upper bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Format {
    /// Bytes: Y, then interleaved Cb Cr at 4:2:0.
    Nv12,
    /// As NV12, of words.
    P016 { depth: u8 },
    /// Bytes: Y, Cb, Cr at 4:4:4.
    Yuv444,
    /// As YUV444, of words.
    Yuv444P16 { depth: u8 },
}

impl Format {
    pub fn depth(self) -> u8 {
        match self {
            Format::Nv12 | Format::Yuv444 => 8,
            Format::P016 { depth } | Format::Yuv444P16 { depth } => depth,
        }
    }

    fn sample_bytes(self) -> usize {
        match self {
            Format::Nv12 | Format::Yuv444 => 1,
            Format::P016 { .. } | Format::Yuv444P16 { .. } => 2,
        }
    }

    /// Whether chroma has half the columns and rows.
    pub fn is_halved(self) -> bool {
        matches!(self, Format::Nv12 | Format::P016 { .. })
    }

    pub fn plane_count(self) -> usize {
        if self.is_halved() { 2 } else { 3 }
    }

    /// Its kernel's place among those of a family.
    pub(super) fn place(self) -> usize {
        match self {
            Format::Nv12 => 0,
            Format::P016 { .. } => 1,
            Format::Yuv444 => 2,
            Format::Yuv444P16 { .. } => 3,
        }
    }
}

/// The part of a surface that is shown, in luma samples. Its corner is even at 4:2:0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Crop {
    pub left: usize,
    pub top: usize,
    pub width: usize,
    pub height: usize,
}

/// What the surfaces of a batch have in common.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Source {
    pub format: Format,
    /// Between rows, in every plane.
    pub pitch_bytes: usize,
    pub crop: Crop,
    /// Whether chroma is to be ignored: a monochrome stream's, which decoders fill up.
    pub is_gray: bool,
    pub matrix: Matrix,
    pub range: Range,
}

impl Source {
    /// INTERNAL where a picture cannot lie so.
    pub(super) fn check(&self) -> Result<()> {
        let Crop {
            left,
            top,
            width,
            height,
        } = self.crop;
        let sides = [left, top, width, height];
        let small = sides.iter().all(|&side| side <= 65_535) && self.pitch_bytes < 1 << 31;
        let depth = match self.format {
            Format::Nv12 | Format::Yuv444 => true,
            Format::P016 { depth } | Format::Yuv444P16 { depth } => (9..=16).contains(&depth),
        };
        let even = !self.format.is_halved() || (left % 2 == 0 && top % 2 == 0);
        if width == 0 || height == 0 || !small || !depth || !even {
            return Err(self.broken());
        }
        let rows_fit = (0..self.format.plane_count())
            .all(|plane| self.extent(plane).0 <= self.pitch_bytes || height == 1);
        if rows_fit { Ok(()) } else { Err(self.broken()) }
    }

    fn broken(&self) -> Error {
        Error::internal(format!(
            "read a decoded surface: its geometry cannot be right {self:?}"
        ))
    }

    /// Bytes of a row, and rows, of a plane from its beginning to the crop's end.
    fn extent(&self, plane: usize) -> (usize, usize) {
        let Crop {
            left,
            top,
            width,
            height,
        } = self.crop;
        let bytes = self.format.sample_bytes();
        if plane > 0 && self.format.is_halved() {
            let (columns, rows) = (subsampled(width, 1), subsampled(height, 1));
            ((left / 2 + columns) * 2 * bytes, top / 2 + rows)
        } else {
            ((left + width) * bytes, top + height)
        }
    }

    /// Bytes of a plane that kernels may read.
    pub fn plane_bytes(&self, plane: usize) -> usize {
        let (row, rows) = self.extent(plane);
        (rows - 1) * self.pitch_bytes + row
    }

    /// Width and height of the picture.
    pub fn size(&self) -> (usize, usize) {
        (self.crop.width, self.crop.height)
    }

    /// As kernels take it. `planes` are those of up to [`MAX_FRAMES`] surfaces.
    pub(super) fn surfaces(&self, planes: &[[Address; 3]]) -> Surfaces {
        let mut all = [[0; 3]; MAX_FRAMES];
        for (all, planes) in all.iter_mut().zip(planes) {
            *all = *planes;
        }
        Surfaces {
            planes: all,
            pitch_bytes: self.pitch_bytes as u32,
            left: self.crop.left as u32,
            top: self.crop.top as u32,
            width: self.crop.width as u32,
            height: self.crop.height as u32,
            low_bits: 8 * self.format.sample_bytes() as u32 - u32::from(self.format.depth()),
        }
    }

    pub(super) fn to_jfif(self) -> Result<ToJfif> {
        ToJfif::new(self.matrix, self.range, self.format.depth())
    }

    /// Gray is RGB whose chroma counts nothing.
    pub(super) fn to_rgb(self) -> Result<ToRgb> {
        let depth = self.format.depth();
        if !self.is_gray {
            return ToRgb::new(self.matrix, self.range, depth);
        }
        let expand = Expand::new(self.range, depth);
        Ok(ToRgb {
            cy: expand.factor,
            crv: 0,
            cgu: 0,
            cgv: 0,
            cbu: 0,
            luma_offset: expand.offset,
            chroma_offset: 0,
            shift: expand.shift,
        })
    }
}
