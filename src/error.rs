//! The one error of this crate: a reason that says what to do about it, a
//! message that says what was attempted, and the cause.
//!
//! Reasons are the `ErrorInfo` reasons of the API; each belongs to one gRPC
//! code, and each gRPC code to one exit status of the command line.

use std::error::Error as StdError;
use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why something failed, in the API's own words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Reason {
    FieldInvalid,
    /// A fixed limit that the request breaks.
    RequestLimit,
    TimelineNotFound,
    FrameNotCached,
    SourceNotFound,
    StoreNotFound,
    TokenInvalid,
    /// The token is known, and is for less than was asked.
    TokenScope,
    SourceDenied,
    StoreDenied,
    PlanDiffers,
    SourceChanged,
    MediaUnsupported,
    GpuUnavailable,
    /// A limit that the media breaks.
    MediaLimit,
    TimePastEnd,
    MediaCorrupt,
    ObjectCorrupt,
    QueueFull,
    MemoryBudget,
    DiskFull,
    StoreUnavailable,
    SourceUnavailable,
    /// The queue of workers.
    QueueUnavailable,
    ChunkStalled,
    Cancelled,
    Internal,
}

pub(crate) const ALL: [Reason; 27] = [
    Reason::FieldInvalid,
    Reason::RequestLimit,
    Reason::TimelineNotFound,
    Reason::FrameNotCached,
    Reason::SourceNotFound,
    Reason::StoreNotFound,
    Reason::TokenInvalid,
    Reason::TokenScope,
    Reason::SourceDenied,
    Reason::StoreDenied,
    Reason::PlanDiffers,
    Reason::SourceChanged,
    Reason::MediaUnsupported,
    Reason::GpuUnavailable,
    Reason::MediaLimit,
    Reason::TimePastEnd,
    Reason::MediaCorrupt,
    Reason::ObjectCorrupt,
    Reason::QueueFull,
    Reason::MemoryBudget,
    Reason::DiskFull,
    Reason::StoreUnavailable,
    Reason::SourceUnavailable,
    Reason::QueueUnavailable,
    Reason::ChunkStalled,
    Reason::Cancelled,
    Reason::Internal,
];

/// The gRPC code a reason travels under (google.rpc.Code).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Code {
    Cancelled = 1,
    InvalidArgument = 3,
    DeadlineExceeded = 4,
    NotFound = 5,
    PermissionDenied = 7,
    ResourceExhausted = 8,
    FailedPrecondition = 9,
    OutOfRange = 11,
    Internal = 13,
    Unavailable = 14,
    DataLoss = 15,
    Unauthenticated = 16,
}

impl Reason {
    /// The name that answers and commit records carry.
    pub fn name(self) -> &'static str {
        match self {
            Reason::FieldInvalid => "FIELD_INVALID",
            Reason::RequestLimit | Reason::MediaLimit => "LIMIT_EXCEEDED",
            Reason::TimelineNotFound => "TIMELINE_NOT_FOUND",
            Reason::FrameNotCached => "FRAME_NOT_CACHED",
            Reason::SourceNotFound => "SOURCE_NOT_FOUND",
            Reason::StoreNotFound => "STORE_NOT_FOUND",
            Reason::TokenInvalid => "TOKEN_INVALID",
            Reason::TokenScope => "TOKEN_SCOPE",
            Reason::SourceDenied => "SOURCE_DENIED",
            Reason::StoreDenied => "STORE_DENIED",
            Reason::PlanDiffers => "PLAN_DIFFERS",
            Reason::SourceChanged => "SOURCE_CHANGED",
            Reason::MediaUnsupported => "MEDIA_UNSUPPORTED",
            Reason::GpuUnavailable => "GPU_UNAVAILABLE",
            Reason::TimePastEnd => "TIME_PAST_END",
            Reason::MediaCorrupt => "MEDIA_CORRUPT",
            Reason::ObjectCorrupt => "OBJECT_CORRUPT",
            Reason::QueueFull => "QUEUE_FULL",
            Reason::MemoryBudget => "MEMORY_BUDGET",
            Reason::DiskFull => "DISK_FULL",
            Reason::StoreUnavailable => "STORE_UNAVAILABLE",
            Reason::SourceUnavailable => "SOURCE_UNAVAILABLE",
            Reason::QueueUnavailable => "QUEUE_UNAVAILABLE",
            Reason::ChunkStalled => "CHUNK_STALLED",
            Reason::Cancelled => "CANCELLED",
            Reason::Internal => "INTERNAL",
        }
    }

    /// The reason of that name; a limit is the request's unless `code` says otherwise.
    pub fn named(name: &str, code: Code) -> Option<Reason> {
        ALL.into_iter()
            .filter(|reason| reason.name() == name)
            .min_by_key(|reason| reason.code() != code)
    }

    pub fn code(self) -> Code {
        match self {
            Reason::FieldInvalid | Reason::RequestLimit => Code::InvalidArgument,
            Reason::TimelineNotFound
            | Reason::FrameNotCached
            | Reason::SourceNotFound
            | Reason::StoreNotFound => Code::NotFound,
            Reason::TokenInvalid => Code::Unauthenticated,
            Reason::TokenScope | Reason::SourceDenied | Reason::StoreDenied => {
                Code::PermissionDenied
            }
            Reason::PlanDiffers
            | Reason::SourceChanged
            | Reason::MediaUnsupported
            | Reason::GpuUnavailable
            | Reason::MediaLimit => Code::FailedPrecondition,
            Reason::TimePastEnd => Code::OutOfRange,
            Reason::MediaCorrupt | Reason::ObjectCorrupt => Code::DataLoss,
            Reason::QueueFull | Reason::MemoryBudget | Reason::DiskFull => Code::ResourceExhausted,
            Reason::StoreUnavailable | Reason::SourceUnavailable | Reason::QueueUnavailable => {
                Code::Unavailable
            }
            Reason::ChunkStalled => Code::DeadlineExceeded,
            Reason::Cancelled => Code::Cancelled,
            Reason::Internal => Code::Internal,
        }
    }
}

