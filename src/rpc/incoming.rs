//! Messages of a client's stream.

use futures::{Stream, StreamExt};
use tonic::{Code, Status};

use crate::account::Intake;
use crate::api::status::status;
use crate::error::{Error, Reason, Result};

/// How a call ends whose messages did not come, or could not be taken.
pub enum Ended {
    /// By us.
    Refused(Error),
    /// By what is around the call: the client fell silent, or its bytes found no memory.
    Broken(Status),
}

impl From<Error> for Ended {
    fn from(error: Error) -> Self {
        Ended::Refused(error)
    }
}

impl Ended {
    pub fn status(self) -> Status {
        match self {
            Ended::Refused(error) => status(&error),
            Ended::Broken(status) => status,
        }
    }
}

/// The next message; none at the stream's end.
///
/// # Errors
/// CANCELLED where the client went away; LIMIT_EXCEEDED and FIELD_INVALID for what is too large or
/// no message; what is around the call has its own status.
pub async fn next<T>(
    messages: &mut (impl Stream<Item = Result<T, Status>> + Unpin),
) -> Result<Option<T>, Ended> {
    messages.next().await.transpose().map_err(broken)
}

/// # Errors
/// LIMIT_EXCEEDED where the call has more of its request in memory than `limit`, or than any may.
pub fn check(intake: &Intake, limit: u64) -> Result<()> {
    let limit = limit.min(intake.most());
    if intake.bytes() <= limit {
        return Ok(());
    }
    let message = format!("a call sends more than it may hold: limit_bytes={limit}");
    Err(Error::new(Reason::RequestLimit, message)
        .hint("make several calls; each is stored by itself"))
}

fn broken(status: Status) -> Ended {
    // Ours have details, the library's have none.
    if !status.details().is_empty() {
        return Ended::Broken(status);
    }
    let error = match status.code() {
        Code::OutOfRange | Code::ResourceExhausted => {
            Error::new(Reason::RequestLimit, "a message is too large")
                .hint("send a payload over 3 MiB in several messages, with offset and last")
        }
        Code::Internal | Code::InvalidArgument | Code::Unimplemented => {
            Error::field("a message of the stream cannot be read")
                .hint("use the messages of proto/framecache/v1")
        }
        _ => Error::new(Reason::Cancelled, "the client's stream broke off"),
    };
    Ended::Refused(error)
}
