//! Whether the frames and packs that records name are there still, by one listing of each: others may
//! have cleared them, or `rm` did, and a record alone does not tell.

use std::collections::HashSet;

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
    /// that its record gives it, is missing. Lists `frames/` once where any span is committed that lies
    /// loose, `packs/` where one lies packed.
    ///
    /// # Errors
    /// As [`Profile::span_states`].
    pub async fn reusable_states(&self, plan: &Planned, rows: &[usize]) -> Result<Vec<SpanState>> {
        let of = |record: Result<Record, Miss>| {
            let packs = record.as_ref().map(|record| self.sizes_of_packs(record));
            let packs = packs.unwrap_or_default();
            (SpanState::of(&record), (sizes(&record), packs))
        };
        let found = self.of_records(plan, rows, of).await?;
        let (mut states, sizes): (Vec<_>, Vec<_>) = found.into_iter().unzip();
        let (mut named, mut packs) = (Vec::new(), Vec::new());
        for (row, (loose, packed)) in sizes.into_iter().enumerate() {
            let loose = loose.into_iter();
            named.extend(loose.map(|(seq, bytes)| Named { seq, bytes, row }));
            packs.extend(packed.into_iter().map(|pack| (pack, row)));
        }
        named.sort_unstable_by_key(|named| named.seq);
        let mut absent = self.rows_not_listed(&named).await?;
        absent.extend(self.rows_of_packs_not_listed(packs).await?);
        for row in absent {
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

    /// Rows of packs that a listing does not have with the bytes that their records give them.
    async fn rows_of_packs_not_listed(
        &self,
        named: Vec<((String, u64), usize)>,
    ) -> Result<Vec<usize>> {
        if named.is_empty() {
            return Ok(Vec::new());
        }
        let prefix = self.keys.packs_prefix();
        let listed = objects::entries(&*self.store, &prefix);
        let listed: HashSet<_> = listed
            .map_ok(|entry| (entry.key, entry.bytes))
            .try_collect()
            .await?;
        let absent = named.into_iter().filter(|(pack, _)| !listed.contains(pack));
        Ok(absent.map(|(_, row)| row).collect())
    }

    fn sizes_of_packs(&self, record: &Record) -> Vec<(String, u64)> {
        let packs = record.packs(&self.keys);
        packs.map(|(key, pack)| (key, pack.bytes)).collect()
    }
}

/// Sequence and bytes of each frame that has an object of its own.
fn sizes(record: &Result<Record, Miss>) -> Vec<(u64, u64)> {
    let frames = record.as_ref().map(Record::frames).unwrap_or_default();
    let loose = record.as_ref().is_ok_and(|record| record.packs.is_none());
    let stored = frames.iter().filter(|frame| loose && is_stored(frame));
    stored
        .filter_map(|frame| Some((frame.seq, frame.bytes?)))
        .collect()
}
