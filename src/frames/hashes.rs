//! The hashes of a profile's frames, a page of them at a time, for who compares them himself.

use futures::TryStreamExt;

use crate::cache::Profile;
use crate::cache::columns::Column;
use crate::cache::read::View;
use crate::error::Result;
use crate::frames::{Frames, absent};
use crate::timeline::plan::HashKind;

/// Hashes of one kind in sequence order; those that a search looks at.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct HashPage {
    pub seqs: Vec<u64>,
    pub hashes: Vec<u64>,
    /// Frames between these that are left out: flat ones, and such as have no hash of the kind.
    pub flat: u64,
    pub without: u64,
    /// Where the next page begins; none at the end.
    pub next: Option<u64>,
}

impl Frames {
    /// At most so many, from a sequence on; of what is cached.
    ///
    /// # Errors
    /// TIMELINE_NOT_FOUND; the store's own.
    pub async fn hashes(
        &self,
        profile: &Profile,
        kind: HashKind,
        (first, most): (u64, usize),
    ) -> Result<HashPage> {
        let view = profile.view().await?;
        if matches!(view, View::Absent) {
            return Err(absent(profile));
        }
        self.cache().note_use(profile.keys().timeline());
        let mut columns = profile.hash_columns(&view, kind, first).await?;
        let mut page = HashPage::default();
        while let Some(column) = columns.try_next().await? {
            page.add(&column, first, most);
            if page.next.is_some() {
                break;
            }
        }
        Ok(page)
    }
}

impl HashPage {
    fn add(&mut self, column: &Column, first: u64, most: usize) {
        let start = column.seqs.partition_point(|seq| *seq < first);
        let room = most.saturating_sub(self.seqs.len());
        let (seqs, hashes) = (column.seqs.iter(), column.hashes.iter());
        self.seqs.extend(seqs.skip(start).take(room));
        self.hashes.extend(hashes.skip(start).take(room));
        self.next = column.seqs.get(start.saturating_add(room)).copied();
        // Counted by the page that has the column's end.
        if self.next.is_none() {
            self.flat += column.flat;
            self.without += column.without;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn column(seqs: std::ops::Range<u64>, flat: u64) -> Column {
        Column {
            hashes: seqs.clone().map(|seq| seq << 8).collect(),
            times: seqs.clone().map(|seq| seq as f64).collect(),
            seqs: seqs.collect(),
            flat,
            without: 1,
        }
    }

    #[test]
    fn pages_hold_each_hash_once_and_count_once_what_they_leave_out() {
        let columns = [column(0..5, 2), column(5..5, 7), column(9..12, 0)];
        let (mut first, mut all, mut pages) = (0, HashPage::default(), 0);
        loop {
            let mut page = HashPage::default();
            // Those that end before it are not read again.
            let reach = columns.iter().filter(|c| c.seqs.last() >= Some(&first));
            let reach: Vec<_> = if first == 0 {
                columns.iter().collect()
            } else {
                reach.collect()
            };
            for column in reach {
                page.add(column, first, 3);
                if page.next.is_some() {
                    break;
                }
            }
            assert!(page.seqs.len() <= 3 && page.seqs.len() == page.hashes.len());
            all.seqs.extend(&page.seqs);
            (all.flat, all.without) = (all.flat + page.flat, all.without + page.without);
            pages += 1;
            let Some(next) = page.next else { break };
            first = next;
        }
        assert_eq!((all.seqs, pages), (vec![0, 1, 2, 3, 4, 9, 10, 11], 3));
    }
}
