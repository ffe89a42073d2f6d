//! Random surfaces as a decoder maps them, and the same pictures as the reference takes them.

use framecache::cuda::{Crop, Format, Source};
use framecache::media::colour::{Matrix, Range};
use framecache::media::picture::{Layout, Picture, Plane};

pub const MATRICES: [Matrix; 3] = [Matrix::Bt601, Matrix::Bt709, Matrix::Bt2020];
pub const RANGES: [Range; 2] = [Range::Limited, Range::Full];
pub const FORMATS: [Format; 6] = [
    Format::Nv12,
    Format::P016 { depth: 10 },
    Format::P016 { depth: 12 },
    Format::Yuv444,
    Format::Yuv444P16 { depth: 10 },
    Format::Yuv444P16 { depth: 12 },
];

/// Bytes of a seed (splitmix64).
pub fn noise(count: usize, seed: u64) -> Vec<u8> {
    let mut state = seed;
    let mut bytes = Vec::with_capacity(count + 8);
    while bytes.len() < count {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut v = state;
        v = (v ^ (v >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        v = (v ^ (v >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        bytes.extend((v ^ (v >> 31)).to_le_bytes());
    }
    bytes.truncate(count);
    bytes
}

fn sample_bytes(format: Format) -> usize {
    if format.depth() == 8 { 1 } else { 2 }
}

/// Geometry of a surface that is `margin` samples larger than the crop on each side, whose rows
/// have `padding` bytes behind them.
pub fn source(format: Format, size: (usize, usize), margin: usize, padding: usize) -> Source {
    // A row of interleaved chroma may be a sample longer than one of luma.
    let columns = (2 * margin + size.0).next_multiple_of(2);
    Source {
        format,
        pitch_bytes: columns * sample_bytes(format) + padding,
        crop: Crop {
            left: margin,
            top: margin,
            width: size.0,
            height: size.1,
        },
        is_gray: false,
        matrix: Matrix::Bt709,
        range: Range::Limited,
    }
}

/// Planes full of noise, also around the crop, in the padding and below a word's sample.
pub struct Surface {
    pub planes: [Vec<u8>; 3],
}

impl Surface {
    pub fn new(source: &Source, seed: u64) -> Surface {
        let planes = [0, 1, 2].map(|plane| {
            let bytes = if plane < source.format.plane_count() {
                source.plane_bytes(plane)
            } else {
                0
            };
            noise(bytes, seed.wrapping_mul(3).wrapping_add(plane as u64))
        });
        Surface { planes }
    }

    pub fn planes(&self) -> [&[u8]; 3] {
        self.planes.each_ref().map(Vec::as_slice)
    }

    /// The crop, as the reference takes it.
    pub fn shown(&self, source: &Source) -> Shown {
        let Crop {
            left,
            top,
            width,
            height,
        } = source.crop;
        let halved = source.format.is_halved();
        let cut = |plane: usize| {
            if plane == 0 || !halved {
                self.cut(source, plane, (left, top), (width, height))
            } else {
                let size = (width.div_ceil(2) * 2, height.div_ceil(2));
                self.cut(source, plane, (left, top / 2), size)
            }
        };
        let planes = (0..source.format.plane_count()).map(cut).collect();
        Shown {
            source: *source,
            planes,
        }
    }

    /// A rectangle of samples, of words their values.
    fn cut(
        &self,
        source: &Source,
        plane: usize,
        (left, top): (usize, usize),
        (width, height): (usize, usize),
    ) -> (Vec<u8>, usize) {
        let bytes = sample_bytes(source.format);
        let mut out = Vec::new();
        for y in top..top + height {
            let row = &self.planes[plane][y * source.pitch_bytes + left * bytes..][..width * bytes];
            if bytes == 1 {
                out.extend_from_slice(row);
            } else {
                let low_bits = 16 - source.format.depth();
                for word in row.as_chunks::<2>().0 {
                    out.extend((u16::from_le_bytes(*word) >> low_bits).to_le_bytes());
                }
            }
        }
        (out, width * bytes)
    }
}

/// Planes without margin, and their strides.
pub struct Shown {
    source: Source,
    planes: Vec<(Vec<u8>, usize)>,
}

impl Shown {
    pub fn picture(&self) -> Picture<'_> {
        let mut planes = [Plane {
            data: &[],
            stride: 0,
        }; 3];
        for (plane, (data, stride)) in planes.iter_mut().zip(&self.planes) {
            *plane = Plane {
                data,
                stride: *stride,
            };
        }
        let layout = match (self.source.is_gray, self.source.format.is_halved()) {
            (true, _) => Layout::Gray,
            (false, true) => Layout::Nv12,
            (false, false) => Layout::Yuv444,
        };
        Picture {
            layout,
            depth: self.source.format.depth(),
            width: self.source.crop.width,
            height: self.source.crop.height,
            planes,
            matrix: self.source.matrix,
            range: self.source.range,
        }
    }
}

/// Of the picture that has every triple.
pub const SIDE: usize = 4096;

/// A picture of 4096 x 4096 that has each triple once: a quad of four has one Cb and Cr, and 64
/// quads side by side have all Y.
pub fn every_triple(format: Format) -> (Source, Surface) {
    let source = source(format, (SIDE, SIDE), 0, 0);
    let chroma_of = |quad: usize, row: usize| (row << 5 | quad >> 6).to_le_bytes();
    let mut planes = [const { Vec::new() }; 3];
    for y in 0..SIDE {
        let luma = |x: usize| (x >> 1 << 2 | (y & 1) << 1 | x & 1) as u8;
        planes[0].extend((0..SIDE).map(luma));
        if format.is_halved() {
            if y % 2 == 0 {
                let pairs = (0..SIDE / 2).map(|quad| chroma_of(quad, y / 2));
                planes[1].extend(pairs.flat_map(|[u, v, ..]| [u, v]));
            }
        } else {
            for (plane, byte) in [(1, 0), (2, 1)] {
                planes[plane].extend((0..SIDE).map(|x| chroma_of(x / 2, y / 2)[byte]));
            }
        }
    }
    (source, Surface { planes })
}
