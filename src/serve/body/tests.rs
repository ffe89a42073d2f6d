use super::*;

use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::account::{self, Account, Accountant, Means};
use crate::metrics::Metrics;
use crate::serve::methods::Methods;
use crate::serve::stage::{Stage, Stages};

/// A method's stream that is nothing but its frames.
struct Frames(VecDeque<Frame<Bytes>>);

impl http_body::Body for Frames {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        match self.0.pop_front() {
            Some(frame) => Poll::Ready(Some(Ok(frame))),
            None => Poll::Pending,
        }
    }
}

struct Call {
    metrics: Arc<Metrics>,
    accountant: Arc<Accountant>,
    stages: Stages,
}

impl Call {
    fn new() -> Call {
        Call {
            metrics: Arc::new(Metrics::new()),
            accountant: Accountant::new(&Means::of_command(1 << 20)),
            stages: Stages::new(),
        }
    }

    fn body(&self, frames: Vec<Frame<Bytes>>, deadline: Option<Instant>) -> CallBody {
        let record = Record {
            metrics: self.metrics.clone(),
            method: Methods::new()
                .unwrap()
                .at("/framecache.v1.FrameService/GetFrames"),
            request_id: "r".into(),
            trace_id: None,
            started: Instant::now(),
            deadline,
            code: None,
        };
        let place = Account::own(&self.accountant).take_now(account::Kind::Calls, 1);
        let clock = Clock::new(deadline, &self.stages);
        let inner = Body::new(Frames(frames.into()));
        CallBody::new(
            inner,
            Held {
                record,
                _place: place.ok(),
                _visit: None,
                _intake: None,
            },
            clock,
        )
    }

    fn inside(&self) -> u64 {
        self.accountant.held(account::Kind::Calls)
    }

    fn is_over_as(&self, code: &str) -> bool {
        let line = format!("grpc_code=\"{code}\"}} 1");
        self.inside() == 0 && self.metrics.text().unwrap().contains(&line)
    }
}

async fn next(body: &mut CallBody) -> Option<Frame<Bytes>> {
    let frame = std::future::poll_fn(|cx| Pin::new(&mut *body).poll_frame(cx)).await;
    frame.map(Result::unwrap)
}

fn code(frame: Option<Frame<Bytes>>) -> Option<Code> {
    refusal::code_of(frame?.trailers_ref()?)
}

fn data(bytes: usize) -> Frame<Bytes> {
    Frame::data(Bytes::from(vec![7; bytes]))
}

#[tokio::test]
async fn an_answer_goes_through_whole_and_its_place_is_free_at_its_end() {
    let call = Call::new();
    let trailers = refusal::trailers(&Status::ok(""));
    let mut body = call.body(
        vec![data(3 * PIECE_BYTES + 1), Frame::trailers(trailers)],
        None,
    );
    let mut sizes = Vec::new();
    for _ in 0..4 {
        assert_eq!(call.inside(), 1);
        sizes.push(next(&mut body).await.unwrap().into_data().unwrap().len());
    }
    assert_eq!(sizes, [PIECE_BYTES, PIECE_BYTES, PIECE_BYTES, 1]);
    assert_eq!(code(next(&mut body).await), Some(Code::Ok));
    assert!(call.is_over_as("OK") && body.is_end_stream());
    assert!(next(&mut body).await.is_none());
}

const LIMIT: Duration = Duration::from_secs(30);

fn look(body: &CallBody, after: Duration) {
    lock(body.running()).end_if_stalled(Instant::now() + after, LIMIT);
}

#[tokio::test]
async fn a_client_that_takes_nothing_loses_what_is_held_for_it_and_is_told() {
    let call = Call::new();
    let mut body = call.body(vec![data(10 * PIECE_BYTES)], None);
    next(&mut body).await;
    look(&body, LIMIT / 2);
    assert_eq!(call.inside(), 1);
    look(&body, LIMIT * 2);
    assert!(call.is_over_as("DEADLINE_EXCEEDED") && !body.is_end_stream());
    assert_eq!(code(next(&mut body).await), Some(Code::DeadlineExceeded));
    assert!(next(&mut body).await.is_none());
}

