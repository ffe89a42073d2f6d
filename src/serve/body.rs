//! The body of an answer, followed to its end: it carries the call's record and its place among
//! the calls served at once, and can be ended from outside.
//!
//! hyper asks a body for its next piece only once the client's flow control lets the one before
//! go, so a client that stops reading is one whose body is not asked. Nothing within the body can
//! notice that: `Gate::watch` looks at all of them, and drops what they hold. The same goes for a
//! body that had nothing when it was asked, has something now, and is not asked again.

use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Wake, Waker, ready};
use std::time::Duration;

use bytes::Bytes;
use futures::task::AtomicWaker;
use http_body::{Body as _, Frame, SizeHint};
use tokio::time::Instant;
use tonic::body::Body;
use tonic::{Code, Status};
use tracing::Span;

use crate::account::{Hold, Intake};
use crate::serve::clock::Clock;
use crate::serve::connections::Visit;
use crate::serve::methods::Kind;
use crate::serve::record::Record;
use crate::serve::refusal;

/// Answers go on in pieces of this size: a slow client is one that takes less in the time allowed.
const PIECE_BYTES: usize = 64 << 10;

/// After so many pieces an answer gives way to others: hyper goes on with one as long as its client's
/// window lets it, which may be megabytes of small messages.
const PIECES_AT_ONCE: usize = 16;

/// What a call has until it ends.
pub struct Held {
    pub record: Record,
    /// None: not counted.
    pub _place: Option<Hold>,
    pub _visit: Option<Visit>,
    /// Of what its request was parsed into.
    pub _intake: Option<Intake>,
}

/// An answer under way.
pub struct Running {
    inner: Body,
    /// Of what the method answered, not handed on yet.
    rest: Bytes,
    /// When the client was given a piece that it has not taken.
    given: Option<Instant>,
    woken: Arc<Woken>,
    /// None: it ended.
    held: Option<Held>,
    /// Said in trailers when the client comes back.
    last_words: Option<Status>,
}

/// Hands wakes on to whoever asks the body, and knows of the first since it was asked last.
#[derive(Default)]
struct Woken {
    asking: AtomicWaker,
    since: Mutex<Option<Instant>>,
}

impl Woken {
    fn since(&self) -> MutexGuard<'_, Option<Instant>> {
        self.since.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn asked(&self, cx: &Context<'_>) {
        *self.since() = None;
        self.asking.register(cx.waker());
    }
}

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.since().get_or_insert_with(Instant::now);
        self.asking.wake();
    }
}

pub struct CallBody {
    running: Arc<Mutex<Running>>,
    clock: Clock,
    span: Span,
    /// Given since it gave way last.
    pieces: usize,
    /// Whether trailers tell how it ended. HTTP/1.1 has none that a client looks at: there an answer that is not
    /// whole breaks off.
    has_trailers: bool,
}

impl CallBody {
    pub fn new(inner: Body, held: Held, clock: Clock) -> CallBody {
        let running = Running {
            inner,
            rest: Bytes::new(),
            given: None,
            woken: Arc::default(),
            held: Some(held),
            last_words: None,
        };
        CallBody {
            running: Arc::new(Mutex::new(running)),
            clock,
            span: Span::current(),
            pieces: 0,
            has_trailers: true,
        }
    }

    /// The same, of an answer without trailers.
    pub fn without_trailers(mut self) -> CallBody {
        self.has_trailers = false;
        self
    }

    pub fn running(&self) -> &Arc<Mutex<Running>> {
        &self.running
    }
}

/// Ends a connection without trailers; nobody reads it.
fn cut_short() -> Status {
    Status::aborted("the answer is not whole")
}

