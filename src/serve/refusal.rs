//! How the server itself ends calls, apart from what the methods answer.

use std::collections::HashMap;
use std::time::Duration;

use http::{HeaderMap, HeaderValue, Response};
use tonic::body::Body;
use tonic::{Code, Status};
use tonic_types::{ErrorDetails, StatusExt};

use crate::api::status::{DOMAIN, HINT, status};
use crate::error::{Error, Reason};

const GRPC_STATUS: &str = "grpc-status";
const GRPC_MESSAGE: &str = "grpc-message";
const GRPC_DETAILS: &str = "grpc-status-details-bin";

/// The server ends; another may be there soon.
pub fn draining() -> Status {
    let end = End {
        code: Code::Unavailable,
        reason: "SERVER_DRAINING",
        retry: Some(Duration::from_secs(1)),
    };
    end.saying(
        "the server is being stopped",
        "call again, or another server",
    )
}

/// The client's own deadline came first.
pub fn past_deadline() -> Status {
    let end = End {
        code: Code::DeadlineExceeded,
        reason: "DEADLINE_EXCEEDED",
        retry: None,
    };
    end.saying(
        "the call was not answered within its deadline",
        "what was committed stays: call again, or allow more time",
    )
}

/// The client takes nothing of its answer.
pub fn client_stalled(limit: Duration) -> Status {
    let end = End {
        code: Code::DeadlineExceeded,
        reason: "CLIENT_STALLED",
        retry: None,
    };
    let what = format!(
        "the client took nothing of its answer for too long: limit_secs={}",
        limit.as_secs_f64()
    );
    end.saying(
        &what,
        "read answers as they come, and ask for fewer at once",
    )
}

/// The client began a call and did not send its message.
pub fn client_silent(limit: Duration) -> Status {
    let end = End {
        code: Code::DeadlineExceeded,
        reason: "CLIENT_STALLED",
        retry: None,
    };
    let what = format!(
        "the client sent nothing for too long: limit_secs={}",
        limit.as_secs_f64()
    );
    end.saying(&what, "open a call when there is something to send")
}

pub fn token_invalid() -> Status {
    status(
        &Error::new(
            Reason::TokenInvalid,
            "this server lets in only calls with a token that it knows",
        )
        .hint("send it as metadata, authorization: Bearer TOKEN"),
    )
}

/// A method that panicked; the panic itself is in the log.
pub fn crashed() -> Status {
    status(&Error::internal("a method panicked"))
}

struct End {
    code: Code,
    reason: &'static str,
    retry: Option<Duration>,
}

impl End {
    fn saying(self, what: &str, hint: &str) -> Status {
        let mut details = ErrorDetails::new();
        let metadata = HashMap::from([(HINT.to_owned(), hint.to_owned())]);
        details.set_error_info(self.reason, DOMAIN, metadata);
        if self.retry.is_some() {
            details.set_retry_info(self.retry);
        }
        Status::with_error_details(self.code, format!("{what}; {hint}"), details)
    }
}

/// An answer that is only a status.
pub fn answer(status: Status) -> Response<Body> {
    status.into_http()
}

/// Trailers that end a stream.
pub fn trailers(status: &Status) -> HeaderMap {
    let mut headers = HeaderMap::new();
    if status.add_header(&mut headers).is_err() {
        headers.insert(GRPC_STATUS, HeaderValue::from(status.code() as i32));
    }
    headers
}

/// The code that headers or trailers carry.
pub fn code_of(headers: &HeaderMap) -> Option<Code> {
    let value = headers.get(GRPC_STATUS)?;
    Some(Code::from_bytes(value.as_bytes()))
}

/// Gives a status that the gRPC library made our own words and details: its text is not for
/// clients. Ours all have details.
pub fn in_own_words(headers: &mut HeaderMap) {
    if headers.contains_key(GRPC_DETAILS) {
        return;
    }
    let own = match code_of(headers) {
        Some(Code::Unimplemented) => unknown_method(),
        Some(Code::OutOfRange) => status(
            &Error::new(
                Reason::RequestLimit,
                "a message of the request is too large: limit_bytes=4194304",
            )
            .hint("send payloads in parts of at most 3 MiB"),
        ),
        Some(Code::Internal | Code::InvalidArgument) => status(
            &Error::field("the request is not what this method takes")
                .hint("make it from this release's .proto files"),
        ),
        _ => return,
    };
    tracing::debug!(
        "the gRPC library refused a call: {:?}",
        headers.get(GRPC_MESSAGE)
    );
    for (name, value) in &trailers(&own) {
        headers.insert(name, value.clone());
    }
}

fn unknown_method() -> Status {
    let end = End {
        code: Code::Unimplemented,
        reason: "METHOD_UNKNOWN",
        retry: None,
    };
    end.saying(
        "this server has no such method, or not the compression that was used",
        "see its methods by reflection, and send messages uncompressed",
    )
}

/// The names of all codes, each at its number's place (google.rpc.Code), as metrics and logs have them.
pub const CODES: [&str; 17] = [
    "OK",
    "CANCELLED",
    "UNKNOWN",
    "INVALID_ARGUMENT",
    "DEADLINE_EXCEEDED",
    "NOT_FOUND",
    "ALREADY_EXISTS",
    "PERMISSION_DENIED",
    "RESOURCE_EXHAUSTED",
    "FAILED_PRECONDITION",
    "ABORTED",
    "OUT_OF_RANGE",
    "UNIMPLEMENTED",
    "INTERNAL",
    "UNAVAILABLE",
    "DATA_LOSS",
    "UNAUTHENTICATED",
];

pub fn name(code: Code) -> &'static str {
    CODES.get(code as usize).copied().unwrap_or("UNKNOWN")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_librarys_words_are_replaced_and_ours_are_kept() {
        let mut theirs = trailers(&Status::internal("failed to decode Protobuf message"));
        in_own_words(&mut theirs);
        assert_eq!(code_of(&theirs), Some(Code::InvalidArgument));
        assert!(!format!("{theirs:?}").contains("Protobuf"), "{theirs:?}");
        let ours = trailers(&draining());
        let mut same = ours.clone();
        in_own_words(&mut same);
        assert_eq!(same, ours);
        let mut fine = trailers(&Status::ok(""));
        in_own_words(&mut fine);
        assert_eq!(code_of(&fine), Some(Code::Ok));
    }

    #[test]
    fn a_code_has_the_name_of_its_number() {
        for (code, expected) in [
            (Code::Ok, "OK"),
            (Code::AlreadyExists, "ALREADY_EXISTS"),
            (Code::Unavailable, "UNAVAILABLE"),
            (Code::Unauthenticated, "UNAUTHENTICATED"),
        ] {
            assert_eq!(name(code), expected);
        }
    }

    #[test]
    fn who_may_come_again_is_told_when() {
        assert!(draining().get_details_retry_info().is_some());
        assert!(past_deadline().get_details_retry_info().is_none());
    }
}
