//! The body of a request: its bytes are counted as they come in, and a client that begins to send
//! and stops does not keep its place for ever.

use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use futures::future::BoxFuture;
use http_body::Frame;
use tokio::time::{Instant, Sleep, sleep};
use tonic::Status;
use tonic::body::Body;

use crate::account::Intake;
use crate::api::status::status;
use crate::error::{Error, Reason, Result};
use crate::serve::refusal;

/// What a parsed request may cost for each of its bytes: sixteen for a sequence of one byte, as a run.
const COST: u64 = 16;
/// Before each message: whether it is compressed, and its length.
const PREFIX_BYTES: usize = 5;
/// A message of so many bytes is not counted.
const SMALL_BYTES: u64 = 1 << 10;

/// How a request's bytes are counted.
pub enum Counting {
    /// A stream's: they wait for memory. What is taken of them is let go of by its method.
    Stream(Intake),
    /// Of one message of at most so many bytes, with what it is parsed into, for as long as its call
    /// lasts. It does not wait: all of it may be here already.
    Message(Intake, usize),
}

pub struct Upload {
    inner: Body,
    counting: Counting,
    came: u64,
    /// A piece whose memory is waited for.
    held_back: Option<(Frame<Bytes>, BoxFuture<'static, Result<()>>)>,
    /// None: the method waits for its client as long as it likes.
    silence: Option<Duration>,
    /// Counts while the method waits for the client.
    waiting: Pin<Box<Sleep>>,
    waits: bool,
}

type Polled = Poll<Option<Result<Frame<Bytes>, Status>>>;

impl Upload {
    pub fn new(inner: Body, counting: Counting, silence: Option<Duration>) -> Upload {
        Upload {
            inner,
            counting,
            came: 0,
            held_back: None,
            silence,
            waiting: Box::pin(sleep(silence.unwrap_or_default())),
            waits: false,
        }
    }

    fn count(&mut self, frame: Frame<Bytes>) -> Result<Option<Frame<Bytes>>> {
        let bytes = frame.data_ref().map_or(0, |data| data.len() as u64);
        self.came += bytes;
        match &self.counting {
            Counting::Message(..) if self.came <= SMALL_BYTES => {}
            Counting::Message(_, limit) if self.came > (limit + PREFIX_BYTES) as u64 => {
                return Err(too_large(*limit));
            }
            Counting::Message(intake, _) => {
                let before = intake.bytes() / COST;
                intake.count_now(self.came.saturating_sub(before) * COST)?;
            }
            Counting::Stream(intake) if intake.count_now(bytes).is_ok() => {}
            Counting::Stream(intake) => {
                let intake = intake.clone();
                let counted = Box::pin(async move { intake.count(0).await });
                self.held_back = Some((frame, counted));
                return Ok(None);
            }
        }
        Ok(Some(frame))
    }

    fn poll_held_back(&mut self, cx: &mut Context<'_>) -> Polled {
        let Some((_, counted)) = &mut self.held_back else {
            return Poll::Pending;
        };
        let counted = ready!(counted.as_mut().poll(cx));
        let frame = self.held_back.take().map(|(frame, _)| frame);
        match counted {
            Ok(()) => Poll::Ready(frame.map(Ok)),
            Err(full) => Poll::Ready(Some(Err(status(&full)))),
        }
    }

    fn poll_silence(&mut self, cx: &mut Context<'_>) -> Polled {
        let Some(limit) = self.silence else {
            return Poll::Pending;
        };
        if !self.waits {
            self.waits = true;
            let until = Instant::now() + limit;
            self.waiting.as_mut().reset(until);
        }
        let silent = self.waiting.as_mut().poll(cx);
        silent.map(|()| Some(Err(refusal::client_silent(limit))))
    }
}

fn too_large(limit: usize) -> Error {
    let message = format!("a message of the request is too large: limit_bytes={limit}");
    Error::new(Reason::RequestLimit, message).hint("ask for less at once, in several requests")
}

impl http_body::Body for Upload {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Polled {
        if self.held_back.is_some() {
            return self.poll_held_back(cx);
        }
        let frame = match Pin::new(&mut self.inner).poll_frame(cx) {
            Poll::Pending => return self.poll_silence(cx),
            Poll::Ready(Some(Ok(frame))) => frame,
            end => return end,
        };
        self.waits = false;
        match self.count(frame) {
            Ok(Some(frame)) => Poll::Ready(Some(Ok(frame))),
            Ok(None) => self.poll_held_back(cx),
            Err(full) => Poll::Ready(Some(Err(status(&full)))),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.held_back.is_none() && self.inner.is_end_stream()
    }

