//! Pillow's resampler for 8-bit samples: two passes with fixed-point weights of
//! 22 fraction bits, 8 bits in between, and a pass that would change nothing
//! left out.
//!
//! The horizontal pass comes first, over the rows that the vertical one needs.
//! As Pillow 13.0.0 does (12 and before did not), the vertical pass comes first
//! where the picture loses more than twice as many rows as columns: hashes of
//! pictures over twice as high as wide differ between those releases.

mod passes;
mod weights;

use serde::{Deserialize, Serialize};

use crate::cancel::Stop;
use crate::error::{Error, Result};
use crate::pixel::simd::{self, Level};
use crate::pixel::{GrayImage, RgbImage, fit};
pub(crate) use passes::ROWS;
use passes::{Horizontal, HorizontalOfRows, Rows, Vertical};
pub use weights::Axis;

/// Kernels as Pillow names them; each is widened by the scale when shrinking.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Filter {
    Box,
    Bilinear,
    Bicubic,
    Lanczos,
}

/// What is resized to what: `Image.resize(target, filter, box=area)`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Geometry {
    /// Width and height in pixels.
    pub source: (usize, usize),
    /// x0, y0, x1, y1 in source pixels; taken as f32, as Pillow takes them.
    pub area: [f64; 4],
    pub target: (usize, usize),
    pub filter: Filter,
}

impl Geometry {
    /// The whole source.
    pub fn whole(source: (usize, usize), target: (usize, usize), filter: Filter) -> Geometry {
        Geometry {
            source,
            area: [0.0, 0.0, source.0 as f64, source.1 as f64],
            target,
            filter,
        }
    }
}

/// Buffers between the passes, kept from picture to picture.
#[derive(Debug, Default)]
pub struct Scratch {
    between: Vec<u8>,
    row: Vec<i16>,
}

/// Weights for one geometry; made once, used for every picture of that size.
#[derive(Debug, Clone)]
pub struct Resampler {
    geometry: Geometry,
    horizontal: Option<Axis>,
    vertical: Option<Axis>,
    vertical_first: bool,
}

impl Resampler {
    /// FIELD_INVALID where a side is 0 or over 65,535, or the area lies outside the source. It may be
    /// empty, as in Pillow: a line between pixels.
    pub fn new(geometry: &Geometry) -> Result<Resampler> {
        let Geometry {
            source,
            target,
            filter,
            ..
        } = *geometry;
        let area = geometry.area.map(|side| side as f32);
        let sides = [source.0, source.1, target.0, target.1];
        let inside = area[0] >= 0.0
            && area[1] >= 0.0
            && area[2] <= source.0 as f32
            && area[3] <= source.1 as f32
            && area[2] >= area[0]
            && area[3] >= area[1];
        if !inside || sides.iter().any(|side| !(1..=65_535).contains(side)) {
            return Err(Error::field(format!(
                "resize a picture: size or area is impossible source={source:?} area={:?} target={target:?}",
                geometry.area
            )));
        }
        let unchanged = |from: f32, to: f32, target: usize| from == 0.0 && to == target as f32;
        let keeps_width = source.0 == target.0 && unchanged(area[0], area[2], target.0);
        let keeps_height = source.1 == target.1 && unchanged(area[1], area[3], target.1);
        let lost_rows = source.1 as i64 - target.1 as i64;
        let lost_columns = source.0 as i64 - target.0 as i64;
        Ok(Resampler {
            geometry: *geometry,
            horizontal: (!keeps_width)
                .then(|| Axis::new(source.0, (area[0], area[2]), target.0, filter)),
            vertical: (!keeps_height)
                .then(|| Axis::new(source.1, (area[1], area[3]), target.1, filter)),
            vertical_first: lost_rows > 0 && lost_rows > 2 * lost_columns,
        })
    }

    /// The weights across, none where the width stays. A GPU reads these same tables.
    pub fn horizontal(&self) -> Option<&Axis> {
        self.horizontal.as_ref()
    }

    /// The weights down, none where the height stays.
    pub fn vertical(&self) -> Option<&Axis> {
        self.vertical.as_ref()
    }

    /// Whether the vertical pass comes first; see the module.
    pub fn is_vertical_first(&self) -> bool {
        self.vertical_first
    }

