//! Which hashes of a column are within so many bits of one: each is looked at, none is guessed.

use crate::hash::hamming;
use crate::pixel::simd::{Kernel, Level, Machine, run};

/// Hashes that are counted at once before any is looked at by itself: 4 KiB.
const BLOCK: usize = 512;

/// Calls `found` with the place and the distance of each hash of the column within `distance` bits of `like`,
/// in order.
pub fn near(column: &[u64], like: u64, distance: u32, found: &mut impl FnMut(usize, u32)) {
    let level = Level::best();
    for (block, first) in column.chunks(BLOCK).zip((0..).step_by(BLOCK)) {
        let count = Count {
            block,
            like,
            distance: u64::from(distance),
        };
        if run(level, count) == 0 {
            continue;
        }
        for (place, hash) in block.iter().enumerate() {
            let apart = hamming(*hash, like);
            if apart <= distance {
                found(first + place, apart);
            }
        }
    }
}

/// How many of a block are near: without a branch, so that the compiler counts several at once.
struct Count<'a> {
    block: &'a [u64],
    like: u64,
    distance: u64,
}

impl Kernel for Count<'_> {
    type Output = u64;

    #[inline(always)]
    fn run<M: Machine>(self) -> u64 {
        let (like, distance) = (self.like, self.distance);
        let near = |hash: &u64| u64::from(u64::from((hash ^ like).count_ones()) <= distance);
        self.block.iter().map(near).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_is_near_is_what_counting_bits_one_by_one_says(
            column in proptest::collection::vec(any::<u64>(), 0..1500),
            (like, distance, planted) in (any::<u64>(), 0..=64u32, 0..1500usize),
        ) {
            let mut column = column;
            if let Some(place) = column.get_mut(planted) {
                *place = like ^ 1;
            }
            let bits = |hash: u64| (0..64).filter(|bit| (hash ^ like) >> bit & 1 == 1).count() as u32;
            let all = column.iter().map(|hash| bits(*hash)).enumerate();
            let expected: Vec<_> = all.filter(|(_, apart)| *apart <= distance).collect();
            let mut found = Vec::new();
            near(&column, like, distance, &mut |place, apart| found.push((place, apart)));
            prop_assert_eq!(found, expected);
        }
    }
}
