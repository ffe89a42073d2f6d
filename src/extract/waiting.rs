//! Tasks that wait for a decoder: a queue a call, taken in turn.
//!
//! What a reader waits for goes first, and readers take turns among themselves. A call alone has its
//! tasks done in the order that they came in.

use std::collections::VecDeque;
use std::sync::Arc;

use crate::extract::parts::DecodeTask;
use crate::extract::span::SpanRun;
use crate::extract::turn::Caller;

#[derive(Default)]
pub(super) struct Waiting {
    /// None is empty; the next one's turn is first.
    queues: VecDeque<(Caller, VecDeque<DecodeTask>)>,
}

impl Waiting {
    pub fn push(&mut self, task: DecodeTask) {
        let caller = task.span.job.turn.caller();
        match self.queues.iter_mut().find(|(known, _)| *known == caller) {
            Some((_, queue)) => queue.push_back(task),
            None => self.queues.push_back((caller, VecDeque::from([task]))),
        }
    }

    pub fn pop(&mut self) -> Option<DecodeTask> {
        let (turn, place) = self.awaited().unwrap_or_default();
        let (caller, mut queue) = self.queues.remove(turn)?;
        let task = queue.remove(place);
        if !queue.is_empty() {
            self.queues.push_back((caller, queue));
        }
        task
    }

    /// The first task that a reader waits for: its queue's place, and its own in that.
    fn awaited(&self) -> Option<(usize, usize)> {
        let first = |queue: &VecDeque<DecodeTask>| {
            let mut tasks = queue.iter();
            tasks.position(|task| task.span.job.turn.is_awaited())
        };
        let mut queues = self.queues.iter().enumerate();
        queues.find_map(|(turn, (_, queue))| Some((turn, first(queue)?)))
    }

    pub fn iter(&self) -> impl Iterator<Item = &DecodeTask> {
        self.queues.iter().flat_map(|(_, queue)| queue)
    }

    /// Tasks of other spans.
    pub fn count_others(&self, span: &Arc<SpanRun>) -> usize {
        let others = self.iter().filter(|other| !Arc::ptr_eq(&other.span, span));
        others.count()
    }
}