    /// The resampler in `slot`, made anew where it is for another geometry.
    pub fn cached<'s>(
        slot: &'s mut Option<Resampler>,
        geometry: &Geometry,
    ) -> Result<&'s Resampler> {
        let made = match slot.take() {
            Some(made) if made.geometry == *geometry => made,
            _ => Resampler::new(geometry)?,
        };
        Ok(slot.insert(made))
    }

    /// Resizes `source` (`height x width x C`) into `out` (target `height x width x C`).
    ///
    /// # Errors
    /// INTERNAL where `source` has another length.
    pub fn run<const C: usize>(
        &self,
        source: &[u8],
        scratch: &mut Scratch,
        out: &mut Vec<u8>,
    ) -> Result<()> {
        self.run_at::<C>(Level::best(), source, scratch, out)
    }

    /// [`run`](Resampler::run) of a picture that may be large, for who may go away meanwhile.
    ///
    /// # Errors
    /// As there; CANCELLED.
    pub fn run_until<const C: usize>(
        &self,
        stop: &Stop,
        source: &[u8],
        scratch: &mut Scratch,
        out: &mut Vec<u8>,
    ) -> Result<()> {
        let how = (Level::best(), Some(stop));
        self.passes::<C>(how, source, scratch, out)
    }

    pub fn run_at<const C: usize>(
        &self,
        level: Level,
        source: &[u8],
        scratch: &mut Scratch,
        out: &mut Vec<u8>,
    ) -> Result<()> {
        self.passes::<C>((level, None), source, scratch, out)
    }

    fn passes<const C: usize>(
        &self,
        how: (Level, Option<&Stop>),
        source: &[u8],
        scratch: &mut Scratch,
        out: &mut Vec<u8>,
    ) -> Result<()> {
        let Geometry {
            source: (width, height),
            target,
            ..
        } = self.geometry;
        if source.len() != width * height * C {
            return Err(Error::internal(format!(
                "resize a picture: its bytes do not fit its size bytes={} width={width} height={height} channels={C}",
                source.len()
            )));
        }
        let Scratch { between, row } = scratch;
        fit(out, target.0 * target.1 * C);
        match (&self.horizontal, &self.vertical) {
            (None, None) => out.copy_from_slice(source),
            (Some(horizontal), None) => across::<C>(how, horizontal, (width, source), row, out)?,
            (None, Some(vertical)) => down(how, vertical, (width * C, 0, source), out)?,
            (Some(horizontal), Some(vertical)) if self.vertical_first => {
                let between = fit(between, target.1 * width * C);
                down(how, vertical, (width * C, 0, source), between)?;
                across::<C>(how, horizontal, (width, between), row, out)?;
            }
            (Some(horizontal), Some(vertical)) => {
                let rows = vertical.span();
                let between = fit(between, rows.len() * target.0 * C);
                let source = &source[rows.start * width * C..rows.end * width * C];
                across::<C>(how, horizontal, (width, source), row, between)?;
                down(how, vertical, (target.0 * C, rows.start, between), out)?;
            }
        }
        Ok(())
    }
}

/// Rows of so many bytes between two looks whether the picture is still wanted.
fn stretch(row_bytes: usize) -> usize {
    const BYTES: usize = 1 << 20;
    (BYTES / row_bytes.max(1)).next_multiple_of(ROWS).max(ROWS)
}

/// The horizontal pass over rows of `width` pixels.
fn across<const C: usize>(
    (level, stop): (Level, Option<&Stop>),
    axis: &Axis,
    (width, source): (usize, &[u8]),
    row: &mut Vec<i16>,
    out: &mut [u8],
) -> Result<()> {
    let out_row = axis.starts.len() * C;
    let rows = stretch(C * width.max(axis.starts.len()));
    let sources = source.chunks(rows * width * C);
    for (source, out) in sources.zip(out.chunks_mut(rows * out_row)) {
        stop.map_or(Ok(()), Stop::check)?;
        let pass = Horizontal::<C> {
            axis,
            width,
            source,
            row,
            out,
        };
        simd::run(level, pass);
    }
    Ok(())
}

/// The vertical pass over rows of `width` bytes, of which `source` begins with the one of that number.
fn down(
    (level, stop): (Level, Option<&Stop>),
    axis: &Axis,
    (width, first_row, source): (usize, usize, &[u8]),
    out: &mut [u8],
) -> Result<()> {
    let rows = stretch(width);
    for (at, out) in out.chunks_mut(rows * width).enumerate() {
        stop.map_or(Ok(()), Stop::check)?;
        let pass = Vertical {
            axis,
            first_row,
            first_target: at * rows,
            width,
            source,
            out,
        };
        simd::run(level, pass);
    }
    Ok(())
}

/// Rows of one channel as 16-bit samples, of a source that is never there as a whole.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Strip<'s> {
    /// [`ROWS`] rows, the last strip's less.
    pub rows: usize,
    /// From one row to the next: at least [`Resampler::lanes`].
    pub stride: usize,
    pub samples: &'s [i16],
}

impl Resampler {
    /// Whether a source of one channel can come in strips: the horizontal pass is the first, and needs all rows.
    pub(crate) fn takes_strips(&self) -> bool {
        let whole = |axis: &Axis| axis.span() == (0..self.geometry.source.1);
        self.horizontal.is_some()
            && self.vertical.as_ref().is_some_and(whole)
            && !self.vertical_first
    }

    /// A row's samples, and the room behind them that is read and does not count.
    pub(crate) fn lanes(&self) -> usize {
        self.geometry.source.0 + self.horizontal.as_ref().map_or(0, |axis| axis.taps)
    }