#[tokio::test]
async fn a_method_that_takes_its_time_is_no_stalled_client() {
    let call = Call::new();
    let mut body = call.body(vec![data(1)], None);
    next(&mut body).await;
    assert!(futures::poll!(std::pin::pin!(next(&mut body))).is_pending());
    look(&body, LIMIT * 2);
    assert_eq!(call.inside(), 1);
}

#[tokio::test]
async fn a_method_that_went_on_without_being_asked_has_a_stalled_client() {
    let call = Call::new();
    let mut body = call.body(vec![data(1)], None);
    next(&mut body).await;
    let (waker, wakes) = counting_waker();
    let mut cx = Context::from_waker(&waker);
    assert!(Pin::new(&mut body).poll_frame(&mut cx).is_pending());
    Waker::from(lock(body.running()).woken.clone()).wake();
    assert_eq!(wakes.load(Ordering::Relaxed), 1);
    look(&body, LIMIT / 2);
    assert_eq!(call.inside(), 1);
    // Asked again, it waits for the method again.
    assert!(Pin::new(&mut body).poll_frame(&mut cx).is_pending());
    look(&body, LIMIT * 2);
    assert_eq!(call.inside(), 1);
    Waker::from(lock(body.running()).woken.clone()).wake();
    look(&body, LIMIT * 2);
    assert!(call.is_over_as("DEADLINE_EXCEEDED"));
    assert_eq!(code(next(&mut body).await), Some(Code::DeadlineExceeded));
}

#[tokio::test]
async fn an_answer_of_many_pieces_gives_way_to_others_and_notices_a_client_that_stops_there() {
    let call = Call::new();
    let mut body = call.body(vec![data((PIECES_AT_ONCE + 1) * PIECE_BYTES)], None);
    for _ in 0..PIECES_AT_ONCE {
        next(&mut body).await;
    }
    let (waker, wakes) = counting_waker();
    let mut cx = Context::from_waker(&waker);
    assert!(Pin::new(&mut body).poll_frame(&mut cx).is_pending());
    assert_eq!(wakes.load(Ordering::Relaxed), 1);
    look(&body, LIMIT / 2);
    assert_eq!(call.inside(), 1);
    look(&body, LIMIT * 2);
    assert!(call.is_over_as("DEADLINE_EXCEEDED"));
}

/// A waker that counts.
fn counting_waker() -> (Waker, Arc<AtomicUsize>) {
    struct Counting(Arc<AtomicUsize>);
    impl Wake for Counting {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }
    let wakes = Arc::new(AtomicUsize::new(0));
    (Waker::from(Arc::new(Counting(wakes.clone()))), wakes)
}

#[tokio::test]
async fn a_deadline_ends_the_answer_while_it_waits_or_is_not_taken() {
    let call = Call::new();
    let mut body = call.body(vec![], Some(Instant::now()));
    assert_eq!(code(next(&mut body).await), Some(Code::DeadlineExceeded));
    assert!(call.is_over_as("DEADLINE_EXCEEDED"));

    let call = Call::new();
    let mut body = call.body(vec![data(9)], Some(Instant::now() + LIMIT / 2));
    next(&mut body).await;
    look(&body, LIMIT / 4);
    assert_eq!(call.inside(), 1);
    look(&body, LIMIT * 3 / 4);
    assert!(call.is_over_as("DEADLINE_EXCEEDED"));
}

#[tokio::test]
async fn the_servers_end_comes_between_messages() {
    let call = Call::new();
    let mut body = call.body(vec![data(PIECE_BYTES + 1), data(5)], None);
    next(&mut body).await;
    call.stages.move_on(Stage::Ended);
    assert!(next(&mut body).await.unwrap().is_data());
    assert_eq!(code(next(&mut body).await), Some(Code::Unavailable));
    assert!(call.is_over_as("UNAVAILABLE"));
}

#[tokio::test]
async fn a_call_that_its_client_drops_is_counted_as_cancelled() {
    let call = Call::new();
    let mut body = call.body(vec![data(1)], None);
    next(&mut body).await;
    let watched = body.running().clone();
    drop(body);
    assert!(call.is_over_as("CANCELLED"));
    assert!(lock(&watched).is_over());
}
