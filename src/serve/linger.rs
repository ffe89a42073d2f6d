//! What a call leaves unread of its request (RFC 9112, 9.6): a connection that is closed on a client which still sends
//! may lose the answer that says why.

use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::Body;
use axum::extract::Request;
use bytes::Bytes;
use futures::StreamExt;
use http::header::EXPECT;
use http_body::{Body as _, Frame, SizeHint};

/// So much is read of it, for so long; a client that sends more sees its connection end.
const MOST_BYTES: usize = 4 << 20;
const LONGEST: Duration = Duration::from_secs(2);

type Slot = Arc<Mutex<Option<Body>>>;

/// Where the rest of a request's body is once its call dropped it.
pub struct Unread(Slot);

/// A body that is put aside when it is dropped before its end.
struct Kept {
    body: Body,
    unread: Slot,
}

impl Unread {
    /// The request, of which this keeps what is not read.
    pub fn of(request: Request) -> (Request, Unread) {
        let unread = Slot::default();
        let slot = unread.clone();
        // Who asks before it sends (RFC 9110, 10.1.1) is told not to by the answer.
        if request.headers().contains_key(EXPECT) {
            return (request, Unread(unread));
        }
        let kept = |body| Body::new(Kept { body, unread: slot });
        (request.map(kept), Unread(unread))
    }

    /// Reads and forgets it, so that the client comes to read its answer.
    pub async fn read(self) {
        let unread = self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(body) = unread else {
            return;
        };
        let mut pieces = body.into_data_stream();
        let reading = async {
            let mut left = MOST_BYTES;
            while let Some(Ok(piece)) = pieces.next().await {
                let Some(less) = left.checked_sub(piece.len()) else {
                    return;
                };
                left = less;
            }
        };
        // What has not come by then is not waited for.
        let _ = tokio::time::timeout(LONGEST, reading).await;
    }
}

impl Drop for Kept {
    fn drop(&mut self) {
        if !self.body.is_end_stream() {
            let rest = std::mem::take(&mut self.body);
            *self.unread.lock().unwrap_or_else(PoisonError::into_inner) = Some(rest);
        }
    }
}

impl http_body::Body for Kept {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::stream;

    fn request(pieces: usize, header: Option<&str>) -> Request {
        let pieces = (0..pieces).map(|_| Ok::<_, std::io::Error>(Bytes::from_static(&[7; 1000])));
        let request = http::Request::builder();
        let request = header
            .into_iter()
            .fold(request, |r, value| r.header(EXPECT, value));
        let body = Body::from_stream(stream::iter(pieces));
        request.body(body).unwrap()
    }

    fn is_put_aside(unread: &Unread) -> bool {
        unread.0.lock().unwrap().is_some()
    }

    #[tokio::test]
    async fn what_a_call_left_is_read_and_no_more_than_is_bearable() {
        for pieces in [1, 100, 10_000] {
            let (request, unread) = Unread::of(request(pieces, None));
            let mut body = request.into_body().into_data_stream();
            assert!(body.next().await.is_some());
            drop(body);
            assert!(is_put_aside(&unread));
            unread.read().await;
        }
    }

    #[tokio::test]
    async fn who_asks_before_it_sends_is_not_told_to_go_on() {
        let (request, unread) = Unread::of(request(3, Some("100-continue")));
        drop(request);
        assert!(!is_put_aside(&unread));
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_that_does_not_come_is_not_waited_for() {
        let never = stream::pending::<Result<Bytes, std::io::Error>>();
        let (request, unread) = Unread::of(http::Request::new(Body::from_stream(never)));
        drop(request);
        let began = tokio::time::Instant::now();
        unread.read().await;
        assert_eq!(began.elapsed(), LONGEST);
    }
}
