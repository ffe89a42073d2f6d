//! One frame: its JPEG as stored or in another size, its facts, by number or by time; and putting one.

use std::sync::Arc;

use axum::body::Body;
use axum::response::IntoResponse;
use futures::StreamExt;
use http::header::{IF_MATCH, IF_NONE_MATCH, LOCATION};
use http::{HeaderMap, HeaderValue, StatusCode};

use crate::api::convert::facts_message;
use crate::api::put::ready;
use crate::api::selection::on_miss;
use crate::api::{Api, Ready, v1};
use crate::cache::put::PutFrame;
use crate::cache::sealed::sha256_hex;
use crate::error::{Error, Reason, Result};
use crate::frames::OnMiss;
use crate::http::asked::whole;
use crate::http::sent::{Answer, Sent, done, early, message};
use crate::http::waiting::patiently;
use crate::http::{Asked, Problem, upload};
use crate::media::facts::FrameFacts;
use crate::media::time::Exact;
use crate::store::MAX_OBJECT_BYTES;

const OF_JPEG: [&str; 7] = ["profile", "w", "h", "q", "sha256", "wait", "on_miss"];
const OF_FACTS: [&str; 3] = ["profile", "wait", "on_miss"];

/// `{seq}.jpg`, `{seq}.json`
pub async fn one(asked: Asked) -> Answer {
    let file = asked.part("file");
    if let Some(number) = file.strip_suffix(".json") {
        asked.only(&OF_FACTS)?;
        return facts(&asked, whole("seq", number)?).await;
    }
    let number = file.strip_suffix(".jpg").ok_or_else(Problem::nowhere)?;
    asked.only(&OF_JPEG)?;
    jpeg(&asked, whole("seq", number)?).await
}

/// `at/{seconds}.jpg`: the frame shown then, by its own address unless asked for directly.
pub async fn at(asked: Asked) -> Answer {
    let file = asked.part("file");
    let text = file.strip_suffix(".jpg").ok_or_else(Problem::nowhere)?;
    asked.only(&["profile", "w", "h", "q", "wait", "on_miss", "direct"])?;
    let time: Exact = text.parse().map_err(|e: Error| e.in_field("seconds"))?;
    let seq = shown_at(&asked, time).await?;
    if asked.flag("direct")? {
        return jpeg(&asked, seq).await;
    }
    let query = asked.raw_query.as_deref().map(without_direct);
    let query = query.filter(|query| !query.is_empty());
    let query = query.map_or_else(String::new, |query| format!("?{query}"));
    let place = HeaderValue::from_str(&format!("../{seq}.jpg{query}"))
        .map_err(|_| Error::field("the query cannot be handed on").in_field("query"))?;
    let mut response = StatusCode::FOUND.into_response();
    let headers = response.headers_mut();
    headers.insert(LOCATION, place);
    headers.insert(
        http::header::CACHE_CONTROL,
        HeaderValue::from_static("no-cache"),
    );
    Ok(response)
}

fn without_direct(query: &str) -> String {
    let others = query.split('&');
    let others = others.filter(|part| part.split('=').next() != Some("direct"));
    others.collect::<Vec<_>>().join("&")
}

async fn shown_at(asked: &Asked, time: Exact) -> Result<u64, Problem> {
    // What a token may not have extracted for it is refused before it is looked up.
    let request = request(asked, 0, v1::Payload::Jpeg)?;
    let on_miss = on_miss(request.on_miss)?;
    let serving = asked.api.serving(&request.timeline, &request.profile)?;
    serving.view().await?;
    match serving.shown_at(time, OnMiss::Fail).await {
        Err(error) if on_miss == OnMiss::Extract && is_missing(&error) => {}
        shown => return Ok(shown?),
    }
    patiently(asked, async move { serving.shown_at(time, on_miss).await }).await
}

fn request(asked: &Asked, seq: u64, payload: v1::Payload) -> Result<v1::GetFramesRequest> {
    let request = v1::GetFramesRequest {
        timeline: asked.timeline()?,
        profile: asked.profile()?,
        selection: Some(v1::Selection {
            sequences: vec![seq],
            ..v1::Selection::default()
        }),
        payload: payload.into(),
        on_miss: asked.on_miss()?.into(),
        ..v1::GetFramesRequest::default()
    };
    asked.allowed(request)
}

/// The one frame that is asked for.
async fn get(api: Api, request: v1::GetFramesRequest) -> Result<Ready> {
    let mut got = api.get_frames(request).await?;
    let answer = got.frames.next().await;
    let found = answer.map(|answer| answer.result).transpose()?.flatten();
    found.ok_or_else(|| Error::new(Reason::FrameNotCached, "there is no such frame"))
}

/// The same: what is there at once, and what is extracted first within the time that the request allows.
async fn found(asked: &Asked, request: v1::GetFramesRequest) -> Result<Ready, Problem> {
    let there = v1::GetFramesRequest {
        on_miss: v1::OnMiss::Fail.into(),
        ..request.clone()
    };
    match get(asked.api.clone(), there).await {
        Err(error) if request.on_miss() == v1::OnMiss::Extract && is_missing(&error) => {}
        found => return Ok(found?),
    }
    patiently(asked, get(asked.api.clone(), request)).await
}

