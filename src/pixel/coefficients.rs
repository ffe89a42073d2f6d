//! Fixed-point colour matrices, derived from the luma weights of each standard.
//!
//! Only + - * / and round-half-away in f64 on constants: IEEE 754 fixes each
//! result, so every machine has the same integers. A CUDA kernel gets them as
//! parameters.

use crate::error::{Error, Reason, Result};
use crate::media::colour::{Matrix, Range};

/// Weights of R and B in luma (H.273, table 4).
#[derive(Debug, Clone, Copy)]
struct LumaWeights {
    red: f64,
    blue: f64,
}

const BT601: LumaWeights = LumaWeights {
    red: 0.299,
    blue: 0.114,
};

fn luma_weights(matrix: Matrix) -> Result<LumaWeights> {
    match matrix {
        Matrix::Bt601 => Ok(BT601),
        Matrix::Bt709 => Ok(LumaWeights {
            red: 0.2126,
            blue: 0.0722,
        }),
        Matrix::Bt2020 => Ok(LumaWeights {
            red: 0.2627,
            blue: 0.0593,
        }),
        Matrix::Rgb => Err(Error::new(
            Reason::MediaUnsupported,
            "cannot convert luma and chroma planes whose matrix says RGB",
        )
        .hint("name the matrix by a colour rule")),
    }
}

/// What a sample of 8 to 16 bits is worth on the scale 0 to 255.
#[derive(Debug, Clone, Copy)]
struct Scale {
    luma: f64,
    chroma: f64,
    luma_offset: i32,
    chroma_offset: i32,
}

fn scale(range: Range, depth: u8) -> Scale {
    let unit = f64::from(1u32 << (depth - 8));
    let full = 255.0 / (256.0 * unit - 1.0);
    let chroma_offset = 128 << (depth - 8);
    match range {
        Range::Limited => Scale {
            luma: 255.0 / 219.0 / unit,
            chroma: 255.0 / 224.0 / unit,
            luma_offset: 16 << (depth - 8),
            chroma_offset,
        },
        Range::Full => Scale {
            luma: full,
            chroma: full,
            luma_offset: 0,
            chroma_offset,
        },
    }
}

fn fixed(value: f64, shift: u32) -> i32 {
    // At most 2.2 * 2^18: far inside i32.
    (value * f64::from(1u32 << shift)).round() as i32
}

/// Y, Cb, Cr to RGB. With y = Y - `luma_offset`, u and v = Cb, Cr - `chroma_offset`:
///
/// ```text
/// R = clamp((cy*y + crv*v         + 2^(shift-1)) >> shift)
/// G = clamp((cy*y - cgu*u - cgv*v + 2^(shift-1)) >> shift)
/// B = clamp((cy*y + cbu*u         + 2^(shift-1)) >> shift)
/// ```
///
/// `shift` is 16 for 8 bits and 18 above; all of it fits i32.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(C)] // kernels/rgb.cu has the same fields
pub struct ToRgb {
    pub cy: i32,
    pub crv: i32,
    pub cgu: i32,
    pub cgv: i32,
    pub cbu: i32,
    pub luma_offset: i32,
    pub chroma_offset: i32,
    pub shift: u32,
}

impl ToRgb {
    /// For samples of `depth` bits, 8 to 16. MEDIA_UNSUPPORTED for [`Matrix::Rgb`].
    pub fn new(matrix: Matrix, range: Range, depth: u8) -> Result<ToRgb> {
        let weights = luma_weights(matrix)?;
        let scale = scale(range, depth);
        let shift = if depth == 8 { 16 } else { 18 };
        let green = 1.0 - weights.red - weights.blue;
        let red_of_v = 2.0 * (1.0 - weights.red) * scale.chroma;
        let blue_of_u = 2.0 * (1.0 - weights.blue) * scale.chroma;
        Ok(ToRgb {
            cy: fixed(scale.luma, shift),
            crv: fixed(red_of_v, shift),
            cgu: fixed(blue_of_u * weights.blue / green, shift),
            cgv: fixed(red_of_v * weights.red / green, shift),
            cbu: fixed(blue_of_u, shift),
            luma_offset: scale.luma_offset,
            chroma_offset: scale.chroma_offset,
            shift,
        })
    }
}

