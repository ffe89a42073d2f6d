//! `GET /v1/similar`: cached frames whose hash is near a frame's or a hash.

use crate::api::convert::hash_message;
use crate::api::v1;
use crate::error::{Error, Result};
use crate::http::Asked;
use crate::http::hashes::kind;
use crate::http::sent::{Answer, message};

pub async fn similar(asked: Asked) -> Answer {
    asked.only(&[
        "hash",
        "timeline",
        "seq",
        "profile",
        "everywhere",
        "kind",
        "distance",
        "mirrored",
        "page_size",
        "page_token",
    ])?;
    let timeline = asked.text("timeline").unwrap_or_default().to_owned();
    let like = like(&asked, &timeline)?;
    let everywhere = asked.flag("everywhere")?;
    let request = v1::GetSimilarRequest {
        timeline: if everywhere { String::new() } else { timeline },
        profile: asked.profile()?,
        like: Some(like),
        kind: hash_message(kind(asked.text("kind"))?).into(),
        distance: asked.number("distance")?,
        mirrored: asked.flag("mirrored")?,
        page_size: asked.page_size()?,
        page_token: asked.page_token(),
    };
    let answer = asked.api.get_similar(request).await?;
    message(&asked, "GetSimilarResponse", &answer)
}

fn like(asked: &Asked, timeline: &str) -> Result<v1::get_similar_request::Like> {
    use v1::get_similar_request::Like;
    match (asked.text("hash"), asked.number("seq")?) {
        (Some(hash), None) => Ok(Like::Hash(hash.to_owned())),
        (None, Some(sequence)) if !timeline.is_empty() => Ok(Like::Frame(v1::FrameName {
            timeline: timeline.to_owned(),
            profile: asked.profile()?,
            sequence,
        })),
        (None, Some(_)) => Err(Error::field("a frame is named without its timeline")
            .hint("give timeline too; with everywhere all timelines are searched for it")
            .in_field("timeline")),
        (Some(_), Some(_)) => Err(Error::field("a hash is given, and a frame")
            .hint("leave out hash or seq")
            .in_field("seq")),
        (None, None) => Err(Error::field("the address does not say what to look for")
            .hint("give hash=HEX, or timeline=ID and seq=N")
            .in_field("hash")),
    }
}
