//! PutFrames and PutOverlays.

use futures::stream;

use crate::api::convert::facts_message;
use crate::api::v1;
use crate::api::v1::put_frame;
use crate::api::v1::put_overlay;
use crate::cache::overlays::PutOverlay;
use crate::cache::put::{PutDone, ReadyFrame};
use crate::client::Of;
use crate::client::remote::error::{error_in, error_of};
use crate::client::remote::{Remote, nonsense};
use crate::error::{Error, Result};
use crate::rpc::parts::parts;

pub async fn frames(remote: &Remote, of: Of<'_>, mut frames: Vec<ReadyFrame>) -> Result<PutDone> {
    frames.sort_by_key(|frame| frame.facts().seq);
    let recorded: Vec<_> = frames.iter().map(|frame| frame.facts().clone()).collect();
    let header = v1::PutFramesRequest {
        timeline: of.timeline.to_owned(),
        profile: of.profile.to_owned(),
        ..v1::PutFramesRequest::default()
    };
    let messages = std::iter::once(header).chain(frames.into_iter().flat_map(frame_messages));
    let answer = remote
        .frame_service()
        .put_frames(stream::iter(messages))
        .await;
    let done = answer.map_err(error_of)?.into_inner();
    Ok(PutDone {
        record: done.record,
        frames: recorded,
    })
}

/// The facts go with the first part.
fn frame_messages(frame: ReadyFrame) -> impl Iterator<Item = v1::PutFramesRequest> {
    let sequence = frame.facts().seq;
    let mut facts = Some(facts_message(frame.facts().clone()));
    parts(frame.jpeg().clone()).map(move |part| v1::PutFramesRequest {
        frame: Some(v1::PutFrame {
            sequence,
            facts: facts.take(),
            image: Some(put_frame::Image::Jpeg(part.data)),
            offset: part.offset,
            last: part.last,
        }),
        ..v1::PutFramesRequest::default()
    })
}

pub async fn overlays(
    remote: &Remote,
    of: Of<'_>,
    overlays: Vec<PutOverlay>,
) -> Result<Vec<Result<()>>> {
    let count = overlays.len();
    let header = v1::PutOverlaysRequest {
        timeline: of.timeline.to_owned(),
        profile: of.profile.to_owned(),
        overlay: None,
    };
    let messages = std::iter::once(header).chain(overlays.into_iter().flat_map(overlay_messages));
    let answer = remote
        .overlay_service()
        .put_overlays(stream::iter(messages))
        .await;
    let results = answer.map_err(error_of)?.into_inner().results;
    if results.len() != count {
        return Err(nonsense("overlays and their results are not as many"));
    }
    let outcome = |result: v1::PutOverlayResult| -> Result<(), Error> {
        result.error.map_or(Ok(()), |status| Err(error_in(&status)))
    };
    Ok(results.into_iter().map(outcome).collect())
}

fn overlay_messages(overlay: PutOverlay) -> impl Iterator<Item = v1::PutOverlaysRequest> {
    let id = overlay.id;
    parts(overlay.png).map(move |part| v1::PutOverlaysRequest {
        overlay: Some(v1::PutOverlay {
            job: id.job.clone(),
            stage: id.stage.clone(),
            sequence: id.seq,
            name: id.name.clone(),
            image: Some(put_overlay::Image::Png(part.data)),
            offset: part.offset,
            last: part.last,
        }),
        ..v1::PutOverlaysRequest::default()
    })
}
