//! Planes of any layout and depth to 8-bit JFIF planes, in coded orientation and size.

use std::marker::PhantomData;
use std::ops::Range;

use crate::error::Result;
use crate::media::picture::{JfifPlanes, Picture};
use crate::pixel::average::ToHalf;
use crate::pixel::coefficients::ToJfif;
use crate::pixel::each::{Pixel, each_pixel};
use crate::pixel::fit;
use crate::pixel::jfif::Scratch;
use crate::pixel::planes::{
    Byte, Checked, Chroma, ChromaTile, Kind, Sample, TILE, Word, replicate, subsampled,
};
use crate::pixel::simd::{self, Kernel, Level, Machine, PAIRS, Pairs, Terms};

/// Rows that are converted before `along` hears of them: their samples are still in the cache.
/// A multiple of the tallest chroma sample.
const TOGETHER: usize = 8;

/// Conversion and averaging to 4:2:0, in coded orientation and size. `along` is called for
/// stretches of rows, from the first to the last, right after they were read.
pub fn convert(
    level: Level,
    picture: &Picture,
    scratch: &mut Scratch,
    out: &mut JfifPlanes,
    along: &mut dyn FnMut(Range<usize>),
) -> Result<()> {
    let source = Checked::new(picture)?;
    let (width, height) = (picture.width, picture.height);
    (out.width, out.height) = (width, height);
    fit(&mut out.y, width * height);
    let gray = source.kind == Kind::Gray;
    let half = subsampled(width, 1) * subsampled(height, 1);
    for plane in [&mut out.cb, &mut out.cr] {
        fit(plane, if gray { 0 } else { half });
    }
    if let Kind::Yuv(chroma) = source.kind {
        return convert_yuv((source, chroma), level, (scratch, out), along);
    }
    if gray {
        each_pixel::<Gray>(level, picture, &mut out.y)?;
    } else {
        convert_rgb(level, picture, scratch, out)?;
    }
    along(0..height);
    Ok(())
}

fn convert_yuv(
    (source, chroma): (Checked, Chroma),
    level: Level,
    (scratch, out): (&mut Scratch, &mut JfifPlanes),
    along: &mut dyn FnMut(Range<usize>),
) -> Result<()> {
    let luma = (source.picture.width, source.picture.height);
    let (chroma_width, chroma_height) = source.chroma_size(chroma);
    let is_half = chroma.is_half();
    let [full_cb, full_cr] = &mut scratch.chroma;
    let (cb, cr) = if is_half {
        (&mut out.cb[..], &mut out.cr[..])
    } else {
        let samples = chroma_width * chroma_height;
        (fit(full_cb, samples), fit(full_cr, samples))
    };
    let mut conversion = Conversion::new(source, chroma)?;
    let planes = [&mut out.y[..], cb, cr];
    conversion.run(level, 0..luma.1, (0, planes), along);
    if !is_half {
        for (source, out) in scratch.chroma.iter().zip([&mut out.cb, &mut out.cr]) {
            simd::run(
                level,
                ToHalf {
                    chroma,
                    luma,
                    source,
                    out,
                },
            );
        }
    }
    Ok(())
}

fn convert_rgb(
    level: Level,
    picture: &Picture,
    scratch: &mut Scratch,
    out: &mut JfifPlanes,
) -> Result<()> {
    let luma = (picture.width, picture.height);
    let samples = picture.width * picture.height;
    let (pixels, _) = fit(&mut scratch.pixels, 3 * samples).as_chunks_mut::<3>();
    each_pixel::<Ycc>(level, picture, pixels)?;
    let [cb, cr] = scratch.chroma.each_mut().map(|plane| fit(plane, samples));
    let planes = out.y.iter_mut().zip(cb).zip(cr);
    for (((y, cb), cr), pixel) in planes.zip(&*pixels) {
        [*y, *cb, *cr] = *pixel;
    }
    let chroma = Chroma {
        shift_x: 0,
        shift_y: 0,
        interleaved: false,
    };
    for (source, out) in scratch.chroma.iter().zip([&mut out.cb, &mut out.cr]) {
        simd::run(
            level,
            ToHalf {
                chroma,
                luma,
                source,
                out,
            },
        );
    }
    Ok(())
}

