//! A picture whose planes were checked once, and samples read out of it.

use crate::error::{Error, Result};
use crate::media::picture::{Layout, Picture};
use crate::pixel::simd::{Machine, Pairs};

/// Luma samples handled at a time: the working set of a tile stays in the L1
/// cache. A multiple of 4, the widest chroma sample.
pub(crate) const TILE: usize = 512;

/// How chroma lies: right shifts that lead from a luma to a chroma coordinate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Chroma {
    pub shift_x: u32,
    pub shift_y: u32,
    pub interleaved: bool,
}

impl Chroma {
    /// 4:2:0.
    pub fn is_half(self) -> bool {
        (self.shift_x, self.shift_y) == (1, 1)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Gray,
    Yuv(Chroma),
    Gbr,
    Packed { offsets: [usize; 3], step: usize },
}

impl Kind {
    fn of(layout: Layout) -> Kind {
        let planar = |shift_x, shift_y| {
            Kind::Yuv(Chroma {
                shift_x,
                shift_y,
                interleaved: false,
            })
        };
        match layout {
            Layout::Gray => Kind::Gray,
            Layout::Yuv420 => planar(1, 1),
            Layout::Yuv422 => planar(1, 0),
            Layout::Yuv444 => planar(0, 0),
            Layout::Yuv440 => planar(0, 1),
            Layout::Yuv411 => planar(2, 0),
            Layout::Yuv410 => planar(2, 2),
            Layout::Nv12 => Kind::Yuv(Chroma {
                shift_x: 1,
                shift_y: 1,
                interleaved: true,
            }),
            Layout::Gbr => Kind::Gbr,
            Layout::Packed { r, g, b, step } => Kind::Packed {
                offsets: [r, g, b].map(usize::from),
                step: usize::from(step),
            },
        }
    }
}

/// `ceil(size / 2^shift)`: samples of a subsampled plane.
#[inline(always)]
pub(crate) fn subsampled(size: usize, shift: u32) -> usize {
    (size + (1 << shift) - 1) >> shift
}

/// A picture whose planes are as long as its size, strides and depth say.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Checked<'a> {
    pub picture: &'a Picture<'a>,
    pub kind: Kind,
}

impl<'a> Checked<'a> {
    /// INTERNAL where a plane is shorter than its rows, or the layout is impossible.
    pub fn new(picture: &'a Picture<'a>) -> Result<Checked<'a>> {
        let kind = Kind::of(picture.layout);
        let checked = Checked { picture, kind };
        let deep_packed = matches!(kind, Kind::Packed { .. }) && picture.depth != 8;
        if picture.width == 0
            || picture.height == 0
            || !(8..=16).contains(&picture.depth)
            || deep_packed
        {
            return Err(checked.broken("size or depth"));
        }
        if let Kind::Packed { offsets, step } = kind
            && offsets.iter().any(|&offset| offset >= step)
        {
            return Err(checked.broken("packed offsets"));
        }
        let bytes = checked.sample_bytes();
        for index in 0..checked.plane_count() {
            let (width, height) = checked.plane_size(index);
            let plane = &picture.planes[index];
            let row = width
                .checked_mul(bytes)
                .filter(|&row| row <= plane.stride || height == 1);
            let needed = row.and_then(|row| plane.stride.checked_mul(height - 1)?.checked_add(row));
            if needed.is_none_or(|needed| needed > plane.data.len()) {
                return Err(checked.broken("plane"));
            }
        }
        Ok(checked)
    }

    fn broken(&self, what: &str) -> Error {
        let Picture {
            layout,
            depth,
            width,
            height,
            ..
        } = self.picture;
        Error::internal(format!(
            "read a decoded picture: {what} cannot be right layout={layout:?} depth={depth} width={width} height={height}"
        ))
    }

    fn sample_bytes(&self) -> usize {
        if self.picture.depth == 8 { 1 } else { 2 }
    }

    fn plane_count(&self) -> usize {
        match self.kind {
            Kind::Gray | Kind::Packed { .. } => 1,
            Kind::Yuv(chroma) if chroma.interleaved => 2,
            Kind::Yuv(_) | Kind::Gbr => 3,
        }
    }

    /// Samples in a row and rows of plane `index`.
    fn plane_size(&self, index: usize) -> (usize, usize) {
        let Picture { width, height, .. } = *self.picture;
        match self.kind {
            Kind::Packed { step, .. } => (width.saturating_mul(step), height),
            Kind::Yuv(chroma) if index > 0 => {
                let samples = if chroma.interleaved { 2 } else { 1 };
                let (width, height) = self.chroma_size(chroma);
                (width * samples, height)
            }
            _ => (width, height),
        }
    }

    pub fn chroma_size(&self, chroma: Chroma) -> (usize, usize) {
        (
            subsampled(self.picture.width, chroma.shift_x),
            subsampled(self.picture.height, chroma.shift_y),
        )
    }

    /// The bytes of `count` samples of plane `index` from (x, y) on.
    #[inline(always)]
    pub fn bytes(&self, index: usize, at: (usize, usize), count: usize) -> &'a [u8] {
        let plane = &self.picture.planes[index];
        let bytes = self.sample_bytes();
        &plane.data[at.1 * plane.stride + at.0 * bytes..][..count * bytes]
    }

    /// Reads as many Cb and Cr samples as `cb` and `cr` have, from chroma
    /// coordinate `at` on, less `offset`.
    #[inline(always)]
    pub fn load_chroma<S: Sample>(&self, chroma: Chroma, at: (usize, usize), out: ChromaTile) {
        let count = out.cb.len();
        let offset = 128 << (self.picture.depth - 8);
        if chroma.interleaved {
            let pairs = S::split(self.bytes(1, (at.0 * 2, at.1), count * 2));
            let (pairs, _) = pairs.as_chunks::<2>();
            for ((cb, cr), &[u, v]) in out.cb.iter_mut().zip(out.cr.iter_mut()).zip(pairs) {
                *cb = S::value(u) - offset;
                *cr = S::value(v) - offset;
            }
        } else {
            for (index, out) in [(1, out.cb), (2, out.cr)] {
                let samples = S::split(self.bytes(index, at, count));
                for (out, &sample) in out.iter_mut().zip(samples) {
                    *out = S::value(sample) - offset;
                }
            }
        }
    }
}

