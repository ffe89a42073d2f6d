//! A whole stage by one listing, where it is small: asking for many frames of it, or for one after
//! the other, costs one request instead of one each.
//!
//! A listing is remembered for five seconds, as plans are, and until this process changes an
//! overlay. A frame that it does not have is listed afresh.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::Arc;

use crate::cache::Profile;
use crate::cache::overlays::{OverlayFolder, OverlayItem};
use crate::error::Result;
use crate::store::ListRequest;

/// Frames for which a page of a whole stage's listing is asked for: pages have up to 1,000 rows,
/// so that where it does not end in time little was lost.
const FRAMES_A_PAGE: usize = 4;

/// Pages of a listing that are kept for a caller who goes through them: 100,000 overlays.
const MAX_KEPT_PAGES: usize = 100;

/// The overlays of a stage, by sequence and name.
#[derive(Clone)]
pub struct Stage {
    job: String,
    stage: String,
    items: Arc<BTreeMap<u64, Vec<OverlayItem>>>,
    /// Not listed just now.
    remembered: bool,
}

/// What is remembered of a stage.
#[derive(Clone)]
pub(in crate::cache) enum Listed {
    Whole(Arc<BTreeMap<u64, Vec<OverlayItem>>>),
    /// It goes on behind so many pages.
    Longer(usize),
}

impl Listed {
    pub(in crate::cache) fn rows(&self) -> usize {
        match self {
            Listed::Whole(items) => items.values().map(Vec::len).sum(),
            Listed::Longer(_) => 0,
        }
    }
}

impl Profile {
    /// All overlays of a stage, if listing them takes few requests for so many frames.
    ///
    /// # Errors
    /// FIELD_INVALID unless both are ids; the store's own.
    pub async fn small_stage(
        &self,
        (job, stage): (&str, &str),
        frames: usize,
    ) -> Result<Option<Stage>> {
        if frames == 0 {
            return Ok(None);
        }
        let pages = (frames / FRAMES_A_PAGE).max(1);
        self.whole_stage((job, stage), pages).await
    }

    /// The whole stage, for a caller who goes through its pages; none for one frame's overlays.
    pub(super) async fn paged_stage(&self, frames: &OverlayFolder<'_>) -> Result<Option<Stage>> {
        match frames.seq {
            Some(_) => Ok(None),
            None => {
                let stage = (frames.job, frames.stage);
                self.whole_stage(stage, MAX_KEPT_PAGES).await
            }
        }
    }

    /// The stage, if listing it takes no more than so many requests.
    async fn whole_stage(&self, (job, stage): (&str, &str), pages: usize) -> Result<Option<Stage>> {
        let prefix = self.keys.stage_prefix(job, stage)?;
        let of = |items, remembered| Stage {
            job: job.to_owned(),
            stage: stage.to_owned(),
            items,
            remembered,
        };
        let key = self.memory.stage_key(&prefix);
        match self.memory.known_stage(&key).await {
            Some(Listed::Whole(items)) => return Ok(Some(of(items, true))),
            Some(Listed::Longer(tried)) if tried >= pages => return Ok(None),
            Some(Listed::Longer(_)) | None => {}
        }
        let listed = self.list_stage(&prefix, pages).await?;
        self.memory.keep_stage(key, listed.clone()).await;
        Ok(match listed {
            Listed::Whole(items) => Some(of(items, false)),
            Listed::Longer(_) => None,
        })
    }

    async fn list_stage(&self, prefix: &str, pages: usize) -> Result<Listed> {
        let mut request = ListRequest {
            prefix,
            ..ListRequest::default()
        };
        let mut found = BTreeMap::new();
        for _ in 0..pages {
            let page = self.store.list(request.clone()).await?;
            let entries = page.entries.into_iter();
            entries.for_each(|entry| self.add_listed(&mut found, entry));
            match page.next {
                Some(next) => request.token = Some(next),
                None => return Ok(Listed::Whole(Arc::new(by_sequence(found.into_values())))),
            }
        }
        Ok(Listed::Longer(pages))
    }

    /// One frame's overlays, by name.
    ///
    /// # Errors
    /// The store's own.
    pub async fn of_stage(&self, stage: &Stage, seq: u64) -> Result<Vec<OverlayItem>> {
        match stage.items.get(&seq) {
            Some(items) => Ok(items.clone()),
            None if stage.remembered => {
                self.list_overlays(&stage.job, &stage.stage, Some(seq))
                    .await
            }
            None => Ok(Vec::new()),
        }
    }
}

impl Stage {
    /// Those behind a place, at most `limit`.
    pub(super) fn page(&self, (seq, name): &(u64, String), limit: usize) -> Vec<OverlayItem> {
        let from = self.items.range(seq..).flat_map(|(_, items)| items);
        let behind = from.filter(|item| (item.id.seq, &item.id.name) > (*seq, name));
        behind.take(limit).cloned().collect()
    }

    /// The sequences behind one, at most `limit`.
    pub(super) fn sequences(&self, after: u64, limit: usize) -> Vec<u64> {
        let behind = (Bound::Excluded(after), Bound::Unbounded);
        let sequences = self.items.range(behind).map(|(seq, _)| *seq);
        sequences.take(limit).collect()
    }
}

fn by_sequence(items: impl Iterator<Item = OverlayItem>) -> BTreeMap<u64, Vec<OverlayItem>> {
    let mut found: BTreeMap<u64, Vec<OverlayItem>> = BTreeMap::new();
    items.for_each(|item| found.entry(item.id.seq).or_default().push(item));
    found
}