fn lock(running: &Mutex<Running>) -> MutexGuard<'_, Running> {
    running.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Running {
    pub fn is_over(&self) -> bool {
        self.held.is_none()
    }

    /// Ends it if by `now` the client has not taken a piece for `limit`, or its deadline is past.
    pub fn end_if_stalled(&mut self, now: Instant, limit: Duration) {
        let Some(held) = &self.held else { return };
        if held.record.deadline.is_some_and(|at| now > at) && self.given.is_some() {
            self.end_with(refusal::past_deadline());
        } else if self
            .unasked()
            .is_some_and(|at| now.duration_since(at) > limit)
        {
            self.end_with(refusal::client_stalled(limit));
        }
    }

    /// Since when it could go on, if the client let it.
    fn unasked(&self) -> Option<Instant> {
        self.given.or_else(|| *self.woken.since())
    }

    /// Drops the method's stream with all it holds.
    fn end_with(&mut self, status: Status) {
        self.over(status.code());
        self.rest = Bytes::new();
        self.last_words = Some(status);
    }

    fn over(&mut self, code: Code) {
        self.inner = Body::empty();
        (self.given, *self.woken.since()) = (None, None);
        if let Some(mut held) = self.held.take() {
            held.record.code = Some(code);
        }
    }

    fn poll_next(&mut self) -> Poll<Option<Frame<Bytes>>> {
        if let Some(status) = self.last_words.take() {
            return Poll::Ready(Some(Frame::trailers(refusal::trailers(&status))));
        }
        if self.is_over() {
            return Poll::Ready(None);
        }
        while self.rest.is_empty() {
            let waker = Waker::from(self.woken.clone());
            let mut watched = Context::from_waker(&waker);
            let frame = match ready!(Pin::new(&mut self.inner).poll_frame(&mut watched)) {
                None => {
                    self.over(Code::Ok);
                    return Poll::Ready(None);
                }
                Some(Err(status)) => {
                    self.over(status.code());
                    return Poll::Ready(Some(Frame::trailers(refusal::trailers(&status))));
                }
                Some(Ok(frame)) => frame,
            };
            match frame.into_data() {
                Ok(data) => self.rest = data,
                Err(frame) => return Poll::Ready(self.trailers(frame)),
            }
        }
        let piece = self.rest.split_to(PIECE_BYTES.min(self.rest.len()));
        self.given = Some(Instant::now());
        // Of an answer whose length was said nothing more is asked.
        if self.rest.is_empty()
            && self.inner.is_end_stream()
            && let Some(held) = &mut self.held
        {
            held.record.code.get_or_insert(Code::Ok);
        }
        Poll::Ready(Some(Frame::data(piece)))
    }

    fn trailers(&mut self, frame: Frame<Bytes>) -> Option<Frame<Bytes>> {
        let mut trailers = frame.into_trailers().ok()?;
        let own = |held: &Held| held.record.method.kind == Kind::Own;
        if self.held.as_ref().is_some_and(own) {
            refusal::in_own_words(&mut trailers);
        }
        self.over(refusal::code_of(&trailers).unwrap_or(Code::Unknown));
        Some(Frame::trailers(trailers))
    }
}

impl http_body::Body for CallBody {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let CallBody {
            running,
            clock,
            span,
            pieces,
            has_trailers,
        } = self.get_mut();
        let _entered = span.enter();
        let mut running = lock(running);
        running.given = None;
        running.woken.asked(cx);
        // Only between messages, so that the client can read the trailers.
        if running.rest.is_empty()
            && !running.is_over()
            && let Poll::Ready(status) = clock.poll(cx)
        {
            running.end_with(status);
        }
        if *pieces >= PIECES_AT_ONCE {
            *pieces = 0;
            // As if its method had gone on: a client that stops here is one that takes nothing.
            running.woken.clone().wake();
            return Poll::Pending;
        }
        let next = running.poll_next();
        *pieces = if next.is_ready() { *pieces + 1 } else { 0 };
        next.map(|frame| match frame {
            Some(frame) if frame.is_trailers() && !*has_trailers => Some(Err(cut_short())),
            frame => frame.map(Ok),
        })
    }

    fn is_end_stream(&self) -> bool {
        let running = lock(&self.running);
        running.is_over() && running.last_words.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        let running = lock(&self.running);
        match running.rest.is_empty() && !running.is_over() {
            true => running.inner.size_hint(),
            false => SizeHint::default(),
        }
    }
}

impl Drop for CallBody {
    fn drop(&mut self) {
        let _entered = self.span.enter();
        // The method's stream goes with the call's span, and now: the watch may hold this for a moment.
        let mut running = lock(&self.running);
        running.inner = Body::empty();
        running.rest = Bytes::new();
        running.held = None;
    }
}

#[cfg(test)]
mod tests;
