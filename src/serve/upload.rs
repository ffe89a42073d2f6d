//! The body of a request: a client that begins to send and stops does not keep its place for ever.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body::Frame;
use tokio::time::{Instant, Sleep, sleep};
use tonic::Status;
use tonic::body::Body;

use crate::serve::refusal;

pub struct Upload {
    inner: Body,
    limit: Duration,
    /// Counts while the method waits for the client.
    waiting: Pin<Box<Sleep>>,
    waits: bool,
}

impl Upload {
    pub fn new(inner: Body, limit: Duration) -> Upload {
        Upload {
            inner,
            limit,
            waiting: Box::pin(sleep(limit)),
            waits: false,
        }
    }
}

impl http_body::Body for Upload {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let came = Pin::new(&mut self.inner).poll_frame(cx);
        if came.is_ready() {
            self.waits = false;
            return came;
        }
        if !self.waits {
            self.waits = true;
            let until = Instant::now() + self.limit;
            self.waiting.as_mut().reset(until);
        }
        let limit = self.limit;
        let silent = self.waiting.as_mut().poll(cx);
        silent.map(|()| Some(Err(refusal::client_silent(limit))))
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> http_body::SizeHint {
        self.inner.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http_body::Body as _;
    use tokio::sync::mpsc;
    use tokio_stream::StreamExt;
    use tokio_stream::wrappers::ReceiverStream;

    /// A client's body that is what a test sends.
    struct Sent(ReceiverStream<Bytes>);

    impl http_body::Body for Sent {
        type Data = Bytes;
        type Error = Status;

        fn poll_frame(
            mut self: Pin<&mut Self>,
            cx: &mut Context<'_>,
        ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
            use futures::Stream;
            let came = Pin::new(&mut self.0).poll_next(cx);
            came.map(|piece| piece.map(|piece| Ok(Frame::data(piece))))
        }
    }

    #[tokio::test]
    async fn what_a_client_sends_comes_through_and_its_silence_ends_the_call() {
        let (client, sent) = mpsc::channel(4);
        let inner = Body::new(Sent(ReceiverStream::new(sent)));
        let mut body = Upload::new(inner, Duration::from_millis(20));
        client.send(Bytes::from_static(b"x")).await.unwrap();
        let mut frames = futures::stream::poll_fn(|cx| Pin::new(&mut body).poll_frame(cx));
        assert!(frames.next().await.unwrap().unwrap().is_data());
        let status = frames.next().await.unwrap().unwrap_err();
        assert_eq!(status.code(), tonic::Code::DeadlineExceeded);
        drop(client);
    }
}
