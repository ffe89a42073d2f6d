//! What a client is told of an error: the sentence, its field, its hint, when to try again; and the same as
//! google.rpc.Status, which messages and calls carry.

use std::collections::HashMap;
use std::time::Duration;

use prost::Message;
use tonic::Status;
use tonic_types::{ErrorDetails, StatusExt, pb};

use crate::error::{Code, Error, Reason};
use crate::timeline::plan::ChunkError;

/// Of every ErrorInfo.
pub const DOMAIN: &str = "framecache";
/// The field of a BadRequest that the message as a whole is to blame for.
pub const WHOLE_REQUEST: &str = "request";
/// Key of the hint in an ErrorInfo's metadata.
pub const HINT: &str = "hint";

/// An error as a client reads it, on any wire. What only the server's operator may know stays in the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Told {
    pub reason: Reason,
    /// What went wrong, without the hint.
    pub message: String,
    pub hint: Option<String>,
    /// Of an INVALID_ARGUMENT: the field that is to blame.
    pub field: Option<String>,
    /// Where time helps.
    pub retry_after: Option<Duration>,
}

impl Told {
    /// It is logged, too.
    pub fn of(error: &Error) -> Told {
        log(error);
        let reason = error.reason();
        let withheld = withheld(reason);
        let field = error.field_path().unwrap_or(WHOLE_REQUEST);
        Told {
            reason,
            message: withheld.map_or_else(|| cut(error.message()), str::to_owned),
            hint: error.hint_text().filter(|_| withheld.is_none()).map(cut),
            field: (reason.code() == Code::InvalidArgument).then(|| cut(field)),
            retry_after: reason.verdict().retry_after(),
        }
    }
}

/// How a call ends with this error.
pub fn status(error: &Error) -> Status {
    let told = Told::of(error);
    let code = tonic::Code::from_i32(told.reason.code() as i32);
    let whole = match &told.hint {
        Some(hint) => cut(&format!("{}; {hint}", told.message)),
        None => told.message.clone(),
    };
    Status::with_error_details(code, whole, details(told))
}

/// The same inside a message.
pub fn rpc_status(error: &Error) -> pb::Status {
    in_message(status(error))
}

/// A kept failure inside a message.
pub fn chunk_status(error: &ChunkError) -> pb::Status {
    let reason = Reason::named(&error.reason, Code::FailedPrecondition);
    let reason = reason.unwrap_or(Reason::MediaCorrupt);
    rpc_status(&Error::new(reason, error.message.clone()))
}

fn in_message(status: Status) -> pb::Status {
    // tonic carries the details as an encoded google.rpc.Status already.
    pb::Status::decode(status.details()).unwrap_or_else(|_| pb::Status {
        code: status.code() as i32,
        message: status.message().to_owned(),
        details: Vec::new(),
    })
}

/// Words of an error that are longer are cut in their middle: uris, ids, whatever a client sent.
const MAX_WORD: usize = 200;
/// And the whole. A message is in the trailers up to three times, as text of which each byte may take
/// three and as base64; clients take 8 KiB of trailers, and report a longer one as RESOURCE_EXHAUSTED.
const MAX_TEXT: usize = 900;

/// The text with its long words shortened, and not too long itself.
fn cut(text: &str) -> String {
    let words = text.split(' ').map(|word| shortened(word, MAX_WORD));
    shortened(&words.collect::<Vec<_>>().join(" "), MAX_TEXT)
}

/// Its beginning and its end, and how many bytes it had.
fn shortened(text: &str, most: usize) -> String {
    if text.len() <= most {
        return text.to_owned();
    }
    let begin = text.floor_char_boundary(most / 2);
    let end = text.ceil_char_boundary(text.len() - most / 4);
    format!("{}…({} bytes)…{}", &text[..begin], text.len(), &text[end..])
}

fn details(told: Told) -> ErrorDetails {
    let hint = told.hint.map(|hint| (HINT.to_owned(), hint));
    let metadata: HashMap<_, _> = hint.into_iter().collect();
    let mut details = ErrorDetails::new();
    details.set_error_info(told.reason.name(), DOMAIN, metadata);
    if let Some(field) = told.field {
        details.add_bad_request_violation(field, told.message);
    }
    if told.retry_after.is_some() {
        details.set_retry_info(told.retry_after);
    }
    details
}

