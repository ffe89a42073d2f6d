//! What is remembered: by what, for how long, and what it weighs.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use moka::Expiry;

use crate::cache::Profile;
use crate::cache::columns::{Column, RecordedRows};
use crate::cache::legacy::{LegacyFrames, Version};
use crate::cache::overlays::Listed;
use crate::cache::planned::Row;
use crate::cache::put_index::PutIndex;
use crate::cache::read::View;
use crate::cache::record::Record;
use crate::cache::status::Status;
use crate::media::facts::FrameFacts;
use crate::store::ETag;
use crate::timeline::plan::HashKind;

/// After this a plan is asked for again, and frames without one are listed again.
const MAX_PLAN_AGE: Duration = Duration::from_secs(5);
/// After this a record is asked for again: others may have cleared it.
const MAX_RECORD_AGE: Duration = Duration::from_secs(30);
/// Facts of one frame, with their texts.
const FACTS_BYTES: u64 = 900;
/// A row of a plan with its digest.
const ROW_BYTES: u64 = 700;
/// An overlay in a listing, with its texts.
const LISTED_BYTES: u64 = 400;
/// A row that has a record, with its version.
const RECORDED_BYTES: u64 = 100;
/// An entry's own.
const ENTRY_BYTES: u64 = 200;

/// A stage's listing, between two changes of overlays.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(in crate::cache) struct StageKey(pub(super) String, pub(super) u64);

/// What was made of a stored frame (or of several, by their sums' sum): a JPEG of this size in pixels and quality.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Rendition {
    pub size: (u32, u32),
    pub quality: u8,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum Key {
    /// By the sha256 of its bytes.
    Frame([u8; 32]),
    Rendition([u8; 32], Rendition),
    /// By its profile's place and its digest, which covers parameters and row.
    Record(Arc<str>, String),
    View(Arc<str>),
    Status(Arc<str>),
    /// By its key and the store's version of it.
    Overlay(String, String),
    /// The listing of a stage of overlays, by its prefix and what was changed of any before.
    Stage(StageKey),
    /// All records of a put profile.
    Puts(Arc<str>),
    /// The listing of a profile without a plan.
    Legacy(Arc<str>),
    /// By its profile's place, sequence and version.
    LegacyFrame(Arc<str>, u64, Version),
    /// Hashes of a kind, by their profile's place, the row's digest and the record's version.
    Column(Arc<str>, String, Option<String>, HashKind),
    /// Which rows of a profile have a record.
    Recorded(Arc<str>),
}

#[derive(Clone)]
pub(super) enum Kept {
    /// A frame's bytes, a rendition's, or an overlay's.
    Frame(Bytes),
    Record(Arc<Record>),
    View(View),
    Status(Arc<Status>),
    Stage(Listed),
    Puts(Arc<PutIndex>),
    Legacy(Arc<LegacyFrames>),
    /// With what is known of it, so that its sha256 is taken once.
    LegacyFrame(Arc<FrameFacts>, Bytes),
    Column(Arc<Column>),
    Recorded(Arc<RecordedRows>),
}

impl Key {
    pub(super) fn record(profile: &Profile, row: Row<'_>) -> Key {
        Key::Record(profile.keys.place(), row.digest.to_owned())
    }

    pub(super) fn overlay(key: &str, version: &ETag) -> Key {
        Key::Overlay(key.to_owned(), version.0.clone())
    }
}

/// How long each kind is remembered.
pub(super) struct Ages;

impl Expiry<Key, Kept> for Ages {
    fn expire_after_create(&self, key: &Key, _: &Kept, _: Instant) -> Option<Duration> {
        match key {
            Key::Frame(_) | Key::Rendition(..) | Key::Overlay(..) => None,
            Key::LegacyFrame(..) | Key::Puts(_) => None,
            Key::Column(_, _, Some(_), _) => None,
            Key::Record(..) | Key::Status(_) | Key::Column(..) => Some(MAX_RECORD_AGE),
            Key::View(_) | Key::Legacy(_) | Key::Stage(_) | Key::Recorded(_) => Some(MAX_PLAN_AGE),
        }
    }

    fn expire_after_update(
        &self,
        key: &Key,
        kept: &Kept,
        at: Instant,
        _: Option<Duration>,
    ) -> Option<Duration> {
        self.expire_after_create(key, kept, at)
    }
}

pub(super) fn weigh(_: &Key, kept: &Kept) -> u32 {
    let bytes = match kept {
        Kept::Frame(jpeg) => jpeg.len() as u64,
        Kept::Record(record) => record.frames().len() as u64 * FACTS_BYTES,
        Kept::View(View::Extracted(plan)) => plan.rows().len() as u64 * ROW_BYTES,
        Kept::View(View::Put(index)) => index.weight() as u64 * FACTS_BYTES,
        Kept::Puts(index) => index.weight() as u64 * FACTS_BYTES,
        Kept::View(View::Legacy | View::Absent) => 0,
        Kept::Status(status) => size_of_val(&status.spans[..]) as u64,
        Kept::Stage(listed) => listed.rows() as u64 * LISTED_BYTES,
        Kept::Legacy(listed) => size_of_val(listed.frames()) as u64,
        Kept::LegacyFrame(_, jpeg) => FACTS_BYTES + jpeg.len() as u64,
        Kept::Column(column) => column.bytes(),
        Kept::Recorded(rows) => rows.len() as u64 * RECORDED_BYTES,
    };
    u32::try_from(bytes + ENTRY_BYTES).unwrap_or(u32::MAX)
}
