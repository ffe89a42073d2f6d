//! What an S3 service's refusals mean.

use std::error::Error as StdError;

use aws_credential_types::provider::error::CredentialsError;
use aws_sdk_s3::config::http::HttpResponse;
use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};

use super::foreign::{WebPage, is_foreign};
use crate::error::{Error, Reason};

type Cause = Box<dyn StdError + Send + Sync>;

/// Why one attempt failed.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) kind: Kind,
    /// Others' keys, or newer ones, might be accepted.
    pub(super) for_keys: bool,
    cause: Cause,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Worth another attempt; the service may or may not have done what was asked.
    Unavailable,
    /// Another conditional write is under way; nothing was done. Worth another attempt.
    Conflict,
    NoKey,
    /// 404, and no word of a key: all that HEAD can say, and more than a proxy knows.
    Missing,
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
    /// Something else than an S3 service answered.
    Foreign,
    /// The endpoint's certificate is not one that is trusted.
    Untrusted,
    /// The file of trusted authorities cannot be used.
    Bundle,
    /// Listings that do not go on.
    Listing,
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
        Failure {
            kind,
            for_keys: false,
            cause: cause.into(),
        }
    }

    /// For another of those who waited for the same thing.
    pub(crate) fn again(&self) -> Failure {
        Failure {
            for_keys: self.for_keys,
            ..Failure::caused(self.kind, self.to_string())
        }
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
            SdkError::ResponseError(answer) if says_foreign(answer.raw()) => Kind::Foreign,
            SdkError::TimeoutError(_) => Kind::Unavailable,
            other => kind_without_answer(other),
        };
        let for_keys = matches!(&error, SdkError::ServiceError(answer)
            if is_for_keys(answer.err().code(), answer.raw()));
        Failure {
            for_keys,
            ..Failure::caused(kind, with_causes(&error))
        }
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
    // All errors of S3's have a code, but for those without a body.
    let coded = code.is_some() || body(answer).is_empty();
    code.and_then(kind_of_code).unwrap_or(match status {
        // The SDK could not read it: cut, perhaps.
        200..=299 if !says_foreign(answer) => Kind::Unavailable,
        405 | 501 => Kind::NotImplemented,
        408 | 425 | 429 | 500 | 502..=506 | 508.. => Kind::Unavailable,
        507 => Kind::Full,
        _ if !coded => Kind::Foreign,
        // What is no S3's leads elsewhere: to a login page.
        301 | 307 if answer.headers().get("x-amz-request-id").is_some() => Kind::WrongRegion,
        300..=399 => Kind::Foreign,
        401 | 403 => Kind::Denied,
        404 => Kind::NoKey,
        409 => Kind::Conflict,
        // A range past the end of what was measured: the object is another.
        412 | 416 => Kind::Precondition,
        _ => Kind::Refused,
    })
}

/// The body of an answer that was read whole.
fn body(answer: &HttpResponse) -> &[u8] {
    answer.body().bytes().unwrap_or_default()
}

fn says_foreign(answer: &HttpResponse) -> bool {
    is_foreign(body(answer))
}

/// Whether the keys are to blame, or may be: HEAD cannot say.
fn is_for_keys(code: Option<&str>, answer: &HttpResponse) -> bool {
    let bare = code.is_none() && body(answer).is_empty();
    let named = code.is_some_and(|code| KEYS_CODES.contains(&code));
    named || (bare && matches!(answer.status().as_u16(), 400 | 401 | 403))
}

/// What is said of keys that are old, gone, or not known yet.
const KEYS_CODES: [&str; 7] = [
    "ExpiredToken",
    "ExpiredTokenException",
    "InvalidToken",
    "InvalidAccessKeyId",
    "InvalidClientTokenId",
    "SignatureDoesNotMatch",
    "TokenRefreshRequired",
];

/// Where the code says more than the status.
fn kind_of_code(code: &str) -> Option<Kind> {
    let kind = match code {
        "NoSuchBucket" => Kind::NoBucket,
        "NoSuchKey" => Kind::NoKey,
        // The SDK's word for a 404 without a body.
        "NotFound" => Kind::Missing,
        "RequestTimeTooSkewed" => Kind::ClockSkew,
        "AccessDenied" => Kind::Denied,
        code if KEYS_CODES.contains(&code) => Kind::Denied,
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
        match kind_of_cause(this) {
            Some(kind) => return kind,
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

pub(super) fn kind_of_cause(cause: &(dyn StdError + 'static)) -> Option<Kind> {
    if cause.is::<WebPage>() {
        return Some(Kind::Foreign);
    }
    if let Some(error) = cause.downcast_ref::<CredentialsError>() {
        return Some(match error {
            CredentialsError::ProviderTimedOut(_) => Kind::Unavailable,
            _ => Kind::NoCredentials,
        });
    }
    let tls = held(cause).downcast_ref::<rustls::Error>();
    matches!(tls, Some(rustls::Error::InvalidCertificate(_))).then_some(Kind::Untrusted)
}

/// What errors of I/O hold, one in the other: they show it only when they are asked.
fn held<'a>(cause: &'a (dyn StdError + 'static)) -> &'a (dyn StdError + 'static) {
    let io = cause.downcast_ref::<std::io::Error>();
    match io.and_then(std::io::Error::get_ref) {
        Some(inner) => held(inner),
        None => cause,
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
        Kind::Missing => (
            of(Reason::StoreUnavailable, Reason::SourceNotFound),
            "check the uri and the endpoint: the answer says neither that there is such a bucket nor that there is not",
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
        Kind::Foreign => (
            unavailable,
            "something else than an S3 service answered (a login page, a proxy?): check the endpoint, and what lies on the way to it",
        ),
        Kind::Untrusted => (
            unavailable,
            "the certificate of the S3 endpoint is not trusted here: name its authority's PEM file in AWS_CA_BUNDLE, and check the endpoint's name and this machine's clock",
        ),
        Kind::Bundle => (
            unavailable,
            "the file that AWS_CA_BUNDLE names cannot be used: name a PEM file of certificates that this user can read",
        ),
        Kind::Listing => (
            unavailable,
            "the S3 service cut a listing short and did not tell how it goes on, or sent again what it had sent: use one that pages ListObjectsV2 as S3 does",
        ),
        Kind::NotImplemented | Kind::Refused => (
            unavailable,
            "the S3 service refused this call; see the cause, and `framecache doctor`",
        ),
    }
}
