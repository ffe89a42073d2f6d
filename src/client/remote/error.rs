//! A server's status as the error that it was there.

use prost::Message;
use tonic::Status;
use tonic_types::{StatusExt, pb};

use crate::api::status::{HINT, WHOLE_REQUEST};
use crate::client::remote::greet::is_broken;
use crate::error::{Code, Error, Reason};

/// How a call ended.
pub fn error_of(status: Status) -> Error {
    let code = code_of(status.code());
    let details = status.get_error_details();
    let info = details.error_info();
    let reason = info.and_then(|info| Reason::named(&info.reason, code));
    let hint = info.and_then(|info| info.metadata.get(HINT));
    let mut error = match (reason, info) {
        (Some(reason), _) => Error::new(reason, without_hint(status.message(), hint)),
        (None, Some(_)) => Error::new(reason_of(code), status.message()),
        (None, None) if is_broken(&status) => Error::new(
            Reason::StoreUnavailable,
            "the connection to the server broke",
        )
        .hint("run it again; what was committed stays"),
        // Nothing of ours answered: somebody between.
        (None, None) => Error::new(
            reason_of(code),
            format!("the call to the server failed: {}", status.message()),
        ),
    };
    if let Some(hint) = hint {
        error = error.hint(hint);
    }
    let fields = details
        .bad_request()
        .map(|bad| bad.field_violations.as_slice());
    if let Some(violation) = fields
        .and_then(<[_]>::first)
        .filter(|v| v.field != WHOLE_REQUEST)
    {
        error = error.in_field(&violation.field);
    }
    error.caused_by(status)
}

/// The same of a status within a message.
pub fn error_in(message: &pb::Status) -> Error {
    let code = tonic::Code::from_i32(message.code);
    let details = message.encode_to_vec().into();
    error_of(Status::with_details(code, message.message.clone(), details))
}

/// Messages have their hint behind them, for clients that read nothing else.
fn without_hint<'m>(message: &'m str, hint: Option<&String>) -> &'m str {
    let hint = hint.and_then(|hint| message.strip_suffix(hint.as_str())?.strip_suffix("; "));
    hint.unwrap_or(message)
}

fn code_of(code: tonic::Code) -> Code {
    match code {
        tonic::Code::Cancelled => Code::Cancelled,
        tonic::Code::InvalidArgument => Code::InvalidArgument,
        tonic::Code::DeadlineExceeded => Code::DeadlineExceeded,
        tonic::Code::NotFound => Code::NotFound,
        tonic::Code::PermissionDenied => Code::PermissionDenied,
        tonic::Code::ResourceExhausted => Code::ResourceExhausted,
        tonic::Code::FailedPrecondition => Code::FailedPrecondition,
        tonic::Code::OutOfRange => Code::OutOfRange,
        tonic::Code::Unavailable => Code::Unavailable,
        tonic::Code::DataLoss => Code::DataLoss,
        tonic::Code::Unauthenticated => Code::Unauthenticated,
        _ => Code::Internal,
    }
}

/// For an answer that names none of our reasons: the exit status is what matters.
fn reason_of(code: Code) -> Reason {
    match code {
        Code::Cancelled => Reason::Cancelled,
        Code::InvalidArgument => Reason::FieldInvalid,
        Code::DeadlineExceeded => Reason::ChunkStalled,
        Code::NotFound => Reason::TimelineNotFound,
        Code::PermissionDenied => Reason::StoreDenied,
        Code::ResourceExhausted => Reason::QueueFull,
        Code::FailedPrecondition => Reason::PlanDiffers,
        Code::OutOfRange => Reason::TimePastEnd,
        Code::Unavailable => Reason::StoreUnavailable,
        Code::DataLoss => Reason::ObjectCorrupt,
        Code::Unauthenticated => Reason::TokenInvalid,
        Code::Internal => Reason::Internal,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::status::{rpc_status, status};

    fn errors() -> Vec<Error> {
        vec![
            Error::field("fps must be above 0: fps=0")
                .hint("give frames a second")
                .in_field("sampling.fps"),
            Error::field("a; b"),
            Error::new(Reason::RequestLimit, "too much").hint("give less"),
            Error::new(Reason::MediaLimit, "too large"),
            Error::new(Reason::TimePastEnd, "no footage, time=7"),
            Error::new(Reason::FrameNotCached, "none; really").hint("; extract it"),
        ]
    }

    #[test]
    fn an_error_comes_back_with_its_reason_words_hint_and_field() {
        for error in errors() {
            for back in [error_of(status(&error)), error_in(&rpc_status(&error))] {
                assert_eq!(back.reason(), error.reason());
                assert_eq!(back.message(), error.message());
                assert_eq!(back.hint_text(), error.hint_text());
                assert_eq!(back.field_path(), error.field_path());
            }
        }
    }

    #[test]
    fn a_status_of_somebody_elses_keeps_its_exit_status() {
        for (code, exit) in [
            (tonic::Code::Unavailable, 75),
            (tonic::Code::Unauthenticated, 7),
            (tonic::Code::Unimplemented, 1),
            (tonic::Code::NotFound, 4),
            (tonic::Code::ResourceExhausted, 75),
        ] {
            let error = error_of(Status::new(code, "proxy"));
            assert_eq!(error.reason().code().exit_status(), exit);
            assert!(error.message().contains("proxy"));
        }
    }
}
