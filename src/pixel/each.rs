//! Every pixel of a picture as R, G, B, handed to a function that is inlined
//! into the loop: the one body behind RGB, luma and RGB's JFIF planes.

use std::marker::PhantomData;

use crate::error::Result;
use crate::media::picture::Picture;
use crate::pixel::coefficients::{Expand, ToRgb};
use crate::pixel::planes::{
    Byte, Checked, Chroma, ChromaTile, Kind, Sample, TILE, Word, replicate, subsampled,
};
use crate::pixel::simd::{self, Kernel, Level, Machine};

/// What is made of one pixel: one byte, or three.
pub(crate) trait Pixel {
    type Out: Copy;
    fn of(red: i32, green: i32, blue: i32) -> Self::Out;
}

/// Writes `P::of` of every pixel, row after row, into `out`, `width * height` long.
pub(crate) fn each_pixel<P: Pixel>(
    level: Level,
    picture: &Picture,
    out: &mut [P::Out],
) -> Result<()> {
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
    if picture.depth == 8 {
        simd::run(level, Each::<P, Byte>::new(source, way, out));
    } else {
        simd::run(level, Each::<P, Word>::new(source, way, out));
    }
    Ok(())
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

struct Each<'a, P: Pixel, S> {
    source: Checked<'a>,
    expand: Expand,
    way: Way,
    out: &'a mut [P::Out],
    sample: PhantomData<S>,
}

impl<P: Pixel, S: Sample> Kernel for Each<'_, P, S> {
    type Output = ();

    #[inline(always)]
    fn run<M: Machine>(self) {
        match self.way {
            Way::Planes(order) => self.planes(order),
            Way::Packed { offsets, step } => self.packed(offsets, step),
            Way::Yuv(chroma, to_rgb) => self.yuv(chroma, &to_rgb),
        }
    }
}

impl<'a, P: Pixel, S: Sample> Each<'a, P, S> {
    fn new(source: Checked<'a>, way: Way, out: &'a mut [P::Out]) -> Self {
        Each {
            source,
            expand: Expand::new(source.picture.range, source.picture.depth),
            way,
            out,
            sample: PhantomData,
        }
    }

    #[inline(always)]
    fn planes(self, order: [usize; 3]) {
        let width = self.source.picture.width;
        let expand = self.expand;
        for (y, out) in self.out.chunks_exact_mut(width).enumerate() {
            let [red, green, blue] =
                order.map(|plane| S::split(self.source.bytes(plane, (0, y), width)));
            for (((out, &r), &g), &b) in out.iter_mut().zip(red).zip(green).zip(blue) {
                let [r, g, b] = [r, g, b].map(|raw| expand.apply(S::value(raw)));
                *out = P::of(r, g, b);
            }
        }
    }

    #[inline(always)]
    fn packed(self, [red, green, blue]: [usize; 3], step: usize) {
        let width = self.source.picture.width;
        let expand = self.expand;
        for (y, out) in self.out.chunks_exact_mut(width).enumerate() {
            let row = self.source.bytes(0, (0, y), width * step);
            for (out, pixel) in out.iter_mut().zip(row.chunks_exact(step)) {
                let value = |offset: usize| expand.apply(i32::from(pixel[offset]));
                *out = P::of(value(red), value(green), value(blue));
            }
        }
    }

    #[inline(always)]
    fn yuv(self, chroma: Chroma, to_rgb: &ToRgb) {
        let (width, height) = (self.source.picture.width, self.source.picture.height);
        let mut tile = Tile::new();
        for chroma_y in 0..subsampled(height, chroma.shift_y) {
            let rows = chroma_y << chroma.shift_y..((chroma_y + 1) << chroma.shift_y).min(height);
            for x in (0..width).step_by(TILE) {
                let count = TILE.min(width - x);
                tile.load::<S>(&self.source, chroma, (x, chroma_y), to_rgb);
                for y in rows.clone() {
                    let luma = S::split(self.source.bytes(0, (x, y), count));
                    tile.pixels::<P, S>(luma, to_rgb, &mut self.out[y * width + x..][..count]);
                }
            }
        }
    }
}

/// What chroma, offsets and rounding add to R, G and B, one for each pixel of a tile.
struct Tile {
    cb: [i32; TILE],
    cr: [i32; TILE],
    narrow: [i32; TILE],
    red: [i32; TILE],
    green: [i32; TILE],
    blue: [i32; TILE],
}

impl Tile {
    #[inline(always)]
    fn new() -> Tile {
        Tile {
            cb: [0; TILE],
            cr: [0; TILE],
            narrow: [0; TILE],
            red: [0; TILE],
            green: [0; TILE],
            blue: [0; TILE],
        }
    }

    /// `at` is a luma column and a chroma row.
    #[inline(always)]
    fn load<S: Sample>(
        &mut self,
        source: &Checked,
        chroma: Chroma,
        at: (usize, usize),
        to_rgb: &ToRgb,
    ) {
        let width = TILE.min(source.picture.width - at.0);
        let count = subsampled(width, chroma.shift_x);
        let (cb, cr) = (&mut self.cb[..count], &mut self.cr[..count]);
        source.load_chroma::<S>(
            chroma,
            (at.0 >> chroma.shift_x, at.1),
            ChromaTile { cb, cr },
        );
        let chroma_terms = [
            (&mut self.red, 0, to_rgb.crv),
            (&mut self.green, -to_rgb.cgu, -to_rgb.cgv),
            (&mut self.blue, to_rgb.cbu, 0),
        ];
        let base = (1 << (to_rgb.shift - 1)) - to_rgb.cy * to_rgb.luma_offset;
        for (wide, of_u, of_v) in chroma_terms {
            let narrow = &mut self.narrow[..count];
            for ((out, &u), &v) in narrow.iter_mut().zip(&self.cb).zip(&self.cr) {
                *out = base
                    .wrapping_add(of_u.wrapping_mul(u))
                    .wrapping_add(of_v.wrapping_mul(v));
            }
            replicate(narrow, chroma.shift_x, &mut wide[..width]);
        }
    }

    #[inline(always)]
    fn pixels<P: Pixel, S: Sample>(&self, luma: &[S::Raw], to_rgb: &ToRgb, out: &mut [P::Out]) {
        let count = out.len();
        let (luma, red) = (&luma[..count], &self.red[..count]);
        let (green, blue) = (&self.green[..count], &self.blue[..count]);
        for i in 0..count {
            let y = to_rgb.cy.wrapping_mul(S::value(luma[i]));
            let value = |term: i32| (y.wrapping_add(term) >> to_rgb.shift).clamp(0, 255);
            out[i] = P::of(value(red[i]), value(green[i]), value(blue[i]));
        }
    }
}
