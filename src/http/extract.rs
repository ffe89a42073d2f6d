//! Extraction: planned and made while events tell of it (text/event-stream), or in the background.

use std::convert::Infallible;

use axum::body::Body;
use axum::response::Response;
use bytes::Bytes;
use futures::{StreamExt, stream};
use http::header::{CACHE_CONTROL, CONTENT_TYPE, LOCATION};
use http::{HeaderValue, StatusCode};
use serde_json::{Value, json};

use crate::account::Kind;
use crate::api::json::{from_json, to_json};
use crate::api::{Told, v1};
use crate::error::{Error, Result};
use crate::http::sent::{Answer, streamed};
use crate::http::{Asked, Problem, upload};

/// Of a request that may name 20,000 chunks with long uris.
const MAX_BODY_BYTES: u64 = 16 << 20;
/// What a parsed request may cost for each of its bytes; it came once already.
const COST: u64 = 15;

/// `POST extract`
pub async fn extract(asked: Asked, body: Body) -> Answer {
    asked.only(&["wait"])?;
    check_kind(&asked)?;
    let body = upload::whole(&asked, body, MAX_BODY_BYTES).await?;
    asked.intake.count_now(COST * body.len() as u64)?;
    let request = request(&asked, &body)?;
    if asked.number::<u64>("wait")? == Some(0) {
        return in_background(&asked, &request);
    }
    let answers = asked.api.extract_frames(request).await?;
    let events = answers.map(|answer| {
        let told = answer.map(|answer| answer.event).and_then(event);
        told.unwrap_or_else(|error| lines("error", &Problem::of(&error).json()))
    });
    // The comment tells a proxy at once that an answer has begun.
    let begun = stream::once(async { Bytes::from_static(b": framecache\n\n") });
    let events = begun.chain(events).map(Ok::<_, Infallible>);
    Ok(streamed(
        &asked,
        "text/event-stream",
        Body::from_stream(events),
    ))
}

/// A page of another origin cannot send this kind unasked (Fetch, 3.2.2).
fn check_kind(asked: &Asked) -> Result<(), Problem> {
    let kind = asked.headers.get(CONTENT_TYPE);
    let kind = kind.and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    let kind = kind.split(';').next().unwrap_or_default().trim();
    match kind.eq_ignore_ascii_case("application/json") {
        true => Ok(()),
        false => Err(
            Problem::new(415, "MEDIA_TYPE_UNSUPPORTED", "the body is to be JSON")
                .hint("send it with content-type: application/json"),
        ),
    }
}

/// The timeline is the address's; the body may repeat it.
fn request(asked: &Asked, body: &[u8]) -> Result<v1::ExtractFramesRequest> {
    let timeline = asked.timeline()?;
    let mut request: v1::ExtractFramesRequest = match body.trim_ascii() {
        b"" => v1::ExtractFramesRequest::default(),
        body => from_json("ExtractFramesRequest", body)?,
    };
    if !request.timeline.is_empty() && request.timeline != timeline {
        return Err(
            Error::field("the body names another timeline than the address")
                .hint("leave it out of the body")
                .in_field("timeline"),
        );
    }
    request.timeline = timeline;
    Ok(request)
}

/// It keeps a place of its own among the calls, and the log tells how it ended.
fn in_background(asked: &Asked, request: &v1::ExtractFramesRequest) -> Answer {
    let extraction = asked.api.extract_unheard(request)?;
    let place = asked.api.account().take_now(Kind::Calls, 1)?;
    let intake = asked.intake.clone();
    tokio::spawn(async move {
        match extraction.await {
            Ok(summary) => tracing::info!(frames = summary.frames, "an extraction ended"),
            Err(error) => tracing::warn!(reason = error.reason().name(), "{error}"),
        }
        drop((place, intake));
    });
    let profile = crate::api::convert::profile_name(&request.profile);
    let place = format!("/v1/timelines/{}?profile={profile}", request.timeline);
    let told = json!({"timeline": request.timeline, "profile": profile, "status": place});
    let mut response = Response::new(Body::from(told.to_string()));
    *response.status_mut() = StatusCode::ACCEPTED;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    if let Ok(place) = HeaderValue::from_str(&place) {
        headers.insert(LOCATION, place);
    }
    Ok(response)
}

fn event(told: Option<Told>) -> Result<Bytes> {
    let (name, message): (_, Value) = match told {
        None => return Ok(Bytes::from_static(b": \n\n")),
        Some(Told::Plan(plan)) => ("plan", to_json("PlanClaimed", &plan)?),
        Some(Told::Progress(progress)) => ("progress", to_json("Progress", &progress)?),
        Some(Told::Committed(frames)) => ("committed", to_json("CommittedFrames", &frames)?),
        Some(Told::Chunk(chunk)) => ("chunk", to_json("ChunkResult", &chunk)?),
        Some(Told::Summary(summary)) => ("summary", to_json("ExtractSummary", &summary)?),
    };
    Ok(lines(name, &message.to_string()))
}

/// One event; JSON has no line breaks of its own.
fn lines(name: &str, data: &str) -> Bytes {
    Bytes::from(format!("event: {name}\ndata: {data}\n\n"))
}