/// Whether extracting may mend it.
fn is_missing(error: &Error) -> bool {
    matches!(
        error.reason(),
        Reason::FrameNotCached | Reason::ObjectCorrupt
    )
}

async fn facts(asked: &Asked, seq: u64) -> Answer {
    let request = request(asked, seq, v1::Payload::None)?;
    let known = found(asked, request).await?;
    message(asked, "Facts", &facts_message(known.facts))
}

async fn jpeg(asked: &Asked, seq: u64) -> Answer {
    let mut request = request(asked, seq, v1::Payload::Jpeg)?;
    request.width = asked.number("w")?;
    request.height = asked.number("h")?;
    request.quality = asked.number("q")?;
    let size = (request.width, request.height, request.quality);
    let named = asked.text("sha256").map(str::to_owned);
    if asked.headers.contains_key(IF_NONE_MATCH) {
        let facts = v1::GetFramesRequest {
            payload: v1::Payload::None.into(),
            width: None,
            height: None,
            quality: None,
            ..request.clone()
        };
        let known = found(asked, facts).await?.facts;
        check_named(named.as_deref(), known.sha256.as_deref())?;
        if let Some(sha256) = known.sha256
            && let Some(unmodified) = early(asked, &etag(&sha256, size), named.is_some())?
        {
            return Ok(unmodified);
        }
    }
    let frame = found(asked, request).await?;
    let stored = frame.facts.sha256;
    let sha256 = stored.unwrap_or_else(|| sha256_hex(&[&frame.jpeg]));
    check_named(named.as_deref(), Some(&sha256))?;
    let sent = Sent {
        bytes: frame.jpeg,
        kind: "image/jpeg",
        etag: etag(&sha256, size),
        immutable: named.is_some(),
        hold: frame.hold,
    };
    sent.answer(asked)
}

/// Width, height and quality, as they are asked for.
type Size = (Option<u32>, Option<u32>, Option<u32>);

/// Of the stored JPEG its sha256; of a rendition that, and what was made of it.
fn etag(sha256: &str, size: Size) -> String {
    let (None, None, None) = size else {
        let said = |side: Option<u32>| side.map(|side| side.to_string()).unwrap_or_default();
        let (w, h, q) = (said(size.0), said(size.1), said(size.2));
        return format!("{sha256}-{w}x{h}q{q}-{}", env!("CARGO_PKG_VERSION"));
    };
    sha256.to_owned()
}

/// An address that names other bytes than there are is one of nothing.
fn check_named(named: Option<&str>, sha256: Option<&str>) -> Result<()> {
    match (named, sha256) {
        (Some(named), Some(sha256)) if named != sha256 => Err(Error::new(
            Reason::FrameNotCached,
            format!("the frame has other bytes than the address names: sha256={sha256}"),
        )
        .hint("ask for it without sha256")),
        _ => Ok(()),
    }
}

/// `PUT {seq}.jpg`
pub async fn put(asked: Asked, body: Body) -> Answer {
    asked.only(&["profile", "timestamp", "duration"])?;
    let number = asked
        .part("file")
        .strip_suffix(".jpg")
        .ok_or_else(Problem::nowhere)?;
    let seq = whole("seq", number)?;
    let profile = asked.profile()?;
    let cache = asked.api.frames().cache();
    let profile = cache.profile(&asked.timeline()?, &profile)?;
    check_unconditional(&asked.headers)?;
    let facts = FrameFacts {
        timestamp: asked.seconds("timestamp")?.map(|time| time.to_f64()),
        duration: asked.seconds("duration")?.map(|time| time.to_f64()),
        ..FrameFacts::default()
    };
    let jpeg = upload::whole(&asked, body, MAX_OBJECT_BYTES).await?;
    let frame = PutFrame { seq, jpeg, facts };
    let account = asked.api.account();
    let checked = account.by_hand(move |_| ready(frame)).await;
    let checked = checked.map_err(|e| e.about("seq", seq))?;
    let serving = Arc::new(asked.api.frames().serve(&profile));
    let before = serving.find_facts(seq, OnMiss::Fail).await.is_ok();
    let stored = profile.put_ready(vec![checked]).await?;
    let bytes = stored.frames.iter().filter_map(|frame| frame.bytes).sum();
    let answer = v1::PutFramesResponse {
        frames: stored.frames.len() as u64,
        bytes,
        record: stored.record,
    };
    put_answer(before, "PutFramesResponse", &answer)
}

/// 201 for what was not there before (RFC 9110, 9.3.4).
pub fn put_answer<T: prost::Message>(before: bool, name: &str, answer: &T) -> Answer {
    let status = if before {
        StatusCode::OK
    } else {
        StatusCode::CREATED
    };
    Ok(done(status, name, answer)?)
}

/// The store compares nothing before it writes: a condition that was only looked at would be a promise.
pub fn check_unconditional(headers: &HeaderMap) -> Result<(), Problem> {
    match [IF_MATCH, IF_NONE_MATCH]
        .iter()
        .find(|name| headers.contains_key(*name))
    {
        None => Ok(()),
        Some(name) => {
            let what = format!("a put takes no conditions: header={name}");
            Err(Problem::new(412, "PRECONDITION_FAILED", what).hint("leave it out"))
        }
    }
}
