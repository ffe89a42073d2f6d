//! Frames whose hash is near another's, in one timeline or in all: each hash that the cache holds is looked at.

use std::cmp::Ordering;
use std::sync::Arc;

use bytes::Bytes;
use futures::stream::{self, BoxStream, StreamExt, TryStreamExt};

use crate::account::Kind;
use crate::cache::Profile;
use crate::cache::read::View;
use crate::cancel::Stop;
use crate::error::{Error, Reason, Result};
use crate::frames::{Frames, absent};
use crate::timeline::plan::HashKind;

mod like;
mod nearest;

use nearest::{Batch, Scan};

/// Hashes that are looked at by one hand: a millisecond or two.
const BATCH: usize = 1 << 18;
/// What one search holds at a time: a batch of columns, and records that columns are made of.
pub const SEARCH_BYTES: u64 = 16 << 20;
/// Timelines that are looked up ahead.
const TIMELINES_AHEAD: usize = 8;
/// Timelines that could not be searched, of which an answer has the names.
pub const MAX_UNREAD: usize = 100;

/// What is looked for.
#[derive(Debug, Clone)]
pub enum Query {
    Hash(u64),
    /// A cached frame, which is not found itself.
    Frame {
        timeline: String,
        profile: String,
        seq: u64,
    },
    /// A JPEG.
    Picture(Bytes),
}

/// A search.
#[derive(Debug, Clone)]
pub struct Search {
    pub query: Query,
    /// None: all timelines that have the profile.
    pub timeline: Option<String>,
    pub profile: String,
    pub kind: HashKind,
    /// Bits that may differ.
    pub distance: u32,
    /// Frames that show it mirrored left to right, too.
    pub mirrored: bool,
    /// Frames found at most; at least 1.
    pub limit: usize,
    /// Only what comes behind this one in order.
    pub after: Option<Place>,
}

/// The order of what is found: nearest first, then by timeline and sequence.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    pub distance: u32,
    pub timeline: Arc<str>,
    pub seq: u64,
}

/// A frame that was found.
#[derive(Debug, Clone, PartialEq)]
pub struct Near {
    pub place: Place,
    pub timestamp: Option<f64>,
    /// It is nearer mirrored.
    pub mirrored: bool,
}

impl Eq for Near {}

impl Ord for Near {
    fn cmp(&self, other: &Self) -> Ordering {
        self.place.cmp(&other.place)
    }
}

impl PartialOrd for Near {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// What a search found.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Found {
    /// Of what was looked for.
    pub hash: u64,
    /// What was looked for is flat, and near nothing.
    pub flat: bool,
    /// In order.
    pub near: Vec<Near>,
    /// More come behind these.
    pub more: bool,
    /// Hashes that were looked at.
    pub searched: u64,
    /// Timelines that could not be searched, 100 at most: a later release wrote them, or their plan is damaged.
    pub unread: Vec<String>,
}

impl Frames {
    /// # Errors
    /// TIMELINE_NOT_FOUND, FRAME_NOT_CACHED; FIELD_INVALID for a frame that has no such hash and for what is
    /// no JPEG; MEMORY_BUDGET and QUEUE_FULL where others have memory and hands for half a minute; the store's own.
    pub async fn similar(&self, search: &Search) -> Result<Found> {
        let like = self.like(search).await?;
        let mut scan = Scan::new(search, like);
        if like.flat {
            return Ok(scan.found());
        }
        let _hold = self
            .cache()
            .account()
            .take(Kind::Answers, SEARCH_BYTES)
            .await?;
        let mut there = self
            .profiles_to_search(&search.profile, search.timeline.as_deref())
            .await?;
        while let Some((profile, looked)) = there.try_next().await? {
            match looked {
                Ok(view) => scan = self.scan((&profile, &view), scan).await?,
                Err(error) if search.timeline.is_none() && is_its_own(&error) => {
                    scan.unread(profile.keys().timeline());
                }
                Err(error) => return Err(error),
            }
        }
        Ok(scan.found())
    }

    /// The profiles of that name to search, of one timeline or of all, each with what it is now.
    pub(super) async fn profiles_to_search(
        &self,
        name: &str,
        timeline: Option<&str>,
    ) -> Result<BoxStream<'static, Result<(Profile, Result<View>)>>> {
        let look = |profile: Profile| async move {
            let view = profile.reader().view().await;
            Ok((profile, view))
        };
        if let Some(timeline) = timeline {
            let profile = self.cache().profile(timeline, name)?;
            let (profile, view) = look(profile).await?;
            if let Ok(View::Absent) = view {
                return Err(absent(&profile));
            }
            return Ok(stream::iter([Ok((profile, view))]).boxed());
        }
        let profiles = self.profiles_named(name).map_ok(look);
        Ok(profiles.try_buffered(TIMELINES_AHEAD).boxed())
    }

    /// Those of all timelines, a page of the listing at a time.
    fn profiles_named(&self, name: &str) -> BoxStream<'static, Result<Profile>> {
        let (cache, name) = (self.cache().clone(), name.to_owned());
        let pages = stream::try_unfold(Some(None), move |token: Option<Option<String>>| {
            let (cache, name) = (cache.clone(), name.clone());
            async move {
                let Some(token) = token else {
                    return Ok(None);
                };
                let page = cache.list_timelines(token, None).await?;
                let ids = page.ids.into_iter();
                let profiles = ids.map(move |id| cache.profile(&id, &name));
                Ok::<_, Error>(Some((stream::iter(profiles), page.next.map(Some))))
            }
        });
        pages.try_flatten().boxed()
    }

    /// Scans a profile's columns, some at a time, by the hands that all calls share.
    async fn scan(&self, (profile, view): (&Profile, &View), mut scan: Scan) -> Result<Scan> {
        let mut columns = profile.hash_columns(view, scan.kind, 0).await?;
        let timeline: Arc<str> = profile.keys().timeline().into();
        let mut batch = Batch::of(&timeline);
        while let Some(column) = columns.try_next().await? {
            batch.add(column);
            if batch.hashes >= BATCH {
                let full = std::mem::replace(&mut batch, Batch::of(&timeline));
                scan = self.by_hand(full, scan).await?;
            }
        }
        match batch.hashes {
            0 => Ok(scan),
            _ => self.by_hand(batch, scan).await,
        }
    }

    async fn by_hand(&self, batch: Batch, mut scan: Scan) -> Result<Scan> {
        let account = self.cache().account();
        let work = move |_: &Stop| {
            batch
                .columns
                .iter()
                .for_each(|column| scan.column(&batch.timeline, column));
            Ok(scan)
        };
        account.by_hand(work).await
    }
}

/// Of one timeline, and no reason not to search the others.
pub fn is_its_own(error: &Error) -> bool {
    matches!(error.reason(), Reason::PlanDiffers | Reason::ObjectCorrupt)
}
