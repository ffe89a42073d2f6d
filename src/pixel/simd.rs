//! One source, compiled for several instruction sets, chosen at run time.
//!
//! A kernel is scalar Rust whose `run` is `#[inline(always)]`; it is compiled
//! once as it is and once more inside a function that may use wider vectors.
//! Integer arithmetic is the same in each, so they are equal by construction
//! (and a test compares them). What `Machine` has is written once more for
//! some instruction sets, by a shorter way where there is one; tests compare it
//! with the plain way.

#[cfg(target_arch = "x86_64")]
mod x86;

use crate::pixel::coefficients::{ToJfif, luma_of};
use crate::pixel::planes::TILE;

/// Instruction sets that kernels are compiled for. AVX-512 is not one: it made
/// these kernels, as they were in 2026-11, 0 to 13 % faster (Zen 4).
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

/// Operations for which the compiler does not find the best instructions in scalar code, or for
/// which there is a shorter way than the plain one.
pub(crate) trait Machine {
    /// For each of four rows the sum of `samples * weights`. All slices are of one length, a multiple
    /// of [`LANES`].
    fn weigh(samples: [&[i16]; 4], weights: &[i16]) -> [i32; 4];

    /// Whether what follows is better than the compiler's own. All of it is of 8-bit samples whose
    /// pixels share their chroma two by two, and gives what
    /// [`ToJfif`] and [`ToRgb`](crate::pixel::coefficients::ToRgb) say.
    const PAIRS: bool;

    /// Has bytes that are read soon brought into the processor's cache.
    fn prefetch(bytes: &[u8]);

    /// Cb and Cr less 128 to JFIF's, and for each pair what it adds to Y' with 16 fraction bits.
    fn jfif_chroma(chroma: &Pairs, c: &ToJfif, planes: [&mut [u8]; 2], terms: &mut Terms);

    /// `clamp((factor*Y + term) >> 16)`.
    fn jfif_luma(samples: &[u8], factor: i32, terms: &Terms, out: &mut [u8]);

    /// The [luma](luma_of) of R, G and B, each `clamp((cy*Y + term) >> 16)`.
    fn luma(samples: &[u8], cy: i32, terms: [&[i32]; 3], out: &mut [i16]);
}

/// Samples that [`Machine::weigh`] takes at a time.
pub(crate) const LANES: usize = 16;

/// Pairs of pixels that are handled at a time.
pub(crate) const PAIRS: usize = TILE / 2;

/// Something of each pair.
pub(crate) type Terms = [i32; PAIRS];

/// Cb and Cr, less 128.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Pairs {
    pub u: [i16; PAIRS],
    pub v: [i16; PAIRS],
    /// How many of them count.
    pub count: usize,
}

impl Pairs {
    pub const NONE: Pairs = Pairs {
        u: [0; PAIRS],
        v: [0; PAIRS],
        count: 0,
    };
}

struct Scalar;

impl Machine for Scalar {
    #[inline(always)]
    fn weigh(samples: [&[i16]; 4], weights: &[i16]) -> [i32; 4] {
        samples.map(|samples| dot(samples, weights))
    }

    const PAIRS: bool = false;

    #[inline(always)]
    fn prefetch(_: &[u8]) {}

    #[inline(always)]
    fn jfif_chroma(chroma: &Pairs, c: &ToJfif, [cb, cr]: [&mut [u8]; 2], terms: &mut Terms) {
        let up = 16 - c.shift;
        let base = (1 << 15) - (c.yy << up) * c.luma_offset;
        for (i, term) in terms.iter_mut().enumerate().take(chroma.count) {
            let (u, v) = (i32::from(chroma.u[i]), i32::from(chroma.v[i]));
            *term = base + (c.yu << up) * u + (c.yv << up) * v;
            cb[i] = jfif_sample(c, c.uu * u + c.uv * v);
            cr[i] = jfif_sample(c, c.vu * u + c.vv * v);
        }
    }

    #[inline(always)]
    fn jfif_luma(samples: &[u8], factor: i32, terms: &Terms, out: &mut [u8]) {
        for (i, (&sample, out)) in samples.iter().zip(out).enumerate() {
            *out = ((factor * i32::from(sample) + terms[i / 2]) >> 16).clamp(0, 255) as u8;
        }
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
fn jfif_sample(c: &ToJfif, sum: i32) -> u8 {
    let centre = (128 << c.shift) + (1 << (c.shift - 1));
    ((sum + centre) >> c.shift).clamp(0, 255) as u8
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