    /// Adds what the horizontal pass makes of the next strip to `between`.
    pub(crate) fn push(&self, level: Level, strip: Strip, between: &mut Vec<u8>) {
        let Some(axis) = &self.horizontal else {
            return;
        };
        let from = between.len();
        between.resize(from + strip.rows * self.geometry.target.0, 0);
        let rows = Rows {
            axis,
            wide: strip.samples,
            wide_row: strip.stride,
        };
        let out = &mut between[from..];
        simd::run(level, HorizontalOfRows { rows, out });
    }

    /// The vertical pass over what all strips were made into; INTERNAL where some are missing.
    pub(crate) fn finish(&self, level: Level, between: &[u8], out: &mut Vec<u8>) -> Result<()> {
        let (width, height) = self.geometry.target;
        let complete = between.len() == width * self.geometry.source.1;
        let Some(axis) = self.vertical.as_ref().filter(|_| complete) else {
            return Err(Error::internal("resize a picture: it did not come whole"));
        };
        let pass = Vertical {
            axis,
            first_row: 0,
            first_target: 0,
            width,
            source: between,
            out: fit(out, width * height),
        };
        simd::run(level, pass);
        Ok(())
    }
}

/// `image` resized as Pillow's mode `L`. `geometry.source` must be the image's size.
pub fn resize_gray(image: &GrayImage, geometry: &Geometry) -> Result<GrayImage> {
    let mut data = Vec::new();
    Resampler::new(geometry)?.run::<1>(&image.data, &mut Scratch::default(), &mut data)?;
    let (width, height) = geometry.target;
    Ok(GrayImage {
        width,
        height,
        data,
    })
}

/// `image` resized as Pillow's mode `RGB`. `geometry.source` must be the image's size.
pub fn resize_rgb(image: &RgbImage, geometry: &Geometry) -> Result<RgbImage> {
    resize_rgb_until(&Stop::never(), image, geometry)
}

/// [`resize_rgb`] for who may go away meanwhile: CANCELLED then.
pub fn resize_rgb_until(stop: &Stop, image: &RgbImage, geometry: &Geometry) -> Result<RgbImage> {
    let mut data = Vec::new();
    let resampler = Resampler::new(geometry)?;
    resampler.run_until::<3>(stop, &image.data, &mut Scratch::default(), &mut data)?;
    let (width, height) = geometry.target;
    Ok(RgbImage {
        width,
        height,
        data,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn picture(width: usize, height: usize) -> RgbImage {
        RgbImage {
            width,
            height,
            data: (0..3 * width * height)
                .map(|at| (at * at / 11 + at / 3) as u8)
                .collect(),
        }
    }

    fn resized(image: &RgbImage, target: (usize, usize)) -> Vec<u8> {
        let source = (image.width, image.height);
        let geometry = Geometry::whole(source, target, Filter::Lanczos);
        resize_rgb(image, &geometry).unwrap().data
    }

    fn rows(image: &RgbImage, rows: std::ops::Range<usize>) -> RgbImage {
        let row = 3 * image.width;
        RgbImage {
            width: image.width,
            height: rows.len(),
            data: image.data[rows.start * row..rows.end * row].to_vec(),
        }
    }

    fn columns(image: &RgbImage, columns: std::ops::Range<usize>) -> RgbImage {
        let rows = image.data.chunks(3 * image.width);
        RgbImage {
            width: columns.len(),
            height: image.height,
            data: rows
                .flat_map(|row| &row[3 * columns.start..3 * columns.end])
                .copied()
                .collect(),
        }
    }

    #[test]
    fn rows_of_another_width_are_the_same_in_whatever_stretches() {
        let image = picture(1500, 1000);
        let whole = resized(&image, (700, 1000));
        let halves = [rows(&image, 0..333), rows(&image, 333..1000)];
        let halves = halves.map(|half| resized(&half, (700, half.height)));
        assert!(whole == halves.concat());
    }

    #[test]
    fn columns_of_another_height_are_the_same_in_whatever_stretches() {
        let image = picture(1500, 1000);
        let whole = RgbImage {
            data: resized(&image, (1500, 1999)),
            height: 1999,
            ..image
        };
        for half in [0..100, 100..1500] {
            let own = resized(
                &columns(&picture(1500, 1000), half.clone()),
                (half.len(), 1999),
            );
            assert!(columns(&whole, half).data == own);
        }
    }

    #[test]
    fn a_picture_that_nobody_waits_for_any_more_is_not_resized_to_its_end() {
        let image = picture(1500, 1000);
        for target in [(700, 1000), (1500, 400), (700, 400), (1499, 100)] {
            let geometry = Geometry::whole((1500, 1000), target, Filter::Lanczos);
            let asked = std::sync::Arc::new(std::sync::atomic::AtomicU32::new(0));
            let times = asked.clone();
            let order = std::sync::atomic::Ordering::Relaxed;
            let stop = Stop::when(move || times.fetch_add(1, order) == 1);
            let error = resize_rgb_until(&stop, &image, &geometry).unwrap_err();
            assert_eq!(error.reason(), crate::error::Reason::Cancelled);
            assert_eq!(asked.load(order), 2);
        }
    }
}
