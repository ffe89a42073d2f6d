//! Two blocks of 8 x 8 samples at a time to quantised coefficients, with AVX2.
//!
//! The transform is that of Loeffler, Ligtenberg and Moschytz (1989) in the arithmetic of libjpeg's
//! `islow`: factors of 13 fraction bits, rows first, two bits kept between the passes, and each
//! result rounded half up once a pass. Coefficients come out eight times as large as those of
//! ISO/IEC 10918-1, A.3.3, which division by eight quantisation steps takes back.

use std::arch::x86_64::*;

/// Two blocks beside each other: in each row eight coefficients of the first, then of the second.
#[derive(Debug)]
pub(super) struct Pair {
    pub coefficients: [i16; 128],
    /// Which are not 0: bytes of two rows of the first block, then of the second, for each two rows.
    pub marks: [u32; 4],
}

impl Pair {
    pub const EMPTY: Pair = Pair {
        coefficients: [0; 128],
        marks: [0; 4],
    };

    /// The marks of the block that begins at 0 or at 8, a byte a row, the first row lowest.
    #[inline(always)]
    pub fn marks_at(&self, first: usize) -> u64 {
        let shift = if first == 0 { 0 } else { 16 };
        let [a, b, c, d] = self.marks.map(|two| u64::from(two >> shift & 0xffff));
        a | b << 16 | c << 32 | d << 48
    }
}

/// Division by quantisation steps q, for both blocks: `sign(c) * ((|c| + 4q) / 8q)`.
#[derive(Debug, Clone)]
pub(super) struct Quantiser {
    half: [[i16; 16]; 8],
    /// For all n under 2^15, `n / 8q` is `((n * reciprocal >> 16) * scale) >> 16`.
    reciprocal: [[i16; 16]; 8],
    scale: [[i16; 16]; 8],
}

impl Quantiser {
    /// Of steps from 1 to 255, row by row.
    pub fn new(steps: &[u8; 64]) -> Quantiser {
        let table = |of: fn(u32) -> u32| {
            let step = |row: usize, column: usize| u32::from(steps[8 * row + column % 8].max(1));
            std::array::from_fn(|row| {
                // The multiplication that takes them is an unsigned one.
                std::array::from_fn(|column| of(step(row, column)) as u16 as i16)
            })
        };
        Quantiser {
            half: table(|q| 4 * q),
            reciprocal: table(|q| (1u32 << (16 + bits_under(q))).div_ceil(8 * q)),
            scale: table(|q| 1 << (16 - bits_under(q))),
        }
    }
}

/// The largest n with 2^n under 8q: 2 to 10.
fn bits_under(q: u32) -> u32 {
    (8 * q - 1).ilog2()
}

/// Place `at` of rows in sixteens: two blocks beside each other.
#[target_feature(enable = "avx2")]
#[inline]
pub(super) fn neighbours(rows: [&[[u8; 16]]; 8], at: usize, by: &Quantiser, out: &mut Pair) {
    let mut lines = [_mm256_setzero_si256(); 8];
    for row in 0..8 {
        // SAFETY: the reference covers the 16 bytes read; the load needs no alignment.
        let samples = unsafe { _mm_loadu_si128(rows[row][at].as_ptr().cast()) };
        lines[row] = _mm256_cvtepu8_epi16(samples);
    }
    code(lines, by, out);
}

/// Place `at` of the rows in eights of two planes.
#[target_feature(enable = "avx2")]
#[inline]
pub(super) fn of_planes(planes: [[&[[u8; 8]]; 8]; 2], at: usize, by: &Quantiser, out: &mut Pair) {
    let mut lines = [_mm256_setzero_si256(); 8];
    for row in 0..8 {
        let first = i64::from_le_bytes(planes[0][row][at]);
        let second = i64::from_le_bytes(planes[1][row][at]);
        lines[row] = _mm256_cvtepu8_epi16(_mm_set_epi64x(second, first));
    }
    code(lines, by, out);
}

