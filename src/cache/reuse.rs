//! Whether the frames that records name are there still, by one listing: others may have cleared
//! them, or `rm` did, and a record alone does not tell.

use futures::TryStreamExt;

use crate::cache::Profile;
use crate::cache::objects;
use crate::cache::planned::Planned;
use crate::cache::read::Miss;
use crate::cache::record::{Record, is_stored};
use crate::cache::status::SpanState;
use crate::error::Result;

/// A frame that a record names: 24 bytes a frame of the rows that may be reused.
#[derive(Clone, Copy)]
struct Named {
    seq: u64,
    bytes: u64,
    /// Of its row, among those asked for.
    row: usize,
}

impl Profile {
    /// As [`Profile::span_states`]; a span of which a listing has not every frame, with the bytes
    /// that its record gives it, is missing. Lists `frames/` once where any span is committed.
    ///
    /// # Errors
    /// As [`Profile::span_states`].
    pub async fn reusable_states(&self, plan: &Planned, rows: &[usize]) -> Result<Vec<SpanState>> {
        let of = |record: Result<Record, Miss>| (SpanState::of(&record), sizes(&record));
        let found = self.of_records(plan, rows, of).await?;
        let (mut states, sizes): (Vec<_>, Vec<_>) = found.into_iter().unzip();
        let named = sizes.into_iter().enumerate();
        let mut named: Vec<Named> = named
            .flat_map(|(row, sizes)| {
                let named = sizes.into_iter();
                named.map(move |(seq, bytes)| Named { seq, bytes, row })
            })
            .collect();
        named.sort_unstable_by_key(|named| named.seq);
        for row in self.rows_not_listed(&named).await? {
            if let Some(state) = states.get_mut(row) {
                *state = SpanState::Missing(Miss::NoObject);
            }
        }
        Ok(states)
    }

    /// Rows of frames that a listing does not have; `named` by sequence.
    async fn rows_not_listed(&self, named: &[Named]) -> Result<Vec<usize>> {
        if named.is_empty() {
            return Ok(Vec::new());
        }
        let mut listed = vec![false; named.len()];
        let prefix = self.keys.frames_prefix();
        let mut entries = std::pin::pin!(objects::entries(&*self.store, &prefix));
        while let Some(entry) = entries.try_next().await? {
            let place = self.keys.frame_of(&entry.key);
            let place = place.and_then(|seq| named.binary_search_by_key(&seq, |n| n.seq).ok());
            if let Some(place) = place {
                listed[place] = named[place].bytes == entry.bytes;
            }
        }
        let absent = named.iter().zip(listed).filter(|(_, listed)| !listed);
        let mut rows: Vec<_> = absent.map(|(named, _)| named.row).collect();
        rows.dedup();
        Ok(rows)
    }
}

/// Sequence and bytes of each frame that has an object of its own.
fn sizes(record: &Result<Record, Miss>) -> Vec<(u64, u64)> {
    let frames = record.as_ref().map(Record::frames).unwrap_or_default();
    let stored = frames.iter().filter(|frame| is_stored(frame));
    stored
        .filter_map(|frame| Some((frame.seq, frame.bytes?)))
        .collect()
}
