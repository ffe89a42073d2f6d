//! GetSimilar and GetCuts.

use futures::stream::{self, StreamExt};

use crate::api::convert::hash_message;
use crate::api::v1;
use crate::api::v1::get_cuts_response::Event;
use crate::api::v1::get_similar_request::Like;
use crate::client::remote::error::error_of;
use crate::client::remote::{Remote, nonsense};
use crate::client::{Of, Rows};
use crate::error::Result;
use crate::frames::{Found, Near, NearPlace, Query, Search};
use crate::hash::to_hex;
use crate::similar::cuts::Scored;

/// Frames of one answer.
const MAX_PAGE: usize = 1000;

/// As many as are looked for, page after page.
pub async fn similar(remote: &Remote, search: Search) -> Result<Found> {
    let mut request = request(&search);
    let mut found = Found::default();
    loop {
        let left = search.limit.saturating_sub(found.near.len());
        request.page_size = u32::try_from(left.min(MAX_PAGE)).unwrap_or_default();
        let answer = remote.frame_service().get_similar(request.clone()).await;
        let page = answer.map_err(error_of)?.into_inner();
        let hash = u64::from_str_radix(&page.hash, 16);
        found.hash = hash.map_err(|_| nonsense("a hash is none"))?;
        found.flat = page.flat;
        found.searched = page.searched;
        found.unread = page.unread_timelines;
        found.near.extend(page.frames.into_iter().map(near));
        found.more = !page.next_page_token.is_empty();
        request.page_token = page.next_page_token;
        if !found.more || found.near.len() >= search.limit {
            return Ok(found);
        }
    }
}

fn request(search: &Search) -> v1::GetSimilarRequest {
    let like = match &search.query {
        Query::Hash(hash) => Like::Hash(to_hex(*hash)),
        Query::Picture(jpeg) => Like::Picture(jpeg.clone()),
        Query::Frame {
            timeline,
            profile,
            seq,
        } => Like::Frame(v1::FrameName {
            timeline: timeline.clone(),
            profile: profile.clone(),
            sequence: *seq,
        }),
    };
    v1::GetSimilarRequest {
        timeline: search.timeline.clone().unwrap_or_default(),
        profile: search.profile.clone(),
        like: Some(like),
        kind: hash_message(search.kind).into(),
        distance: Some(search.distance),
        mirrored: search.mirrored,
        page_size: 0,
        page_token: String::new(),
    }
}

fn near(frame: v1::SimilarFrame) -> Near {
    Near {
        place: NearPlace {
            distance: frame.distance,
            timeline: frame.timeline.into(),
            seq: frame.sequence,
        },
        timestamp: frame.timestamp,
        mirrored: frame.mirrored,
    }
}

pub async fn cuts(remote: &Remote, of: Of<'_>, threshold: f64) -> Result<Rows<Vec<Scored>>> {
    let request = v1::GetCutsRequest {
        timeline: of.timeline.to_owned(),
        profile: of.profile.to_owned(),
        threshold: Some(threshold),
    };
    let answer = remote.frame_service().get_cuts(request).await;
    let messages = answer.map_err(error_of)?.into_inner();
    let rows = stream::try_unfold(messages, |mut messages| async move {
        loop {
            let message = messages.message().await.map_err(error_of)?;
            let message = message.ok_or_else(|| nonsense("cuts ended without a summary"))?;
            match message.event {
                Some(Event::Changes(changes)) => return Ok(Some((scored(&changes), messages))),
                Some(Event::Summary(_)) => return Ok(None),
                None => {}
            }
        }
    });
    Ok(rows.boxed())
}

fn scored(changes: &v1::FrameChanges) -> Vec<Scored> {
    let frames = changes.sequences.iter().zip(&changes.timestamps);
    let frames = frames.zip(&changes.changes);
    let scored = frames.map(|((seq, time), change)| Scored {
        seq: *seq,
        timestamp: Some(*time).filter(|time| !time.is_nan()),
        change: Some(f64::from(*change)).filter(|change| !change.is_nan()),
        cut: changes.cuts.binary_search(seq).is_ok(),
    });
    scored.collect()
}
