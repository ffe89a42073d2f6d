//! What is asked for, cut into groups that are decoded in one go.

use std::sync::Arc;

use crate::error::{Error, Reason, Result};
use crate::frames::footage::rows::{OpenRow, Rows};
use crate::frames::footage::{Footage, Still};
use crate::frames::select::{Asked, Selected};
use crate::frames::{Answer, place_of};

/// Frames of a group, however long its GOP is.
const MAX_GROUP: usize = 1 << 17;

/// Frames of one row, in the order asked. Either they ascend, or they are so few that all of
/// them may wait at once.
pub(super) struct Group {
    pub row: Arc<OpenRow>,
    /// Place in the request, and sequence.
    pub items: Vec<(u64, u64)>,
}

pub(super) enum Piece {
    Group(Group),
    Failed(Box<Answer<Still>>),
}

pub(super) struct Groups {
    footage: Arc<Footage>,
    asked: Box<dyn Iterator<Item = (u64, Asked)> + Send>,
    rows: Rows,
    /// Looked up, and not in the group that was made last.
    next: Option<Item>,
}

/// One frame that is asked for, looked up.
struct Item {
    index: u64,
    sequence: Option<u64>,
    /// Its row.
    place: Result<usize>,
}

impl Groups {
    pub fn new(footage: Arc<Footage>, selected: Selected) -> Self {
        Groups {
            footage,
            asked: Box::new((0..).zip(selected)),
            rows: Rows::default(),
            next: None,
        }
    }

    /// The next group; none at the end.
    pub async fn next(&mut self) -> Option<Piece> {
        let item = self.item().await?;
        let (index, sequence) = (item.index, item.sequence);
        let row = match item.place {
            Ok(place) => self.rows.open(&self.footage, place).await,
            Err(error) => Err(error),
        };
        let (row, seq) = match (row, sequence) {
            (Ok(row), Some(seq)) => (row, seq),
            (Ok(_), None) => return Some(failed(index, sequence, Error::internal("no sequence"))),
            (Err(error), _) => return Some(failed(index, sequence, error)),
        };
        let queue = row.queue();
        let mut run = Run::new(seq, row.start_of(seq));
        let mut items = vec![(index, seq)];
        while let Some(item) = self.item().await {
            let here = item.place.as_ref().is_ok_and(|place| *place == row.place);
            match item.sequence.filter(|_| here) {
                Some(seq) if run.takes(seq, row.start_of(seq), queue) => {
                    items.push((item.index, seq));
                }
                _ => {
                    self.next = Some(item);
                    break;
                }
            }
        }
        Some(Piece::Group(Group { row, items }))
    }

    async fn item(&mut self) -> Option<Item> {
        if let Some(item) = self.next.take() {
            return Some(item);
        }
        let (index, asked) = self.asked.next()?;
        let sequence = match asked {
            Asked::Sequence(seq) => Ok(seq),
            Asked::Time(time) => self.rows.shown_at(&self.footage, time).await,
        };
        let plan = &self.footage.plan;
        let place = sequence
            .clone()
            .and_then(|seq| place_of(plan, seq).ok_or_else(|| unplanned(seq)));
        Some(Item {
            index,
            sequence: sequence.ok(),
            place,
        })
    }
}

/// The frames of a row that a group has so far.
struct Run {
    frames: usize,
    last: u64,
    /// Where decoding for the last one starts.
    start: Option<u32>,
    ascends: bool,
}

impl Run {
    fn new(seq: u64, start: Option<u32>) -> Self {
        Run {
            frames: 1,
            last: seq,
            start,
            ascends: true,
        }
    }

    /// Takes a further frame if it is decoded best with these: they are few (`queue` pictures may
    /// wait), or it is the next one of the GOP that is being decoded anyway.
    fn takes(&mut self, seq: u64, start: Option<u32>, queue: usize) -> bool {
        let ascends = self.ascends && self.last <= seq;
        let goes_on = ascends && self.start == start && self.frames < MAX_GROUP;
        if self.frames >= queue && !goes_on {
            return false;
        }
        *self = Run {
            frames: self.frames + 1,
            last: seq,
            start,
            ascends,
        };
        true
    }
}

fn failed(index: u64, sequence: Option<u64>, error: Error) -> Piece {
    Piece::Failed(Box::new(Answer {
        index,
        sequence,
        result: Err(error),
    }))
}

fn unplanned(seq: u64) -> Error {
    let message = format!("there is no frame of this number, seq={seq}");
    Error::new(Reason::FrameNotCached, message).hint("`framecache frames` lists them")
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use proptest::prelude::*;

    use super::*;

    const QUEUE: usize = 4;

    fn cut(seqs: &[u64], gop: u64) -> Vec<Vec<u64>> {
        let start = |seq: u64| Some((seq / gop * gop) as u32);
        let mut groups: Vec<Vec<u64>> = Vec::new();
        let mut run: Option<Run> = None;
        for &seq in seqs {
            let mut takes = |run: &mut Run| run.takes(seq, start(seq), QUEUE);
            if run.as_mut().is_some_and(&mut takes) {
                groups.last_mut().unwrap().push(seq);
            } else {
                run = Some(Run::new(seq, start(seq)));
                groups.push(vec![seq]);
            }
        }
        groups
    }

    #[test]
    fn a_group_is_whole_gops_and_a_few_frames_at_least() {
        assert_eq!(
            cut(&[0, 1, 2, 3, 4, 5, 6], 6),
            [vec![0, 1, 2, 3, 4, 5], vec![6]]
        );
        assert_eq!(
            cut(&[0, 2, 4, 6, 8, 10], 2),
            [vec![0, 2, 4, 6], vec![8, 10]]
        );
        assert_eq!(cut(&[9, 3, 3, 1, 0], 50), [vec![9, 3, 3, 1], vec![0]]);
    }

    proptest! {
        #[test]
        fn no_gop_of_ascending_numbers_is_in_two_groups(
            mut seqs in proptest::collection::vec(0u64..300, 1..200), gop in 1u64..60,
        ) {
            seqs.sort_unstable();
            let groups = cut(&seqs, gop);
            prop_assert_eq!(groups.concat(), seqs);
            let mut group_of = HashMap::new();
            for (n, group) in groups.iter().enumerate() {
                for seq in group {
                    prop_assert_eq!(*group_of.entry(seq / gop).or_insert(n), n);
                }
            }
        }

        #[test]
        fn a_group_that_does_not_ascend_fits_the_queue(
            seqs in proptest::collection::vec(0u64..300, 1..200), gop in 1u64..60,
        ) {
            let groups = cut(&seqs, gop);
            prop_assert_eq!(groups.concat(), seqs);
            for group in groups {
                prop_assert!(group.is_sorted() || group.len() <= QUEUE);
            }
        }
    }
}
