//! AVX2. No closures in here: what calls one knows nothing of AVX2, and is not inlined.

use std::arch::x86_64::*;

use crate::pixel::coefficients::ToJfif;
use crate::pixel::simd::{Kernel, LANES, Machine, Pairs, Scalar, Terms, jfif_sample};

#[target_feature(enable = "avx2")]
pub(super) fn run_avx2<K: Kernel>(kernel: K) -> K::Output {
    kernel.run::<Avx2>()
}

/// Named only by the function above, whose caller has avx2.
struct Avx2;

impl Machine for Avx2 {
    #[inline(always)]
    fn weigh(samples: [&[i16]; 4], weights: &[i16]) -> [i32; 4] {
        // SAFETY: Avx2 is private to this module and named only where the processor has avx2.
        unsafe { weigh(samples, weights) }
    }

    const PAIRS: bool = true;

    #[inline(always)]
    fn prefetch(bytes: &[u8]) {
        for line in bytes.chunks(64) {
            // SAFETY: every processor with avx2 has it; it changes nothing and never faults.
            unsafe { _mm_prefetch::<_MM_HINT_T0>(line.as_ptr().cast()) };
        }
    }

    #[inline(always)]
    fn jfif_chroma(chroma: &Pairs, c: &ToJfif, planes: [&mut [u8]; 2], terms: &mut Terms) {
        if c.fits_words() {
            // SAFETY: as above.
            unsafe { jfif_chroma(chroma, c, planes, terms) }
        } else {
            Scalar::jfif_chroma(chroma, c, planes, terms);
        }
    }

    #[inline(always)]
    fn jfif_luma(samples: &[u8], factor: i32, terms: &Terms, out: &mut [u8]) {
        // SAFETY: as above.
        unsafe { jfif_luma(samples, factor, terms, out) }
    }

    #[inline(always)]
    fn luma(samples: &[u8], cy: i32, terms: [&[i32]; 3], out: &mut [i16]) {
        // SAFETY: as above.
        unsafe { luma(samples, cy, terms, out) }
    }
}

