//! Pictures whose samples lie in no way that the rest reads (packed YUV, 16-bit RGB, 5 bits a
//! colour, palettes, big endian, from the bottom up), brought to planes that it does read.
//!
//! YUV keeps its depth and chroma sampling. Gray keeps its depth, 8 bits at least. RGB becomes 8
//! bits a colour: `round(v * 255 / max)`, exactly. Alpha is left out.

use crate::error::{Error, Result};
use crate::media::picture::{Layout, Plane};
use crate::pixel::planes::subsampled;

/// How a component's samples are read out of a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Word {
    Byte,
    /// Two bytes.
    Little,
    Big,
    /// Bits from the highest down; `step` and `offset` are in bits.
    Bits,
    /// Bytes, two and two, with another component's one between them: the luma of uyyvyy411.
    Pairs,
}

/// Where the samples of a component lie.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Component {
    pub plane: usize,
    pub word: Word,
    /// From one to the next, and from the row's start to the first.
    pub step: usize,
    pub offset: usize,
    /// Bits below the value in its word, and of the value.
    pub shift: u32,
    pub depth: u32,
}

/// What the samples are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Colours {
    /// `inverted`: 0 is white.
    Gray {
        inverted: bool,
    },
    Rgb,
    /// 12-bit CIE XYZ of digital cinema (SMPTE 428-1): gamma 2.6, becomes RGB of gamma 2.2.
    Xyz,
    /// Places in a table of colours.
    Palette,
    /// Of one of the planar YUV layouts; right shifts that lead from luma to chroma coordinates.
    Yuv {
        layout: Layout,
        shift: (u32, u32),
    },
}

/// How a picture's samples lie, and what they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Packing {
    pub colours: Colours,
    /// R, G, B; Y, Cb, Cr; or the first alone, three times.
    pub components: [Component; 3],
}

/// A plane's rows, from the top down, wherever each lies in memory.
#[derive(Debug, Clone, Copy)]
pub struct Rows<'a> {
    pub data: &'a [u8],
    /// Where the top row starts.
    pub first: usize,
    /// Bytes from a row to the one below; negative where rows lie from the bottom up.
    pub stride: isize,
}

impl<'a> Rows<'a> {
    fn row(&self, y: usize) -> Option<&'a [u8]> {
        let away = isize::try_from(y).ok()?.checked_mul(self.stride)?;
        self.data.get(self.first.checked_add_signed(away)?..)
    }
}

/// What is unpacked: its size in pixels, its planes, and its palette where it has one.
#[derive(Debug, Clone, Copy)]
pub struct Packed<'a> {
    pub width: usize,
    pub height: usize,
    pub planes: [Rows<'a>; 4],
    pub palette: Option<&'a [[u8; 3]; 256]>,
}

/// Planes in a layout that [`Picture`](crate::media::picture::Picture) has, rows not padded.
#[derive(Debug)]
pub struct Unpacked {
    pub layout: Layout,
    pub depth: u8,
    planes: [Vec<u8>; 3],
    strides: [usize; 3],
}

impl Unpacked {
    pub fn planes(&self) -> [Plane<'_>; 3] {
        std::array::from_fn(|index| Plane {
            data: &self.planes[index],
            stride: self.strides[index],
        })
    }
}

impl Packing {
    /// # Errors
    /// INTERNAL where a plane is shorter than its rows.
    pub fn unpack(&self, source: &Packed) -> Result<Unpacked> {
        match self.colours {
            Colours::Gray { inverted } => self.gray(source, inverted),
            Colours::Rgb => self.rgb(source),
            Colours::Xyz => self.xyz(source),
            Colours::Palette => self.palette(source),
            Colours::Yuv { layout, shift } => self.yuv(source, (layout, shift)),
        }
        .ok_or_else(|| too_short(self, source))
    }

    fn gray(&self, source: &Packed, inverted: bool) -> Option<Unpacked> {
        let component = &self.components[0];
        let size = (source.width, source.height);
        let plane = if component.depth > 8 {
            words(source, component, size)?
        } else {
            let flip = if inverted { u8::MAX } else { 0 };
            let scale = Scale::of(component.depth);
            bytes(source, component, size, |value| scale.apply(value) ^ flip)?
        };
        Some(self.planar(
            Layout::Gray,
            [plane, Vec::new(), Vec::new()],
            [source.width, 0],
        ))
    }

    fn yuv(&self, source: &Packed, (layout, shift): (Layout, (u32, u32))) -> Option<Unpacked> {
        let luma = (source.width, source.height);
        let chroma = (subsampled(luma.0, shift.0), subsampled(luma.1, shift.1));
        let plane = |index: usize, size| match &self.components[index] {
            component if component.depth > 8 => words(source, component, size),
            component => bytes(source, component, size, |value| value as u8),
        };
        let planes = [plane(0, luma)?, plane(1, chroma)?, plane(2, chroma)?];
        Some(self.planar(layout, planes, [luma.0, chroma.0]))
    }

