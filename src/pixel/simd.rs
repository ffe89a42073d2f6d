//! One source, compiled for several instruction sets, chosen at run time.
//!
//! A kernel is scalar Rust whose `run` is `#[inline(always)]`; it is compiled
//! once as it is and once more inside a function that may use wider vectors.
//! Integer arithmetic is the same in each, so they are equal by construction
//! (and a test compares them).

use crate::pixel::coefficients::luma_of;

/// Instruction sets that kernels are compiled for. AVX-512 is not one: it made
/// these kernels 0 to 13 % faster (Zen 4), beside an encoder that takes 4 ms.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Level {
    /// What the target always has (SSE2 on x86-64, NEON on arm64).
    Baseline,
    #[cfg(target_arch = "x86_64")]
    Avx2,
}

impl Level {
    /// The best that this machine has.
    pub fn best() -> Level {
        #[cfg(target_arch = "x86_64")]
        if is_x86_feature_detected!("avx2") {
            return Level::Avx2;
        }
        Level::Baseline
    }
}

/// Work whose body is compiled once for each [`Level`]. Implementations mark
/// `run`, and what it calls, `#[inline(always)]`.
pub(crate) trait Kernel {
    type Output;
    fn run<M: Machine>(self) -> Self::Output;
}

/// Operations for which the compiler does not find the best instructions in scalar code.
pub(crate) trait Machine {
    /// For each of four rows the sum of `samples * (256*high + low)` modulo
    /// 2^32. All slices are of one length, a multiple of [`LANES`].
    fn weigh(samples: [&[i16]; 4], high: &[i16], low: &[i16]) -> [i32; 4];

    /// Whether [`Machine::luma`] is better than the compiler's own.
    const PAIRS: bool;

    /// For each 8-bit sample Y the [luma](luma_of) of R, G and B, each
    /// `clamp((cy*Y + term) >> 16)`. Two pixels share their `terms`.
    fn luma(samples: &[u8], cy: i32, terms: [&[i32]; 3], out: &mut [i16]);
}

/// Samples that [`Machine::weigh`] takes at a time.
pub(crate) const LANES: usize = 16;

struct Scalar;

impl Machine for Scalar {
    const PAIRS: bool = false;

    #[inline(always)]
    fn weigh(samples: [&[i16]; 4], high: &[i16], low: &[i16]) -> [i32; 4] {
        samples.map(|samples| (dot(samples, high) << 8).wrapping_add(dot(samples, low)))
    }