#[target_feature(enable = "avx2")]
#[inline]
fn code(samples: [__m256i; 8], by: &Quantiser, out: &mut Pair) {
    let across = transform::<true>(transposed(samples));
    let coefficients = transform::<false>(transposed(across));
    let mut quantised = [_mm256_setzero_si256(); 8];
    for row in 0..8 {
        let coefficient = coefficients[row];
        let size = _mm256_add_epi16(_mm256_abs_epi16(coefficient), load(&by.half[row]));
        let size = _mm256_mulhi_epu16(size, load(&by.reciprocal[row]));
        let size = _mm256_mulhi_epi16(size, load(&by.scale[row]));
        quantised[row] = _mm256_sign_epi16(size, coefficient);
        store(quantised[row], &mut out.coefficients.as_chunks_mut().0[row]);
    }
    for two in 0..4 {
        // What is not 0 stays so when it is brought to 8 bits.
        let rows = _mm256_packs_epi16(quantised[2 * two], quantised[2 * two + 1]);
        let zero = _mm256_cmpeq_epi8(rows, _mm256_setzero_si256());
        out.marks[two] = !_mm256_movemask_epi8(zero) as u32;
    }
}

/// One pass, of all columns at once.
#[target_feature(enable = "avx2")]
#[inline]
fn transform<const FIRST: bool>(x: [__m256i; 8]) -> [__m256i; 8] {
    let [t0, t1, t2, t3] = [
        _mm256_add_epi16(x[0], x[7]),
        _mm256_add_epi16(x[1], x[6]),
        _mm256_add_epi16(x[2], x[5]),
        _mm256_add_epi16(x[3], x[4]),
    ];
    let [t7, t6, t5, t4] = [
        _mm256_sub_epi16(x[0], x[7]),
        _mm256_sub_epi16(x[1], x[6]),
        _mm256_sub_epi16(x[2], x[5]),
        _mm256_sub_epi16(x[3], x[4]),
    ];
    let (t10, t13) = (_mm256_add_epi16(t0, t3), _mm256_sub_epi16(t0, t3));
    let (t11, t12) = (_mm256_add_epi16(t1, t2), _mm256_sub_epi16(t1, t2));
    let (sum, difference) = (_mm256_add_epi16(t10, t11), _mm256_sub_epi16(t10, t11));
    let (d0, d4) = if FIRST {
        // Samples are 0 to 255 here: 8 times 128 is taken off their sum, all else is differences.
        let centred = _mm256_sub_epi16(sum, _mm256_set1_epi16(8 * 128));
        (
            _mm256_slli_epi16::<2>(centred),
            _mm256_slli_epi16::<2>(difference),
        )
    } else {
        let half = _mm256_set1_epi16(2);
        (
            _mm256_srai_epi16::<2>(_mm256_add_epi16(sum, half)),
            _mm256_srai_epi16::<2>(_mm256_add_epi16(difference, half)),
        )
    };
    let even = interleaved(t13, t12);
    let d2 = rounded::<FIRST>(weighed(even, 4433 + 6270, 4433));
    let d6 = rounded::<FIRST>(weighed(even, 4433, 4433 - 15137));
    let (outer, inner) = (interleaved(t4, t7), interleaved(t5, t6));
    let d7 = rounded::<FIRST>(sum_of(
        weighed(outer, -11363, 2260),
        weighed(inner, 9633, -6436),
    ));
    let d5 = rounded::<FIRST>(sum_of(
        weighed(outer, 9633, 6437),
        weighed(inner, 2261, -11362),
    ));
    let d3 = rounded::<FIRST>(sum_of(
        weighed(outer, -6436, 9633),
        weighed(inner, -11362, -2259),
    ));
    let d1 = rounded::<FIRST>(sum_of(
        weighed(outer, 2260, 11363),
        weighed(inner, 6437, 9633),
    ));
    [d0, d1, d2, d3, d4, d5, d6, d7]
}

/// 32-bit lanes of columns 0 to 3 of both blocks, and of 4 to 7.
type Halves = (__m256i, __m256i);

