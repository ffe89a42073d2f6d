//! Messages of a client's stream.

use std::time::Duration;

use futures::{Stream, StreamExt};
use tonic::{Code, Status};

use crate::error::{Error, Reason, Result};

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
