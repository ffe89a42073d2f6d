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
    // A copy of its size: a piece is a part of a larger buffer of the connection, and would keep
    // all of it in memory.
    let mut whole = BytesMut::with_capacity(usize::try_from(expected.unwrap_or(0)).unwrap_or(0));
    while let Some(piece) = next_piece(&mut body, stall).await? {
        if whole.len() as u64 + piece.len() as u64 > limit {
            return Err(Failure::new(
                Kind::TooLarge,
                "the object is larger than any we read whole",
            ));
        }
        whole.extend_from_slice(&piece);
    }
    match expected {
        Some(bytes) if bytes != whole.len() as u64 => Err(Failure::new(
            Kind::Unavailable,
            "the body has another length than was said",
        )),
        _ => Ok(whole.freeze()),
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