    #[inline(always)]
    fn luma(samples: &[u8], cy: i32, terms: [&[i32]; 3], out: &mut [i16]) {
        let (samples, out) = (samples.chunks(2), out.chunks_mut(2));
        let terms = terms[0].iter().zip(terms[1]).zip(terms[2]);
        for ((samples, out), ((&red, &green), &blue)) in samples.zip(out).zip(terms) {
            for (&sample, out) in samples.iter().zip(out) {
                let y = cy.wrapping_mul(i32::from(sample));
                let value = |term: i32| (y.wrapping_add(term) >> 16).clamp(0, 255);
                *out = luma_of(value(red), value(green), value(blue)) as i16;
            }
        }
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

/// Runs `kernel` with the instructions of `level`, or of the baseline where
/// this machine lacks them.
pub(crate) fn run<K: Kernel>(level: Level, kernel: K) -> K::Output {
    match level {
        #[cfg(target_arch = "x86_64")]
        Level::Avx2 if is_x86_feature_detected!("avx2") => {
            // SAFETY: the processor has avx2, says the line above.
            unsafe { x86::run_avx2(kernel) }
        }
        _ => kernel.run::<Scalar>(),
    }
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use std::arch::x86_64::*;

    use super::{Kernel, LANES, Machine, Scalar};

    #[target_feature(enable = "avx2")]
    pub(super) fn run_avx2<K: Kernel>(kernel: K) -> K::Output {
        kernel.run::<Avx2>()
    }

    /// Named only by the function above, whose caller has avx2.
    struct Avx2;

    impl Machine for Avx2 {
        const PAIRS: bool = true;

        #[inline(always)]
        fn weigh(samples: [&[i16]; 4], high: &[i16], low: &[i16]) -> [i32; 4] {
            // SAFETY: Avx2 is private to this module and named only where the processor has avx2.
            unsafe { weigh(samples, high, low) }
        }

        #[inline(always)]
        fn luma(samples: &[u8], cy: i32, terms: [&[i32]; 3], out: &mut [i16]) {
            // SAFETY: as above.
            unsafe { luma(samples, cy, terms, out) }
        }
    }

    /// Weights are loaded once for four rows: 1920 x 1080 to 32 columns in half
    /// the time of what the compiler makes of [`Scalar`](super::Scalar).
    #[target_feature(enable = "avx2")]
    #[inline]
    fn weigh(samples: [&[i16]; 4], high: &[i16], low: &[i16]) -> [i32; 4] {
        // No closures in here: what calls one knows nothing of AVX2, and is not inlined.
        let (high, _) = high.as_chunks::<LANES>();
        let low = &low.as_chunks::<LANES>().0[..high.len()];
        let rows = [
            &samples[0].as_chunks::<LANES>().0[..high.len()],
            &samples[1].as_chunks::<LANES>().0[..high.len()],
            &samples[2].as_chunks::<LANES>().0[..high.len()],
            &samples[3].as_chunks::<LANES>().0[..high.len()],
        ];
        let mut highs = [_mm256_setzero_si256(); 4];
        let mut lows = [_mm256_setzero_si256(); 4];
        for i in 0..high.len() {
            let (high, low) = (load(&high[i]), load(&low[i]));
            for row in 0..4 {
                let samples = load(&rows[row][i]);
                highs[row] = _mm256_add_epi32(highs[row], _mm256_madd_epi16(samples, high));
                lows[row] = _mm256_add_epi32(lows[row], _mm256_madd_epi16(samples, low));
            }
        }
        let mut sums = lows;
        for (sum, high) in sums.iter_mut().zip(highs) {
            *sum = _mm256_add_epi32(_mm256_slli_epi32::<8>(high), *sum);
        }
        // Adding neighbours twice leaves the four rows' sums side by side in each half.
        let pairs = _mm256_hadd_epi32(sums[0], sums[1]);
        let more = _mm256_hadd_epi32(sums[2], sums[3]);
        let halves = _mm256_hadd_epi32(pairs, more);
        let (below, above) = (
            _mm256_castsi256_si128(halves),
            _mm256_extracti128_si256::<1>(halves),
        );
        let total = _mm_add_epi32(below, above);
        [
            _mm_extract_epi32::<0>(total),
            _mm_extract_epi32::<1>(total),
            _mm_extract_epi32::<2>(total),
            _mm_extract_epi32::<3>(total),
        ]
    }

    /// Sixteen pixels at a time, R, G and B in 16-bit lanes; even and odd pixels
    /// meet their common terms separately.
    #[target_feature(enable = "avx2")]
    #[inline]
    fn luma(samples: &[u8], cy: i32, terms: [&[i32]; 3], out: &mut [i16]) {
        let (groups, rest) = samples.as_chunks::<LANES>();
        let (outs, out_of_rest) = out.as_chunks_mut::<LANES>();
        let of_groups = groups.len() * (LANES / 2);
        let [(red, r), (green, g), (blue, b)] = [
            terms[0].split_at(of_groups),
            terms[1].split_at(of_groups),
            terms[2].split_at(of_groups),
        ];
        let [red, green, blue] = [
            red.as_chunks::<8>().0,
            green.as_chunks::<8>().0,
            blue.as_chunks::<8>().0,
        ];
        let cy_of_all = _mm256_set1_epi32(cy);
        let groups = groups.iter().zip(outs).zip(red).zip(green).zip(blue);
        for ((((samples, out), red), green), blue) in groups {
            let (even, odd) = pairs(samples);
            let y = (
                _mm256_mullo_epi32(even, cy_of_all),
                _mm256_mullo_epi32(odd, cy_of_all),
            );
            luma_of([value(y, red), value(y, green), value(y, blue)], out);
        }
        Scalar::luma(rest, cy, [r, g, b], out_of_rest);
    }

    /// `clamp((y + term) >> 16)` of even and odd pixels, in order.
    #[target_feature(enable = "avx2")]
    #[inline]
    fn value((even, odd): (__m256i, __m256i), terms: &[i32; 8]) -> __m256i {
        // SAFETY: the reference covers the 32 bytes read; the load needs no alignment.
        let terms = unsafe { _mm256_loadu_si256(terms.as_ptr().cast()) };
        let even = _mm256_srli_epi32::<16>(_mm256_add_epi32(even, terms));
        let both = _mm256_blend_epi16::<0b1010_1010>(even, _mm256_add_epi32(odd, terms));
        let positive = _mm256_max_epi16(both, _mm256_setzero_si256());
        _mm256_min_epi16(positive, _mm256_set1_epi16(255))
    }

    #[target_feature(enable = "avx2")]
    #[inline]
    fn luma_of([red, green, blue]: [__m256i; 3], out: &mut [i16; LANES]) {
        // 38470 does not fit 16 bits: green goes half with red, half with blue.
        let with_red = _mm256_set1_epi32(19235 << 16 | 19595);
        let with_blue = _mm256_set1_epi32(19235 << 16 | 7471);
        let low = _mm256_add_epi32(
            _mm256_madd_epi16(_mm256_unpacklo_epi16(red, green), with_red),
            _mm256_madd_epi16(_mm256_unpacklo_epi16(blue, green), with_blue),
        );
        let high = _mm256_add_epi32(
            _mm256_madd_epi16(_mm256_unpackhi_epi16(red, green), with_red),
            _mm256_madd_epi16(_mm256_unpackhi_epi16(blue, green), with_blue),
        );
        let half = _mm256_set1_epi32(0x8000);
        let low = _mm256_srli_epi32::<16>(_mm256_add_epi32(low, half));
        let high = _mm256_srli_epi32::<16>(_mm256_add_epi32(high, half));
        // SAFETY: the reference covers the 32 bytes written; the store needs no alignment.
        unsafe { _mm256_storeu_si256(out.as_mut_ptr().cast(), _mm256_packs_epi32(low, high)) }
    }

    /// Samples 0 2 4 ..., and 1 3 5 ..., each in 32 bits.
    #[target_feature(enable = "avx2")]
    #[inline]
    fn pairs(samples: &[u8; LANES]) -> (__m256i, __m256i) {
        // SAFETY: the reference covers the 16 bytes read; the load needs no alignment.
        let samples = unsafe { _mm_loadu_si128(samples.as_ptr().cast()) };
        let pairs = _mm256_cvtepu16_epi32(samples);
        let even = _mm256_and_si256(pairs, _mm256_set1_epi32(255));
        (even, _mm256_srli_epi32::<8>(pairs))
    }

    #[target_feature(enable = "avx2")]
    #[inline]
    fn load(lanes: &[i16; LANES]) -> __m256i {
        // SAFETY: the reference covers the 32 bytes read; the load needs no alignment.
        unsafe { _mm256_loadu_si256(lanes.as_ptr().cast()) }
    }
}
