//! GetFrames: stored frames, read through, in the order asked.

use std::sync::Arc;

use bytes::Bytes;
use futures::{Stream, StreamExt, stream};
use tonic::Status;

use crate::account::{Account, Hold};
use crate::cache::read::Frame;
use crate::error::{Error, Result};
use crate::foundry::Foundry;
use crate::frames::{Answer, Serving};
use crate::media::facts::FrameFacts;
use crate::rpc::convert::{check_names, choice, facts_message, profile_name};
use crate::rpc::frame_service::Answers;
use crate::rpc::parts::{Part, base64_parts, parts};
use crate::rpc::reshape::{Reshape, Reshaped};
use crate::rpc::selection::{on_miss, selection};
use crate::rpc::status::rpc_status;
use crate::rpc::{Service, v1};

type Message = Result<v1::GetFramesResponse, Status>;
/// The messages of one item, in order; the frame they were made of is held until the last is taken.
type Messages = futures::stream::BoxStream<'static, Message>;

/// A frame on its way into messages.
struct Ready {
    facts: FrameFacts,
    payload: v1::Payload,
    jpeg: Bytes,
    /// Of a payload that is not the stored one.
    size: Option<(u32, u32)>,
    /// The stored frame's share of the memory, or that of the one made of it.
    hold: Option<Arc<Hold>>,
}

impl Service {
    pub(super) async fn get_frames(
        &self,
        mut request: v1::GetFramesRequest,
    ) -> Result<Answers<v1::GetFramesResponse>> {
        check_names(&request.timeline, &request.profile)?;
        let selection = selection(request.selection.take())?;
        let on_miss = on_miss(request.on_miss)?;
        let payload: v1::Payload = choice("payload", request.payload)?;
        let reshape = Reshape::asked(request.width, request.height, request.quality)?;
        if payload == v1::Payload::None && reshape.is_some() {
            return Err(
                Error::field("a size or quality is given, and no payload is asked for")
                    .hint("ask for payload JPEG or BASE64, or leave them out")
                    .in_field("payload"),
            );
        }
        let serving = self.serving(&request.timeline, profile_name(&request.profile))?;
        let selected = serving.select(selection, on_miss).await?;
        if payload == v1::Payload::None {
            let answers = serving.facts_of(selected, on_miss).await?;
            return Ok(with_summary(answers.map(|answer| answer.map(Ready::facts))));
        }
        let metrics = self.frames.metrics().clone();
        let answers = serving.frames_of(selected, on_miss).await?;
        let answers = answers.inspect(move |answer| {
            if let Ok(Some(frame)) = &answer.result {
                metrics.frame_served(frame.tier);
            }
        });
        Ok(match reshape {
            None => with_summary(
                answers.map(move |answer| answer.map(|frame| Ready::whole(frame, payload, None))),
            ),
            Some(reshape) => {
                let means = (self.account().clone(), self.frames.foundry().clone());
                let reshaped = move |answer| reshaped(answer, payload, (reshape, means.clone()));
                with_summary(answers.map(reshaped).buffered(RESHAPED_AT_ONCE))
            }
        })
    }

    /// A handle on a profile's frames for one call.
    ///
    /// # Errors
    /// FIELD_INVALID unless both are ids.
    pub(super) fn serving(&self, timeline: &str, profile: &str) -> Result<Arc<Serving>> {
        let profile = self.frames.cache().profile(timeline, profile)?;
        Ok(Arc::new(self.frames.serve(&profile)))
    }
}

/// Frames of one call that are resized or encoded again at a time.
const RESHAPED_AT_ONCE: usize = 4;

impl Ready {
    fn facts(facts: FrameFacts) -> Ready {
        Ready {
            facts,
            payload: v1::Payload::None,
            jpeg: Bytes::new(),
            size: None,
            hold: None,
        }
    }

    fn whole(frame: Frame, payload: v1::Payload, other: Option<Reshaped>) -> Ready {
        let (jpeg, size, hold) = match other {
            Some(Reshaped {
                jpeg,
                width,
                height,
                hold,
            }) => (jpeg, Some((width, height)), Arc::new(hold)),
            None => (frame.jpeg, None, frame.hold),
        };
        Ready {
            facts: frame.facts,
            payload,
            jpeg,
            size,
            hold: Some(hold),
        }
    }
}

async fn reshaped(
    answer: Answer<Frame>,
    payload: v1::Payload,
    (reshape, (account, foundry)): (Reshape, (Account, Arc<dyn Foundry>)),
) -> Answer<Ready> {
    let Answer {
        index,
        sequence,
        result,
    } = answer;
    let result = match result {
        Ok(Some(frame)) => reshape
            .run(&frame, (&account, foundry))
            .await
            .map(|other| Some(Ready::whole(frame, payload, Some(other)))),
        Ok(None) => Ok(None),
        Err(error) => Err(error),
    };
    Answer {
        index,
        sequence,
        result,
    }
}

/// All items, then the summary.
fn with_summary(
    answers: impl Stream<Item = Answer<Ready>> + Send + 'static,
) -> Answers<v1::GetFramesResponse> {
    let counted = answers.map(Some).chain(stream::once(async { None }));
    let messages = counted.scan(v1::GetSummary::default(), |summary, answer| {
        let messages = match answer {
            Some(answer) => {
                count(summary, &answer.result);
                item(answer)
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

fn item(answer: Answer<Ready>) -> Messages {
    let place = (answer.index, answer.sequence.unwrap_or_default());
    match answer.result {
        Ok(None) => stream::empty().boxed(),
        Ok(Some(ready)) => data(place, ready),
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

fn data(place: (u64, u64), ready: Ready) -> Messages {
    use v1::frame_data::Payload as Wire;
    let head = v1::FrameData {
        facts: Some(facts_message(ready.facts)),
        width: ready.size.map(|(width, _)| width),
        height: ready.size.map(|(_, height)| height),
        last: true,
        ..v1::FrameData::default()
    };
    match ready.payload {
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
