//! Who hears the answers of a call.

use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::mpsc::Sender;

use crate::cancel::{Stop, cancelled};
use crate::error::Result;
use crate::extract::{Made, SpanEvent, SpanJob, Turn};
use crate::foundry::apart::{nonsense, sequences};
use crate::foundry::protocol::Answer;

/// Takes the answers of one call as they come.
pub(super) trait Ear {
    /// Whether that was the last one.
    ///
    /// # Errors
    /// INTERNAL for an answer that cannot be one to this call.
    fn hear(&mut self, answer: Answer, bulk: Vec<u8>) -> Result<bool>;
    /// Nobody waits any more.
    fn is_gone(&self) -> bool;
    /// A reader waits for it.
    fn is_awaited(&self) -> bool {
        false
    }
    /// It goes on.
    fn goes(&mut self);
    /// What was heard so far does not count.
    fn again(&mut self);
}

/// Of a call that has one answer.
pub(super) struct One<'s> {
    stop: &'s Stop,
    heard: Option<(Answer, Vec<u8>)>,
}

impl<'s> One<'s> {
    pub fn new(stop: &'s Stop) -> Self {
        One { stop, heard: None }
    }

    /// # Errors
    /// INTERNAL, never: a call that succeeded was answered.
    pub fn heard(self) -> Result<(Answer, Vec<u8>)> {
        self.heard.ok_or_else(|| nonsense("nothing"))
    }
}

impl Ear for One<'_> {
    fn hear(&mut self, answer: Answer, bulk: Vec<u8>) -> Result<bool> {
        self.heard = Some((answer, bulk));
        Ok(true)
    }

    fn is_gone(&self) -> bool {
        self.stop.is_set_meanwhile()
    }

    fn goes(&mut self) {
        self.stop.step();
    }

    fn again(&mut self) {
        self.heard = None;
    }
}

/// Of a span.
pub(super) struct Span<'e> {
    events: &'e Sender<SpanEvent>,
    turn: Turn,
    fed: Arc<AtomicU64>,
    /// That it may have.
    sequences: Range<u64>,
}

impl<'e> Span<'e> {
    pub fn new(events: &'e Sender<SpanEvent>, job: &SpanJob) -> Self {
        Span {
            events,
            turn: job.turn.clone(),
            fed: job.fed.clone(),
            sequences: sequences(&job.row),
        }
    }

    fn made(&self, made: Made) -> Result<()> {
        let own = |seq| self.sequences.contains(&seq);
        if made.facts.is_empty() || !made.facts.iter().all(|facts| own(facts.seq)) {
            return Err(nonsense("frames of another span"));
        }
        self.send(SpanEvent::Made(made))
    }

    /// # Errors
    /// CANCELLED where the caller left.
    fn send(&self, event: SpanEvent) -> Result<()> {
        let sent = self.events.blocking_send(event);
        sent.map_err(|_| cancelled())
    }
}

impl Ear for Span<'_> {
    fn hear(&mut self, answer: Answer, data: Vec<u8>) -> Result<bool> {
        match answer {
            Answer::Made(facts, is_tensor) => self.made(Made {
                facts,
                data,
                is_tensor,
            })?,
            Answer::Restarted => self.send(SpanEvent::Restarted)?,
            Answer::Ended(end) => {
                self.send(SpanEvent::Ended(Ok(end)))?;
                return Ok(true);
            }
            _ => return Err(nonsense("no event of a span")),
        }
        Ok(false)
    }

    fn is_gone(&self) -> bool {
        self.events.is_closed()
    }

    fn is_awaited(&self) -> bool {
        self.turn.is_awaited()
    }

    fn goes(&mut self) {
        self.fed.fetch_add(1, Ordering::Relaxed);
    }

    fn again(&mut self) {
        // Who left is noticed before the next answer.
        let _ = self.send(SpanEvent::Restarted);
    }
}
