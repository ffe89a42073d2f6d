//! What lies in a profile's `frames/`, `packs/` and `chunks/`, as a listing tells it.

use std::ops::Range;

use futures::TryStreamExt;

use crate::cache::keys::{ProfileKeys, SpanId};
use crate::cache::objects;
use crate::error::Result;
use crate::store::{Entry, Store};

/// A frame's object in a listing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct ListedFrame {
    pub seq: u64,
    pub bytes: u64,
    /// Seconds since the Unix epoch.
    pub modified: Option<u32>,
}

/// The objects below `frames/`: 24 bytes a frame, so that four million fit.
#[derive(Debug, Default)]
pub struct ListedFrames {
    /// By sequence.
    pub frames: Vec<ListedFrame>,
    /// Objects that are no frame.
    pub others: Vec<Entry>,
    /// Of the latest change, seconds since the Unix epoch.
    pub modified: Option<i64>,
}

impl ListedFrames {
    pub async fn read(store: &dyn Store, keys: &ProfileKeys) -> Result<Self> {
        let mut listed = ListedFrames::default();
        let prefix = keys.frames_prefix();
        let mut entries = std::pin::pin!(objects::entries(store, &prefix));
        while let Some(entry) = entries.try_next().await? {
            listed.modified = listed.modified.max(entry.modified);
            match keys.frame_of(&entry.key) {
                Some(seq) => listed.frames.push(ListedFrame {
                    seq,
                    bytes: entry.bytes,
                    modified: entry.modified.and_then(|m| m.try_into().ok()),
                }),
                None => listed.others.push(entry),
            }
        }
        listed.frames.sort_unstable();
        listed.frames.dedup_by_key(|f| f.seq);
        Ok(listed)
    }

    /// Those with sequences in the range.
    pub fn within(&self, range: Range<u64>) -> &[ListedFrame] {
        let from = self.frames.partition_point(|f| f.seq < range.start);
        let to = self.frames.partition_point(|f| f.seq < range.end);
        self.frames.get(from..to).unwrap_or_default()
    }
}

/// The objects below `packs/`.
#[derive(Debug, Default)]
pub struct ListedPacks {
    pub packs: Vec<(SpanId, Entry)>,
    /// Objects that are no pack.
    pub others: Vec<Entry>,
}

impl ListedPacks {
    pub async fn read(store: &dyn Store, keys: &ProfileKeys) -> Result<Self> {
        let mut listed = ListedPacks::default();
        let prefix = keys.packs_prefix();
        let mut entries = std::pin::pin!(objects::entries(store, &prefix));
        while let Some(entry) = entries.try_next().await? {
            match keys.pack_of(&entry.key) {
                Some(id) => listed.packs.push((id.span, entry)),
                None => listed.others.push(entry),
            }
        }
        listed.packs.sort_by(|(a, _), (b, _)| a.cmp(b));
        Ok(listed)
    }

    /// Those of a span.
    pub fn of(&self, id: &SpanId) -> &[(SpanId, Entry)] {
        let from = self.packs.partition_point(|(of, _)| of < id);
        let to = self.packs.partition_point(|(of, _)| of <= id);
        self.packs.get(from..to).unwrap_or_default()
    }
}

/// The objects below `chunks/`.
#[derive(Debug, Default)]
pub struct ListedRecords {
    pub records: Vec<(SpanId, Entry)>,
    /// Objects that are no record.
    pub others: Vec<Entry>,
}

impl ListedRecords {
    pub async fn read(store: &dyn Store, keys: &ProfileKeys) -> Result<Self> {
        let mut listed = ListedRecords::default();
        let prefix = keys.records_prefix();
        let mut entries = std::pin::pin!(objects::entries(store, &prefix));
        while let Some(entry) = entries.try_next().await? {
            match keys.record_of(&entry.key) {
                Some(id) => listed.records.push((id, entry)),
                None => listed.others.push(entry),
            }
        }
        Ok(listed)
    }
}
