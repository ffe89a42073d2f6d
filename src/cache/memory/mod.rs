//! The memory tier: plans, records and frames that were read, bounded together by their bytes.
//!
//! What may be overwritten (overlays, frames without a plan) is remembered by the version that a
//! listing gave; a listing of frames without a plan for as long as a plan, five seconds.
//!
//! Each key is read once however many wait for it. Where the one who reads goes away, another of
//! those who wait takes over.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use moka::future::Cache;

use crate::account::{Accountant, Means};
use crate::cache::Profile;
use crate::cache::legacy::{LegacyFrame, LegacyFrames, Version};
use crate::cache::overlays::Listed;
use crate::cache::planned::Row;
use crate::cache::put_index::PutIndex;
use crate::cache::read::{Miss, View};
use crate::cache::record::Record;
use crate::cache::status::Status;
use crate::error::{Error, Result};
use crate::hex::unhex;
use crate::media::facts::FrameFacts;
use crate::store::ETag;

mod columns;
mod entry;

pub use entry::Rendition;
use entry::{Ages, Kept, Key, StageKey, weigh};

/// Shared by all readers of a process.
pub struct Memory {
    kept: Cache<Key, Kept>,
    accountant: Arc<Accountant>,
    overlay_changes: AtomicU64,
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

impl Memory {
    /// `budget`: bytes of what is kept and in flight together, of a process that serves nobody.
    pub fn new(budget: u64) -> Arc<Memory> {
        Memory::within(&Accountant::new(&Means::of_command(budget)))
    }

    /// What may be kept of the accountant's memory.
    pub fn within(accountant: &Arc<Accountant>) -> Arc<Memory> {
        Arc::new(Memory {
            kept: Cache::builder()
                .max_capacity(accountant.kept_bytes())
                .weigher(weigh)
                .expire_after(Ages)
                .support_invalidation_closures()
                .build(),
            accountant: accountant.clone(),
            overlay_changes: AtomicU64::default(),
        })
    }

    /// Of whom what is in flight is asked for.
    pub fn accountant(&self) -> &Arc<Accountant> {
        &self.accountant
    }

    /// Bytes kept now, about.
    pub fn kept_bytes(&self) -> u64 {
        self.kept.weighted_size()
    }

    /// Whether [`Memory::known_frame`] would find it now.
    pub(super) fn knows_frame(&self, facts: &FrameFacts) -> bool {
        sha256_of(facts).is_some_and(|sha256| self.kept.contains_key(&Key::Frame(sha256)))
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

    /// What is made of the bytes of this sha256, by `make`, once for all who ask.
    ///
    /// # Errors
    /// Those of `make`.
    pub async fn rendition(
        &self,
        (of, rendition): ([u8; 32], Rendition),
        make: impl Future<Output = Result<Bytes>>,
    ) -> Result<Bytes> {
        let make = async { Ok(Kept::Frame(make.await?)) };
        match self.read(Key::Rendition(of, rendition), make).await {
            Ok(Kept::Frame(jpeg)) => Ok(jpeg),
            Err(NotRead::Failed(error)) => Err(error),
            Ok(_) | Err(NotRead::Miss(_)) => Err(mixed_up_keys()),
        }
    }

    /// An overlay of this key and version, if it is known.
    pub(super) async fn known_overlay(&self, key: &str, version: &ETag) -> Option<Bytes> {
        match self.kept.get(&Key::overlay(key, version)).await {
            Some(Kept::Frame(png)) => Some(png),
            _ => None,
        }
    }

    pub(super) async fn keep_overlay(&self, key: &str, version: &ETag, png: &Bytes) {
        let kept = Kept::Frame(png.clone());
        self.kept.insert(Key::overlay(key, version), kept).await;
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
        match self.kept.get(&Key::record(profile, row)).await {
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
        match self.read(Key::record(profile, row), read).await? {
            Kept::Record(record) => Ok(record),
            _ => Err(mixed_up()),
        }
    }

    pub(super) async fn forget_record(&self, profile: &Profile, row: Row<'_>) {
        self.kept.invalidate(&Key::record(profile, row)).await;
        self.forget_recorded(profile).await;
    }

    pub(super) async fn known_view(&self, profile: &Profile) -> Option<View> {
        match self.kept.get(&Key::View(profile.keys.place())).await {
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
        match self.read(Key::View(profile.keys.place()), read).await {
            Ok(Kept::View(view)) => Ok(view),
            Err(NotRead::Miss(_)) => Ok(View::Absent),
            Err(NotRead::Failed(error)) => Err(error),
            Ok(_) => Err(mixed_up_keys()),
        }
    }

    /// The next look at the profile asks the store.
    pub(super) async fn forget_view(&self, profile: &Profile) {
        self.kept.invalidate(&Key::View(profile.keys.place())).await;
        self.forget_legacy(profile).await;
    }

    /// The next look at its frames without a plan lists them.
    pub(super) async fn forget_legacy(&self, profile: &Profile) {
        let key = Key::Legacy(profile.keys.place());
        self.kept.invalidate(&key).await;
    }

    pub(super) async fn known_puts(&self, profile: &Profile) -> Option<Arc<PutIndex>> {
        match self.kept.get(&Key::Puts(profile.keys.place())).await {
            Some(Kept::Puts(index)) => Some(index),
            _ => None,
        }
    }

    /// Of use however old it is: whoever takes it up compares it with a listing.
    pub(super) async fn keep_puts(&self, profile: &Profile, index: &Arc<PutIndex>) {
        let key = Key::Puts(profile.keys.place());
        self.kept.insert(key, Kept::Puts(index.clone())).await;
    }

    pub(super) async fn known_status(&self, profile: &Profile) -> Option<Arc<Status>> {
        match self.kept.get(&Key::Status(profile.keys.place())).await {
            Some(Kept::Status(status)) => Some(status),
            _ => None,
        }
    }

    pub(super) async fn keep_status(&self, profile: &Profile, status: &Arc<Status>) {
        let key = Key::Status(profile.keys.place());
        self.kept.insert(key, Kept::Status(status.clone())).await;
    }

    /// The latest listing, if it is known.
    pub(super) async fn known_legacy(&self, profile: &Profile) -> Option<Arc<LegacyFrames>> {
        match self.kept.get(&Key::Legacy(profile.keys.place())).await {
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
        match self.read(Key::Legacy(profile.keys.place()), list).await {
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
            Some(Kept::LegacyFrame(facts, jpeg)) => Some((FrameFacts::clone(&facts), jpeg)),
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
        let kept = Kept::LegacyFrame(Arc::new(facts.clone()), jpeg.clone());
        self.kept.insert(key, kept).await;
    }

    /// After the profile was cleared, replaced or put to: nothing of it is known any more.
    pub fn forget(&self, profile: &Profile) {
        let place = profile.keys.place();
        let of_profile = move |key: &Key, _: &Kept| match key {
            Key::Frame(_) | Key::Rendition(..) | Key::Overlay(..) => false,
            Key::LegacyFrame(..) | Key::Stage(_) | Key::Puts(_) => false,
            Key::Record(of, _) | Key::View(of) | Key::Legacy(of) | Key::Status(of) => *of == place,
            Key::Column(of, ..) | Key::Recorded(of) => *of == place,
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

fn sha256_of(facts: &FrameFacts) -> Option<[u8; 32]> {
    unhex(facts.sha256.as_deref()?)
}
