//! GetFrames: frames into messages, their payloads in parts.

use std::sync::Arc;

use futures::{StreamExt, stream};
use tonic::Status;

use crate::account::Hold;
use crate::api::convert::facts_message;
use crate::api::status::rpc_status;
use crate::api::{Got, Ready, v1};
use crate::error::Result;
use crate::frames::Answer;
use crate::rpc::Service;
use crate::rpc::frame_service::Answers;
use crate::rpc::parts::{Part, base64_parts, parts};

type Message = Result<v1::GetFramesResponse, Status>;
/// The messages of one item, in order; the frame they were made of is held until the last is taken.
type Messages = futures::stream::BoxStream<'static, Message>;

impl Service {
    pub(super) async fn get_frames(
        &self,
        request: v1::GetFramesRequest,
    ) -> Result<Answers<v1::GetFramesResponse>> {
        self.api.get_frames(request).await.map(with_summary)
    }
}

/// All items, then the summary.
fn with_summary(got: Got) -> Answers<v1::GetFramesResponse> {
    let payload = got.payload;
    let counted = got.frames.map(Some).chain(stream::once(async { None }));
    let messages = counted.scan(v1::GetSummary::default(), move |summary, answer| {
        let messages = match answer {
            Some(answer) => {
                count(summary, &answer.result);
                item(answer, payload)
            }
            None => last(*summary),
        };
        async move { Some(messages) }
    });
    Box::pin(messages.flatten())
}

fn count<T>(summary: &mut v1::GetSummary, result: &Result<Option<T>>) {
    match result {
        Ok(Some(_)) => summary.frames += 1,
        Ok(None) => summary.skipped += 1,
        Err(_) => summary.failed += 1,
    }
}

fn last(summary: v1::GetSummary) -> Messages {
    let event = v1::get_frames_response::Event::Summary(summary);
    one(v1::GetFramesResponse { event: Some(event) })
}

fn one(message: v1::GetFramesResponse) -> Messages {
    stream::once(async { Ok(message) }).boxed()
}

fn item(answer: Answer<Ready>, payload: v1::Payload) -> Messages {
    let place = (answer.index, answer.sequence.unwrap_or_default());
    match answer.result {
        Ok(None) => stream::empty().boxed(),
        Ok(Some(ready)) => data(place, ready, payload),
        Err(error) => {
            let error = v1::frame_item::Result::Error(rpc_status(&error));
            one(response(place, error))
        }
    }
}

fn response(
    (index, sequence): (u64, u64),
    result: v1::frame_item::Result,
) -> v1::GetFramesResponse {
    let item = v1::FrameItem {
        index,
        sequence,
        result: Some(result),
    };
    v1::GetFramesResponse {
        event: Some(v1::get_frames_response::Event::Frame(item)),
    }
}

fn data(place: (u64, u64), ready: Ready, payload: v1::Payload) -> Messages {
    use v1::frame_data::Payload as Wire;
    let head = v1::FrameData {
        facts: Some(facts_message(ready.facts)),
        width: ready.size.map(|(width, _)| width),
        height: ready.size.map(|(_, height)| height),
        last: true,
        ..v1::FrameData::default()
    };
    match payload {
        v1::Payload::None => one(response(place, v1::frame_item::Result::Data(head))),
        v1::Payload::Base64 => {
            let parts = base64_parts(ready.jpeg);
            in_parts(place, (head, ready.hold), parts, Wire::Base64)
        }
        v1::Payload::Jpeg | v1::Payload::Unspecified => {
            let parts = parts(ready.jpeg);
            in_parts(place, (head, ready.hold), parts, Wire::Jpeg)
        }
    }
}

/// The facts go with the first part; its share of the memory is held until the last one is taken.
fn in_parts<T>(
    place: (u64, u64),
    (head, held): (v1::FrameData, Option<Arc<Hold>>),
    parts: impl Iterator<Item = Part<T>> + Send + 'static,
    wire: impl Fn(T) -> v1::frame_data::Payload + Send + 'static,
) -> Messages {
    let mut head = Some(head);
    let messages = parts.map(move |part| {
        let _held = &held;
        let data = v1::FrameData {
            payload: Some(wire(part.data)),
            offset: part.offset,
            total: part.total,
            last: part.last,
            ..head.take().unwrap_or_default()
        };
        Ok(response(place, v1::frame_item::Result::Data(data)))
    });
    stream::iter(messages).boxed()
}
