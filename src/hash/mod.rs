//! Perceptual hashes, equal to those of Python's ImageHash 4.3.2 with its
//! default sizes, printed as the same 16 hex digits. Compare them by [`hamming`].

mod cosines;
mod dct;

use crate::error::Result;
use crate::pixel::GrayImage;
use crate::pixel::resample::{Filter, Geometry, Resampler, Scratch};
use crate::timeline::plan::HashKind;

/// Side of the picture that `phash` is made of.
const PHASH_SIDE: usize = 32;

/// The hashes that were asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Hashes {
    pub phash: Option<u64>,
    pub dhash: Option<u64>,
    pub average_hash: Option<u64>,
}

impl Hashes {
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

/// `imagehash.phash` of the picture whose mode `L` is `luma`.
pub fn phash(luma: &GrayImage) -> Result<u64> {
    Hasher::default().hash(luma, HashKind::Phash)
}

/// `imagehash.dhash` of the picture whose mode `L` is `luma`.
pub fn dhash(luma: &GrayImage) -> Result<u64> {
    Hasher::default().hash(luma, HashKind::Dhash)
}

/// `imagehash.average_hash` of the picture whose mode `L` is `luma`.
pub fn average_hash(luma: &GrayImage) -> Result<u64> {
    Hasher::default().hash(luma, HashKind::AverageHash)
}

/// Makes hashes, and keeps resampling weights and buffers for the next picture.
#[derive(Debug, Default)]
pub struct Hasher {
    resamplers: [Option<Resampler>; 3],
    scratch: Scratch,
    small: Vec<u8>,
}

impl Hasher {
    /// FIELD_INVALID for an empty picture; INTERNAL where its bytes do not fit its size.
    pub fn compute(&mut self, luma: &GrayImage, kinds: &[HashKind]) -> Result<Hashes> {
        let mut hashes = Hashes::default();
        for &kind in kinds {
            hashes.set(kind, self.hash(luma, kind)?);
        }
        Ok(hashes)
    }

    fn hash(&mut self, luma: &GrayImage, kind: HashKind) -> Result<u64> {
        let geometry = Geometry::whole((luma.width, luma.height), kind.size(), Filter::Lanczos);
        let slot = &mut self.resamplers[kind as usize];
        let resampler = Resampler::cached(slot, &geometry)?;
        resampler.run::<1>(&luma.data, &mut self.scratch, &mut self.small)?;
        Ok(of_small(kind, &self.small))
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
        assert!(phash(&GrayImage::default()).is_err());
    }

    #[test]
    fn distance_counts_the_bits_that_differ() {
        assert_eq!(hamming(0xff00, 0x0ff0), 8);
    }
}
