//! Clearing: records, frames and packs, plan last, so that a crash anywhere in between
//! leaves a plan, and nothing half-cleared is taken for a legacy cache.
//!
//! A plan that stays is written with a new nonce once the frames are gone, and then the records
//! go that were committed meanwhile: whoever extracts beside a clear starts its spans again.

use std::time::UNIX_EPOCH;

use crate::cache::inventory::ListedFrames;
use crate::cache::objects::{self, Tally};
use crate::cache::plans::Stored;
use crate::cache::{Cache, Profile};
use crate::error::Result;

/// What to clear; frames and records always.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ClearRequest {
    pub overlays: bool,
    /// Kept otherwise, so that the profile can be rebuilt. A put profile loses its plan in any case.
    pub plan: bool,
    /// Only count.
    pub dry_run: bool,
    /// Only profiles whose plan (without one: whose latest frame) was last
    /// written before this, in seconds since the Unix epoch.
    pub older_than: Option<i64>,
}

/// What was cleared, or would be.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Cleared {
    pub records: Tally,
    pub frames: Tally,
    /// Of frames that lay packed.
    pub packs: Tally,
    pub overlays: Tally,
    pub plans: Tally,
    /// Not old enough: nothing was touched.
    pub kept_as_newer: bool,
}

/// The moment so many seconds ago, in seconds since the Unix epoch.
pub fn seconds_ago(seconds: u64) -> i64 {
    let now = UNIX_EPOCH.elapsed().unwrap_or_default().as_secs();
    let signed = |seconds: u64| i64::try_from(seconds).unwrap_or(i64::MAX);
    signed(now).saturating_sub(signed(seconds))
}

impl Cache {
    /// Clears one profile, or all of them; answers each profile and its counts.
    ///
    /// # Errors
    /// FIELD_INVALID unless the names are ids; the store's own.
    pub async fn clear(
        &self,
        timeline: &str,
        profile: Option<&str>,
        request: ClearRequest,
    ) -> Result<Vec<(String, Cleared)>> {
        let names = match profile {
            Some(name) => vec![name.to_owned()],
            None => self.list_profiles(timeline).await?,
        };
        let mut cleared = Vec::with_capacity(names.len());
        for name in names {
            let counts = self.profile(timeline, &name)?.clear(request).await?;
            cleared.push((name, counts));
        }
        Ok(cleared)
    }
}

impl Profile {
    /// Clears the profile. Calling again after a crash finishes what was begun.
    ///
    /// # Errors
    /// PLAN_DIFFERS for a plan of a newer release that is to stay; the store's own.
    pub async fn clear(&self, request: ClearRequest) -> Result<Cleared> {
        if let Some(cutoff) = request.older_than
            && !self.is_older_than(cutoff).await?
        {
            return Ok(Cleared {
                kept_as_newer: true,
                ..Cleared::default()
            });
        }
        let plan_too = request.plan || self.is_put().await?;
        let mut cleared = Cleared {
            records: self.clear_records(request).await?,
            ..Cleared::default()
        };
        (cleared.frames, cleared.packs) = self.clear_frames(request).await?;
        if request.overlays {
            cleared.overlays = self
                .clear_below(&self.keys.overlays_prefix(), request)
                .await?;
        }
        if plan_too {
            cleared.plans = self.clear_plan(request.dry_run).await?;
        }
        if !request.dry_run {
            self.outlast_writers(request, plan_too).await?;
        }
        self.memory.forget(self);
        Ok(cleared)
    }

    /// They are gone for good before a frame is: no record outlives its frames.
    async fn clear_records(&self, request: ClearRequest) -> Result<Tally> {
        let prefix = self.keys.records_prefix();
        let tally = self.clear_below(&prefix, request).await?;
        self.for_good(request).await?;
        Ok(tally)
    }

    /// They are gone for good before the plan is: none is left to pass for a legacy cache.
    async fn clear_frames(&self, request: ClearRequest) -> Result<(Tally, Tally)> {
        let (frames, packs) = (self.keys.frames_prefix(), self.keys.packs_prefix());
        let frames = self.clear_below(&frames, request).await?;
        let packs = self.clear_below(&packs, request).await?;
        self.for_good(request).await?;
        Ok((frames, packs))
    }

    async fn for_good(&self, request: ClearRequest) -> Result<()> {
        match request.dry_run {
            true => Ok(()),
            false => self.store.sync().await,
        }
    }

    /// Spans that began before the last frame went do not commit any more; the records of those
    /// that did since the first record went are of frames that may be gone.
    async fn outlast_writers(&self, request: ClearRequest, plan_gone: bool) -> Result<()> {
        if plan_gone {
            // What was put while the plan was there would pass for a legacy cache.
            self.clear_records(request).await?;
            self.clear_frames(request).await?;
        }
        self.renew().await?;
        self.clear_records(request).await?;
        Ok(())
    }

    async fn clear_below(&self, prefix: &str, request: ClearRequest) -> Result<Tally> {
        objects::delete_below(&*self.store, prefix, request.dry_run).await
    }

    async fn clear_plan(&self, dry_run: bool) -> Result<Tally> {
        let mut tally = Tally::default();
        if let Some(entry) = objects::entry(&*self.store, &self.keys.plan()).await? {
            tally.add(&entry);
            if !dry_run {
                self.store.delete(&[entry.key]).await?;
            }
        }
        Ok(tally)
    }

    async fn is_put(&self) -> Result<bool> {
        Ok(matches!(self.stored_plan().await?, Stored::Plan(plan, _) if plan.is_put()))
    }

    /// Unknown times are never old.
    async fn is_older_than(&self, cutoff: i64) -> Result<bool> {
        let modified = match objects::entry(&*self.store, &self.keys.plan()).await? {
            Some(plan) => plan.modified,
            None => ListedFrames::read(&*self.store, &self.keys).await?.modified,
        };
        Ok(modified.is_some_and(|m| m < cutoff))
    }
}
