//! GetTensors: frames decoded from their source again.

use std::sync::Arc;

use tonic::Streaming;

use crate::api::v1;
use crate::api::v1::get_tensors_response::Event;
use crate::client::Of;
use crate::client::remote::error::{error_in, error_of};
use crate::client::remote::join::Join;
use crate::client::remote::{Remote, nonsense};
use crate::error::Result;
use crate::frames::{Shot, Take};
use crate::media::facts::FrameFacts;
use crate::pixel::RgbImage;

/// Sequences of one request.
const MAX_SEQUENCES: usize = 100_000;

pub async fn decode(remote: &Remote, of: Of<'_>, (seqs, take): (&[u64], Take<'_>)) -> Result<()> {
    let mut wanted = seqs.to_vec();
    wanted.sort_unstable();
    wanted.dedup();
    for seqs in wanted.chunks(MAX_SEQUENCES) {
        let answer = remote.frame_service().get_tensors(request(of, seqs)).await;
        let mut events = answer.map_err(error_of)?.into_inner();
        while let Some(made) = next(&mut events).await? {
            take(made)?;
        }
    }
    Ok(())
}

/// One frame a batch, so that frames may be of any size.
fn request(of: Of<'_>, seqs: &[u64]) -> v1::GetTensorsRequest {
    v1::GetTensorsRequest {
        timeline: of.timeline.to_owned(),
        profile: of.profile.to_owned(),
        selection: Some(v1::Selection {
            sequences: seqs.to_vec(),
            ..v1::Selection::default()
        }),
        datatype: v1::Datatype::Uint8.into(),
        layout: v1::Layout::Nhwc.into(),
        channels: v1::Channels::Rgb.into(),
        origin: v1::Origin::Source.into(),
        batch: Some(1),
        ..v1::GetTensorsRequest::default()
    }
}

async fn next(events: &mut Streaming<v1::GetTensorsResponse>) -> Result<Option<Shot>> {
    let header = match event(events).await? {
        Event::Header(header) => header,
        Event::Summary(_) => return Ok(None),
        Event::Part(_) => return Err(nonsense("a batch has no header")),
    };
    if let Some(error) = header
        .errors
        .first()
        .and_then(|error| error.status.as_ref())
    {
        return Err(error_in(error));
    }
    let (width, height) = size(&header)?;
    let mut join = Join::new(header.bytes);
    loop {
        let Event::Part(part) = event(events).await? else {
            return Err(nonsense("a batch broke off"));
        };
        join.add(part.data, part.offset)?;
        if part.last {
            break;
        }
    }
    let seq = header.sequences.first().copied();
    let timestamp = header
        .timestamps
        .first()
        .copied()
        .filter(|time| !time.is_nan());
    let facts = FrameFacts {
        seq: seq.ok_or_else(|| nonsense("a batch has no sequences"))?,
        timestamp,
        ..FrameFacts::default()
    };
    let data = Vec::from(join.finish()?);
    let rgb = Arc::new(RgbImage {
        width,
        height,
        data,
    });
    Ok(Some(Shot { facts, rgb }))
}

async fn event(events: &mut Streaming<v1::GetTensorsResponse>) -> Result<Event> {
    loop {
        let message = events.message().await.map_err(error_of)?;
        let message = message.ok_or_else(|| nonsense("tensors ended without a summary"))?;
        if let Some(event) = message.event {
            return Ok(event);
        }
    }
}

/// Width and height of a batch of one RGB frame.
fn size(header: &v1::TensorHeader) -> Result<(usize, usize)> {
    let wrong = || nonsense("a batch is no single RGB frame");
    let [1, height, width, 3] = header.shape[..] else {
        return Err(wrong());
    };
    let side = |side: i64| usize::try_from(side).ok().filter(|side| *side > 0);
    let (width, height) = side(width).zip(side(height)).ok_or_else(wrong)?;
    let bytes = width
        .checked_mul(height)
        .and_then(|pixels| pixels.checked_mul(3));
    let fits = bytes.is_some_and(|bytes| bytes as u64 == header.bytes);
    if fits {
        Ok((width, height))
    } else {
        Err(wrong())
    }
}
