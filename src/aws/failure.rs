//! What an S3 service's refusals mean.

use std::error::Error as StdError;

use aws_credential_types::provider::error::CredentialsError;
use aws_sdk_s3::config::http::HttpResponse;
use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};

use crate::error::{Error, Reason};

type Cause = Box<dyn StdError + Send + Sync>;

/// Why one attempt failed.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) kind: Kind,
    cause: Cause,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Worth another attempt; the service may or may not have done what was asked.
    Unavailable,
    /// Another conditional write is under way; nothing was done. Worth another attempt.
    Conflict,
    NoKey,
    NoBucket,
    /// If-Match or If-None-Match did not hold.
    Precondition,
    Denied,
    ClockSkew,
    NoCredentials,
    WrongRegion,
    Full,
    TooLarge,
    /// The service does not know this call, or wants it otherwise.
    NotImplemented,
    Refused,
}

/// Whom a failure is about; the reasons differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Side {
    Store,
    Source,
}

impl Failure {
    pub(crate) fn new(kind: Kind, cause: &'static str) -> Failure {
        Failure::caused(kind, cause)
    }

    pub(crate) fn caused(kind: Kind, cause: impl Into<Cause>) -> Failure {
        let cause = cause.into();
        Failure { kind, cause }
    }

    /// From the code of one key's error in an answer that is otherwise fine.
    pub(crate) fn of_code(code: &str, message: String) -> Failure {
        Failure::caused(kind_of_code(code).unwrap_or(Kind::Refused), message)
    }

    pub(crate) fn is_passing(&self) -> bool {
        matches!(self.kind, Kind::Unavailable | Kind::Conflict)
    }

    /// `attempt` says what was tried, in lower case, with its facts.
    pub(crate) fn into_error(self, side: Side, attempt: String) -> Error {
        let (reason, hint) = meaning(self.kind, side);
        Error::new(reason, attempt).hint(hint).caused_by(self.cause)
    }
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.cause.fmt(f)
    }
}

impl<E> From<SdkError<E, HttpResponse>> for Failure
where
    E: ProvideErrorMetadata + StdError + Send + Sync + 'static,
{
    fn from(error: SdkError<E, HttpResponse>) -> Failure {
        let kind = match &error {
            SdkError::ServiceError(answer) => kind_of(answer.err().code(), answer.raw()),
            SdkError::ResponseError(_) | SdkError::TimeoutError(_) => Kind::Unavailable,
            other => kind_without_answer(other),
        };
        Failure::caused(kind, with_causes(&error))
    }
}

/// The SDK's own text is "service error" and no more; what matters is in its causes.
fn with_causes(error: &(dyn StdError + 'static)) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(this) = cause {
        let next = this.to_string();
        if !text.ends_with(&next) {
            text = format!("{text}: {next}");
        }
        cause = this.source();
    }
    text
}

fn kind_of(code: Option<&str>, answer: &HttpResponse) -> Kind {
    let status = answer.status().as_u16();
    code.and_then(kind_of_code).unwrap_or(match status {
        301 | 307 => Kind::WrongRegion,
        401 | 403 => Kind::Denied,
        404 => Kind::NoKey,
        405 | 501 => Kind::NotImplemented,
        408 | 425 | 429 | 500 | 502..=506 | 508.. => Kind::Unavailable,
        409 => Kind::Conflict,
        // A range past the end of what was measured: the object is another.
        412 | 416 => Kind::Precondition,
        507 => Kind::Full,
        _ => Kind::Refused,
    })
}

/// Where the code says more than the status.
fn kind_of_code(code: &str) -> Option<Kind> {
    let kind = match code {
        "NoSuchBucket" => Kind::NoBucket,
        "NoSuchKey" | "NotFound" => Kind::NoKey,
        "RequestTimeTooSkewed" => Kind::ClockSkew,
        "ExpiredToken"
        | "InvalidToken"
        | "InvalidAccessKeyId"
        | "AccessDenied"
        | "TokenRefreshRequired" => Kind::Denied,
        "PermanentRedirect"
        | "AuthorizationHeaderMalformed"
        | "TemporaryRedirect"
        | "IllegalLocationConstraintException" => Kind::WrongRegion,
        "RequestTimeout"
        | "RequestTimeoutException"
        | "SlowDown"
        | "InternalError"
        | "ServiceUnavailable"
        | "Throttling"
        | "ThrottlingException"
        | "BadDigest"
        | "IncompleteBody" => Kind::Unavailable,
        "ConditionalRequestConflict" | "OperationAborted" => Kind::Conflict,
        "PreconditionFailed" => Kind::Precondition,
        "XMinioStorageFull"
        | "InsufficientStorage"
        | "QuotaExceeded"
        | "XMinioAdminBucketQuotaExceeded" => Kind::Full,
        "EntityTooLarge" => Kind::TooLarge,
        "NotImplemented" | "MethodNotAllowed" | "MalformedXML" | "MissingContentMD5" => {
            Kind::NotImplemented
        }
        _ => return None,
    };
    Some(kind)
}

fn kind_without_answer(error: &(dyn StdError + 'static)) -> Kind {
    let mut cause = Some(error);
    while let Some(this) = cause {
        match this.downcast_ref::<CredentialsError>() {
            Some(CredentialsError::ProviderTimedOut(_)) => return Kind::Unavailable,
            Some(_) => return Kind::NoCredentials,
            None => cause = this.source(),
        }
    }
    let built = error.to_string().contains("failed to construct");
    if built {
        Kind::Refused
    } else {
        Kind::Unavailable
    }
}

fn meaning(kind: Kind, side: Side) -> (Reason, &'static str) {
    let of = |store, source| if side == Side::Store { store } else { source };
    let unavailable = of(Reason::StoreUnavailable, Reason::SourceUnavailable);
    let denied = of(Reason::StoreDenied, Reason::SourceDenied);
    let missing = of(Reason::StoreNotFound, Reason::SourceNotFound);
    match kind {
        Kind::Unavailable | Kind::Conflict => (
            unavailable,
            "the S3 service did not answer in time, or only with errors; check the endpoint and try again",
        ),
        Kind::NoKey => (
            missing,
            "check the uri: there is no object of this key, or no such bucket",
        ),
        Kind::NoBucket => (
            missing,
            "create the bucket, or check its name and the endpoint",
        ),
        Kind::Precondition => (
            of(Reason::StoreUnavailable, Reason::SourceChanged),
            "the object changed while it was used; run it again",
        ),
        Kind::Denied => (
            denied,
            "these credentials need s3:GetObject, s3:PutObject, s3:DeleteObject and s3:ListBucket (without the last, a missing object looks forbidden)",
        ),
        Kind::ClockSkew => (
            denied,
            "set this machine's clock: it is minutes away from the S3 service's",
        ),
        Kind::NoCredentials => (
            denied,
            "no AWS credentials were found: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or a profile, or give the machine a role",
        ),
        Kind::WrongRegion => (
            missing,
            "the bucket lies in another region: set AWS_REGION to it",
        ),
        Kind::Full => (
            of(Reason::DiskFull, unavailable),
            "free space in the bucket or raise its quota",
        ),
        Kind::TooLarge => (
            of(Reason::ObjectCorrupt, Reason::MediaUnsupported),
            "no object of ours is so large",
        ),
        Kind::NotImplemented | Kind::Refused => (
            unavailable,
            "the S3 service refused this call; see the cause, and `framecache doctor`",
        ),
    }
}