/// One sample of luma, gray, or of G, B or R planes, to 8 bits full range:
/// `clamp((factor*(Y - offset) + 2^(shift-1)) >> shift)`; `shift` is 14 for 8
/// bits and 18 above.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Expand {
    pub factor: i32,
    pub offset: i32,
    pub shift: u32,
}

impl Expand {
    /// For samples of `depth` bits, 8 to 16.
    pub fn new(range: Range, depth: u8) -> Expand {
        let scale = scale(range, depth);
        let shift = if depth == 8 { 14 } else { 18 };
        Expand {
            factor: fixed(scale.luma, shift),
            offset: scale.luma_offset,
            shift,
        }
    }

    #[inline(always)]
    pub(crate) fn apply(&self, sample: i32) -> i32 {
        let half = 1 << (self.shift - 1);
        let product = self.factor.wrapping_mul(sample - self.offset);
        (product.wrapping_add(half) >> self.shift).clamp(0, 255)
    }
}

/// Y, Cb, Cr of any matrix and range to the full-range BT.601 a JFIF file
/// stores, in one step. With y, u, v as in [`ToRgb`] and h = 2^(shift-1):
///
/// ```text
/// Y'  = clamp((yy*y + yu*u + yv*v + h) >> shift)
/// Cb' = clamp((uu*u + uv*v + (128 << shift) + h) >> shift)
/// Cr' = clamp((vu*u + vv*v + (128 << shift) + h) >> shift)
/// ```
///
/// 8 bits: `shift` is 16, and 14 where the source is BT.601 (no cross terms:
/// range only). Above 8 bits: 18. Coefficients are `round(c * 2^shift)`; c has
/// matrix, range and depth in it. All of it fits i32.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(C)] // kernels/jfif.cu has the same fields
pub struct ToJfif {
    pub yy: i32,
    pub yu: i32,
    pub yv: i32,
    pub uu: i32,
    pub uv: i32,
    pub vu: i32,
    pub vv: i32,
    pub luma_offset: i32,
    pub chroma_offset: i32,
    pub shift: u32,
}

impl ToJfif {
    /// For samples of `depth` bits, 8 to 16. MEDIA_UNSUPPORTED for [`Matrix::Rgb`].
    pub fn new(matrix: Matrix, range: Range, depth: u8) -> Result<ToJfif> {
        let source = luma_weights(matrix)?;
        let scale = scale(range, depth);
        let shift = match (depth, matrix) {
            (8, Matrix::Bt601) => 14,
            (8, _) => 16,
            _ => 18,
        };
        let of_u = chroma_to_jfif(source, 1.0, 0.0);
        let of_v = chroma_to_jfif(source, 0.0, 1.0);
        let chroma = |value: f64| fixed(value * scale.chroma, shift);
        Ok(ToJfif {
            yy: fixed(scale.luma, shift),
            yu: chroma(of_u[0]),
            yv: chroma(of_v[0]),
            uu: chroma(of_u[1]),
            uv: chroma(of_v[1]),
            vu: chroma(of_u[2]),
            vv: chroma(of_v[2]),
            luma_offset: scale.luma_offset,
            chroma_offset: scale.chroma_offset,
            shift,
        })
    }
}

#[cfg(target_arch = "x86_64")]
impl ToJfif {
    /// Whether factors with 16 fraction bits fit words, those near 1 less 1: those of 8-bit samples do.
    pub(crate) fn fits_words(&self) -> bool {
        let up = 16u32.saturating_sub(self.shift);
        let near_one = [self.uu, self.vv].map(|factor| (factor << up) - (1 << 16));
        let others = [self.yu, self.yv, self.uv, self.vu].map(|factor| factor << up);
        let mut all = near_one.into_iter().chain(others);
        self.shift <= 16 && all.all(|factor| i16::try_from(factor).is_ok())
    }
}