    fn size_hint(&self) -> http_body::SizeHint {
        self.inner.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::account::{self, Account, Accountant, Means, Peer};
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

    fn account(memory: u64) -> Account {
        Account::new(
            &Accountant::new(&Means {
                max_wait: Duration::from_millis(20),
                ..Means::of_command(memory)
            }),
            &Peer::local(),
        )
    }

    /// A body of these pieces, and then the client waits.
    fn sent(pieces: &[usize], counting: Counting) -> Upload {
        let pieces: Vec<_> = pieces
            .iter()
            .map(|len| Bytes::from(vec![0; *len]))
            .collect();
        let stream = tokio_stream::iter(pieces).chain(tokio_stream::pending());
        let (client, sent) = mpsc::channel(64);
        tokio::spawn(async move {
            tokio::pin!(stream);
            while let Some(piece) = stream.next().await {
                let _ = client.send(piece).await;
            }
        });
        Upload::new(Body::new(Sent(ReceiverStream::new(sent))), counting, None)
    }

    async fn next(body: &mut Upload) -> Result<Frame<Bytes>, Status> {
        let frame = std::future::poll_fn(|cx| Pin::new(&mut *body).poll_frame(cx)).await;
        frame.unwrap()
    }

    #[tokio::test]
    async fn a_message_costs_sixteen_times_its_bytes_until_its_call_ends_and_a_small_one_nothing() {
        // Of which three are for uploads.
        let account = account(16 << 20);
        let held = || account.accountant().held(account::Kind::Uploads);
        let limit = 100_000;
        let counted = || Counting::Message(Intake::new(&account), limit);
        let mut small = sent(&[1000], counted());
        next(&mut small).await.unwrap();
        assert_eq!(held(), 0);
        let mut large = sent(&[1000, 39_000, 60_000, 10], counted());
        next(&mut large).await.unwrap();
        next(&mut large).await.unwrap();
        assert_eq!(held(), 16 * 40_000);
        next(&mut large).await.unwrap();
        assert_eq!(held(), 16 * 100_000);
        let too_large = next(&mut large).await.unwrap_err();
        assert_eq!(too_large.code(), tonic::Code::InvalidArgument);
        drop((small, large));
        assert_eq!(held(), 0);
    }

    #[tokio::test]
    async fn a_message_for_which_there_is_no_memory_is_refused_at_once_and_a_stream_waits() {
        let account = account(16 << 20);
        let others = account.take_now(account::Kind::Uploads, 3 << 20).unwrap();
        let message = Counting::Message(Intake::new(&account), 1 << 20);
        let refused = next(&mut sent(&[1 << 20], message)).await.unwrap_err();
        assert_eq!(refused.code(), tonic::Code::ResourceExhausted);
        let stream = || Counting::Stream(Intake::new(&account));
        let refused = next(&mut sent(&[1 << 20], stream())).await.unwrap_err();
        assert_eq!(refused.code(), tonic::Code::ResourceExhausted);
        let mut waiting = sent(&[1 << 20], stream());
        let came = tokio::join!(next(&mut waiting), async { drop(others) });
        assert!(came.0.unwrap().is_data());
    }

    #[tokio::test]
    async fn what_a_client_sends_comes_through_and_its_silence_ends_the_call() {
        let (client, sent) = mpsc::channel(4);
        let inner = Body::new(Sent(ReceiverStream::new(sent)));
        let counting = Counting::Stream(Intake::new(&account(1 << 20)));
        let mut body = Upload::new(inner, counting, Some(Duration::from_millis(20)));
        client.send(Bytes::from_static(b"x")).await.unwrap();
        let mut frames = futures::stream::poll_fn(|cx| Pin::new(&mut body).poll_frame(cx));
        assert!(frames.next().await.unwrap().unwrap().is_data());
        let status = frames.next().await.unwrap().unwrap_err();
        assert_eq!(status.code(), tonic::Code::DeadlineExceeded);
        drop(client);
    }
}