#[target_feature(enable = "avx2")]
#[inline]
fn interleaved(a: __m256i, b: __m256i) -> Halves {
    (_mm256_unpacklo_epi16(a, b), _mm256_unpackhi_epi16(a, b))
}

/// `a * of_a + b * of_b` of what was interleaved.
#[target_feature(enable = "avx2")]
#[inline]
fn weighed((low, high): Halves, of_a: i16, of_b: i16) -> Halves {
    let factors = _mm256_set1_epi32(i32::from(of_b) << 16 | i32::from(of_a as u16));
    (
        _mm256_madd_epi16(low, factors),
        _mm256_madd_epi16(high, factors),
    )
}

#[target_feature(enable = "avx2")]
#[inline]
fn sum_of(a: Halves, b: Halves) -> Halves {
    (_mm256_add_epi32(a.0, b.0), _mm256_add_epi32(a.1, b.1))
}

/// 13 fraction bits less; the first pass keeps two of them, the second takes those off, too.
#[target_feature(enable = "avx2")]
#[inline]
fn rounded<const FIRST: bool>((low, high): Halves) -> __m256i {
    if FIRST {
        let half = _mm256_set1_epi32(1 << 10);
        let low = _mm256_srai_epi32::<11>(_mm256_add_epi32(low, half));
        let high = _mm256_srai_epi32::<11>(_mm256_add_epi32(high, half));
        _mm256_packs_epi32(low, high)
    } else {
        let half = _mm256_set1_epi32(1 << 14);
        let low = _mm256_srai_epi32::<15>(_mm256_add_epi32(low, half));
        let high = _mm256_srai_epi32::<15>(_mm256_add_epi32(high, half));
        _mm256_packs_epi32(low, high)
    }
}

/// Rows become columns, in each block.
#[target_feature(enable = "avx2")]
#[inline]
fn transposed(r: [__m256i; 8]) -> [__m256i; 8] {
    let a = [
        _mm256_unpacklo_epi16(r[0], r[1]),
        _mm256_unpackhi_epi16(r[0], r[1]),
        _mm256_unpacklo_epi16(r[2], r[3]),
        _mm256_unpackhi_epi16(r[2], r[3]),
        _mm256_unpacklo_epi16(r[4], r[5]),
        _mm256_unpackhi_epi16(r[4], r[5]),
        _mm256_unpacklo_epi16(r[6], r[7]),
        _mm256_unpackhi_epi16(r[6], r[7]),
    ];
    let b = [
        _mm256_unpacklo_epi32(a[0], a[2]),
        _mm256_unpackhi_epi32(a[0], a[2]),
        _mm256_unpacklo_epi32(a[1], a[3]),
        _mm256_unpackhi_epi32(a[1], a[3]),
        _mm256_unpacklo_epi32(a[4], a[6]),
        _mm256_unpackhi_epi32(a[4], a[6]),
        _mm256_unpacklo_epi32(a[5], a[7]),
        _mm256_unpackhi_epi32(a[5], a[7]),
    ];
    [
        _mm256_unpacklo_epi64(b[0], b[4]),
        _mm256_unpackhi_epi64(b[0], b[4]),
        _mm256_unpacklo_epi64(b[1], b[5]),
        _mm256_unpackhi_epi64(b[1], b[5]),
        _mm256_unpacklo_epi64(b[2], b[6]),
        _mm256_unpackhi_epi64(b[2], b[6]),
        _mm256_unpacklo_epi64(b[3], b[7]),
        _mm256_unpackhi_epi64(b[3], b[7]),
    ]
}

#[target_feature(enable = "avx2")]
#[inline]
fn load(lanes: &[i16; 16]) -> __m256i {
    // SAFETY: the reference covers the 32 bytes read; the load needs no alignment.
    unsafe { _mm256_loadu_si256(lanes.as_ptr().cast()) }
}

#[target_feature(enable = "avx2")]
#[inline]
fn store(lanes: __m256i, to: &mut [i16; 16]) {
    // SAFETY: the reference covers the 32 bytes written; the store needs no alignment.
    unsafe { _mm256_storeu_si256(to.as_mut_ptr().cast(), lanes) }
}
