//! The two passes. Sums are i32 modulo 2^32, so their order is free; each ends
//! `clamp((sum + 2^21) >> 22)`.

use crate::pixel::resample::weights::Axis;
use crate::pixel::simd::{Kernel, Machine};

const HALF: i32 = 1 << 21;

/// Rows that the horizontal pass sums up at a time.
pub(crate) const ROWS: usize = 4;

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
    /// Scratch: one channel of [`ROWS`] rows, each with room behind it for unused taps.
    pub row: &'a mut Vec<i16>,
    pub out: &'a mut [u8],
}

impl<const C: usize> Kernel for Horizontal<'_, C> {
    type Output = ();

    #[inline(always)]
    fn run<M: Machine>(self) {
        let axis = self.axis;
        let (in_row, out_row) = (self.width * C, axis.starts.len() * C);
        // What lies behind each row is read by taps whose weight is 0.
        let wide_row = self.width + axis.taps;
        self.row.resize(ROWS * wide_row, 0);
        let groups = self.source.chunks(ROWS * in_row);
        for (source, out) in groups.zip(self.out.chunks_mut(ROWS * out_row)) {
            for channel in 0..C {
                let wide_rows = self.row.chunks_exact_mut(wide_row);
                for (wide, source) in wide_rows.zip(source.chunks_exact(in_row)) {
                    let (pixels, _) = source.as_chunks::<C>();
                    for (wide, pixel) in wide.iter_mut().zip(pixels) {
                        *wide = i16::from(pixel[channel]);
                    }
                }
                let (out, _) = out.as_chunks_mut::<C>();
                let rows = Rows {
                    axis,
                    wide: self.row,
                    wide_row,
                };
                rows.reduce::<M, C>(channel, out);
            }
        }
    }
}

/// One channel of up to [`ROWS`] rows as 16-bit samples.
pub(crate) struct Rows<'a> {
    pub axis: &'a Axis,
    pub wide: &'a [i16],
    /// From one row to the next: a row's samples, and room for unused taps.
    pub wide_row: usize,
}

/// [`Rows`] to as many rows of `axis.starts.len()` samples as `out` has.
pub(crate) struct HorizontalOfRows<'a> {
    pub rows: Rows<'a>,
    pub out: &'a mut [u8],
}

impl Kernel for HorizontalOfRows<'_> {
    type Output = ();

    #[inline(always)]
    fn run<M: Machine>(self) {
        let (out, _) = self.out.as_chunks_mut::<1>();
        self.rows.reduce::<M, 1>(0, out);
    }
}

impl Rows<'_> {
    #[inline(always)]
    fn reduce<M: Machine, const C: usize>(&self, channel: usize, out: &mut [[u8; C]]) {
        match self.axis.taps {
            4 => self.few::<4, C>(channel, out),
            8 => self.few::<8, C>(channel, out),
            _ => self.many::<M, C>(channel, out),
        }
    }

    #[inline(always)]
    fn few<const TAPS: usize, const C: usize>(&self, channel: usize, out: &mut [[u8; C]]) {
        let (weights, _) = self.axis.weights.as_chunks::<TAPS>();
        let rows = self.wide.chunks_exact(self.wide_row);
        for (out, row) in out.chunks_exact_mut(self.axis.starts.len()).zip(rows) {
            for ((out, weights), &start) in out.iter_mut().zip(weights).zip(&self.axis.starts) {
                let mut sum = HALF;
                for (&sample, &weight) in row[start..][..TAPS].iter().zip(weights) {
                    sum = sum.wrapping_add(i32::from(sample).wrapping_mul(weight));
                }
                out[channel] = finish(sum);
            }
        }
    }

    /// Always sums [`ROWS`] rows, so that each weight is loaded once for all;
    /// rows that `out` lacks hold old samples and are dropped.
    ///
    /// Weights as words are half the work. Where what they leave out could change the result, about
    /// one in fifty, the sum is made anew.
    #[inline(always)]
    fn many<M: Machine, const C: usize>(&self, channel: usize, out: &mut [[u8; C]]) {
        let Axis {
            taps,
            starts,
            words,
            ..
        } = self.axis;
        for (index, ((weights, rests), &start)) in words.targets().zip(starts).enumerate() {
            // Not by a function of the row: it would not be inlined into code for wider vectors.
            let row = |row: usize| row * self.wide_row + start;
            let samples = [
                &self.wide[row(0)..][..*taps],
                &self.wide[row(1)..][..*taps],
                &self.wide[row(2)..][..*taps],
                &self.wide[row(3)..][..*taps],
            ];
            let sums = M::weigh(samples, weights);
            for (row, sum) in sums.into_iter().enumerate() {
                let Some(out) = out.get_mut(row * starts.len() + index) else {
                    break;
                };
                let sum = (sum << words.shift).wrapping_add(HALF + rests.middle);
                let least = sum.wrapping_sub(rests.away) >> 22;
                out[channel] = if least == sum.wrapping_add(rests.away) >> 22 {
                    least.clamp(0, 255) as u8
                } else {
                    self.exact(index, samples[row])
                };
            }
        }
    }

    #[inline(always)]
    fn exact(&self, index: usize, samples: &[i16]) -> u8 {
        let weights = &self.axis.weights[index * self.axis.taps..][..self.axis.taps];
        let mut sum = HALF;
        for (&sample, &weight) in samples.iter().zip(weights) {
            sum = sum.wrapping_add(i32::from(sample).wrapping_mul(weight));
        }
        finish(sum)
    }
}

/// Every column of `source` to `axis.starts.len()` samples.
pub(crate) struct Vertical<'a> {
    pub axis: &'a Axis,
    /// The source row that `source` begins with.
    pub first_row: usize,
    /// The target's row that `out` begins with.
    pub first_target: usize,
    /// Bytes of a row.
    pub width: usize,
    pub source: &'a [u8],
    pub out: &'a mut [u8],
}

impl Kernel for Vertical<'_> {
    type Output = ();

    #[inline(always)]
    fn run<M: Machine>(self) {
        for (index, out) in self.out.chunks_exact_mut(self.width).enumerate() {
            let (start, weights) = self.axis.at(self.first_target + index);
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
