//! A request's body, counted as it comes.

use axum::body::Body;
use bytes::{Bytes, BytesMut};
use futures::StreamExt;
use tokio::time::timeout;

use crate::error::{Error, Reason, Result};
use crate::http::{Asked, Problem};

/// All of it, of at most so many bytes; none of it is read before there is memory for it.
///
/// # Errors
/// LIMIT_EXCEEDED, before more is read; MEMORY_BUDGET where others hold the memory for half a minute; 408 where its
/// client falls silent.
pub async fn whole(asked: &Asked, body: Body, limit: u64) -> Result<Bytes, Problem> {
    let limit = limit.min(asked.intake.most());
    let mut pieces = body.into_data_stream();
    let mut parts = Vec::new();
    let mut len = 0u64;
    loop {
        let next = timeout(asked.web.stall_timeout, pieces.next()).await;
        let piece = match next.map_err(|_| silent(asked))? {
            None => return Ok(joined(parts, len)),
            Some(piece) => piece.map_err(|_| broken())?,
        };
        len = len.saturating_add(piece.len() as u64);
        if len > limit {
            return Err(too_large(limit).into());
        }
        asked.intake.count(piece.len() as u64).await?;
        parts.push(piece);
    }
}

fn joined(mut parts: Vec<Bytes>, len: u64) -> Bytes {
    if parts.len() <= 1 {
        return parts.pop().unwrap_or_default();
    }
    let mut whole = BytesMut::with_capacity(usize::try_from(len).unwrap_or_default());
    parts.iter().for_each(|part| whole.extend_from_slice(part));
    whole.freeze()
}

fn too_large(limit: u64) -> Error {
    let message = format!("the body is larger than it may be: limit_bytes={limit}");
    Error::new(Reason::RequestLimit, message).in_field("body")
}

fn silent(asked: &Asked) -> Problem {
    let secs = asked.web.stall_timeout.as_secs_f64();
    let what = format!("the client sent nothing for too long: limit_secs={secs}");
    Problem::new(408, "CLIENT_STALLED", what).hint("send a body as soon as its head")
}

fn broken() -> Problem {
    Problem::new(400, "CANCELLED", "the client's body broke off")
}
