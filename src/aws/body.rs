//! Reading answers whole, without hanging on one that stalls.

use std::time::Duration;

use aws_sdk_s3::primitives::ByteStream;
use bytes::{Bytes, BytesMut};

use super::failure::{Failure, Kind};

/// The answer's head, unless none comes in time.
pub(crate) async fn answered<T, E>(
    stall: Duration,
    request: impl Future<Output = Result<T, E>>,
) -> Result<T, Failure>
where
    Failure: From<E>,
{
    match tokio::time::timeout(stall, request).await {
        Ok(answer) => answer.map_err(Failure::from),
        Err(_) => Err(Failure::new(Kind::Unavailable, "no answer came in time")),
    }
}

/// The body, which must have `expected` bytes where the answer said so, and at most `limit`.
pub(crate) async fn read_body(
    mut body: ByteStream,
    expected: Option<i64>,
    limit: u64,
    stall: Duration,
) -> Result<Bytes, Failure> {
    let expected = expected.and_then(|bytes| u64::try_from(bytes).ok());
    if expected.is_some_and(|bytes| bytes > limit) {
        return Err(Failure::new(
            Kind::TooLarge,
            "the object is larger than any we read whole",
        ));
    }
    let mut whole = BytesMut::new();
    let mut first = None;
    while let Some(piece) = next_piece(&mut body, stall).await? {
        if whole.len() as u64 + piece.len() as u64 > limit {
            return Err(Failure::new(
                Kind::TooLarge,
                "the object is larger than any we read whole",
            ));
        }
        if first.is_none() && whole.is_empty() && expected == Some(piece.len() as u64) {
            first = Some(piece);
            continue;
        }
        if whole.is_empty() {
            whole.reserve(usize::try_from(expected.unwrap_or(0)).unwrap_or(0));
        }
        whole.extend_from_slice(&piece);
    }
    let data = first.unwrap_or_else(|| whole.freeze());
    match expected {
        Some(bytes) if bytes != data.len() as u64 => {
            Err(Failure::new(Kind::Unavailable, "the body ended early"))
        }
        _ => Ok(data),
    }
}

async fn next_piece(body: &mut ByteStream, stall: Duration) -> Result<Option<Bytes>, Failure> {
    match tokio::time::timeout(stall, body.next()).await {
        Err(_) => Err(Failure::new(Kind::Unavailable, "the body stalled")),
        Ok(None) => Ok(None),
        Ok(Some(Ok(piece))) => Ok(Some(piece)),
        Ok(Some(Err(error))) => Err(Failure::caused(Kind::Unavailable, error)),
    }
}
