//! The two passes. Sums are i32 modulo 2^32, so their order is free; each ends
//! `clamp((sum + 2^21) >> 22)`.

use crate::pixel::resample::weights::Axis;
use crate::pixel::simd::Kernel;

const HALF: i32 = 1 << 21;

/// Columns that the vertical pass sums up at a time, in registers.
const COLUMNS: usize = 32;

#[inline(always)]
fn finish(sum: i32) -> u8 {
    (sum >> 22).clamp(0, 255) as u8
}

/// Every row of `source` to `axis.starts.len()` pixels of `C` bytes.
pub(crate) struct Horizontal<'a, const C: usize> {
    pub axis: &'a Axis,
    /// Pixels of a source row.
    pub width: usize,
    pub source: &'a [u8],
    /// Scratch: one channel of a row, with zeros behind it for the unused taps.
    pub row: &'a mut Vec<i16>,
    pub out: &'a mut [u8],
}

impl<const C: usize> Kernel for Horizontal<'_, C> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        let axis = self.axis;
        let out_row = axis.starts.len() * C;
        self.row.clear();
        self.row.resize(self.width + axis.taps, 0);
        let rows = self.source.chunks_exact(self.width * C);
        for (source, out) in rows.zip(self.out.chunks_exact_mut(out_row)) {
            let (source, _) = source.as_chunks::<C>();
            let (out, _) = out.as_chunks_mut::<C>();
            for channel in 0..C {
                for (wide, pixel) in self.row.iter_mut().zip(source) {
                    *wide = i16::from(pixel[channel]);
                }
                match axis.taps {
                    4 => few::<4, C>(axis, self.row, out, channel),
                    8 => few::<8, C>(axis, self.row, out, channel),
                    _ => many(axis, self.row, out, channel),
                }
            }
        }
    }
}

#[inline(always)]
fn few<const TAPS: usize, const C: usize>(
    axis: &Axis,
    row: &[i16],
    out: &mut [[u8; C]],
    channel: usize,
) {
    let (weights, _) = axis.weights.as_chunks::<TAPS>();
    for ((out, weights), &start) in out.iter_mut().zip(weights).zip(&axis.starts) {
        let mut sum = HALF;
        for (&sample, &weight) in row[start..][..TAPS].iter().zip(weights) {
            sum = sum.wrapping_add(i32::from(sample).wrapping_mul(weight));
        }
        out[channel] = finish(sum);
    }
}

#[inline(always)]
fn many<const C: usize>(axis: &Axis, row: &[i16], out: &mut [[u8; C]], channel: usize) {
    let weights = axis
        .high
        .chunks_exact(axis.taps)
        .zip(axis.low.chunks_exact(axis.taps));
    for ((out, (high, low)), &start) in out.iter_mut().zip(weights).zip(&axis.starts) {
        let samples = &row[start..][..axis.taps];
        let sum = (dot(samples, high) << 8).wrapping_add(dot(samples, low));
        out[channel] = finish(sum.wrapping_add(HALF));
    }
}

#[inline(always)]
fn dot(samples: &[i16], weights: &[i16]) -> i32 {
    let mut sum = 0i32;
    for (&sample, &weight) in samples.iter().zip(weights) {
        sum = sum.wrapping_add(i32::from(sample) * i32::from(weight));
    }
    sum
}

/// Every column of `source` to `axis.starts.len()` samples.
pub(crate) struct Vertical<'a> {
    pub axis: &'a Axis,
    /// The source row that `source` begins with.
    pub first_row: usize,
    /// Bytes of a row.
    pub width: usize,
    pub source: &'a [u8],
    pub out: &'a mut [u8],
}

impl Kernel for Vertical<'_> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        for (index, out) in self.out.chunks_exact_mut(self.width).enumerate() {
            let (start, weights) = self.axis.at(index);
            let rows = &self.source[(start - self.first_row) * self.width..];
            let (blocks, rest) = out.as_chunks_mut::<COLUMNS>();
            let first_of_rest = blocks.len() * COLUMNS;
            for (block, out) in blocks.iter_mut().enumerate() {
                let mut sums = [HALF; COLUMNS];
                for (&weight, row) in weights.iter().zip(rows.chunks_exact(self.width)) {
                    let samples = &row[block * COLUMNS..][..COLUMNS];
                    for (sum, &sample) in sums.iter_mut().zip(samples) {
                        *sum = sum.wrapping_add(i32::from(sample).wrapping_mul(weight));
                    }
                }
                *out = sums.map(finish);
            }
            for (column, out) in (first_of_rest..).zip(rest) {
                let mut sum = HALF;
                for (&weight, row) in weights.iter().zip(rows.chunks_exact(self.width)) {
                    sum = sum.wrapping_add(i32::from(row[column]).wrapping_mul(weight));
                }
                *out = finish(sum);
            }
        }
    }
}
