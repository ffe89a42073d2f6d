//! What ends a call from outside: its deadline, or the server's end.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::time::{Instant, Sleep, sleep_until};
use tonic::Status;

use crate::serve::refusal;
use crate::serve::stage::{Stage, Stages};

/// tonic has a clock of its own for each call, which answers without details: ours strikes first.
const BEFORE_TONIC: Duration = Duration::from_millis(2);

pub struct Clock {
    deadline: Option<Pin<Box<Sleep>>>,
    ended: Pin<Box<dyn Future<Output = ()> + Send>>,
}

impl Clock {
    pub fn new(deadline: Option<Instant>, stages: &Stages) -> Clock {
        Clock {
            deadline: deadline.map(|at| Box::pin(sleep_until(at))),
            ended: Box::pin(stages.reaches(Stage::Ended)),
        }
    }

    /// When a call that may take so long has to be over; none for one that outlives everybody.
    pub fn deadline(started: Instant, timeout: Option<Duration>) -> Option<Instant> {
        started.checked_add(timeout?.saturating_sub(BEFORE_TONIC))
    }

    /// How the call ends, once it must.
    pub fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Status> {
        if let Some(deadline) = &mut self.deadline
            && deadline.as_mut().poll(cx).is_ready()
        {
            self.deadline = None;
            return Poll::Ready(refusal::past_deadline());
        }
        self.ended.as_mut().poll(cx).map(|()| refusal::draining())
    }

    /// As [`Clock::poll`].
    pub async fn strikes(&mut self) -> Status {
        std::future::poll_fn(|cx| self.poll(cx)).await
    }
}