impl Code {
    /// The exit status of a command that such a failure stops.
    pub fn exit_status(self) -> u8 {
        match self {
            Code::InvalidArgument => 2,
            Code::NotFound => 4,
            Code::FailedPrecondition | Code::OutOfRange => 5,
            Code::DataLoss => 6,
            Code::PermissionDenied | Code::Unauthenticated => 7,
            Code::ResourceExhausted | Code::Unavailable | Code::DeadlineExceeded => 75,
            Code::Cancelled => 130,
            Code::Internal => 1,
        }
    }
}

/// A failure: what was attempted, why it failed, how to mend it. Cloned for each of
/// those who waited for the same thing.
#[derive(Debug, Clone)]
pub struct Error(Box<Inner>);

#[derive(Debug, Clone)]
struct Inner {
    reason: Reason,
    message: String,
    hint: Option<String>,
    field: Option<String>,
    source: Option<Arc<dyn StdError + Send + Sync>>,
}

impl Error {
    pub fn new(reason: Reason, message: impl Into<String>) -> Self {
        Error(Box::new(Inner {
            reason,
            message: message.into(),
            hint: None,
            field: None,
            source: None,
        }))
    }

    /// The same failure in other words; reason and hint stay, and this one becomes the cause.
    pub fn reworded(self, message: impl Into<String>) -> Self {
        let mut reworded = Self::new(self.0.reason, message);
        reworded.0.hint.clone_from(&self.0.hint);
        reworded.0.field.clone_from(&self.0.field);
        reworded.caused_by(self)
    }

    /// Says at its message's end what it is about, unless it is said there already.
    pub fn about(mut self, key: &str, value: impl fmt::Display) -> Self {
        let (fact, message) = (format!("{key}={value}"), &mut self.0.message);
        if !said(message, &fact) {
            let last = message.rsplit(' ').next().unwrap_or_default();
            let lead = if last.contains('=') { " " } else { ", " };
            *message += &format!("{lead}{fact}");
        }
        self
    }

    /// How to mend it, in one sentence.
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.0.hint = Some(hint.into());
        self
    }

    /// Which field of the request is to blame, by its path in the API's messages
    /// (`sampling.fps`); the innermost caller that knows names it.
    pub fn in_field(mut self, field: impl Into<String>) -> Self {
        if self.0.field.is_none() {
            self.0.field = Some(field.into());
        }
        self
    }

    /// The same, below another field: `fps` becomes `sampling.fps`.
    pub fn below_field(mut self, parent: &str) -> Self {
        self.0.field = Some(match self.0.field.take() {
            Some(field) => format!("{parent}.{field}"),
            None => parent.to_owned(),
        });
        self
    }

    pub fn caused_by(mut self, source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        self.0.source = Some(Arc::from(source.into()));
        self
    }

    pub fn field(message: impl Into<String>) -> Self {
        Self::new(Reason::FieldInvalid, message)
    }

    pub fn internal(message: impl Into<String>) -> Self {
        Self::new(Reason::Internal, message)
    }

    pub fn reason(&self) -> Reason {
        self.0.reason
    }

    pub fn message(&self) -> &str {
        &self.0.message
    }

    pub fn field_path(&self) -> Option<&str> {
        self.0.field.as_deref()
    }

    pub fn hint_text(&self) -> Option<&str> {
        self.0.hint.as_deref()
    }
}

/// Whether the message holds the fact, and not only one that begins alike.
fn said(message: &str, fact: &str) -> bool {
    let ends = |rest: &str| rest.is_empty() || rest.starts_with([' ', ',', ':', ';']);
    let starts = |before: &str| before.ends_with([' ', ',']);
    message
        .match_indices(fact)
        .any(|(at, _)| starts(&message[..at]) && ends(&message[at + fact.len()..]))
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.message)
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.0
            .source
            .as_deref()
            .map(|e| e as &(dyn StdError + 'static))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fact_is_said_once_at_the_end() {
        let about = |message: &str| {
            let error = Error::field(message).hint("h").in_field("f");
            let error = error.about("seq", 1);
            assert_eq!(
                (error.hint_text(), error.field_path()),
                (Some("h"), Some("f"))
            );
            error.message().to_owned()
        };
        assert_eq!(about("it is no JPEG"), "it is no JPEG, seq=1");
        assert_eq!(about("too long: bytes=9"), "too long: bytes=9 seq=1");
        assert_eq!(about("it is no JPEG: seq=1"), "it is no JPEG: seq=1");
        assert_eq!(about("twice, seq=1 times=2"), "twice, seq=1 times=2");
        assert_eq!(about("another, seq=12"), "another, seq=12 seq=1");
        assert_eq!(about("another, first_seq=1"), "another, first_seq=1 seq=1");
    }
}