impl Checked<'_> {
    /// As [`Checked::load_chroma`], `count` samples of 8 bits.
    #[inline(always)]
    pub fn load_pairs(&self, chroma: Chroma, at: (usize, usize), count: usize, out: &mut Pairs) {
        let Pairs { u, v, .. } = out;
        let (us, vs) = (&mut u[..count], &mut v[..count]);
        let value = |sample: u8| i16::from(sample) - 128;
        if chroma.interleaved {
            let (pairs, _) = self.bytes(1, (at.0 * 2, at.1), count * 2).as_chunks::<2>();
            for ((to_u, to_v), &[u, v]) in us.iter_mut().zip(vs).zip(pairs) {
                (*to_u, *to_v) = (value(u), value(v));
            }
        } else {
            for (plane, to) in [(1, us), (2, vs)] {
                for (to, &sample) in to.iter_mut().zip(self.bytes(plane, at, count)) {
                    *to = value(sample);
                }
            }
        }
        out.count = count;
    }

    /// Has the samples that lie under a tile brought into the cache: those of the chroma row after the
    /// next, and of its luma. A tile's rows are too short for processors to see them coming.
    #[inline(always)]
    pub fn prefetch<M: Machine>(&self, chroma: Chroma, (x, y): (usize, usize), count: usize) {
        let y = y + AHEAD;
        let (_, height) = self.chroma_size(chroma);
        if y >= height {
            return;
        }
        let narrow = subsampled(count, 1);
        if chroma.interleaved {
            M::prefetch(self.bytes(1, (x, y), 2 * narrow));
        } else {
            M::prefetch(self.bytes(1, (x / 2, y), narrow));
            M::prefetch(self.bytes(2, (x / 2, y), narrow));
        }
        let below = (y + 1) << chroma.shift_y;
        for y in y << chroma.shift_y..below.min(self.picture.height) {
            M::prefetch(self.bytes(0, (x, y), count));
        }
    }
}

/// Chroma rows from one that is read to the one that is prefetched.
const AHEAD: usize = 2;

/// Where [`Checked::load_chroma`] puts its samples; both of one length.
pub(crate) struct ChromaTile<'t> {
    pub cb: &'t mut [i32],
    pub cr: &'t mut [i32],
}

/// A sample as it lies in memory: one byte, or two in little endian.
pub(crate) trait Sample {
    type Raw: Copy + 'static;
    fn split(bytes: &[u8]) -> &[Self::Raw];
    fn value(raw: Self::Raw) -> i32;
    /// The samples, where each is a byte.
    fn bytes(samples: &[Self::Raw]) -> Option<&[u8]>;
}

pub(crate) struct Byte;
pub(crate) struct Word;

impl Sample for Byte {
    type Raw = u8;
    #[inline(always)]
    fn split(bytes: &[u8]) -> &[u8] {
        bytes
    }
    #[inline(always)]
    fn value(raw: u8) -> i32 {
        i32::from(raw)
    }
    #[inline(always)]
    fn bytes(samples: &[u8]) -> Option<&[u8]> {
        Some(samples)
    }
}

impl Sample for Word {
    type Raw = [u8; 2];
    #[inline(always)]
    fn split(bytes: &[u8]) -> &[[u8; 2]] {
        bytes.as_chunks().0
    }
    #[inline(always)]
    fn value(raw: [u8; 2]) -> i32 {
        i32::from(u16::from_le_bytes(raw))
    }
    #[inline(always)]
    fn bytes(_: &[[u8; 2]]) -> Option<&[u8]> {
        None
    }
}

/// Repeats each of `narrow` 2^shift times into `wide`, which may end early.
#[inline(always)]
pub(crate) fn replicate(narrow: &[i32], shift: u32, wide: &mut [i32]) {
    match shift {
        0 => wide.copy_from_slice(&narrow[..wide.len()]),
        1 => replicate_by::<2>(narrow, wide),
        _ => replicate_by::<4>(narrow, wide),
    }
}

#[inline(always)]
fn replicate_by<const N: usize>(narrow: &[i32], wide: &mut [i32]) {
    let (groups, rest) = wide.as_chunks_mut::<N>();
    for (group, &value) in groups.iter_mut().zip(narrow) {
        *group = [value; N];
    }
    if let Some(&last) = narrow.last() {
        rest.fill(last);
    }
}