    /// Widths are of the first plane and of the others, in samples.
    fn planar(&self, layout: Layout, planes: [Vec<u8>; 3], [first, other]: [usize; 2]) -> Unpacked {
        let depth = self.components[0].depth.max(8) as u8;
        let each = if depth > 8 { 2 } else { 1 };
        Unpacked {
            layout,
            depth,
            planes,
            strides: [first * each, other * each, other * each],
        }
    }

    fn rgb(&self, source: &Packed) -> Option<Unpacked> {
        let mut pixels = vec![[0; 3]; source.width.checked_mul(source.height)?];
        for (colour, component) in self.components.iter().enumerate() {
            let scale = Scale::of(component.depth);
            let out = &mut pixels;
            each_row(
                source,
                component,
                (source.width, source.height),
                |y, row| {
                    for (pixel, &value) in out[y * row.len()..].iter_mut().zip(row) {
                        pixel[colour] = scale.apply(value);
                    }
                },
            )?;
        }
        Some(interleaved(pixels, source.width))
    }

    fn xyz(&self, source: &Packed) -> Option<Unpacked> {
        let mut values = vec![[0; 3]; source.width.checked_mul(source.height)?];
        for (place, component) in self.components.iter().enumerate() {
            let out = &mut values;
            each_row(
                source,
                component,
                (source.width, source.height),
                |y, row| {
                    for (value, &sample) in out[y * row.len()..].iter_mut().zip(row) {
                        value[place] = sample;
                    }
                },
            )?;
        }
        let to_rgb = XyzToRgb::new();
        let pixels = values.into_iter().map(|xyz| to_rgb.apply(xyz)).collect();
        Some(interleaved(pixels, source.width))
    }

    fn palette(&self, source: &Packed) -> Option<Unpacked> {
        let palette = source.palette?;
        let mut pixels = Vec::with_capacity(source.width.checked_mul(source.height)?);
        let size = (source.width, source.height);
        each_row(source, &self.components[0], size, |_, row| {
            pixels.extend(row.iter().map(|&place| palette[usize::from(place & 255)]));
        })?;
        Some(interleaved(pixels, source.width))
    }
}

fn interleaved(pixels: Vec<[u8; 3]>, width: usize) -> Unpacked {
    Unpacked {
        layout: Layout::Packed {
            r: 0,
            g: 1,
            b: 2,
            step: 3,
        },
        depth: 8,
        planes: [pixels.into_flattened(), Vec::new(), Vec::new()],
        strides: [3 * width, 0, 0],
    }
}

/// `round(v * 255 / max)` of values of 1 to 16 bits.
#[derive(Clone, Copy)]
struct Scale {
    max: u32,
}

impl Scale {
    fn of(depth: u32) -> Scale {
        Scale {
            max: (1 << depth) - 1,
        }
    }

    #[inline(always)]
    fn apply(self, value: u16) -> u8 {
        match self.max {
            255 => value as u8,
            max => ((u32::from(value) * 510 + max) / (2 * max)) as u8,
        }
    }
}

/// swscale's conversion, on its tables: powers rounded to 12 bits, which no machine rounds otherwise.
struct XyzToRgb {
    linear: Vec<i32>,
    gamma: Vec<i32>,
}

impl XyzToRgb {
    /// 12 fraction bits; XYZ to the primaries of BT.709.
    const MATRIX: [[i32; 3]; 3] = [[13270, -6295, -2041], [-3969, 7682, 170], [228, -835, 4329]];
    const MAX: i32 = 4095;

    fn new() -> Self {
        let power = |exponent: f64| {
            let max = f64::from(Self::MAX);
            let of = |v: i32| ((f64::from(v) / max).powf(exponent) * max).round() as i32;
            (0..=Self::MAX).map(of).collect()
        };
        XyzToRgb {
            linear: power(2.6),
            gamma: power(1.0 / 2.2),
        }
    }

    fn apply(&self, xyz: [u16; 3]) -> [u8; 3] {
        let linear = xyz.map(|v| self.linear[usize::from(v).min(Self::MAX as usize)]);
        Self::MATRIX.map(|row| {
            let sum: i32 = row.iter().zip(linear).map(|(factor, v)| factor * v).sum();
            let colour = self.gamma[(sum >> 12).clamp(0, Self::MAX) as usize];
            Scale::of(12).apply(colour as u16)
        })
    }
}

/// A plane of bytes.
fn bytes(
    source: &Packed,
    component: &Component,
    size: (usize, usize),
    value: impl Fn(u16) -> u8,
) -> Option<Vec<u8>> {
    let mut plane = Vec::with_capacity(size.0.checked_mul(size.1)?);
    each_row(source, component, size, |_, row| {
        plane.extend(row.iter().map(|&sample| value(sample)));
    })?;
    Some(plane)
}

