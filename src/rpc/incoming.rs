//! Messages of a client's stream, and the memory that they take.

use std::sync::Arc;
use std::time::Duration;

use futures::{Stream, StreamExt};
use tonic::{Code, Status};

use crate::cache::memory::{Hold, Memory};
use crate::error::{Error, Reason, Result};

/// Memory is taken from what all calls share in steps of so many bytes.
const STEP_BYTES: u64 = 1 << 20;

/// How long a client may take for its next message. A peer that is gone is noticed sooner.
const MAX_SILENCE: Duration = Duration::from_secs(300);

/// The next message; none at the stream's end.
///
/// # Errors
/// CANCELLED where the client went away or fell silent; LIMIT_EXCEEDED and FIELD_INVALID for
/// what is too large or no message.
pub async fn next<T>(
    messages: &mut (impl Stream<Item = Result<T, Status>> + Unpin),
) -> Result<Option<T>> {
    match tokio::time::timeout(MAX_SILENCE, messages.next()).await {
        Ok(message) => message.transpose().map_err(|status| broken(&status)),
        Err(_) => {
            let seconds = MAX_SILENCE.as_secs();
            let message = format!("the client sent nothing for too long: seconds={seconds}");
            Err(Error::new(Reason::Cancelled, message))
        }
    }
}

/// What one call holds of the memory that all calls share; given back when dropped.
pub struct Held {
    memory: Arc<Memory>,
    limit: u64,
    bytes: u64,
    steps: Vec<Hold>,
}

impl Held {
    /// `limit`: bytes that the call may hold; no more than all calls may together.
    pub fn new(memory: &Arc<Memory>, limit: u64) -> Self {
        Held {
            memory: memory.clone(),
            limit: limit.min(memory.in_flight_bytes()),
            bytes: 0,
            steps: Vec::new(),
        }
    }

    /// # Errors
    /// LIMIT_EXCEEDED beyond the limit; MEMORY_BUDGET where others hold what is left for too long.
    pub async fn grow(&mut self, bytes: u64) -> Result<()> {
        self.bytes = self.bytes.saturating_add(bytes);
        if self.bytes > self.limit {
            let message = format!(
                "a call sends more than it may hold: limit_bytes={}",
                self.limit
            );
            return Err(Error::new(Reason::RequestLimit, message)
                .hint("make several calls; each is stored by itself"));
        }
        while self.steps.len() as u64 * STEP_BYTES < self.bytes {
            self.steps.push(self.memory.hold(STEP_BYTES).await?);
        }
        Ok(())
    }

    pub fn shrink(&mut self, bytes: u64) {
        self.bytes = self.bytes.saturating_sub(bytes);
        self.steps
            .truncate(self.bytes.div_ceil(STEP_BYTES) as usize);
    }
}

fn broken(status: &Status) -> Error {
    match status.code() {
        Code::OutOfRange | Code::ResourceExhausted => {
            Error::new(Reason::RequestLimit, "a message is too large")
                .hint("send a payload over 3 MiB in several messages, with offset and last")
        }
        Code::Internal | Code::InvalidArgument | Code::Unimplemented => {
            Error::field("a message of the stream cannot be read")
                .hint("use the messages of proto/framecache/v1")
        }
        _ => Error::new(Reason::Cancelled, "the client's stream broke off"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_a_call_holds_is_counted_given_back_and_bounded() {
        let memory = Memory::new(64 << 20);
        let mut held = Held::new(&memory, 8 << 20);
        held.grow(3 << 20).await.unwrap();
        held.grow(1).await.unwrap();
        assert_eq!(memory.held_bytes(), 4 << 20);
        held.shrink(2 << 20);
        assert_eq!(memory.held_bytes(), 2 << 20);
        let error = held.grow(8 << 20).await.unwrap_err();
        assert_eq!(error.reason(), Reason::RequestLimit);
        drop(held);
        assert_eq!(memory.held_bytes(), 0);
    }
}
