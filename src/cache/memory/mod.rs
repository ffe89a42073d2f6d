//! The memory tier: plans, records and frames that were read, bounded together by their bytes;
//! and the bytes that reads may have in flight beside it.
//!
//! Each key is read once however many wait for it. Where the one who reads goes away, another of
//! those who wait takes over.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use moka::Expiry;
use moka::future::Cache;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::cache::Profile;
use crate::cache::planned::Row;
use crate::cache::read::{Miss, View};
use crate::cache::record::Record;
use crate::error::{Error, Reason, Result};
use crate::hex::unhex;
use crate::media::facts::FrameFacts;
use crate::store::ETag;

const MAX_PLAN_AGE: Duration = Duration::from_secs(5);
/// After this a record is asked for again: others may have cleared it.
const MAX_RECORD_AGE: Duration = Duration::from_secs(30);
/// Of the budget, what is kept; the rest is for what is in flight.
const KEPT_SHARE: (u64, u64) = (3, 4);
/// Facts of one frame, with their texts.
const FACTS_BYTES: u64 = 900;
/// A row of a plan with its digest.
const ROW_BYTES: u64 = 700;
/// An entry's own.
const ENTRY_BYTES: u64 = 200;
/// One permit of what is in flight stands for so many bytes.
const HOLD_UNIT: u64 = 1 << 10;
/// What waits so long for memory is refused.
const MAX_HOLD_WAIT: Duration = Duration::from_secs(30);

/// Shared by all readers of a process.
pub struct Memory {
    kept: Cache<Key, Kept>,
    in_flight: Arc<Semaphore>,
    units: u32,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Key {
    /// By the sha256 of its bytes.
    Frame([u8; 32]),
    /// By its profile's place and its digest, which covers parameters and row.
    Record(Arc<str>, String),
    View(Arc<str>),
    /// By its key and the store's version of it.
    Overlay(String, String),
}

#[derive(Clone)]
enum Kept {
    /// A frame's bytes, or an overlay's.
    Frame(Bytes),
    Record(Arc<Record>),
    View(View),
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

/// A share of the bytes that may be in flight, given back when dropped.
#[derive(Debug)]
pub struct Hold(#[allow(dead_code)] OwnedSemaphorePermit);

struct Ages;

impl Expiry<Key, Kept> for Ages {
    fn expire_after_create(&self, key: &Key, _: &Kept, _: Instant) -> Option<Duration> {
        match key {
            Key::Frame(_) | Key::Overlay(..) => None,
            Key::Record(..) => Some(MAX_RECORD_AGE),
            Key::View(_) => Some(MAX_PLAN_AGE),
        }
    }
}

impl Memory {
    /// `budget`: bytes that is kept and in flight together.
    pub fn new(budget: u64) -> Arc<Memory> {
        let kept = budget / KEPT_SHARE.1 * KEPT_SHARE.0;
        let units = (budget.saturating_sub(kept) / HOLD_UNIT).clamp(1, 1 << 28);
        Arc::new(Memory {
            kept: Cache::builder()
                .max_capacity(kept)
                .weigher(weigh)
                .expire_after(Ages)
                .support_invalidation_closures()
                .build(),
            in_flight: Arc::new(Semaphore::new(units as usize)),
            units: units as u32,
        })
    }

    /// Bytes that may be in flight.
    pub fn in_flight_bytes(&self) -> u64 {
        u64::from(self.units) * HOLD_UNIT
    }

    /// Bytes kept now, about.
    pub fn kept_bytes(&self) -> u64 {
        self.kept.weighted_size()
    }

    /// Bytes in flight now.
    pub fn held_bytes(&self) -> u64 {
        let free = self.in_flight.available_permits() as u64;
        u64::from(self.units).saturating_sub(free) * HOLD_UNIT
    }

    /// Waits until so many bytes may be in flight. More than there can ever be count as all of them.
    ///
    /// # Errors
    /// MEMORY_BUDGET where they are not free within half a minute.
    pub async fn hold(&self, bytes: u64) -> Result<Hold> {
        let units = bytes.div_ceil(HOLD_UNIT).clamp(1, u64::from(self.units)) as u32;
        let permit = self.in_flight.clone().acquire_many_owned(units);
        match tokio::time::timeout(MAX_HOLD_WAIT, permit).await {
            Ok(Ok(permit)) => Ok(Hold(permit)),
            Ok(Err(_)) | Err(_) => Err(Error::new(
                Reason::MemoryBudget,
                format!("no memory was free for an answer: bytes={bytes}"),
            )
            .hint("ask again later, for fewer frames at once, or raise the server's --memory")),
        }
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
            Ok(_) => Err(Error::internal("the memory tier mixed up its keys")),
        }
    }

    /// The next look at the profile asks the store.
    pub(super) async fn forget_view(&self, profile: &Profile) {
        self.kept.invalidate(&view_key(profile)).await;
    }

    /// After the profile was cleared, replaced or put to: nothing of it is known any more.
    pub fn forget(&self, profile: &Profile) {
        let place = profile.keys.place();
        let of_profile = move |key: &Key, _: &Kept| match key {
            Key::Frame(_) | Key::Overlay(..) => false,
            Key::Record(of, _) | Key::View(of) => *of == place,
        };
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
    NotRead::Failed(Error::internal("the memory tier mixed up its keys"))
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
    };
    u32::try_from(bytes + ENTRY_BYTES).unwrap_or(u32::MAX)
}
