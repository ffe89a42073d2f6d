//! Every pixel of a picture as R, G, B, handed to a function that is inlined
//! into the loop: the one body behind RGB, luma and RGB's JFIF planes.

use std::marker::PhantomData;
use std::ops::Range;

use crate::error::Result;
use crate::media::picture::Picture;
use crate::pixel::coefficients::{Expand, ToRgb};
use crate::pixel::planes::{
    Byte, Checked, Chroma, ChromaTile, Kind, Sample, TILE, Word, replicate, subsampled,
};
use crate::pixel::simd::{self, Kernel, Level, Machine};

/// What is made of one pixel: one number, or three.
pub(crate) trait Pixel {
    type Out: Copy;
    fn of(red: i32, green: i32, blue: i32) -> Self::Out;

    /// Whether there is a way of its own for rows of 8-bit luma whose pixels share their chroma
    /// two by two: [`of_pairs`](Pixel::of_pairs).
    const IN_PAIRS: bool = false;

    #[inline(always)]
    fn of_pairs<M: Machine>(_: &[u8], _: &ToRgb, _: Terms, _: &mut [Self::Out]) {}
}

/// What chroma, offsets and rounding add to R, G and B: each is `clamp((cy*Y + term) >> shift)`.
pub(crate) type Terms<'t> = [&'t [i32]; 3];

/// Writes `P::of` of every pixel, row after row, into `out`, `width * height` long.
pub(crate) fn each_pixel<P: Pixel>(
    level: Level,
    picture: &Picture,
    out: &mut [P::Out],
) -> Result<()> {
    Pixels::new(picture)?.rows::<P>(level, 0..picture.height, (picture.width, out));
    Ok(())
}

/// A picture that is gone through in strips of rows.
pub(crate) struct Pixels<'a> {
    source: Checked<'a>,
    expand: Expand,
    way: Way,
    tile: Tile,
}

#[derive(Clone, Copy)]
enum Way {
    /// The planes that R, G and B lie in; gray has one for all.
    Planes([usize; 3]),
    Packed {
        offsets: [usize; 3],
        step: usize,
    },
    Yuv(Chroma, ToRgb),
}

impl<'a> Pixels<'a> {
    /// Strips begin at multiples of so many rows, the tallest chroma sample.
    pub const ALIGNED: usize = 4;

    pub fn new(picture: &'a Picture<'a>) -> Result<Pixels<'a>> {
        let source = Checked::new(picture)?;
        let way = match source.kind {
            Kind::Gray => Way::Planes([0; 3]),
            // G, B, R in memory.
            Kind::Gbr => Way::Planes([2, 0, 1]),
            Kind::Packed { offsets, step } => Way::Packed { offsets, step },
            Kind::Yuv(chroma) => {
                let to_rgb = ToRgb::new(picture.matrix, picture.range, picture.depth)?;
                Way::Yuv(chroma, to_rgb)
            }
        };
        Ok(Pixels {
            source,
            expand: Expand::new(picture.range, picture.depth),
            way,
            tile: Tile::new(),
        })
    }

    /// Writes `P::of` of the pixels of `rows`, each row `stride` behind the one before.
    pub fn rows<P: Pixel>(
        &mut self,
        level: Level,
        rows: Range<usize>,
        (stride, out): (usize, &mut [P::Out]),
    ) {
        let depth = self.source.picture.depth;
        let strip = Strip { rows, stride, out };
        if depth == 8 {
            simd::run(level, Each::<P, Byte>(self, strip, PhantomData));
        } else {
            simd::run(level, Each::<P, Word>(self, strip, PhantomData));
        }
    }
}

struct Strip<'o, T> {
    rows: Range<usize>,
    stride: usize,
    out: &'o mut [T],
}

