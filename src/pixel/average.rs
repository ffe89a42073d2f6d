//! Chroma of any sampling to 4:2:0, after the conversion to 8 bits.
//!
//! 4:4:4: `(a+b+c+d+2)>>2`; 4:2:2 (vertically) and 4:4:0 (horizontally):
//! `(a+b+1)>>1`; 4:1:1: vertically `(a+b+1)>>1`, then each sample twice;
//! 4:1:0: each sample twice in both directions. Where a neighbour is missing
//! the edge sample takes its place.

use crate::pixel::planes::{Chroma, subsampled};
use crate::pixel::simd::{Kernel, Machine};

/// An 8-bit chroma plane of a picture of `luma` size, to be brought to 4:2:0.
pub(crate) struct ToHalf<'a> {
    pub chroma: Chroma,
    /// Width and height of the luma plane.
    pub luma: (usize, usize),
    pub source: &'a [u8],
    /// `ceil(w/2) x ceil(h/2)`.
    pub out: &'a mut [u8],
}

impl Kernel for ToHalf<'_> {
    type Output = ();

    #[inline(always)]
    fn run<M: Machine>(self) {
        let width = subsampled(self.luma.0, self.chroma.shift_x);
        let height = subsampled(self.luma.1, self.chroma.shift_y);
        let half_width = subsampled(self.luma.0, 1);
        for (y, out) in self.out.chunks_exact_mut(half_width).enumerate() {
            let (first, second) = match self.chroma.shift_y {
                0 => (2 * y, (2 * y + 1).min(height - 1)),
                1 => (y, y),
                _ => (y / 2, y / 2),
            };
            let above = &self.source[first * width..][..width];
            let below = &self.source[second * width..][..width];
            // Of two equal rows the mean of four is the mean of the pair.
            match (self.chroma.shift_x, first == second) {
                (0, false) => quads(above, below, out),
                (0, true) => pairs(above, out),
                (1, _) => columns(above, below, out),
                _ => doubled(above, below, out),
            }
        }
    }
}

#[inline(always)]
fn quads(above: &[u8], below: &[u8], out: &mut [u8]) {
    let mean = |a: u8, b: u8, c: u8, d: u8| {
        ((u16::from(a) + u16::from(b) + u16::from(c) + u16::from(d) + 2) >> 2) as u8
    };
    let (above, above_end) = above.as_chunks::<2>();
    let (below, below_end) = below.as_chunks::<2>();
    for ((out, &[a, b]), &[c, d]) in out.iter_mut().zip(above).zip(below) {
        *out = mean(a, b, c, d);
    }
    if let ([a], [c], Some(out)) = (above_end, below_end, out.last_mut()) {
        *out = mean(*a, *a, *c, *c);
    }
}

#[inline(always)]
fn pairs(row: &[u8], out: &mut [u8]) {
    let (row, end) = row.as_chunks::<2>();
    for (out, &[a, b]) in out.iter_mut().zip(row) {
        *out = mean_of_two(a, b);
    }
    if let ([a], Some(out)) = (end, out.last_mut()) {
        *out = *a;
    }
}

#[inline(always)]
fn columns(above: &[u8], below: &[u8], out: &mut [u8]) {
    for ((out, &a), &b) in out.iter_mut().zip(above).zip(below) {
        *out = mean_of_two(a, b);
    }
}

#[inline(always)]
fn doubled(above: &[u8], below: &[u8], out: &mut [u8]) {
    for (x, out) in out.iter_mut().enumerate() {
        *out = mean_of_two(above[x / 2], below[x / 2]);
    }
}

#[inline(always)]
fn mean_of_two(a: u8, b: u8) -> u8 {
    ((u16::from(a) + u16::from(b) + 1) >> 1) as u8
}
