//! Which slices of packs are read together: pure arithmetic.

use std::ops::Range;

use crate::cache::keys::PackId;
use crate::cache::places::Slice;

/// Bytes between two slices that are read along: a request costs more.
const MAX_GAP: u64 = 64 << 10;
/// Bytes that are read at once, unless a single slice has more.
pub const MAX_RUN: u64 = 8 << 20;

/// A range of a pack with slices that are wanted one after the other.
#[derive(Debug, PartialEq, Eq)]
pub struct Run<T> {
    pub pack: PackId,
    pub range: Range<u64>,
    pub slices: Vec<(T, Slice)>,
}

/// Runs of what is wanted, in this order; none stands for what is not read, or not of a pack.
///
/// A run never holds what is wanted behind something else: whoever hands frames on in order needs
/// room for one run at a time.
pub fn runs<T>(wanted: impl Iterator<Item = Option<(T, Slice)>>, max_bytes: u64) -> Vec<Run<T>> {
    let mut runs: Vec<Run<T>> = Vec::new();
    let mut open = false;
    for wanted in wanted {
        let Some((of, slice)) = wanted else {
            open = false;
            continue;
        };
        match runs
            .last_mut()
            .filter(|run| open && run.takes(&slice, max_bytes))
        {
            Some(run) => {
                run.range.end = slice.range().end;
                run.slices.push((of, slice));
            }
            None => runs.push(Run {
                pack: slice.pack.clone(),
                range: slice.range(),
                slices: vec![(of, slice)],
            }),
        }
        open = true;
    }
    runs
}

impl<T> Run<T> {
    fn takes(&self, next: &Slice, max_bytes: u64) -> bool {
        let gap = next.offset.checked_sub(self.range.end);
        self.pack == next.pack
            && gap.is_some_and(|gap| gap <= MAX_GAP)
            && next.range().end - self.range.start <= max_bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cache::keys::SpanId;

    fn slice(pack: &str, offset: u64, bytes: u64) -> Slice {
        Slice {
            pack: PackId {
                span: SpanId {
                    chunk_id: "0".to_owned(),
                    span: 0,
                },
                digest: pack.to_owned(),
            },
            offset,
            bytes,
            crc32c: 0,
        }
    }

    fn planned(wanted: &[Option<Slice>]) -> Vec<(Range<u64>, Vec<usize>)> {
        let wanted = wanted.iter().cloned().enumerate();
        let runs = runs(wanted.map(|(n, slice)| Some((n, slice?))), 1_000_000);
        let told = runs.into_iter().map(|run| {
            let of = run.slices.into_iter().map(|(n, _)| n).collect();
            (run.range, of)
        });
        told.collect()
    }

    #[test]
    fn what_follows_within_64_kib_is_read_along_and_nothing_else() {
        let at = |offset| Some(slice("a", offset, 1000));
        assert_eq!(
            planned(&[at(512), at(2048), at(2048 + 1000 + MAX_GAP)]),
            [(512..4048 + MAX_GAP, vec![0, 1, 2])]
        );
        assert_eq!(
            planned(&[at(512), at(512 + 1001 + MAX_GAP)]),
            [(512..1512, vec![0]), (66_537 + 512..67_537 + 512, vec![1])]
        );
    }

    #[test]
    fn a_run_ends_at_another_pack_at_one_that_lies_before_and_at_what_is_not_read() {
        let at = |pack, offset| Some(slice(pack, offset, 1000));
        let one_each = |wanted: &[Option<Slice>]| {
            let runs = planned(wanted);
            assert!(runs.iter().all(|(_, of)| of.len() == 1), "{runs:?}");
            runs.len()
        };
        assert_eq!(one_each(&[at("a", 0), at("b", 1000), at("a", 2000)]), 3);
        assert_eq!(one_each(&[at("a", 2000), at("a", 0), at("a", 0)]), 3);
        assert_eq!(one_each(&[at("a", 0), None, at("a", 1000)]), 2);
    }

    #[test]
    fn a_run_has_no_more_than_the_bound_but_where_one_slice_has() {
        let at = |offset, bytes| Some(slice("a", offset, bytes));
        assert_eq!(
            planned(&[at(0, 400_000), at(400_000, 600_000), at(1_000_000, 1)]),
            [(0..1_000_000, vec![0, 1]), (1_000_000..1_000_001, vec![2])]
        );
        assert_eq!(
            planned(&[at(0, 3_000_000), at(3_000_000, 1)]),
            [(0..3_000_000, vec![0]), (3_000_000..3_000_001, vec![1])]
        );
    }
}
