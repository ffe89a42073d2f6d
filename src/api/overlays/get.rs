//! GetOverlays: overlays of a stage, listed and read ahead.

use std::sync::Arc;

use bytes::Bytes;
use futures::stream::{self, BoxStream};
use futures::{StreamExt, TryStreamExt};

use crate::account::Hold;
use crate::api::convert::profile_name;
use crate::api::selection::check_named;
use crate::api::{Answers, Api, v1};
use crate::cache::Profile;
use crate::cache::overlays::OverlayItem;
use crate::error::Result;
use crate::timeline::request::check_id;

/// Listings under way ahead of the reads.
const LISTS_AHEAD: usize = 16;
/// Overlays read together: so many, and so many bytes (a larger one alone).
const GROUP_ITEMS: usize = 16;
const GROUP_BYTES: u64 = 16 << 20;
/// Groups read ahead of what is being sent.
const GROUPS_AHEAD: usize = 2;

/// An overlay that is answered.
pub struct ReadOverlay {
    pub seq: u64,
    pub name: String,
    pub png: Result<Bytes>,
    /// Its group's share of the memory in flight.
    pub hold: Arc<Hold>,
}

impl Api {
    /// Nothing is read before the client takes it.
    ///
    /// # Errors
    /// FIELD_INVALID and LIMIT_EXCEEDED for what cannot be asked.
    pub async fn get_overlays(
        &self,
        asked: v1::GetOverlaysRequest,
    ) -> Result<Answers<ReadOverlay>> {
        let cache = self.frames.cache();
        let profile = cache.profile(&asked.timeline, profile_name(&asked.profile))?;
        check_id("job", &asked.job)?;
        check_id("stage", &asked.stage)?;
        check_named("sequences", asked.sequences.len())?;
        check_named("names", asked.names.len())?;
        let reads = groups(items(profile.clone(), asked))
            .map_ok(move |group| read(profile.clone(), group))
            .try_buffered(GROUPS_AHEAD)
            .map_ok(|group| stream::iter(group.into_iter().map(Ok)))
            .try_flatten();
        Ok(reads.boxed())
    }
}

/// The overlays asked for, listed a frame at a time where frames are named.
fn items(
    profile: Profile,
    asked: v1::GetOverlaysRequest,
) -> BoxStream<'static, Result<OverlayItem>> {
    let v1::GetOverlaysRequest {
        job,
        stage,
        sequences,
        names,
        ..
    } = asked;
    let lists = stream::once(lists(profile, (job, stage), sequences)).try_flatten();
    lists
        .map_ok(|list| stream::iter(list.into_iter().map(Ok)))
        .try_flatten()
        .try_filter(move |item| {
            std::future::ready(names.is_empty() || names.contains(&item.id.name))
        })
        .boxed()
}

type Lists = BoxStream<'static, Result<Vec<OverlayItem>>>;

/// A list for each frame asked for, or one of the whole stage where none is named. A small stage is
/// listed once for all of them.
async fn lists(
    profile: Profile,
    (job, stage): (String, String),
    sequences: Vec<u64>,
) -> Result<Lists> {
    let whole = profile.small_stage((&job, &stage), sequences.len()).await?;
    if let Some(stage) = whole {
        let of_frame = move |seq| {
            let (profile, stage) = (profile.clone(), stage.clone());
            async move { profile.of_stage(&stage, seq).await }
        };
        let lists = stream::iter(sequences).map(of_frame);
        return Ok(lists.buffered(LISTS_AHEAD).boxed());
    }
    let folders = match sequences.is_empty() {
        true => vec![None],
        false => sequences.into_iter().map(Some).collect(),
    };
    let lists = stream::iter(folders).map(move |seq| {
        let (profile, job, stage) = (profile.clone(), job.clone(), stage.clone());
        async move { profile.list_overlays(&job, &stage, seq).await }
    });
    Ok(lists.buffered(LISTS_AHEAD).boxed())
}

/// Overlays that are read together.
fn groups(
    items: BoxStream<'static, Result<OverlayItem>>,
) -> BoxStream<'static, Result<Vec<OverlayItem>>> {
    stream::try_unfold(items.peekable(), |mut items| async move {
        let (mut group, mut bytes) = (Vec::new(), 0u64);
        loop {
            let fits = |item: &Result<OverlayItem>| {
                let grown = item
                    .as_ref()
                    .map_or(0, |item| bytes.saturating_add(item.bytes));
                group.is_empty() || (group.len() < GROUP_ITEMS && grown <= GROUP_BYTES)
            };
            match std::pin::Pin::new(&mut items).next_if(fits).await {
                Some(item) => {
                    let item = item?;
                    bytes = bytes.saturating_add(item.bytes);
                    group.push(item);
                }
                None if group.is_empty() => return Ok(None),
                None => return Ok(Some((group, items))),
            }
        }
    })
    .boxed()
}

/// What was deleted since it was listed is left out.
async fn read(profile: Profile, group: Vec<OverlayItem>) -> Result<Vec<ReadOverlay>> {
    let bytes = group.iter().map(|item| item.bytes);
    let hold = Arc::new(profile.hold(bytes.fold(0, u64::saturating_add)).await?);
    let reads = group.into_iter().map(|item| {
        let profile = profile.clone();
        async move {
            let png = profile.get_listed(&item).await;
            (item, png)
        }
    });
    let read = futures::future::join_all(reads).await;
    let there = |(item, png): (OverlayItem, Result<Option<Bytes>>)| {
        Some(ReadOverlay {
            seq: item.id.seq,
            name: item.id.name,
            png: png.transpose()?,
            hold: hold.clone(),
        })
    };
    Ok(read.into_iter().filter_map(there).collect())
}