/// Weights are loaded once for four rows: 1920 x 1080 to 32 columns in half the time of what the
/// compiler makes of [`Scalar`].
#[target_feature(enable = "avx2")]
#[inline]
fn weigh(samples: [&[i16]; 4], weights: &[i16]) -> [i32; 4] {
    let (weights, _) = weights.as_chunks::<LANES>();
    let rows = [
        &samples[0].as_chunks::<LANES>().0[..weights.len()],
        &samples[1].as_chunks::<LANES>().0[..weights.len()],
        &samples[2].as_chunks::<LANES>().0[..weights.len()],
        &samples[3].as_chunks::<LANES>().0[..weights.len()],
    ];
    let mut sums = [_mm256_setzero_si256(); 4];
    for i in 0..weights.len() {
        let weights = load(&weights[i]);
        for row in 0..4 {
            let products = _mm256_madd_epi16(load(&rows[row][i]), weights);
            sums[row] = _mm256_add_epi32(sums[row], products);
        }
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

/// Sixteen pairs at a time. Cb' is `u + 128 + (((uu - 2^16)*u + uv*v + 2^15) >> 16)` with factors of
/// 16 fraction bits, so that they fit words; Cr' likewise.
#[target_feature(enable = "avx2")]
#[inline]
fn jfif_chroma(chroma: &Pairs, c: &ToJfif, [cb, cr]: [&mut [u8]; 2], terms: &mut Terms) {
    let up = 16 - c.shift;
    let base = _mm256_set1_epi32((1 << 15) - (c.yy << up) * c.luma_offset);
    let of_cb = both((c.uu << up) - (1 << 16), c.uv << up);
    let of_cr = both(c.vu << up, (c.vv << up) - (1 << 16));
    let of_y = both(c.yu << up, c.yv << up);
    let (us, vs) = (
        chroma.u.as_chunks::<LANES>().0,
        chroma.v.as_chunks::<LANES>().0,
    );
    let terms = terms.as_chunks_mut::<8>().0;
    let cb = &mut cb[..chroma.count];
    let cr = &mut cr[..chroma.count];
    for i in 0..chroma.count.div_ceil(LANES) {
        let (u, v) = (load(&us[i]), load(&vs[i]));
        let low = _mm256_unpacklo_epi16(u, v);
        let high = _mm256_unpackhi_epi16(u, v);
        let (first, second) = (
            _mm256_add_epi32(_mm256_madd_epi16(low, of_y), base),
            _mm256_add_epi32(_mm256_madd_epi16(high, of_y), base),
        );
        store_32(
            _mm256_permute2x128_si256::<0x20>(first, second),
            &mut terms[2 * i],
        );
        store_32(
            _mm256_permute2x128_si256::<0x31>(first, second),
            &mut terms[2 * i + 1],
        );
        let centre = _mm256_set1_epi16(128);
        let of_u = _mm256_add_epi16(_mm256_add_epi16(u, centre), rounded(low, high, of_cb));
        let of_v = _mm256_add_epi16(_mm256_add_epi16(v, centre), rounded(low, high, of_cr));
        let bytes = _mm256_permute4x64_epi64::<0b11_01_10_00>(_mm256_packus_epi16(of_u, of_v));
        let at = i * LANES;
        if let (Some(cb), Some(cr)) = (
            cb[at..].first_chunk_mut::<LANES>(),
            cr[at..].first_chunk_mut::<LANES>(),
        ) {
            store_16(_mm256_castsi256_si128(bytes), cb);
            store_16(_mm256_extracti128_si256::<1>(bytes), cr);
        } else {
            for at in at..chroma.count {
                let (u, v) = (i32::from(chroma.u[at]), i32::from(chroma.v[at]));
                cb[at] = jfif_sample(c, c.uu * u + c.uv * v);
                cr[at] = jfif_sample(c, c.vu * u + c.vv * v);
            }
        }
    }
}

/// Two words in each double word.
#[target_feature(enable = "avx2")]
#[inline]
fn both(low: i32, high: i32) -> __m256i {
    _mm256_set1_epi32(high << 16 | low & 0xffff)
}

/// `(first*f + second*g + 2^15) >> 16` of interleaved words and factors.
#[target_feature(enable = "avx2")]
#[inline]
fn rounded(low: __m256i, high: __m256i, factors: __m256i) -> __m256i {
    let half = _mm256_set1_epi32(1 << 15);
    let low = _mm256_add_epi32(_mm256_madd_epi16(low, factors), half);
    let high = _mm256_add_epi32(_mm256_madd_epi16(high, factors), half);
    _mm256_packs_epi32(_mm256_srai_epi32::<16>(low), _mm256_srai_epi32::<16>(high))
}

/// 32 pixels at a time; even and odd ones meet their common terms separately.
#[target_feature(enable = "avx2")]
#[inline]
fn jfif_luma(samples: &[u8], factor: i32, terms: &Terms, out: &mut [u8]) {
    let factors = _mm256_set1_epi32(factor);
    let (groups, rest) = samples.as_chunks::<32>();
    let (outs, out_of_rest) = out.as_chunks_mut::<32>();
    let terms_of = terms.as_chunks::<8>().0;
    for i in 0..groups.len().min(outs.len()) {
        let (first, second) = groups[i].split_at(16);
        let first = scaled(first, factors, &terms_of[2 * i]);
        let second = scaled(second, factors, &terms_of[2 * i + 1]);
        let bytes = _mm256_packus_epi16(first, second);
        store_bytes(
            _mm256_permute4x64_epi64::<0b11_01_10_00>(bytes),
            &mut outs[i],
        );
    }
    let before = groups.len() * 32;
    for i in 0..rest.len().min(out_of_rest.len()) {
        let sum = factor * i32::from(rest[i]) + terms[(before + i) / 2];
        out_of_rest[i] = (sum >> 16).clamp(0, 255) as u8;
    }
}

/// `(factor*Y + term) >> 16` of sixteen pixels, in order.
#[target_feature(enable = "avx2")]
#[inline]
fn scaled(samples: &[u8], factors: __m256i, terms: &[i32; 8]) -> __m256i {
    let pairs = match samples.first_chunk::<16>() {
        Some(samples) => _mm256_cvtepu16_epi32(load_16(samples)),
        None => _mm256_setzero_si256(),
    };
    let even = _mm256_and_si256(pairs, _mm256_set1_epi32(255));
    let odd = _mm256_srli_epi32::<8>(pairs);
    let terms = load_32(terms);
    let even = _mm256_add_epi32(_mm256_mullo_epi32(even, factors), terms);
    let odd = _mm256_add_epi32(_mm256_mullo_epi32(odd, factors), terms);
    _mm256_blend_epi16::<0b1010_1010>(_mm256_srli_epi32::<16>(even), odd)
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
    // The weights are 2^16 together: L is G and what R and B are more.
    let (red, blue) = (_mm256_sub_epi16(red, green), _mm256_sub_epi16(blue, green));
    let low = _mm256_unpacklo_epi16(red, blue);
    let high = _mm256_unpackhi_epi16(red, blue);
    let more = rounded(low, high, both(19595, 7471));
    store(_mm256_add_epi16(green, more), out);
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

#[target_feature(enable = "avx2")]
#[inline]
fn load_32(lanes: &[i32; 8]) -> __m256i {
    // SAFETY: the reference covers the 32 bytes read; the load needs no alignment.
    unsafe { _mm256_loadu_si256(lanes.as_ptr().cast()) }
}

#[target_feature(enable = "avx2")]
#[inline]
fn load_16(lanes: &[u8; 16]) -> __m128i {
    // SAFETY: the reference covers the 16 bytes read; the load needs no alignment.
    unsafe { _mm_loadu_si128(lanes.as_ptr().cast()) }
}

#[target_feature(enable = "avx2")]
#[inline]
fn store(lanes: __m256i, to: &mut [i16; LANES]) {
    // SAFETY: the reference covers the 32 bytes written; the store needs no alignment.
    unsafe { _mm256_storeu_si256(to.as_mut_ptr().cast(), lanes) }
}

#[target_feature(enable = "avx2")]
#[inline]
fn store_32(lanes: __m256i, to: &mut [i32; 8]) {
    // SAFETY: the reference covers the 32 bytes written; the store needs no alignment.
    unsafe { _mm256_storeu_si256(to.as_mut_ptr().cast(), lanes) }
}

#[target_feature(enable = "avx2")]
#[inline]
fn store_16(lanes: __m128i, to: &mut [u8; 16]) {
    // SAFETY: the reference covers the 16 bytes written; the store needs no alignment.
    unsafe { _mm_storeu_si128(to.as_mut_ptr().cast(), lanes) }
}

#[target_feature(enable = "avx2")]
#[inline]
fn store_bytes(lanes: __m256i, to: &mut [u8; 32]) {
    // SAFETY: the reference covers the 32 bytes written; the store needs no alignment.
    unsafe { _mm256_storeu_si256(to.as_mut_ptr().cast(), lanes) }
}
