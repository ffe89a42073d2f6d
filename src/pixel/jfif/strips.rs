//! The planes of a picture strip by strip, so that they are never in memory as a whole.

use std::ops::Range;

use crate::error::Result;
use crate::media::picture::{JfifPlanes, Orientation, Picture};
use crate::pixel::fit;
use crate::pixel::jfif::convert::Conversion;
use crate::pixel::jfif::{JfifRequest, limited_size};
use crate::pixel::planes::{Checked, Kind, subsampled};
use crate::pixel::simd::Level;

/// Rows of a strip: as many as a JPEG's 4:2:0 blocks are high.
const ROWS: usize = 16;

/// A picture whose planes can be made so: its chroma lies as a JPEG's does, and it needs neither
/// turning nor another size.
pub struct Strips<'a> {
    conversion: Conversion<'a>,
    size: (usize, usize),
}

impl<'a> Strips<'a> {
    /// None where the picture's planes must be made as a whole.
    ///
    /// # Errors
    /// As [`to_jfif`](crate::pixel::jfif::to_jfif).
    pub fn of(picture: &'a Picture<'a>, request: &JfifRequest) -> Result<Option<Strips<'a>>> {
        let size = (picture.width, picture.height);
        let as_it_is = request.orientation == Orientation::default()
            && limited_size(size, request.max_side)? == size;
        let source = Checked::new(picture)?;
        match source.kind {
            Kind::Yuv(chroma) if as_it_is && chroma.is_half() => {
                let conversion = Conversion::new(source, chroma)?;
                Ok(Some(Strips { conversion, size }))
            }
            _ => Ok(None),
        }
    }

    /// Makes one strip after the other in `planes` and gives each to `each`. `along` is called for
    /// stretches of the picture's rows while they are in the processor's cache.
    ///
    /// # Errors
    /// What `each` fails with.
    pub fn run(
        mut self,
        planes: &mut JfifPlanes,
        along: &mut dyn FnMut(Range<usize>),
        each: &mut dyn FnMut(&JfifPlanes) -> Result<()>,
    ) -> Result<()> {
        let (width, height) = self.size;
        for first in (0..height).step_by(ROWS) {
            let rows = first..(first + ROWS).min(height);
            (planes.width, planes.height) = (width, rows.len());
            let half = subsampled(width, 1) * subsampled(rows.len(), 1);
            let target = [
                fit(&mut planes.y, width * rows.len()),
                fit(&mut planes.cb, half),
                fit(&mut planes.cr, half),
            ];
            self.conversion
                .run(Level::best(), rows, (first, target), along);
            each(planes)?;
        }
        Ok(())
    }
}
