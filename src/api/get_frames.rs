//! GetFrames: stored frames, read through, in the order asked.

use std::sync::Arc;

use bytes::Bytes;
use futures::stream::BoxStream;
use futures::{Stream, StreamExt};

use crate::account::{Account, Hold};
use crate::api::convert::{check_names, choice, profile_name};
use crate::api::reshape::{Reshape, Reshaped};
use crate::api::selection::{on_miss, selection};
use crate::api::{Api, v1};
use crate::cache::memory::Memory;
use crate::cache::read::Frame;
use crate::error::{Error, Result};
use crate::foundry::Foundry;
use crate::frames::Answer;
use crate::media::facts::FrameFacts;

/// A frame that is answered.
pub struct Ready {
    pub facts: FrameFacts,
    /// Empty where facts alone are asked for.
    pub jpeg: Bytes,
    /// Of a JPEG that is not the stored one, in pixels: width, height.
    pub size: Option<(u32, u32)>,
    /// The stored frame's share of the memory, or that of the one made of it.
    pub hold: Option<Arc<Hold>>,
}

/// The frames of a call, in the order asked.
pub struct Got {
    pub payload: v1::Payload,
    pub frames: BoxStream<'static, Answer<Ready>>,
}

/// What renditions are made with.
#[derive(Clone)]
struct Means {
    account: Account,
    foundry: Arc<dyn Foundry>,
    memory: Arc<Memory>,
}

/// Frames of one call that are resized or encoded again at a time.
const RESHAPED_AT_ONCE: usize = 4;

impl Api {
    /// # Errors
    /// FIELD_INVALID and LIMIT_EXCEEDED for what cannot be asked, TIMELINE_NOT_FOUND; a frame's own
    /// error is in its answer.
    pub async fn get_frames(&self, mut request: v1::GetFramesRequest) -> Result<Got> {
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
            let frames = answers.map(|answer| answer.map(Ready::facts)).boxed();
            return Ok(Got { payload, frames });
        }
        let metrics = self.frames.metrics().clone();
        let answers = serving.frames_of(selected, on_miss).await?;
        let answers = answers.inspect(move |answer| {
            if let Ok(Some(frame)) = &answer.result {
                metrics.frame_served(frame.tier);
            }
        });
        let frames = match reshape {
            None => answers.map(|answer| answer.map(Ready::stored)).boxed(),
            Some(reshape) => self.reshaped(answers, reshape).boxed(),
        };
        Ok(Got { payload, frames })
    }

    fn reshaped(
        &self,
        answers: impl Stream<Item = Answer<Frame>> + Send + 'static,
        reshape: Reshape,
    ) -> impl Stream<Item = Answer<Ready>> + Send + 'static {
        let means = Means {
            account: self.account().clone(),
            foundry: self.frames.foundry().clone(),
            memory: self.frames.cache().memory().clone(),
        };
        let reshaped = move |answer| reshaped(answer, reshape, means.clone());
        answers.map(reshaped).buffered(RESHAPED_AT_ONCE)
    }
}

impl Ready {
    fn facts(facts: FrameFacts) -> Ready {
        Ready {
            facts,
            jpeg: Bytes::new(),
            size: None,
            hold: None,
        }
    }

    fn stored(frame: Frame) -> Ready {
        Ready {
            facts: frame.facts,
            jpeg: frame.jpeg,
            size: None,
            hold: Some(frame.hold),
        }
    }

    fn other(facts: FrameFacts, other: Reshaped) -> Ready {
        Ready {
            facts,
            jpeg: other.jpeg,
            size: Some((other.width, other.height)),
            hold: Some(Arc::new(other.hold)),
        }
    }
}

async fn reshaped(answer: Answer<Frame>, reshape: Reshape, means: Means) -> Answer<Ready> {
    let Answer {
        index,
        sequence,
        result,
    } = answer;
    let result = match result {
        Ok(Some(frame)) => {
            let with = (&means.account, means.foundry.clone());
            let made = reshape.run(&frame, with, &means.memory).await;
            made.map(|other| Some(Ready::other(frame.facts, other)))
        }
        Ok(None) => Ok(None),
        Err(error) => Err(error),
    };
    Answer {
        index,
        sequence,
        result,
    }
}
