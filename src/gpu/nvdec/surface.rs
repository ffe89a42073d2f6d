//! Mapped pictures as the kernels take them.

use super::{MappedSurface, SurfaceFormat};
use crate::gpu::Surface;
use crate::media::colour::{Matrix, Range};
use crate::pixel::cuda::{Crop, Format, Source};

impl MappedSurface {
    /// The shown part of the picture, whose colour the decoder does not decide.
    pub fn surface(&self, matrix: Matrix, range: Range) -> Surface<'_> {
        let planes = self.planes();
        let depth = self.depth();
        let crop = self.crop();
        let source = Source {
            format: match self.format() {
                SurfaceFormat::Nv12 => Format::Nv12,
                SurfaceFormat::P016 => Format::P016 { depth },
                SurfaceFormat::Yuv444 => Format::Yuv444,
                SurfaceFormat::Yuv444P16 => Format::Yuv444P16 { depth },
            },
            pitch_bytes: planes.first().map_or(0, |luma| luma.pitch_bytes),
            crop: Crop {
                left: crop.left as usize,
                top: crop.top as usize,
                width: crop.width as usize,
                height: crop.height as usize,
            },
            // Monochrome streams are decoded on the CPU.
            is_gray: false,
            matrix,
            range,
        };
        Surface {
            source,
            planes: planes.into_iter().map(|plane| plane.view).collect(),
        }
    }
}
