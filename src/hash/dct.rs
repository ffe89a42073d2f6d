//! The corner of a DCT-II that `phash` looks at.

use crate::hash::cosines::QUARTER_WAVE;

const SIDE: usize = 32;
const LOW: usize = 8;

/// What is below this is the noise of a flat picture's sums, and counts as 0.
const NOISE: f64 = 1e-9;

/// Coefficients (row, column) 0..8 of the unnormalised two-dimensional DCT-II
/// (scipy's, a factor 2 for each direction) of a 32 x 32 picture, rows first.
/// f64 sums in index order: the same on every machine.
pub(super) fn low_frequencies(pixels: &[u8]) -> [f64; LOW * LOW] {
    let cosines: [[f64; SIDE]; LOW] =
        std::array::from_fn(|k| std::array::from_fn(|n| cosine((2 * n + 1) * k)));
    let mut columns = [[0.0; SIDE]; LOW];
    for (sums, weights) in columns.iter_mut().zip(&cosines) {
        for (row, weight) in pixels.chunks_exact(SIDE).zip(weights) {
            for (sum, &pixel) in sums.iter_mut().zip(row) {
                *sum += f64::from(pixel) * weight;
            }
        }
    }
    let mut low = [0.0; LOW * LOW];
    for (index, value) in low.iter_mut().enumerate() {
        let (row, weights) = (&columns[index / LOW], &cosines[index % LOW]);
        let sum = row.iter().zip(weights).fold(0.0, |sum, (a, b)| sum + a * b);
        *value = if (4.0 * sum).abs() < NOISE {
            0.0
        } else {
            4.0 * sum
        };
    }
    low
}

/// cos(pi*j/64)
fn cosine(j: usize) -> f64 {
    match j % 128 {
        j @ 0..=32 => f64::from_bits(QUARTER_WAVE[j]),
        j @ 33..=64 => -f64::from_bits(QUARTER_WAVE[64 - j]),
        j @ 65..=96 => -f64::from_bits(QUARTER_WAVE[j - 64]),
        j => f64::from_bits(QUARTER_WAVE[128 - j]),
    }
}
