//! Mirroring (left-right, first) and clockwise rotation.

use crate::error::{Error, Result};
use crate::media::picture::Orientation;
use crate::pixel::simd::{self, Kernel, Level, Machine};
use crate::pixel::{GrayImage, RgbImage, fit};

/// Side of the blocks in which rows become columns.
const BLOCK: usize = 8;
/// Rows that become columns together.
const BAND: usize = 64;

/// INTERNAL where the rotation is no quarter turn.
pub fn check(orientation: Orientation) -> Result<()> {
    if matches!(orientation.rotation, 0 | 90 | 180 | 270) {
        return Ok(());
    }
    Err(Error::internal(format!(
        "turn a picture upright: no quarter turn rotation={}",
        orientation.rotation
    )))
}

/// The upright image.
pub fn rgb(image: &RgbImage, orientation: Orientation) -> Result<RgbImage> {
    check(orientation)?;
    let (width, height) = orientation.upright(image.width, image.height);
    let mut data = Vec::new();
    turn::<3>(
        &image.data,
        (image.width, image.height),
        orientation,
        &mut data,
    );
    Ok(RgbImage {
        width,
        height,
        data,
    })
}

/// The upright image.
pub fn gray(image: &GrayImage, orientation: Orientation) -> Result<GrayImage> {
    check(orientation)?;
    let (width, height) = orientation.upright(image.width, image.height);
    let mut data = Vec::new();
    turn::<1>(
        &image.data,
        (image.width, image.height),
        orientation,
        &mut data,
    );
    Ok(GrayImage {
        width,
        height,
        data,
    })
}

/// Turns a plane of `size` (width, height) and `C` bytes a pixel into `out`.
pub fn turn<const C: usize>(
    source: &[u8],
    size: (usize, usize),
    orientation: Orientation,
    out: &mut Vec<u8>,
) {
    let (width, height) = size;
    let (source, _) = source[..width * height * C].as_chunks::<C>();
    let (out, _) = fit(out, width * height * C).as_chunks_mut::<C>();
    if width == 0 || height == 0 {
        return;
    }
    // Mirrored and turned by 180 is upside down only; what is left is whether rows are reversed.
    let half_turn = matches!(orientation.rotation, 180 | 270);
    if orientation.swaps_sides() {
        // A quarter turn clockwise reads columns upwards; 270 is that, upside down and reversed.
        let flips = Flips {
            columns: orientation.mirrored != half_turn,
            rows: !half_turn,
        };
        let transpose = Transpose {
            source,
            width,
            height,
            flips,
            out,
        };
        simd::run(Level::best(), transpose);
    } else {
        for (y, out) in out.chunks_exact_mut(width).enumerate() {
            let y = if half_turn { height - 1 - y } else { y };
            out.copy_from_slice(&source[y * width..][..width]);
            if orientation.mirrored != half_turn {
                out.reverse();
            }
        }
    }
}

/// Which source coordinates count from their far end.
#[derive(Clone, Copy)]
struct Flips {
    columns: bool,
    rows: bool,
}

/// `out(r, c) = source(row c, column r)`, `height` wide and `width` high. Bands
/// of rows fill whole cache lines of `out`; blocks stay in registers.
struct Transpose<'a, const C: usize> {
    source: &'a [[u8; C]],
    width: usize,
    height: usize,
    flips: Flips,
    out: &'a mut [[u8; C]],
}

impl<const C: usize> Kernel for Transpose<'_, C> {
    type Output = ();

    #[inline(always)]
    fn run<M: Machine>(mut self) {
        for band in (0..self.height).step_by(BAND) {
            let end = (band + BAND).min(self.height);
            for left in (0..self.width).step_by(BLOCK) {
                for top in (band..end).step_by(BLOCK) {
                    if left + BLOCK <= self.width && top + BLOCK <= self.height {
                        self.block(left, top);
                    } else {
                        self.edge(left, top);
                    }
                }
            }
        }
    }
}

impl<const C: usize> Transpose<'_, C> {
    /// Where the source row begins that becomes column `column` of `out`.
    #[inline(always)]
    fn source_row(&self, column: usize) -> usize {
        let row = if self.flips.rows {
            self.height - 1 - column
        } else {
            column
        };
        row * self.width
    }

    /// Where the row of `out` begins that source column `column` becomes.
    #[inline(always)]
    fn out_row(&self, column: usize) -> usize {
        let row = if self.flips.columns {
            self.width - 1 - column
        } else {
            column
        };
        row * self.height
    }

    #[inline(always)]
    fn block(&mut self, left: usize, top: usize) {
        let mut block = [[[0u8; C]; BLOCK]; BLOCK];
        for (y, line) in block.iter_mut().enumerate() {
            line.copy_from_slice(&self.source[self.source_row(top + y) + left..][..BLOCK]);
        }
        let turned: [[[u8; C]; BLOCK]; BLOCK] =
            std::array::from_fn(|x| std::array::from_fn(|y| block[y][x]));
        for (x, line) in turned.iter().enumerate() {
            let at = self.out_row(left + x) + top;
            self.out[at..][..BLOCK].copy_from_slice(line);
        }
    }

    /// A block that the picture's edge cuts.
    #[inline(always)]
    fn edge(&mut self, left: usize, top: usize) {
        for y in top..(top + BLOCK).min(self.height) {
            for x in left..(left + BLOCK).min(self.width) {
                let at = self.out_row(x) + y;
                self.out[at] = self.source[self.source_row(y) + x];
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The definition, a pixel at a time.
    fn slow(source: &[u8], (width, height): (usize, usize), orientation: Orientation) -> Vec<u8> {
        let mut pixels: Vec<Vec<u8>> = source.chunks(width).map(<[u8]>::to_vec).collect();
        assert_eq!(pixels.len(), height);
        if orientation.mirrored {
            pixels.iter_mut().for_each(|row| row.reverse());
        }
        for _ in 0..orientation.rotation / 90 {
            let columns = pixels[0].len();
            pixels = (0..columns)
                .map(|x| pixels.iter().rev().map(|row| row[x]).collect())
                .collect();
        }
        pixels.concat()
    }

    #[test]
    fn every_orientation_is_mirror_then_quarter_turns_clockwise() {
        for size in [
            (1, 1),
            (1, 9),
            (7, 8),
            (16, 8),
            (19, 70),
            (65, 64),
            (130, 131),
        ] {
            let source: Vec<u8> = (0..size.0 * size.1)
                .map(|at| (at * 37 % 251) as u8)
                .collect();
            for (mirrored, rotation) in [false, true]
                .into_iter()
                .flat_map(|mirrored| [0, 90, 180, 270].map(|rotation| (mirrored, rotation)))
            {
                let orientation = Orientation { mirrored, rotation };
                let mut turned = Vec::new();
                turn::<1>(&source, size, orientation, &mut turned);
                assert_eq!(
                    turned,
                    slow(&source, size, orientation),
                    "{size:?} {orientation:?}"
                );
            }
        }
    }

    #[test]
    fn a_rotation_that_is_no_quarter_turn_is_refused() {
        let tilted = Orientation {
            mirrored: false,
            rotation: 45,
        };
        assert!(rgb(&RgbImage::default(), tilted).is_err());
    }
}
