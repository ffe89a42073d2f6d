//! The memory tier: plans, records and frames that were read, bounded together by their bytes;
//! and the bytes that reads may have in flight beside it.
//!
//! What may be overwritten (overlays, frames without a plan) is remembered by the version that a
//! listing gave; a listing of frames without a plan for as long as a plan, five seconds.
//!
//! Each key is read once however many wait for it. Where the one who reads goes away, another of
//! those who wait takes over.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use moka::Expiry;
use moka::future::Cache;

use crate::cache::Profile;
use crate::cache::legacy::{LegacyFrame, LegacyFrames, Version};
use crate::cache::overlays::Listed;
use crate::cache::planned::Row;
use crate::cache::read::{Miss, View};
use crate::cache::record::Record;
use crate::error::{Error, Result};
use crate::hex::unhex;
use crate::media::facts::FrameFacts;
use crate::store::ETag;

mod room;

pub use room::Hold;

use room::Room;

/// After this a plan is asked for again, and frames without one are listed again.
const MAX_PLAN_AGE: Duration = Duration::from_secs(5);
/// After this a record is asked for again: others may have cleared it.
const MAX_RECORD_AGE: Duration = Duration::from_secs(30);
/// Of the budget, what is kept; the rest is for what is in flight.
const KEPT_SHARE: (u64, u64) = (3, 4);
/// Facts of one frame, with their texts.
const FACTS_BYTES: u64 = 900;
/// A row of a plan with its digest.
const ROW_BYTES: u64 = 700;
/// An overlay in a listing, with its texts.
const LISTED_BYTES: u64 = 400;
/// An entry's own.
const ENTRY_BYTES: u64 = 200;

/// Shared by all readers of a process.
pub struct Memory {
    kept: Cache<Key, Kept>,
    in_flight: Room,
    overlay_changes: AtomicU64,
}

/// A stage's listing, between two changes of overlays.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct StageKey(String, u64);

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Key {
    /// By the sha256 of its bytes.
    Frame([u8; 32]),
    /// By its profile's place and its digest, which covers parameters and row.
    Record(Arc<str>, String),
    View(Arc<str>),
    /// By its key and the store's version of it.
    Overlay(String, String),
    /// The listing of a stage of overlays, by its prefix and what was changed of any before.
    Stage(StageKey),
    /// The listing of a profile without a plan.
    Legacy(Arc<str>),
    /// By its profile's place, sequence and version.
    LegacyFrame(Arc<str>, u64, Version),
}

#[derive(Clone)]
enum Kept {
    /// A frame's bytes, or an overlay's.
    Frame(Bytes),
    Record(Arc<Record>),
    View(View),
    Stage(Listed),
    Legacy(Arc<LegacyFrames>),
    /// With what is known of it, so that its sha256 is taken once.
    LegacyFrame(FrameFacts, Bytes),
}

/// Why something was not read; told to all who waited for it.
#[derive(Debug, Clone)]
pub enum NotRead {
    Miss(Miss),
    Failed(Error),
}

impl From<Error> for NotRead {
    fn from(error: Error) -> Self {
        NotRead::Failed(error)
    }
}

struct Ages;

impl Expiry<Key, Kept> for Ages {
    fn expire_after_create(&self, key: &Key, _: &Kept, _: Instant) -> Option<Duration> {
        match key {
            Key::Frame(_) | Key::Overlay(..) | Key::LegacyFrame(..) => None,
            Key::Record(..) => Some(MAX_RECORD_AGE),
            Key::View(_) | Key::Legacy(_) | Key::Stage(_) => Some(MAX_PLAN_AGE),
        }
    }
}

impl Memory {
    /// `budget`: bytes that is kept and in flight together.
    pub fn new(budget: u64) -> Arc<Memory> {
        let kept = budget / KEPT_SHARE.1 * KEPT_SHARE.0;
        Arc::new(Memory {
            kept: Cache::builder()
                .max_capacity(kept)
                .weigher(weigh)
                .expire_after(Ages)
                .support_invalidation_closures()
                .build(),
            in_flight: Room::new(budget.saturating_sub(kept)),
            overlay_changes: AtomicU64::default(),
        })
    }

    /// Bytes that may be in flight.
    pub fn in_flight_bytes(&self) -> u64 {
        self.in_flight.bytes()
    }

    /// Bytes kept now, about.
    pub fn kept_bytes(&self) -> u64 {
        self.kept.weighted_size()
    }

    /// Bytes in flight now.
    pub fn held_bytes(&self) -> u64 {
        self.in_flight.held()
    }

