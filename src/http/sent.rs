//! Answers: pictures with their ETag, in whole or a range of them, and JSON.

use std::convert::Infallible;
use std::ops::Range;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::header::{
    ACCEPT_RANGES, CACHE_CONTROL, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, ETAG, IF_MATCH,
    IF_NONE_MATCH, IF_RANGE, RANGE, VARY,
};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use http_body::{Frame, SizeHint};
use prost::Message;
use serde_json::Value;

use crate::account::Hold;
use crate::api::json::to_json;
use crate::cache::sealed::sha256_hex;
use crate::error::Result;
use crate::http::{Asked, Problem};

/// What every handler gives.
pub type Answer = std::result::Result<Response, Problem>;

/// Bytes that have a name.
pub struct Sent {
    pub bytes: Bytes,
    pub kind: &'static str,
    /// Without its quotes.
    pub etag: String,
    /// Whether the address names these very bytes: they may be kept for ever.
    pub immutable: bool,
    /// Their share of the memory in flight.
    pub hold: Option<Arc<Hold>>,
}

impl Sent {
    /// # Errors
    /// 412 and 416, as RFC 9110 has them.
    pub fn answer(self, asked: &Asked) -> Answer {
        if let Some(unmodified) = early(asked, &self.etag, self.immutable)? {
            return Ok(unmodified);
        }
        let total = self.bytes.len();
        let range = match asked.method == Method::GET && may_be_cut(&asked.headers, &self.etag) {
            true => asked.headers.get(RANGE),
            false => None,
        };
        let range = range.map_or(Wanted::All, |range| wanted(range, total));
        let (status, bytes, placed) = match range {
            Wanted::All => (StatusCode::OK, self.bytes, None),
            Wanted::Part(part) => {
                let placed = format!("bytes {}-{}/{total}", part.start, part.end - 1);
                (
                    StatusCode::PARTIAL_CONTENT,
                    self.bytes.slice(part),
                    Some(placed),
                )
            }
            Wanted::Nothing => return Ok(unsatisfiable(total)),
        };
        let length = HeaderValue::from(bytes.len());
        let mut response = Response::new(held(bytes, self.hold));
        *response.status_mut() = status;
        let headers = response.headers_mut();
        headers.insert(CONTENT_LENGTH, length);
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(self.kind));
        headers.insert(ACCEPT_RANGES, HeaderValue::from_static("bytes"));
        set(headers, CONTENT_RANGE, placed.as_deref());
        name(headers, asked, &self.etag, self.immutable);
        Ok(response)
    }
}

/// An answer that needs no bytes: 304, or the refusal of a condition (RFC 9110, 13.2.2). There are no dates of
/// modification, so those conditions are none.
pub fn early(
    asked: &Asked,
    etag: &str,
    immutable: bool,
) -> std::result::Result<Option<Response>, Problem> {
    let names = |header: HeaderName, weak: bool| {
        let given = asked.headers.get_all(header).iter();
        let mut given = given.filter_map(|value| value.to_str().ok()).peekable();
        given
            .peek()
            .is_some()
            .then(|| given.any(|list| lists(list, etag, weak)))
    };
    if names(IF_MATCH, false) == Some(false) {
        let what = "what is there is not what If-Match names";
        return Err(Problem::new(412, "PRECONDITION_FAILED", what));
    }
    let reads = asked.method == Method::GET || asked.method == Method::HEAD;
    if !reads || names(IF_NONE_MATCH, true) != Some(true) {
        return Ok(None);
    }
    let mut response = StatusCode::NOT_MODIFIED.into_response();
    name(response.headers_mut(), asked, etag, immutable);
    Ok(Some(response))
}

/// Whether a list of entity tags has this one (RFC 9110, 8.8.3): ours hold no comma.
fn lists(list: &str, etag: &str, weak: bool) -> bool {
    let is_ours = |tag: &str| {
        let tag = match weak {
            true => tag.strip_prefix("W/").unwrap_or(tag),
            false => tag,
        };
        tag.strip_prefix('"').and_then(|tag| tag.strip_suffix('"')) == Some(etag)
    };
    list.trim() == "*" || list.split(',').any(|tag| is_ours(tag.trim()))
}

fn name(headers: &mut HeaderMap, asked: &Asked, etag: &str, immutable: bool) {
    set(headers, ETAG, Some(&format!("\"{etag}\"")));
    keep(headers, asked, immutable);
}

/// How long others may keep an answer. Where tokens are asked for no shared cache may.
fn keep(headers: &mut HeaderMap, asked: &Asked, immutable: bool) {
    let said = match (asked.web.public, immutable) {
        (true, true) => "public, max-age=31536000, immutable",
        (false, true) => "private, max-age=31536000, immutable",
        (true, false) => "no-cache",
        (false, false) => "private, no-cache",
    };
    headers.insert(CACHE_CONTROL, HeaderValue::from_static(said));
    if !asked.web.public {
        headers.insert(VARY, HeaderValue::from_static("authorization, cookie"));
    }
}

fn set(headers: &mut HeaderMap, name: HeaderName, value: Option<&str>) {
    if let Some(value) = value.and_then(|value| HeaderValue::from_str(value).ok()) {
        headers.insert(name, value);
    }
}

