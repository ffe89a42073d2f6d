//! GetSimilar.

use crate::api::convert::{check_names, choice, page_size, profile_name};
use crate::api::{Api, PART_BYTES, pages, v1};
use crate::error::{Error, Reason, Result};
use crate::frames::{Found, Near, NearPlace, Query, Search};
use crate::hash::to_hex;
use crate::similar::{BITS, DISTANCE};
use crate::timeline::plan::HashKind;
use crate::timeline::request::check_id;

const TOKEN: &str = "near";

impl Api {
    /// # Errors
    /// FIELD_INVALID for what cannot be looked for; those of the search.
    pub async fn get_similar(
        &self,
        asked: v1::GetSimilarRequest,
    ) -> Result<v1::GetSimilarResponse> {
        let search = search(asked)?;
        Ok(answer(self.frames.similar(&search).await?))
    }
}

fn search(asked: v1::GetSimilarRequest) -> Result<Search> {
    if !asked.timeline.is_empty() {
        check_id("timeline", &asked.timeline)?;
    }
    let profile = profile_name(&asked.profile).to_owned();
    check_id("profile", &profile)?;
    Ok(Search {
        kind: kind(asked.kind)?,
        query: query(asked.like)?,
        timeline: Some(asked.timeline).filter(|id| !id.is_empty()),
        profile,
        distance: distance(asked.distance)?,
        mirrored: asked.mirrored,
        limit: page_size(asked.page_size),
        after: after(&asked.page_token)?,
    })
}

/// # Errors
/// FIELD_INVALID for a number that is none.
pub fn kind(asked: i32) -> Result<HashKind> {
    Ok(match choice("kind", asked)? {
        v1::Hash::Unspecified | v1::Hash::Phash => HashKind::Phash,
        v1::Hash::Dhash => HashKind::Dhash,
        v1::Hash::AverageHash => HashKind::AverageHash,
    })
}

fn query(like: Option<v1::get_similar_request::Like>) -> Result<Query> {
    use v1::get_similar_request::Like;
    match like {
        Some(Like::Hash(text)) => Ok(Query::Hash(hash(&text)?)),
        Some(Like::Frame(name)) => {
            check_names(&name.timeline, &name.profile).map_err(|e| e.below_field("frame"))?;
            Ok(Query::Frame {
                profile: profile_name(&name.profile).to_owned(),
                timeline: name.timeline,
                seq: name.sequence,
            })
        }
        Some(Like::Picture(jpeg)) if jpeg.len() > PART_BYTES => {
            let bytes = jpeg.len();
            let message = format!("the picture is too large: bytes={bytes} limit={PART_BYTES}");
            Err(Error::new(Reason::RequestLimit, message)
                .hint("send a smaller one: hashes are of 32 x 32 pixels")
                .in_field("picture"))
        }
        Some(Like::Picture(jpeg)) => Ok(Query::Picture(jpeg)),
        None => Err(Error::field("the request does not say what to look for")
            .hint("give one of hash, frame and picture")
            .in_field("hash")),
    }
}

/// A hash as ImageHash prints it.
///
/// # Errors
/// FIELD_INVALID in `hash` for anything but 16 hex digits.
pub fn hash(text: &str) -> Result<u64> {
    let digits = text.len() == 16 && text.bytes().all(|b| b.is_ascii_hexdigit());
    let hash = u64::from_str_radix(text, 16).ok().filter(|_| digits);
    hash.ok_or_else(|| {
        let shown: String = text.chars().take(40).collect();
        Error::field(format!("a hash has 16 hex digits: hash={shown:?}"))
            .hint(
                "take it from a frame's facts, or from str() of ImageHash's with its default size",
            )
            .in_field("hash")
    })
}

/// # Errors
/// FIELD_INVALID for more bits than a hash has.
fn distance(asked: Option<u32>) -> Result<u32> {
    let distance = asked.unwrap_or(DISTANCE);
    if distance <= BITS {
        return Ok(distance);
    }
    let message = format!("distance is a number of bits from 0 to {BITS}: distance={distance}");
    Err(Error::field(message)
        .hint("0 finds equal hashes, 8 near duplicates")
        .in_field("distance"))
}

/// What the page before ended with.
fn after(token: &str) -> Result<Option<NearPlace>> {
    let Some(text) = pages::value(TOKEN, token)? else {
        return Ok(None);
    };
    let mut parts = text.splitn(3, ':');
    let mut next = || parts.next().ok_or_else(pages::wrong);
    let (distance, seq, timeline) = (next()?, next()?, next()?);
    Ok(Some(NearPlace {
        distance: distance.parse().map_err(|_| pages::wrong())?,
        seq: seq.parse().map_err(|_| pages::wrong())?,
        timeline: timeline.into(),
    }))
}

fn token(last: &NearPlace) -> String {
    let NearPlace {
        distance,
        timeline,
        seq,
    } = last;
    pages::token(TOKEN, format!("{distance}:{seq}:{timeline}"))
}

/// The token behind a page that ends with this frame, where more follow.
pub fn next_token(found: &Found) -> Option<String> {
    let last = found.near.last().filter(|_| found.more)?;
    Some(token(&last.place))
}

/// What was found as its message.
pub fn answer(found: Found) -> v1::GetSimilarResponse {
    v1::GetSimilarResponse {
        next_page_token: next_token(&found).unwrap_or_default(),
        hash: to_hex(found.hash),
        flat: found.flat,
        searched: found.searched,
        frames: found.near.into_iter().map(frame).collect(),
        unread_timelines: found.unread,
    }
}

fn frame(near: Near) -> v1::SimilarFrame {
    v1::SimilarFrame {
        timeline: near.place.timeline.as_ref().to_owned(),
        sequence: near.place.seq,
        timestamp: near.timestamp,
        distance: near.place.distance,
        mirrored: near.mirrored,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use v1::get_similar_request::Like;

    fn refused(asked: v1::GetSimilarRequest) -> String {
        let error = search(asked).unwrap_err();
        error.field_path().unwrap_or_default().to_owned()
    }

    #[test]
    fn what_a_search_cannot_be_is_refused_by_field() {
        let of = |like: Option<Like>| v1::GetSimilarRequest {
            timeline: "t".into(),
            like,
            ..Default::default()
        };
        let good = || of(Some(Like::Hash("00ff00ff00ff00ff".into())));
        assert!(search(good()).is_ok());
        assert_eq!(refused(of(None)), "hash");
        for text in ["", "ff", "+0ff00ff00ff00ff", "00ff00ff00ff00ff0"] {
            assert_eq!(refused(of(Some(Like::Hash(text.into())))), "hash");
        }
        let name = v1::FrameName::default();
        assert_eq!(refused(of(Some(Like::Frame(name)))), "frame.timeline");
        let large = vec![0; PART_BYTES + 1].into();
        assert_eq!(refused(of(Some(Like::Picture(large)))), "picture");
        let distance = Some(65);
        assert_eq!(
            refused(v1::GetSimilarRequest { distance, ..good() }),
            "distance"
        );
        assert_eq!(refused(v1::GetSimilarRequest { kind: 9, ..good() }), "kind");
        let page_token = "x".to_owned();
        assert_eq!(
            refused(v1::GetSimilarRequest {
                page_token,
                ..good()
            }),
            "page_token"
        );
    }

    #[test]
    fn a_page_begins_behind_the_one_before() {
        let last = NearPlace {
            distance: 3,
            timeline: "a.b~c".into(),
            seq: u64::MAX,
        };
        assert_eq!(after(&token(&last)).unwrap(), Some(last));
        assert_eq!(after("").unwrap(), None);
    }
}
