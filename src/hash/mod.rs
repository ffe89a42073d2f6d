//! Perceptual hashes, equal to those of Python's ImageHash 4.3.2 with its
//! default sizes, printed as the same 16 hex digits. Compare them by [`hamming`].

mod cosines;
mod dct;

use std::ops::Range;

use crate::error::Result;
use crate::media::picture::{Orientation, Picture};
use crate::pixel::GrayImage;
use crate::pixel::each::Pixels;
use crate::pixel::luma::{Luma, to_luma_into};
use crate::pixel::resample::{Filter, Geometry, ROWS, Resampler, Scratch, Strip};
use crate::pixel::simd::Level;
use crate::similar::tones::Tones;
use crate::timeline::plan::HashKind;

/// Side of the picture that `phash` is made of.
const PHASH_SIDE: usize = 32;

const KINDS: [HashKind; 3] = [HashKind::Phash, HashKind::Dhash, HashKind::AverageHash];

/// The hashes that were asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Hashes {
    pub phash: Option<u64>,
    pub dhash: Option<u64>,
    pub average_hash: Option<u64>,
    /// Of the picture that `phash` is made of.
    pub tones: Option<Tones>,
}

impl Hashes {
    /// What the small picture of a kind gives.
    pub fn add(&mut self, kind: HashKind, small: &[u8]) {
        self.set(kind, of_small(kind, small));
        if kind == HashKind::Phash {
            self.tones = Tones::of_small(small);
        }
    }

    pub fn set(&mut self, kind: HashKind, hash: u64) {
        let of_kind = match kind {
            HashKind::Phash => &mut self.phash,
            HashKind::Dhash => &mut self.dhash,
            HashKind::AverageHash => &mut self.average_hash,
        };
        *of_kind = Some(hash);
    }
}

/// 16 lower-case hex digits, as `str(imagehash)`.
pub fn to_hex(hash: u64) -> String {
    format!("{hash:016x}")
}

/// In how many of 64 bits two hashes differ.
pub fn hamming(a: u64, b: u64) -> u32 {
    (a ^ b).count_ones()
}

/// The hashes of one picture. Over many pictures keep a [`Hasher`].
pub fn compute(luma: &GrayImage, kinds: &[HashKind]) -> Result<Hashes> {
    Hasher::default().compute(luma, kinds)
}

/// Makes hashes, and keeps resampling weights and buffers for the next picture.
#[derive(Debug, Default)]
pub struct Hasher {
    /// By kind.
    reductions: [Reduction; 3],
    scratch: Scratch,
    small: Vec<u8>,
    lanes: Vec<i16>,
    coded: Vec<u8>,
    luma: GrayImage,
}

/// Luma on its way to the small picture of one kind.
#[derive(Debug, Default)]
struct Reduction {
    resampler: Option<Resampler>,
    /// What strips were made into so far.
    between: Vec<u8>,
}

impl Reduction {
    fn of_size(&mut self, kind: HashKind, size: (usize, usize)) -> Result<&Resampler> {
        let geometry = Geometry::whole(size, kind.size(), Filter::Lanczos);
        Resampler::cached(&mut self.resampler, &geometry)
    }
}

impl Hasher {
    /// FIELD_INVALID for an empty picture; INTERNAL where its bytes do not fit its size.
    pub fn compute(&mut self, luma: &GrayImage, kinds: &[HashKind]) -> Result<Hashes> {
        let mut hashes = Hashes::default();
        for &kind in kinds {
            let reduction = &mut self.reductions[kind as usize];
            let resampler = reduction.of_size(kind, (luma.width, luma.height))?;
            resampler.run::<1>(&luma.data, &mut self.scratch, &mut self.small)?;
            hashes.add(kind, &self.small);
        }
        Ok(hashes)
    }

    /// Begins the hashes of the upright picture, whose rows come along while they are in the cache.
    ///
    /// # Errors
    /// As [`to_luma_into`].
    pub fn begin<'h, 'p>(
        &'h mut self,
        picture: &'p Picture<'p>,
        orientation: Orientation,
        kinds: &'h [HashKind],
    ) -> Result<Hashing<'h, 'p>> {
        let size = (picture.width, picture.height);
        let mut in_strips = orientation == Orientation::default();
        let mut stride = 0;
        for &kind in kinds {
            let reduction = &mut self.reductions[kind as usize];
            let resampler = reduction.of_size(kind, size)?;
            in_strips &= resampler.takes_strips();
            stride = stride.max(resampler.lanes());
            reduction.between.clear();
        }
        self.lanes.resize(ROWS * stride, 0);
        let way = if kinds.is_empty() {
            Way::Nothing
        } else if in_strips {
            Way::Strips(Box::new(Pixels::new(picture)?), stride)
        } else {
            Way::Whole(picture, orientation)
        };
        Ok(Hashing {
            hasher: self,
            kinds,
            way,
        })
    }
}

/// The hashes of one picture in the making.
pub struct Hashing<'h, 'p> {
    hasher: &'h mut Hasher,
    kinds: &'h [HashKind],
    way: Way<'p>,
}