    /// Waits until so many bytes may be in flight. More than there can ever be count as all of them.
    ///
    /// # Errors
    /// MEMORY_BUDGET where they are not free within half a minute.
    pub async fn hold(&self, bytes: u64) -> Result<Hold> {
        self.in_flight.hold(bytes).await
    }

    pub(super) async fn known_frame(&self, facts: &FrameFacts) -> Option<Bytes> {
        match self.kept.get(&Key::Frame(sha256_of(facts)?)).await {
            Some(Kept::Frame(jpeg)) => Some(jpeg),
            _ => None,
        }
    }

    /// The frame's bytes, by `read`, which must have compared them with the facts.
    pub(super) async fn frame(
        &self,
        facts: &FrameFacts,
        read: impl Future<Output = Result<Bytes, NotRead>>,
    ) -> Result<Bytes, NotRead> {
        let Some(sha256) = sha256_of(facts) else {
            return read.await;
        };
        let read = async { read.await.map(Kept::Frame) };
        match self.read(Key::Frame(sha256), read).await? {
            Kept::Frame(jpeg) => Ok(jpeg),
            _ => Err(mixed_up()),
        }
    }

    pub(super) async fn keep_frame(&self, facts: &FrameFacts, jpeg: &Bytes) {
        if let Some(sha256) = sha256_of(facts) {
            self.kept
                .insert(Key::Frame(sha256), Kept::Frame(jpeg.clone()))
                .await;
        }
    }

    /// An overlay of this key and version, if it is known.
    pub(super) async fn known_overlay(&self, key: &str, version: &ETag) -> Option<Bytes> {
        match self.kept.get(&overlay_key(key, version)).await {
            Some(Kept::Frame(png)) => Some(png),
            _ => None,
        }
    }

    pub(super) async fn keep_overlay(&self, key: &str, version: &ETag, png: &Bytes) {
        let kept = Kept::Frame(png.clone());
        self.kept.insert(overlay_key(key, version), kept).await;
    }

    /// To be made before the stage is listed.
    pub(super) fn stage_key(&self, prefix: &str) -> StageKey {
        StageKey(
            prefix.to_owned(),
            self.overlay_changes.load(Ordering::SeqCst),
        )
    }

    pub(super) async fn known_stage(&self, key: &StageKey) -> Option<Listed> {
        match self.kept.get(&Key::Stage(key.clone())).await {
            Some(Kept::Stage(listed)) => Some(listed),
            _ => None,
        }
    }

    pub(super) async fn keep_stage(&self, key: StageKey, listed: Listed) {
        self.kept.insert(Key::Stage(key), Kept::Stage(listed)).await;
    }

    /// Stages are listed afresh, whatever a listing under way finds.
    pub(super) fn overlays_changed(&self) {
        self.overlay_changes.fetch_add(1, Ordering::SeqCst);
    }

    pub(super) async fn known_record(
        &self,
        profile: &Profile,
        row: Row<'_>,
    ) -> Option<Arc<Record>> {
        match self.kept.get(&record_key(profile, row)).await {
            Some(Kept::Record(record)) => Some(record),
            _ => None,
        }
    }

    pub(super) async fn record(
        &self,
        profile: &Profile,
        row: Row<'_>,
    ) -> Result<Arc<Record>, NotRead> {
        let read = async {
            match profile.record(row).await? {
                Ok(record) => Ok(Kept::Record(Arc::new(record))),
                Err(miss) => Err(NotRead::Miss(miss)),
            }
        };
        match self.read(record_key(profile, row), read).await? {
            Kept::Record(record) => Ok(record),
            _ => Err(mixed_up()),
        }
    }

    pub(super) async fn forget_record(&self, profile: &Profile, row: Row<'_>) {
        self.kept.invalidate(&record_key(profile, row)).await;
    }

    pub(super) async fn known_view(&self, profile: &Profile) -> Option<View> {
        match self.kept.get(&view_key(profile)).await {
            Some(Kept::View(view)) => Some(view),
            _ => None,
        }
    }

    /// What is not there is asked for again each time.
    pub(super) async fn view(&self, profile: &Profile) -> Result<View> {
        let read = async {
            match profile.view().await? {
                View::Absent => Err(NotRead::Miss(Miss::Absent)),
                view => Ok(Kept::View(view)),
            }
        };
        match self.read(view_key(profile), read).await {
            Ok(Kept::View(view)) => Ok(view),
            Err(NotRead::Miss(_)) => Ok(View::Absent),
            Err(NotRead::Failed(error)) => Err(error),
            Ok(_) => Err(mixed_up_keys()),
        }
    }