/// RFC 9110, 13.1.5: of other bytes the whole is sent.
fn may_be_cut(headers: &HeaderMap, etag: &str) -> bool {
    let known = headers.get(IF_RANGE).map(HeaderValue::as_bytes);
    known.is_none_or(|known| known == format!("\"{etag}\"").as_bytes())
}

#[derive(Debug, PartialEq, Eq)]
enum Wanted {
    All,
    Part(Range<usize>),
    Nothing,
}

/// One range of bytes (RFC 9110, 14.1.2); several, and what is no range, are answered whole, as a server may.
fn wanted(range: &HeaderValue, total: usize) -> Wanted {
    let text = range.to_str().unwrap_or_default();
    let Some((first, last)) = text
        .strip_prefix("bytes=")
        .and_then(|set| set.trim().split_once('-'))
    else {
        return Wanted::All;
    };
    let number = |text: &str| match text.bytes().all(|b| b.is_ascii_digit()) && !text.is_empty() {
        // Larger ones are past the end, wherever that is.
        true => Some(text.parse().unwrap_or(usize::MAX)),
        false => None,
    };
    let part = match (number(first), number(last)) {
        (Some(first), Some(last)) if first <= last => first..last.saturating_add(1).min(total),
        (Some(first), None) if last.is_empty() => first..total,
        (None, Some(suffix)) if first.is_empty() => total.saturating_sub(suffix)..total,
        _ => return Wanted::All,
    };
    match part.start < part.end {
        true => Wanted::Part(part),
        false => Wanted::Nothing,
    }
}

fn unsatisfiable(total: usize) -> Response {
    let what = format!("the range lies behind the end: bytes={total}");
    let mut response = Problem::new(416, "RANGE_NOT_SATISFIABLE", what).into_response();
    let placed = format!("bytes */{total}");
    set(response.headers_mut(), CONTENT_RANGE, Some(&placed));
    response
}

/// JSON that may change at any time.
///
/// # Errors
/// INTERNAL, which does not happen.
pub fn json(asked: &Asked, value: &Value) -> Answer {
    let bytes = Bytes::from(value.to_string());
    let sent = Sent {
        etag: sha256_hex(&[&bytes]),
        bytes,
        kind: "application/json",
        immutable: false,
        hold: None,
    };
    sent.answer(asked)
}

/// A message of that name, as JSON.
///
/// # Errors
/// As [`json`].
pub fn message<T: Message>(asked: &Asked, name: &str, message: &T) -> Answer {
    json(asked, &to_json(name, message)?)
}

/// What was done, as JSON that nobody keeps.
///
/// # Errors
/// As [`json`].
pub fn done<T: Message>(status: StatusCode, name: &str, message: &T) -> Result<Response> {
    let mut response = Response::new(Body::from(to_json(name, message)?.to_string()));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(response)
}

/// Text that is written as it is taken.
pub fn streamed(asked: &Asked, kind: &'static str, body: Body) -> Response {
    let mut response = Response::new(body);
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    keep(headers, asked, false);
    response
}

/// Bytes with their share of the memory, which is held until they are taken.
fn held(bytes: Bytes, hold: Option<Arc<Hold>>) -> Body {
    Body::new(Held { bytes, _hold: hold })
}

struct Held {
    bytes: Bytes,
    _hold: Option<Arc<Hold>>,
}

impl http_body::Body for Held {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let bytes = std::mem::take(&mut self.bytes);
        Poll::Ready((!bytes.is_empty()).then(|| Ok(Frame::data(bytes))))
    }

    fn is_end_stream(&self) -> bool {
        self.bytes.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.bytes.len() as u64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_is_cut_to_what_there_is_and_nonsense_is_answered_whole() {
        let of = |text: &str| wanted(&HeaderValue::from_str(text).unwrap(), 10);
        assert_eq!(of("bytes=0-3"), Wanted::Part(0..4));
        assert_eq!(of("bytes=4-"), Wanted::Part(4..10));
        assert_eq!(of("bytes=4-99999999999999999999"), Wanted::Part(4..10));
        assert_eq!(of("bytes=-3"), Wanted::Part(7..10));
        assert_eq!(of("bytes=-30"), Wanted::Part(0..10));
        for nothing in ["bytes=10-", "bytes=99999999999999999999-", "bytes=-0"] {
            assert_eq!(of(nothing), Wanted::Nothing, "{nothing}");
        }
        for whole in [
            "bytes=3-1",
            "bytes=-",
            "bytes=0-1,3-4",
            "bytes=a-b",
            "seconds=1-2",
            "",
            "bytes=+1-2",
        ] {
            assert_eq!(of(whole), Wanted::All, "{whole}");
        }
        assert_eq!(
            wanted(&HeaderValue::from_static("bytes=0-"), 0),
            Wanted::Nothing
        );
    }

    #[test]
    fn entity_tags_are_compared_strongly_and_weakly_as_the_standard_says() {
        assert!(
            lists("\"a\"", "a", false)
                && lists("\"x\", \"a\"", "a", true)
                && lists("*", "a", false)
        );
        assert!(lists("W/\"a\"", "a", true) && !lists("W/\"a\"", "a", false));
        assert!(!lists("a", "a", true) && !lists("\"aa\"", "a", true) && !lists("", "a", true));
    }
}