struct Each<'p, 'a, P: Pixel, S>(&'p mut Pixels<'a>, Strip<'p, P::Out>, PhantomData<S>);

impl<P: Pixel, S: Sample> Kernel for Each<'_, '_, P, S> {
    type Output = ();

    #[inline(always)]
    fn run<M: Machine>(self) {
        match self.0.way {
            Way::Planes(order) => self.planes(order),
            Way::Packed { offsets, step } => self.packed(offsets, step),
            Way::Yuv(chroma, to_rgb) => self.yuv::<M>(chroma, &to_rgb),
        }
    }
}

impl<P: Pixel, S: Sample> Each<'_, '_, P, S> {
    #[inline(always)]
    fn planes(self, order: [usize; 3]) {
        let Each(Pixels { source, expand, .. }, strip, _) = self;
        let width = source.picture.width;
        for (y, out) in strip.rows.zip(strip.out.chunks_mut(strip.stride)) {
            let out = &mut out[..width];
            let [red, green, blue] =
                order.map(|plane| S::split(source.bytes(plane, (0, y), width)));
            for (((out, &r), &g), &b) in out.iter_mut().zip(red).zip(green).zip(blue) {
                let [r, g, b] = [r, g, b].map(|raw| expand.apply(S::value(raw)));
                *out = P::of(r, g, b);
            }
        }
    }

    #[inline(always)]
    fn packed(self, [red, green, blue]: [usize; 3], step: usize) {
        let Each(Pixels { source, expand, .. }, strip, _) = self;
        let width = source.picture.width;
        for (y, out) in strip.rows.zip(strip.out.chunks_mut(strip.stride)) {
            let row = source.bytes(0, (0, y), width * step);
            for (out, pixel) in out[..width].iter_mut().zip(row.chunks_exact(step)) {
                let value = |offset: usize| expand.apply(i32::from(pixel[offset]));
                *out = P::of(value(red), value(green), value(blue));
            }
        }
    }

    #[inline(always)]
    fn yuv<M: Machine>(self, chroma: Chroma, to_rgb: &ToRgb) {
        let Each(Pixels { source, tile, .. }, strip, _) = self;
        let Strip { rows, stride, out } = strip;
        let width = source.picture.width;
        let in_pairs = P::IN_PAIRS && M::PAIRS && chroma.shift_x == 1 && source.picture.depth == 8;
        for chroma_y in rows.start >> chroma.shift_y..subsampled(rows.end, chroma.shift_y) {
            let own = chroma_y << chroma.shift_y..((chroma_y + 1) << chroma.shift_y).min(rows.end);
            for x in (0..width).step_by(TILE) {
                let count = TILE.min(width - x);
                let narrow = subsampled(count, chroma.shift_x);
                let at = (x >> chroma.shift_x, chroma_y);
                tile.load::<S>(source, chroma, (at, narrow), to_rgb);
                if !in_pairs {
                    tile.widen(chroma.shift_x, count);
                }
                for y in own.clone() {
                    let luma = S::split(source.bytes(0, (x, y), count));
                    let out = &mut out[(y - rows.start) * stride + x..][..count];
                    match S::bytes(luma) {
                        Some(luma) if in_pairs => {
                            P::of_pairs::<M>(luma, to_rgb, first(&tile.narrow, narrow), out);
                        }
                        _ => row::<P, S>(luma, to_rgb, first(&tile.wide, count), out),
                    }
                }
            }
        }
    }
}

#[inline(always)]
fn first(terms: &[[i32; TILE]; 3], count: usize) -> Terms<'_> {
    [&terms[0][..count], &terms[1][..count], &terms[2][..count]]
}

#[inline(always)]
fn row<P: Pixel, S: Sample>(luma: &[S::Raw], c: &ToRgb, terms: Terms, out: &mut [P::Out]) {
    let count = out.len();
    let [red, green, blue] = [&terms[0][..count], &terms[1][..count], &terms[2][..count]];
    let luma = &luma[..count];
    for i in 0..count {
        let y = c.cy.wrapping_mul(S::value(luma[i]));
        let value = |term: i32| (y.wrapping_add(term) >> c.shift).clamp(0, 255);
        out[i] = P::of(value(red[i]), value(green[i]), value(blue[i]));
    }
}

/// [`Terms`] of a stretch of a chroma row.
pub(crate) struct Tile {
    cb: [i32; TILE],
    cr: [i32; TILE],
    /// One for each chroma sample.
    narrow: [[i32; TILE]; 3],
    /// One for each pixel.
    wide: [[i32; TILE]; 3],
}

impl Tile {
    fn new() -> Tile {
        Tile {
            cb: [0; TILE],
            cr: [0; TILE],
            narrow: [[0; TILE]; 3],
            wide: [[0; TILE]; 3],
        }
    }

    /// `count` samples from chroma coordinate `at` on.
    #[inline(always)]
    fn load<S: Sample>(
        &mut self,
        source: &Checked,
        chroma: Chroma,
        (at, count): ((usize, usize), usize),
        c: &ToRgb,
    ) {
        let Tile { cb, cr, narrow, .. } = self;
        let (cb, cr) = (&mut cb[..count], &mut cr[..count]);
        source.load_chroma::<S>(
            chroma,
            at,
            ChromaTile {
                cb: &mut *cb,
                cr: &mut *cr,
            },
        );
        let base = (1 << (c.shift - 1)) - c.cy * c.luma_offset;
        let [red, green, blue] = narrow;
        let terms = red.iter_mut().zip(green).zip(blue);
        for (((red, green), blue), (&u, &v)) in terms.zip(cb.iter().zip(&*cr)) {
            *red = base.wrapping_add(c.crv.wrapping_mul(v));
            *green = base
                .wrapping_sub(c.cgu.wrapping_mul(u))
                .wrapping_sub(c.cgv.wrapping_mul(v));
            *blue = base.wrapping_add(c.cbu.wrapping_mul(u));
        }
    }

    /// Repeats them for each of `count` pixels.
    #[inline(always)]
    fn widen(&mut self, shift: u32, count: usize) {
        for (narrow, wide) in self.narrow.iter().zip(&mut self.wide) {
            replicate(
                &narrow[..subsampled(count, shift)],
                shift,
                &mut wide[..count],
            );
        }
    }
}
