//! Columns that are scanned, and the nearest of their hashes.

use std::collections::BinaryHeap;
use std::sync::Arc;

use crate::cache::columns::Column;
use crate::frames::similar::like::Like;
use crate::frames::similar::{Found, MAX_UNREAD, Near, Place, Query, Search};
use crate::hash::hamming;
use crate::similar::scan::near;
use crate::timeline::plan::HashKind;

/// Columns of one timeline that are scanned together.
pub(super) struct Batch {
    pub timeline: Arc<str>,
    pub columns: Vec<Arc<Column>>,
    pub hashes: usize,
}

impl Batch {
    pub fn of(timeline: &Arc<str>) -> Batch {
        Batch {
            timeline: timeline.clone(),
            columns: Vec::new(),
            hashes: 0,
        }
    }

    pub fn add(&mut self, column: Arc<Column>) {
        self.hashes += column.hashes.len();
        self.columns.push(column);
    }
}

/// A search under way: the nearest that were found so far, one more than are asked for.
pub(super) struct Scan {
    like: Like,
    pub kind: HashKind,
    distance: u32,
    most: usize,
    after: Option<Place>,
    itself: Option<(String, u64)>,
    nearest: BinaryHeap<Near>,
    searched: u64,
    unread: Vec<String>,
}

impl Scan {
    pub fn new(search: &Search, like: Like) -> Scan {
        let itself = match &search.query {
            Query::Frame {
                timeline,
                profile,
                seq,
            } if *profile == search.profile => Some((timeline.clone(), *seq)),
            _ => None,
        };
        Scan {
            like,
            kind: search.kind,
            distance: search.distance,
            most: search.limit.max(1) + 1,
            after: search.after.clone(),
            itself,
            nearest: BinaryHeap::new(),
            searched: 0,
            unread: Vec::new(),
        }
    }

    pub fn column(&mut self, timeline: &Arc<str>, column: &Column) {
        self.searched += column.hashes.len() as u64;
        let like = self.like;
        for (hash, is_mirrored) in [(Some(like.hash), false), (like.mirrored, true)] {
            let Some(hash) = hash else { continue };
            let other = if is_mirrored {
                Some(like.hash)
            } else {
                like.mirrored
            };
            near(
                &column.hashes,
                hash,
                self.farthest(),
                &mut |at, distance| {
                    let own = column.hashes.get(at);
                    let apart = |other| own.map_or(u32::MAX, |own| hamming(*own, other));
                    // As one that shows it as it is, unless it is nearer mirrored.
                    let better = other.is_some_and(|other| match is_mirrored {
                        true => apart(other) <= distance,
                        false => apart(other) < distance,
                    });
                    if !better {
                        self.take(timeline, (column, at), (distance, is_mirrored));
                    }
                },
            );
        }
    }

    /// What is farther than this is not wanted any more.
    fn farthest(&self) -> u32 {
        match self.nearest.peek() {
            Some(last) if self.nearest.len() == self.most => self.distance.min(last.place.distance),
            _ => self.distance,
        }
    }

    fn take(
        &mut self,
        timeline: &Arc<str>,
        (column, at): (&Column, usize),
        (distance, mirrored): (u32, bool),
    ) {
        let (Some(&seq), Some(&time)) = (column.seqs.get(at), column.times.get(at)) else {
            return;
        };
        let place = Place {
            distance,
            timeline: timeline.clone(),
            seq,
        };
        let is_itself = |(id, own): &(String, u64)| **id == **timeline && *own == seq;
        if self.after.as_ref().is_some_and(|after| place <= *after)
            || self.itself.as_ref().is_some_and(is_itself)
        {
            return;
        }
        self.nearest.push(Near {
            place,
            timestamp: Some(time).filter(|time| !time.is_nan()),
            mirrored,
        });
        if self.nearest.len() > self.most {
            self.nearest.pop();
        }
    }

    pub fn unread(&mut self, timeline: &str) {
        if self.unread.len() < MAX_UNREAD {
            self.unread.push(timeline.to_owned());
        }
    }

    pub fn found(self) -> Found {
        let mut near = self.nearest.into_sorted_vec();
        let more = near.len() == self.most;
        near.truncate(self.most - 1);
        Found {
            hash: self.like.hash,
            flat: self.like.flat,
            near,
            more,
            searched: self.searched,
            unread: self.unread,
        }
    }
}