struct Gray;

impl Pixel for Gray {
    type Out = u8;
    #[inline(always)]
    fn of(gray: i32, _: i32, _: i32) -> u8 {
        gray as u8
    }
}

struct Ycc;

impl Pixel for Ycc {
    type Out = [u8; 3];
    #[inline(always)]
    fn of(red: i32, green: i32, blue: i32) -> [u8; 3] {
        let centre = (128 << 16) + 32767;
        let y = 19595 * red + 38470 * green + 7471 * blue + 32768;
        let cb = -11059 * red - 21709 * green + 32768 * blue + centre;
        let cr = 32768 * red - 27439 * green - 5329 * blue + centre;
        [(y >> 16) as u8, (cb >> 16) as u8, (cr >> 16) as u8]
    }
}

/// Y, Cb and Cr on their way.
pub(super) struct Conversion<'a> {
    source: Checked<'a>,
    chroma: Chroma,
    to_jfif: ToJfif,
    tile: [[i32; TILE]; 4],
    pairs: (Pairs, Terms),
}

/// Planes to be filled, Cb and Cr at the source's chroma sampling, and which row of the picture
/// they begin with.
type Target<'o> = (usize, [&'o mut [u8]; 3]);

impl<'a> Conversion<'a> {
    pub fn new(source: Checked<'a>, chroma: Chroma) -> Result<Self> {
        let Picture {
            matrix,
            range,
            depth,
            ..
        } = *source.picture;
        Ok(Conversion {
            to_jfif: ToJfif::new(matrix, range, depth)?,
            source,
            chroma,
            tile: [[0; TILE]; 4],
            pairs: (Pairs::NONE, [0; PAIRS]),
        })
    }

    /// Converts rows, from a multiple of the tallest chroma sample on.
    pub fn run(
        &mut self,
        level: Level,
        rows: Range<usize>,
        (origin, [y, cb, cr]): Target,
        along: &mut dyn FnMut(Range<usize>),
    ) {
        for first in rows.clone().step_by(TOGETHER) {
            let rows = first..(first + TOGETHER).min(rows.end);
            let target = (origin, [&mut *y, &mut *cb, &mut *cr]);
            if self.source.picture.depth == 8 {
                simd::run(level, Rows::<Byte>(self, rows.clone(), target, PhantomData));
            } else {
                simd::run(level, Rows::<Word>(self, rows.clone(), target, PhantomData));
            }
            along(rows);
        }
    }
}

struct Rows<'c, 'a, 'o, S>(
    &'c mut Conversion<'a>,
    Range<usize>,
    Target<'o>,
    PhantomData<S>,
);

impl<S: Sample> Kernel for Rows<'_, '_, '_, S> {
    type Output = ();

    #[inline(always)]
    fn run<M: Machine>(self) {
        if M::PAIRS && self.0.chroma.shift_x == 1 && self.0.source.picture.depth == 8 {
            self.in_pairs::<M>();
        } else {
            self.plain();
        }
    }
}

