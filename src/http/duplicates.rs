//! `GET duplicates`: stretches of other timelines that show the same footage.

use crate::api::convert::hash_message;
use crate::api::v1;
use crate::http::Asked;
use crate::http::hashes::kind;
use crate::http::sent::{Answer, message};

pub async fn duplicates(asked: Asked) -> Answer {
    asked.only(&["profile", "other", "kind", "distance", "mirrored", "limit"])?;
    let request = v1::GetDuplicatesRequest {
        timeline: asked.timeline()?,
        profile: asked.profile()?,
        other: asked.text("other").unwrap_or_default().to_owned(),
        kind: hash_message(kind(asked.text("kind"))?).into(),
        distance: asked.number("distance")?,
        mirrored: asked.flag("mirrored")?,
        limit: asked.number("limit")?.unwrap_or(0),
    };
    let answer = asked.api.get_duplicates(request).await?;
    message(&asked, "GetDuplicatesResponse", &answer)
}
