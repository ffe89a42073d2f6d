//! GetOverlays: overlays into messages, their payloads in parts.

use std::sync::Arc;

use bytes::Bytes;
use futures::stream::{self, BoxStream};
use futures::{StreamExt, TryStreamExt};
use tonic::Status;

use crate::account::Hold;
use crate::api::convert::choice;
use crate::api::status::{rpc_status, status};
use crate::api::v1::get_overlays_response::Event;
use crate::api::v1::overlay_data::Payload;
use crate::api::v1::overlay_item;
use crate::api::{self, ReadOverlay, v1};
use crate::error::{Error, Result};
use crate::rpc::Service;
use crate::rpc::frame_service::Answers;
use crate::rpc::parts::{Part, base64_parts, parts};

impl Service {
    pub(in crate::rpc) async fn get_overlays(
        &self,
        asked: v1::GetOverlaysRequest,
    ) -> Result<Answers<v1::GetOverlaysResponse>> {
        let payload = asked.payload;
        let reads = self.api.get_overlays(asked).await?;
        let base64 = match choice("payload", payload)? {
            v1::OverlayPayload::Base64 => true,
            v1::OverlayPayload::Png | v1::OverlayPayload::Unspecified => false,
        };
        Ok(answers(reads, base64))
    }
}

/// Each overlay's parts, then the summary.
fn answers(reads: api::Answers<ReadOverlay>, base64: bool) -> Answers<v1::GetOverlaysResponse> {
    let start = (reads, v1::GetOverlaysSummary::default(), 0u64);
    let events = stream::try_unfold(Some(start), move |state| async move {
        let Some((mut reads, mut summary, index)) = state else {
            return Ok::<_, Error>(None);
        };
        let Some(overlay) = reads.try_next().await? else {
            let end = stream::iter(vec![Event::Summary(summary)]).boxed();
            return Ok(Some((end, None)));
        };
        let place = (index, overlay.seq, overlay.name);
        let events = match overlay.png {
            Ok(png) => {
                summary.overlays += 1;
                overlay_events(place, (png, overlay.hold), base64)
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
