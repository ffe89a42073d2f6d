//! Mirroring (left-right, first) and clockwise rotation.

use crate::error::{Error, Result};
use crate::media::picture::Orientation;
use crate::pixel::{GrayImage, RgbImage, fit};

/// Side of the blocks in which sides change places.
const BLOCK: usize = 8;

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
pub(crate) fn turn<const C: usize>(
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
        transpose(source, size, flips, out);
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

/// `out(r, c) = source(row c, column r)`, `height` wide and `width` high, in
/// blocks, so that both sides stay in the cache.
fn transpose<const C: usize>(
    source: &[[u8; C]],
    (width, height): (usize, usize),
    flips: Flips,
    out: &mut [[u8; C]],
) {
    for top in (0..height).step_by(BLOCK) {
        let rows = BLOCK.min(height - top);
        for left in (0..width).step_by(BLOCK) {
            let columns = BLOCK.min(width - left);
            let mut block = [[[0u8; C]; BLOCK]; BLOCK];
            for (y, line) in block.iter_mut().enumerate().take(rows) {
                let row = if flips.rows {
                    height - 1 - (top + y)
                } else {
                    top + y
                };
                line[..columns].copy_from_slice(&source[row * width + left..][..columns]);
            }
            for x in 0..columns {
                let row = if flips.columns {
                    width - 1 - (left + x)
                } else {
                    left + x
                };
                let line: [[u8; C]; BLOCK] = std::array::from_fn(|y| block[y][x]);
                out[row * height + top..][..rows].copy_from_slice(&line[..rows]);
            }
        }
    }
}