    /// The next look at the profile asks the store.
    pub(super) async fn forget_view(&self, profile: &Profile) {
        self.kept.invalidate(&view_key(profile)).await;
        self.kept.invalidate(&legacy_key(profile)).await;
    }

    /// The latest listing, if it is known.
    pub(super) async fn known_legacy(&self, profile: &Profile) -> Option<Arc<LegacyFrames>> {
        match self.kept.get(&legacy_key(profile)).await {
            Some(Kept::Legacy(listed)) => Some(listed),
            _ => None,
        }
    }

    /// The frames of a profile without a plan, listed or as they were listed.
    pub(super) async fn legacy(&self, profile: &Profile) -> Result<Arc<LegacyFrames>> {
        let list = async {
            let listed = LegacyFrames::read(&*profile.store, &profile.keys).await?;
            Ok(Kept::Legacy(Arc::new(listed)))
        };
        match self.read(legacy_key(profile), list).await {
            Ok(Kept::Legacy(listed)) => Ok(listed),
            Err(NotRead::Failed(error)) => Err(error),
            Ok(_) | Err(NotRead::Miss(_)) => Err(mixed_up_keys()),
        }
    }

    /// A frame without a plan, if it is known as it was listed.
    pub(super) async fn known_legacy_frame(
        &self,
        profile: &Profile,
        listed: LegacyFrame,
    ) -> Option<(FrameFacts, Bytes)> {
        let key = Key::LegacyFrame(profile.keys.place(), listed.seq, listed.version?);
        match self.kept.get(&key).await {
            Some(Kept::LegacyFrame(facts, jpeg)) => Some((facts, jpeg)),
            _ => None,
        }
    }

    /// `version`: of the object as these bytes were read.
    pub(super) async fn keep_legacy_frame(
        &self,
        profile: &Profile,
        version: &ETag,
        (facts, jpeg): (&FrameFacts, &Bytes),
    ) {
        let key = Key::LegacyFrame(profile.keys.place(), facts.seq, Version::of(version));
        let kept = Kept::LegacyFrame(facts.clone(), jpeg.clone());
        self.kept.insert(key, kept).await;
    }

    /// After the profile was cleared, replaced or put to: nothing of it is known any more.
    pub fn forget(&self, profile: &Profile) {
        let place = profile.keys.place();
        let of_profile = move |key: &Key, _: &Kept| match key {
            Key::Frame(_) | Key::Overlay(..) | Key::LegacyFrame(..) | Key::Stage(_) => false,
            Key::Record(of, _) | Key::View(of) | Key::Legacy(of) => *of == place,
        };
        self.overlays_changed();
        // Fails only where closures are not supported, and they are.
        let _ = self.kept.invalidate_entries_if(of_profile);
    }

    async fn read(
        &self,
        key: Key,
        read: impl Future<Output = Result<Kept, NotRead>>,
    ) -> Result<Kept, NotRead> {
        let read = self.kept.try_get_with(key, read).await;
        read.map_err(|failed| (*failed).clone())
    }
}

fn mixed_up() -> NotRead {
    NotRead::Failed(mixed_up_keys())
}

fn mixed_up_keys() -> Error {
    Error::internal("the memory tier mixed up its keys")
}

fn record_key(profile: &Profile, row: Row<'_>) -> Key {
    Key::Record(profile.keys.place(), row.digest.to_owned())
}

fn overlay_key(key: &str, version: &ETag) -> Key {
    Key::Overlay(key.to_owned(), version.0.clone())
}

fn view_key(profile: &Profile) -> Key {
    Key::View(profile.keys.place())
}

fn legacy_key(profile: &Profile) -> Key {
    Key::Legacy(profile.keys.place())
}

fn sha256_of(facts: &FrameFacts) -> Option<[u8; 32]> {
    unhex(facts.sha256.as_deref()?)
}

fn weigh(_: &Key, kept: &Kept) -> u32 {
    let bytes = match kept {
        Kept::Frame(jpeg) => jpeg.len() as u64,
        Kept::Record(record) => record.frames().len() as u64 * FACTS_BYTES,
        Kept::View(View::Extracted(plan)) => plan.rows().len() as u64 * ROW_BYTES,
        Kept::View(View::Put(index)) => index.latest().count() as u64 * FACTS_BYTES,
        Kept::View(View::Legacy | View::Absent) => 0,
        Kept::Stage(listed) => listed.rows() as u64 * LISTED_BYTES,
        Kept::Legacy(listed) => size_of_val(listed.frames()) as u64,
        Kept::LegacyFrame(_, jpeg) => FACTS_BYTES + jpeg.len() as u64,
    };
    u32::try_from(bytes + ENTRY_BYTES).unwrap_or(u32::MAX)
}