/// A plane of little-endian words.
fn words(source: &Packed, component: &Component, size: (usize, usize)) -> Option<Vec<u8>> {
    let mut plane = Vec::with_capacity(size.0.checked_mul(size.1)?.checked_mul(2)?);
    each_row(source, component, size, |_, row| {
        plane.extend(row.iter().flat_map(|sample| sample.to_le_bytes()));
    })?;
    Some(plane)
}

/// Calls `take` with each row of a component's samples, `width` of them.
fn each_row(
    source: &Packed,
    component: &Component,
    (width, height): (usize, usize),
    mut take: impl FnMut(usize, &[u16]),
) -> Option<()> {
    let mut samples = vec![0; width];
    let plane = source.planes.get(component.plane)?;
    for y in 0..height {
        component.read(plane.row(y)?, &mut samples)?;
        take(y, &samples);
    }
    Some(())
}

impl Component {
    /// None where the row is too short.
    fn read(&self, row: &[u8], out: &mut [u16]) -> Option<()> {
        let value = |word: u16| (word >> self.shift) & ((1u32 << self.depth) - 1) as u16;
        match self.word {
            Word::Byte => self.read_each(row, out, |[byte]| value(u16::from(byte))),
            Word::Little => self.read_each(row, out, |word| value(u16::from_le_bytes(word))),
            Word::Big => self.read_each(row, out, |word| value(u16::from_be_bytes(word))),
            Word::Bits => self.read_bits(row, out),
            Word::Pairs => {
                for (x, out) in out.iter_mut().enumerate() {
                    *out = u16::from(*row.get(self.offset + x + x / 2)?);
                }
                Some(())
            }
        }
    }

    #[inline(always)]
    fn read_each<const N: usize>(
        &self,
        row: &[u8],
        out: &mut [u16],
        value: impl Fn([u8; N]) -> u16,
    ) -> Option<()> {
        let last = out.len().checked_sub(1)?.checked_mul(self.step)?;
        let row = row.get(self.offset..)?.get(..last + N)?;
        for (out, word) in out.iter_mut().zip(row.chunks(self.step)) {
            *out = value(*word.first_chunk()?);
        }
        Some(())
    }

    fn read_bits(&self, row: &[u8], out: &mut [u16]) -> Option<()> {
        for (x, out) in out.iter_mut().enumerate() {
            let bit = self.offset + x * self.step;
            let last = (bit + self.depth as usize - 1) / 8;
            let word = row.get(bit / 8..=last)?;
            let word = word
                .iter()
                .fold(0u32, |word, byte| word << 8 | u32::from(*byte));
            let below = 8 * (last as u32 + 1) - (bit as u32 + self.depth);
            *out = (word >> below & ((1 << self.depth) - 1)) as u16;
        }
        Some(())
    }
}

fn too_short(packing: &Packing, source: &Packed) -> Error {
    let Packed { width, height, .. } = source;
    Error::internal(format!(
        "read a decoded picture: a plane is too short colours={:?} width={width} height={height}",
        packing.colours
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn xyz_of_one_white_is_gray_at_every_height() {
        let to_rgb = XyzToRgb::new();
        assert_eq!(to_rgb.apply([0; 3]), [0; 3]);
        for y in [0.05, 0.2, 0.5, 0.9] {
            // The white of BT.709 (D65).
            let code = |v: f64| ((v * y).powf(1.0 / 2.6) * 4095.0).round() as u16;
            let [red, green, blue] = to_rgb.apply([0.9505, 1.0, 1.0891].map(code));
            let expected = y.powf(1.0 / 2.2) * 255.0;
            for colour in [red, green, blue] {
                assert!(
                    (f64::from(colour) - expected).abs() <= 2.0,
                    "{red} {green} {blue}"
                );
            }
        }
    }

    #[test]
    fn a_plane_that_is_too_short_is_an_error_and_nothing_is_read_behind_it() {
        let component = Component {
            plane: 0,
            word: Word::Byte,
            step: 2,
            offset: 0,
            shift: 0,
            depth: 8,
        };
        let packing = Packing {
            colours: Colours::Gray { inverted: false },
            components: [component; 3],
        };
        let unpacked = |bytes: usize, first, stride| {
            let data = vec![7; bytes];
            let rows = Rows {
                data: &data,
                first,
                stride,
            };
            let source = Packed {
                width: 4,
                height: 3,
                planes: [rows; 4],
                palette: None,
            };
            packing.unpack(&source).map(|_| ())
        };
        assert!(unpacked(23, 0, 8).is_ok() && unpacked(23, 16, -8).is_ok());
        assert!(unpacked(22, 0, 8).is_err() && unpacked(22, 16, -8).is_err());
        assert!(unpacked(23, 8, -8).is_err(), "above the plane's first row");
    }
}
