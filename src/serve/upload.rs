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
        let stalled = self.waiting.as_mut().poll(cx);
        stalled.map(|()| Some(Err(refusal::client_stalled(limit))))
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> http_body::SizeHint {
        self.inner.size_hint()
    }
}
