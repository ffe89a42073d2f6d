//! GetFrames.

use std::collections::VecDeque;

use futures::StreamExt;
use futures::stream::{self, BoxStream};
use tonic::Streaming;

use crate::api::convert::{facts, window_message};
use crate::api::v1;
use crate::api::v1::frame_data::Payload;
use crate::api::v1::frame_item;
use crate::api::v1::get_frames_response::Event;
use crate::client::remote::error::{error_in, error_of};
use crate::client::remote::join::Join;
use crate::client::remote::{Remote, nonsense};
use crate::client::{Of, Picture};
use crate::error::{Error, Reason, Result};
use crate::frames::{OnMiss, Pick, Which};
use crate::media::facts::FrameFacts;
use crate::media::time::Exact;
use crate::timeline::plan::Window;

/// Sequences of one request: 4 bytes each, of a message of 4 MiB.
const MAX_SEQUENCES: usize = 100_000;

pub async fn shown_at(remote: &Remote, of: Of<'_>, times: &[Exact]) -> Result<Vec<u64>> {
    let mut seqs = Vec::with_capacity(times.len());
    for times in times.chunks(MAX_SEQUENCES) {
        let selection = v1::Selection {
            times: times.iter().map(Exact::to_string).collect(),
            ..v1::Selection::default()
        };
        let mut items = Items::ask(remote, request(of, selection, v1::Payload::None)).await?;
        while let Some(item) = items.next().await? {
            seqs.push(item?.facts.seq);
        }
    }
    Ok(seqs)
}

pub async fn within(remote: &Remote, of: Of<'_>, window: Window) -> Result<Vec<u64>> {
    let which = match window == Window::default() {
        true => Which::All,
        false => Which::Window(window),
    };
    picked(remote, of, (which, Pick::default())).await
}

/// What of the frames named is picked, by the server.
pub async fn picked(remote: &Remote, of: Of<'_>, (which, pick): (Which, Pick)) -> Result<Vec<u64>> {
    let selection = v1::Selection {
        per_scene: pick.per_scene,
        distinct: pick.distinct,
        ..selection(which)
    };
    let mut items = Items::ask(remote, request(of, selection, v1::Payload::None)).await?;
    let mut seqs = Vec::new();
    // A frame that cannot be had is one of them all the same.
    while let Some(item) = items.message().await? {
        seqs.push(item.sequence);
    }
    Ok(seqs)
}

fn selection(which: Which) -> v1::Selection {
    let mut selection = v1::Selection::default();
    match which {
        Which::Sequences(seqs) => selection.sequences = seqs,
        Which::Range(range) => {
            let (first, last) = range.into_inner();
            selection.range = Some(v1::SequenceRange { first, last });
        }
        Which::Times(times) => selection.times = times.iter().map(Exact::to_string).collect(),
        Which::Window(window) => selection.window = Some(window_message(&window)),
        Which::All => selection.all = true,
    }
    selection
}

pub async fn prepare(remote: &Remote, of: Of<'_>, seqs: &[u64]) -> Result<()> {
    for seqs in seqs.chunks(MAX_SEQUENCES) {
        let mut items = Items::ask(remote, request(of, numbered(seqs), v1::Payload::None)).await?;
        while let Some(item) = items.next().await? {
            match item {
                // There is none of this number. What else fails, fails its frame alone.
                Err(error) if error.reason() == Reason::FrameNotCached => return Err(error),
                _ => {}
            }
        }
    }
    Ok(())
}

