//! What is asked for, cut into groups that are decoded in one go.

use std::sync::Arc;

use crate::error::{Error, Reason, Result};
use crate::frames::footage::rows::{OpenRow, Rows};
use crate::frames::footage::{Footage, Shot};
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
    Failed(Answer<Shot>),
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
        let mut group = Group {
            row,
            items: vec![(index, seq)],
        };
        let mut ascends = true;
        while let Some(item) = self.item().await {
            match item
                .sequence
                .filter(|seq| group.takes(&item, *seq, ascends))
            {
                Some(seq) => {
                    ascends &= group.last() <= seq;
                    group.items.push((item.index, seq));
                }
                None => {
                    self.next = Some(item);
                    break;
                }
            }
        }
        Some(Piece::Group(group))
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

impl Group {
    /// Whether a further frame is decoded with these: it lies in the same row, and they are few,
    /// or it is the next one of the GOP that is being decoded anyway.
    fn takes(&self, item: &Item, seq: u64, ascends: bool) -> bool {
        let last = self.last();
        let goes_on =
            || ascends && last <= seq && self.row.start_of(last) == self.row.start_of(seq);
        let is_here = item
            .place
            .as_ref()
            .is_ok_and(|place| *place == self.row.place);
        is_here
            && (self.items.len() < self.row.queue() || self.items.len() < MAX_GROUP && goes_on())
    }

    fn last(&self) -> u64 {
        self.items.last().map_or(0, |(_, seq)| *seq)
    }
}

fn failed(index: u64, sequence: Option<u64>, error: Error) -> Piece {
    Piece::Failed(Answer {
        index,
        sequence,
        result: Err(error),
    })
}

fn unplanned(seq: u64) -> Error {
    let message = format!("there is no frame of this number, seq={seq}");
    Error::new(Reason::FrameNotCached, message).hint("`framecache frames` lists them")
}