/// BT.601 Y', Cb', Cr' of the colour that has chroma (u, v) and luma 0 in `source`.
fn chroma_to_jfif(source: LumaWeights, u: f64, v: f64) -> [f64; 3] {
    let red = 2.0 * (1.0 - source.red) * v;
    let blue = 2.0 * (1.0 - source.blue) * u;
    let green = -(source.red * red + source.blue * blue) / (1.0 - source.red - source.blue);
    let luma = BT601.red * red + (1.0 - BT601.red - BT601.blue) * green + BT601.blue * blue;
    [
        luma,
        (blue - luma) / (2.0 * (1.0 - BT601.blue)),
        (red - luma) / (2.0 * (1.0 - BT601.red)),
    ]
}

/// Pillow's `convert("L")` of one pixel: 0 to 255, of values from 0 to 255.
#[inline(always)]
pub(crate) fn luma_of(red: i32, green: i32, blue: i32) -> i32 {
    (red * 19595 + green * 38470 + blue * 7471 + 0x8000) >> 16
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rgb_coefficients_are_the_published_tables() {
        let table = [
            (
                Matrix::Bt601,
                Range::Limited,
                [76309, 104597, 25675, 53279, 132201],
            ),
            (
                Matrix::Bt601,
                Range::Full,
                [65536, 91881, 22553, 46802, 116130],
            ),
            (
                Matrix::Bt709,
                Range::Limited,
                [76309, 117489, 13975, 34925, 138438],
            ),
            (
                Matrix::Bt709,
                Range::Full,
                [65536, 103206, 12276, 30679, 121609],
            ),
            (
                Matrix::Bt2020,
                Range::Limited,
                [76309, 110014, 12277, 42626, 140363],
            ),
            (
                Matrix::Bt2020,
                Range::Full,
                [65536, 96639, 10784, 37444, 123299],
            ),
        ];
        for (matrix, range, expected) in table {
            let c = ToRgb::new(matrix, range, 8).unwrap();
            assert_eq!(
                [c.cy, c.crv, c.cgu, c.cgv, c.cbu],
                expected,
                "{matrix:?} {range:?}"
            );
        }
    }

    #[test]
    fn jfif_coefficients_are_the_published_decimals() {
        let close = |fixed: i32, shift: u32, decimal: f64| {
            (f64::from(fixed) / f64::from(1 << shift) - decimal).abs() < 1e-4
        };
        let c = ToJfif::new(Matrix::Bt709, Range::Limited, 8).unwrap();
        let got = [c.yy, c.yu, c.yv, c.uu, c.uv, c.vu, c.vv];
        let expected = [
            1.164384, 0.115637, 0.223212, 1.126843, -0.125966, -0.082480, 1.119493,
        ];
        assert!(
            got.iter().zip(expected).all(|(&g, e)| close(g, 16, e)),
            "{got:?}"
        );
        let c = ToJfif::new(Matrix::Bt2020, Range::Limited, 8).unwrap();
        let got = [c.yy, c.yu, c.yv, c.uu, c.uv, c.vu, c.vv];
        let expected = [
            1.164384, 0.134202, 0.120124, 1.132941, -0.067790, -0.095722, 1.111662,
        ];
        assert!(
            got.iter().zip(expected).all(|(&g, e)| close(g, 16, e)),
            "{got:?}"
        );
        let c = ToJfif::new(Matrix::Bt601, Range::Limited, 8).unwrap();
        assert_eq!(
            [c.yy, c.yu, c.yv, c.uu, c.uv, c.vu, c.vv],
            [19077, 0, 0, 18651, 0, 0, 18651]
        );
    }

    #[test]
    fn bt601_full_range_of_8_bits_is_stored_unchanged() {
        let c = ToJfif::new(Matrix::Bt601, Range::Full, 8).unwrap();
        assert_eq!(
            [c.yy, c.yu, c.yv, c.uu, c.uv, c.vu, c.vv],
            [16384, 0, 0, 16384, 0, 0, 16384]
        );
        assert_eq!(c.luma_offset, 0);
    }

    #[test]
    fn planes_that_claim_an_rgb_matrix_are_refused() {
        let refused = ToRgb::new(Matrix::Rgb, Range::Full, 8).unwrap_err();
        assert_eq!(refused.reason(), Reason::MediaUnsupported);
    }
}