/// Frames in the order asked, request after request.
pub fn frames(remote: &Remote, of: Of<'_>, seqs: &[u64]) -> BoxStream<'static, Result<Picture>> {
    let requests = seqs
        .chunks(MAX_SEQUENCES)
        .map(|seqs| request(of, numbered(seqs), v1::Payload::Jpeg));
    let state = Reading {
        wire: remote.frame_service(),
        requests: requests.collect(),
        items: None,
    };
    let pictures = stream::unfold(Some(state), |state| async move {
        let mut state = state?;
        match state.next().await {
            Ok(Some(item)) => Some((item, Some(state))),
            Ok(None) => None,
            Err(error) => Some((Err(error), None)),
        }
    });
    pictures.boxed()
}

struct Reading {
    wire: v1::frame_service_client::FrameServiceClient<super::Wire>,
    requests: VecDeque<v1::GetFramesRequest>,
    items: Option<Items>,
}

impl Reading {
    async fn next(&mut self) -> Result<Option<Result<Picture>>> {
        loop {
            if let Some(items) = &mut self.items
                && let Some(item) = items.next().await?
            {
                return Ok(Some(item));
            }
            let Some(request) = self.requests.pop_front() else {
                return Ok(None);
            };
            let answer = self.wire.get_frames(request).await;
            self.items = Some(Items(answer.map_err(error_of)?.into_inner()));
        }
    }
}

fn numbered(seqs: &[u64]) -> v1::Selection {
    v1::Selection {
        sequences: seqs.to_vec(),
        ..v1::Selection::default()
    }
}

fn request(of: Of<'_>, selection: v1::Selection, payload: v1::Payload) -> v1::GetFramesRequest {
    v1::GetFramesRequest {
        timeline: of.timeline.to_owned(),
        profile: of.profile.to_owned(),
        selection: Some(selection),
        payload: payload.into(),
        on_miss: match of.on_miss {
            OnMiss::Extract => v1::OnMiss::Extract,
            OnMiss::Skip => v1::OnMiss::Skip,
            OnMiss::Fail => v1::OnMiss::Fail,
        }
        .into(),
        ..v1::GetFramesRequest::default()
    }
}

/// The frames of one answer, their parts put together.
struct Items(Streaming<v1::GetFramesResponse>);

impl Items {
    async fn ask(remote: &Remote, request: v1::GetFramesRequest) -> Result<Self> {
        let answer = remote.frame_service().get_frames(request).await;
        Ok(Items(answer.map_err(error_of)?.into_inner()))
    }

    /// The next frame, or why there is none; none at the end.
    async fn next(&mut self) -> Result<Option<Result<Picture>>> {
        let Some(first) = self.item().await? else {
            return Ok(None);
        };
        let mut data = match first {
            Ok(data) => data,
            Err(error) => return Ok(Some(Err(error))),
        };
        let known = data.facts.take();
        let known: FrameFacts = facts(known.ok_or_else(|| nonsense("a frame has no facts"))?)?;
        let mut join = Join::new(data.total);
        loop {
            let (offset, last) = (data.offset, data.last);
            if let Some(Payload::Jpeg(part)) = data.payload {
                join.add(part, offset)?;
            }
            if last {
                let jpeg = join.finish()?;
                return Ok(Some(Ok(Picture { facts: known, jpeg })));
            }
            data = match self.item().await? {
                Some(Ok(data)) => data,
                _ => return Err(nonsense("a frame broke off")),
            };
        }
    }

    async fn item(&mut self) -> Result<Option<Result<v1::FrameData>>> {
        Ok(self.message().await?.map(outcome))
    }

    async fn message(&mut self) -> Result<Option<v1::FrameItem>> {
        loop {
            let message = self.0.message().await.map_err(error_of)?;
            let message = message.ok_or_else(|| nonsense("frames ended without a summary"))?;
            match message.event {
                Some(Event::Frame(item)) => return Ok(Some(item)),
                Some(Event::Summary(_)) => return Ok(None),
                None => {}
            }
        }
    }
}

fn outcome(item: v1::FrameItem) -> Result<v1::FrameData> {
    match item.result {
        Some(frame_item::Result::Data(data)) => Ok(data),
        Some(frame_item::Result::Error(status)) => Err(error_in(&status)),
        None => Err::<_, Error>(nonsense("a frame has no result")),
    }
}