/// What is said in place of a message that is for the server's operator.
fn withheld(reason: Reason) -> Option<&'static str> {
    Some(match reason {
        Reason::StoreNotFound => "the server's store is not there",
        Reason::StoreDenied => "the server may not use its store",
        Reason::StoreUnavailable => "the server's store cannot be reached now",
        Reason::QueueUnavailable => "the queue of the server's workers cannot be reached now",
        Reason::DiskFull => "the server's store is full",
        Reason::Internal => "the server failed; its log says more under this call's request id",
        _ => return None,
    })
}

fn log(error: &Error) {
    let cause = || {
        let mut causes = Vec::new();
        let mut cause = std::error::Error::source(error);
        while let Some(inner) = cause {
            causes.push(inner.to_string());
            cause = inner.source();
        }
        causes.join(": ")
    };
    let reason = error.reason().name();
    match error.reason() {
        Reason::Internal => tracing::error!(reason, cause = cause(), "{error}"),
        Reason::StoreNotFound
        | Reason::StoreDenied
        | Reason::StoreUnavailable
        | Reason::QueueUnavailable
        | Reason::DiskFull => {
            tracing::warn!(reason, cause = cause(), "{error}");
        }
        _ => tracing::debug!(reason, cause = cause(), "{error}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_error_names_reason_field_and_hint() {
        let error = Error::field("fps must be above 0: fps=0")
            .hint("give frames a second")
            .in_field("fps")
            .below_field("sampling");
        let status = status(&error);
        assert_eq!(status.code(), tonic::Code::InvalidArgument);
        let details = status.get_error_details();
        let info = details.error_info().unwrap();
        assert_eq!(
            (info.reason.as_str(), info.domain.as_str()),
            ("FIELD_INVALID", DOMAIN)
        );
        assert_eq!(info.metadata[HINT], "give frames a second");
        assert_eq!(
            details.bad_request().unwrap().field_violations[0].field,
            "sampling.fps"
        );
        assert!(details.retry_info().is_none());
        assert_eq!(
            rpc_status(&error).message,
            "fps must be above 0: fps=0; give frames a second"
        );
        assert_eq!(rpc_status(&error).details.len(), 2);
    }

    #[test]
    fn what_only_the_operator_may_know_is_not_told_and_time_that_helps_is() {
        let error = Error::new(Reason::StoreUnavailable, "could not list, root=/srv/secret")
            .hint("check /srv/secret");
        let status = status(&error);
        assert!(!format!("{status:?}").contains("secret"), "{status:?}");
        assert!(!String::from_utf8_lossy(status.details()).contains("secret"));
        assert!(status.get_details_retry_info().is_some());
    }

    #[test]
    fn no_error_is_longer_than_the_trailers_that_a_client_takes() {
        for long in ["Z".repeat(12_000), "ü".repeat(9000), "ab ".repeat(5000)] {
            let error = Error::field(format!("there is no such chunk: chunk_id={long} seq=7"))
                .hint(format!("name another than {long}"))
                .in_field(&long);
            let mut trailers = http::HeaderMap::new();
            status(&error).add_header(&mut trailers).unwrap();
            let bytes: usize = trailers
                .iter()
                .map(|(n, v)| n.as_str().len() + v.len() + 32)
                .sum();
            assert!(bytes < 8 << 10, "{bytes}");
            let said = status(&error);
            assert!(
                said.message()
                    .starts_with("there is no such chunk: chunk_id=")
            );
            assert!(said.message().contains(" bytes)…"), "{}", said.message());
        }
        let short = Error::field("fps must be above 0: fps=0");
        assert_eq!(status(&short).message(), "fps must be above 0: fps=0");
    }

    #[test]
    fn reasons_are_found_by_name_and_code() {
        let limit = |code| Reason::named("LIMIT_EXCEEDED", code);
        assert_eq!(limit(Code::InvalidArgument), Some(Reason::RequestLimit));
        assert_eq!(limit(Code::FailedPrecondition), Some(Reason::MediaLimit));
        assert_eq!(Reason::named("NONSENSE", Code::Internal), None);
    }
}
