//! GetOverlays.

use std::sync::Arc;

use bytes::Bytes;
use futures::stream::{self, BoxStream};
use futures::{StreamExt, TryStreamExt};
use tonic::Status;

use crate::account::Hold;
use crate::cache::Profile;
use crate::cache::overlays::OverlayItem;
use crate::error::{Error, Result};
use crate::rpc::convert::{choice, profile_name};
use crate::rpc::frame_service::Answers;
use crate::rpc::parts::{Part, base64_parts, parts};
use crate::rpc::selection::check_named;
use crate::rpc::status::{rpc_status, status};
use crate::rpc::v1::get_overlays_response::Event;
use crate::rpc::v1::overlay_data::Payload;
use crate::rpc::v1::overlay_item;
use crate::rpc::{Service, v1};
use crate::timeline::request::check_id;

/// Listings under way ahead of the reads.
const LISTS_AHEAD: usize = 16;
/// Overlays read together: so many, and so many bytes (a larger one alone).
const GROUP_ITEMS: usize = 16;
const GROUP_BYTES: u64 = 16 << 20;
/// Groups read ahead of what is being sent.
const GROUPS_AHEAD: usize = 2;

impl Service {
    /// Nothing is read before the client takes it.
    pub(in crate::rpc) async fn get_overlays(
        &self,
        asked: v1::GetOverlaysRequest,
    ) -> Result<Answers<v1::GetOverlaysResponse>> {
        let cache = self.frames.cache();
        let profile = cache.profile(&asked.timeline, profile_name(&asked.profile))?;
        check_id("job", &asked.job)?;
        check_id("stage", &asked.stage)?;
        check_named("sequences", asked.sequences.len())?;
        check_named("names", asked.names.len())?;
        let base64 = match choice("payload", asked.payload)? {
            v1::OverlayPayload::Base64 => true,
            v1::OverlayPayload::Png | v1::OverlayPayload::Unspecified => false,
        };
        let reads = groups(items(profile.clone(), asked))
            .map_ok(move |group| read(profile.clone(), group))
            .try_buffered(GROUPS_AHEAD)
            .map_ok(|group| stream::iter(group.into_iter().map(Ok)))
            .try_flatten();
        Ok(answers(reads.boxed(), base64))
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

/// With its group's share of the memory in flight.
type Read = (OverlayItem, Result<Bytes>, Arc<Hold>);

/// What was deleted since it was listed is left out.
async fn read(profile: Profile, group: Vec<OverlayItem>) -> Result<Vec<Read>> {
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
        Some((item, png.transpose()?, hold.clone()))
    };
    Ok(read.into_iter().filter_map(there).collect())
}

/// Each overlay's parts, then the summary.
fn answers(
    reads: BoxStream<'static, Result<Read>>,
    base64: bool,
) -> Answers<v1::GetOverlaysResponse> {
    let start = (reads, v1::GetOverlaysSummary::default(), 0u64);
    let events = stream::try_unfold(Some(start), move |state| async move {
        let Some((mut reads, mut summary, index)) = state else {
            return Ok::<_, Error>(None);
        };
        let Some((item, png, hold)) = reads.try_next().await? else {
            let end = stream::iter(vec![Event::Summary(summary)]).boxed();
            return Ok(Some((end, None)));
        };
        let place = (index, item.id.seq, item.id.name);
        let events = match png {
            Ok(png) => {
                summary.overlays += 1;
                overlay_events(place, (png, hold), base64)
            }
            Err(error) => {
                summary.failed += 1;
                let error = overlay_item::Result::Error(rpc_status(&error));
                stream::iter(vec![event(place, error)]).boxed()
            }
        };
        Ok(Some((events, Some((reads, summary, index + 1)))))
    });
    events
        .map_ok(|events| events.map(Ok))
        .try_flatten()
        .map_ok(|event| v1::GetOverlaysResponse { event: Some(event) })
        .map_err(|error| -> Status { status(&error) })
        .boxed()
}

/// Place in the answer, sequence, name.
type Place = (u64, u64, String);

/// The overlay is held until its last part is taken.
fn overlay_events(
    place: Place,
    (png, hold): (Bytes, Arc<Hold>),
    base64: bool,
) -> BoxStream<'static, Event> {
    if base64 {
        let part = move |part: Part<String>| {
            let _held = &hold;
            event(place.clone(), data(part, Payload::Base64))
        };
        stream::iter(base64_parts(png).map(part)).boxed()
    } else {
        let part = move |part: Part<Bytes>| {
            let _held = &hold;
            event(place.clone(), data(part, Payload::Png))
        };
        stream::iter(parts(png).map(part)).boxed()
    }
}

fn data<T>(part: Part<T>, payload: impl Fn(T) -> Payload) -> overlay_item::Result {
    overlay_item::Result::Data(v1::OverlayData {
        offset: part.offset,
        total: part.total,
        last: part.last,
        payload: Some(payload(part.data)),
    })
}

fn event((index, sequence, name): Place, result: overlay_item::Result) -> Event {
    Event::Overlay(v1::OverlayItem {
        index,
        sequence,
        name,
        result: Some(result),
    })
}