enum Way<'p> {
    /// No hash was asked for.
    Nothing,
    /// Luma is made row by row, the given number of samples from row to row, and is never there as a whole.
    Strips(Box<Pixels<'p>>, usize),
    /// Of pictures that have to be turned, and of very tall ones.
    Whole(&'p Picture<'p>, Orientation),
}

impl Hashing<'_, '_> {
    /// The next rows. Those before the last are a multiple of 4.
    pub fn rows(&mut self, rows: Range<usize>) {
        let Way::Strips(pixels, stride) = &mut self.way else {
            return;
        };
        let level = Level::best();
        let Hasher {
            reductions, lanes, ..
        } = &mut *self.hasher;
        for first in rows.clone().step_by(ROWS) {
            let rows = first..(first + ROWS).min(rows.end);
            pixels.rows::<Luma>(level, rows.clone(), (*stride, lanes));
            let strip = Strip {
                rows: rows.len(),
                stride: *stride,
                samples: lanes,
            };
            // The same kind may be asked for twice.
            for kind in KINDS.iter().filter(|kind| self.kinds.contains(kind)) {
                let Reduction { resampler, between } = &mut reductions[*kind as usize];
                if let Some(resampler) = resampler {
                    resampler.push(level, strip, between);
                }
            }
        }
    }

    /// The hashes, once all rows have come.
    ///
    /// # Errors
    /// As [`Hasher::compute`].
    pub fn end(self) -> Result<Hashes> {
        if let Way::Whole(picture, orientation) = self.way {
            let mut luma = std::mem::take(&mut self.hasher.luma);
            let coded = &mut self.hasher.coded;
            let hashes = to_luma_into(picture, orientation, coded, &mut luma)
                .and_then(|()| self.hasher.compute(&luma, self.kinds));
            self.hasher.luma = luma;
            return hashes;
        }
        let Hasher {
            reductions, small, ..
        } = self.hasher;
        let mut hashes = Hashes::default();
        for &kind in self.kinds {
            let Reduction { resampler, between } = &reductions[kind as usize];
            if let Some(resampler) = resampler {
                resampler.finish(Level::best(), between, small)?;
            }
            hashes.add(kind, small);
        }
        Ok(hashes)
    }
}

impl HashKind {
    /// Width and height of the picture it is made of.
    pub fn size(self) -> (usize, usize) {
        match self {
            HashKind::Phash => (PHASH_SIDE, PHASH_SIDE),
            HashKind::Dhash => (9, 8),
            HashKind::AverageHash => (8, 8),
        }
    }
}

/// The hash of luma that is already at the kind's [`size`](HashKind::size), as a GPU delivers it.
pub fn of_small(kind: HashKind, small: &[u8]) -> u64 {
    match kind {
        HashKind::Phash => of_values(&dct::low_frequencies(small)),
        HashKind::Dhash => bits(
            small
                .chunks_exact(9)
                .flat_map(|row| row.windows(2).map(|pair| pair[1] > pair[0])),
        ),
        HashKind::AverageHash => {
            let sum: usize = small.iter().map(|&value| usize::from(value)).sum();
            bits(
                small
                    .iter()
                    .map(|&value| usize::from(value) * small.len() > sum),
            )
        }
    }
}

/// Which of 64 values are over their median (the mean of the middle two).
fn of_values(values: &[f64; 64]) -> u64 {
    let mut sorted = *values;
    sorted.sort_by(f64::total_cmp);
    let median = (sorted[31] + sorted[32]) / 2.0;
    bits(values.iter().map(|&value| value > median))
}

/// The first bit is the highest.
fn bits(bits: impl Iterator<Item = bool>) -> u64 {
    bits.fold(0, |hash, bit| hash << 1 | u64::from(bit))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flat_picture_has_only_its_mean_in_phash() {
        let flat = GrayImage {
            width: 40,
            height: 30,
            data: vec![77; 1200],
        };
        let kinds = [HashKind::Phash, HashKind::Dhash];
        let hashes = compute(&flat, &kinds).unwrap();
        assert_eq!(to_hex(hashes.phash.unwrap()), "8000000000000000");
        assert_eq!((hashes.dhash, hashes.average_hash), (Some(0), None));
    }

    #[test]
    fn a_hasher_gives_the_same_after_a_picture_of_another_size() {
        let picture = |width: usize, height: usize| GrayImage {
            width,
            height,
            data: (0..width * height)
                .map(|at| (at * at % 253) as u8)
                .collect(),
        };
        let kinds = [HashKind::Phash, HashKind::Dhash, HashKind::AverageHash];
        let mut hasher = Hasher::default();
        let first = hasher.compute(&picture(90, 61), &kinds).unwrap();
        hasher.compute(&picture(33, 200), &kinds).unwrap();
        assert_eq!(hasher.compute(&picture(90, 61), &kinds).unwrap(), first);
    }

    #[test]
    fn an_empty_picture_is_refused() {
        assert!(compute(&GrayImage::default(), &[HashKind::Phash]).is_err());
    }

    #[test]
    fn distance_counts_the_bits_that_differ() {
        assert_eq!(hamming(0xff00, 0x0ff0), 8);
    }
}