impl<S: Sample> Rows<'_, '_, '_, S> {
    #[inline(always)]
    fn in_pairs<M: Machine>(self) {
        let Rows(conversion, strip, (origin, planes), _) = self;
        let [out_y, out_cb, out_cr] = planes;
        let Conversion {
            source,
            chroma,
            to_jfif: c,
            pairs: (pairs, terms),
            ..
        } = conversion;
        let width = source.picture.width;
        let (chroma_width, _) = source.chroma_size(*chroma);
        let factor = c.yy << (16 - c.shift);
        for chroma_y in strip.start >> chroma.shift_y..subsampled(strip.end, chroma.shift_y) {
            let rows =
                chroma_y << chroma.shift_y..((chroma_y + 1) << chroma.shift_y).min(strip.end);
            for x in (0..width).step_by(TILE) {
                let count = TILE.min(width - x);
                let narrow = subsampled(count, 1);
                source.prefetch::<M>(*chroma, (x, chroma_y), count);
                source.load_pairs(*chroma, (x / 2, chroma_y), narrow, pairs);
                let from = (chroma_y - (origin >> chroma.shift_y)) * chroma_width + x / 2;
                let chroma_out = [&mut *out_cb, &mut *out_cr].map(|out| &mut out[from..][..narrow]);
                M::jfif_chroma(pairs, c, chroma_out, terms);
                for y in rows.clone() {
                    let out = &mut out_y[(y - origin) * width + x..][..count];
                    M::jfif_luma(source.bytes(0, (x, y), count), factor, terms, out);
                }
            }
        }
    }

    #[inline(always)]
    fn plain(self) {
        let Rows(conversion, strip, (origin, planes), _) = self;
        let [out_y, out_cb, out_cr] = planes;
        let Conversion {
            source,
            chroma,
            to_jfif: c,
            tile: [cb, cr, narrow, wide],
            ..
        } = conversion;
        let chroma = *chroma;
        let width = source.picture.width;
        let (chroma_width, _) = source.chroma_size(chroma);
        for chroma_y in strip.start >> chroma.shift_y..subsampled(strip.end, chroma.shift_y) {
            let rows =
                chroma_y << chroma.shift_y..((chroma_y + 1) << chroma.shift_y).min(strip.end);
            for x in (0..width).step_by(TILE) {
                let count = TILE.min(width - x);
                let chroma_x = x >> chroma.shift_x;
                let chroma_count = subsampled(count, chroma.shift_x);
                let (cb, cr) = (&mut cb[..chroma_count], &mut cr[..chroma_count]);
                let at = (chroma_x, chroma_y);
                let tile = ChromaTile {
                    cb: &mut *cb,
                    cr: &mut *cr,
                };
                source.load_chroma::<S>(chroma, at, tile);
                let row = chroma_y - (origin >> chroma.shift_y);
                let from = row * chroma_width + chroma_x;
                let out = &mut out_cb[from..][..chroma_count];
                chroma_row(cb, cr, [c.uu, c.uv], c.shift, out);
                let out = &mut out_cr[from..][..chroma_count];
                chroma_row(cb, cr, [c.vu, c.vv], c.shift, out);
                let narrow = &mut narrow[..chroma_count];
                cross_terms(cb, cr, c, narrow);
                replicate(narrow, chroma.shift_x, &mut wide[..count]);
                for y in rows.clone() {
                    let luma = S::split(source.bytes(0, (x, y), count));
                    let out = &mut out_y[(y - origin) * width + x..][..count];
                    for ((out, &raw), &term) in out.iter_mut().zip(luma).zip(&*wide) {
                        let y = c.yy.wrapping_mul(S::value(raw)).wrapping_add(term);
                        *out = (y >> c.shift).clamp(0, 255) as u8;
                    }
                }
            }
        }
    }
}

#[inline(always)]
fn chroma_row(cb: &[i32], cr: &[i32], [of_u, of_v]: [i32; 2], shift: u32, out: &mut [u8]) {
    let centre = (128 << shift) + (1 << (shift - 1));
    for ((out, &u), &v) in out.iter_mut().zip(cb).zip(cr) {
        let sum = of_u.wrapping_mul(u).wrapping_add(of_v.wrapping_mul(v));
        *out = (sum.wrapping_add(centre) >> shift).clamp(0, 255) as u8;
    }
}

/// What chroma, the luma offset and rounding add to Y'.
#[inline(always)]
fn cross_terms(cb: &[i32], cr: &[i32], c: &ToJfif, out: &mut [i32]) {
    let base = (1 << (c.shift - 1)) - c.yy * c.luma_offset;
    for ((out, &u), &v) in out.iter_mut().zip(cb).zip(cr) {
        *out = base
            .wrapping_add(c.yu.wrapping_mul(u))
            .wrapping_add(c.yv.wrapping_mul(v));
    }
}
