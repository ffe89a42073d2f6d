//! Errors as problem documents (RFC 9457), with the reason, field and hint that gRPC's have.

use std::time::Duration;

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use http::header::{CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderValue, StatusCode};
use serde::Serialize;

use crate::api::status::Told;
use crate::error::{Code, Error, Reason};

/// How a call ended, for its record; an answer without one ended well.
#[derive(Debug, Clone, Copy)]
pub struct Ended(pub Code);

/// What is wrong with a request, or with its answer.
#[derive(Debug, Clone)]
pub struct Problem(Box<Document>);

#[derive(Debug, Clone, Serialize)]
struct Document {
    #[serde(rename = "type")]
    kind: String,
    title: String,
    status: u16,
    detail: String,
    reason: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    field: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    hint: Option<String>,
    /// Seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    retry_after: Option<u64>,
    #[serde(skip)]
    code: Code,
}

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        Problem::of(&error)
    }
}

impl Problem {
    pub fn of(error: &Error) -> Problem {
        let told = Told::of(error);
        let status = status_of(told.reason);
        let mut problem = Problem::new(status, told.reason.name(), told.message);
        problem.0.field = told.field;
        problem.0.hint = told.hint;
        problem.0.retry_after = told.retry_after.map(whole_secs);
        problem.0.code = told.reason.code();
        problem
    }

    /// One that is none of the API's own: of the server around it, or of HTTP.
    pub fn new(status: u16, reason: &str, detail: impl Into<String>) -> Problem {
        let title = reason.to_lowercase().replace('_', " ");
        Problem(Box::new(Document {
            kind: format!("urn:framecache:{}", title.replace(' ', "-")),
            title,
            status,
            detail: detail.into(),
            reason: reason.to_owned(),
            field: None,
            hint: None,
            retry_after: None,
            code: code_of(status),
        }))
    }

    pub fn method_not_allowed() -> Problem {
        Problem::new(405, "METHOD_NOT_ALLOWED", "this address has no such method")
            .hint("/openapi.json lists the methods of each")
    }

    pub fn nowhere() -> Problem {
        Problem::new(404, "ADDRESS_UNKNOWN", "there is no such address")
            .hint("/openapi.json lists those that there are")
    }

    pub fn hint(mut self, hint: impl Into<String>) -> Problem {
        self.0.hint = Some(hint.into());
        self
    }

    pub fn again_after(mut self, after: Duration) -> Problem {
        self.0.retry_after = Some(whole_secs(after));
        self
    }

    /// In one line.
    pub fn json(&self) -> String {
        // Text and numbers: it cannot fail.
        serde_json::to_string(&self.0).unwrap_or_default()
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut response = Response::new(Body::from(self.json()));
        *response.status_mut() =
            StatusCode::from_u16(self.0.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        response.extensions_mut().insert(Ended(self.0.code));
        let headers = response.headers_mut();
        let kind = HeaderValue::from_static("application/problem+json");
        headers.insert(CONTENT_TYPE, kind);
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if let Some(secs) = self.0.retry_after {
            headers.insert(RETRY_AFTER, HeaderValue::from(secs));
        }
        if self.0.status == 401 {
            headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }
}

/// As Retry-After has them: at least one.
fn whole_secs(after: Duration) -> u64 {
    after.as_millis().div_ceil(1000).max(1) as u64
}

fn status_of(reason: Reason) -> u16 {
    match reason {
        Reason::DiskFull => 507,
        // The server as a whole has as much as it can do, whoever asks.
        Reason::QueueFull | Reason::MemoryBudget => 503,
        reason => match reason.code() {
            Code::InvalidArgument => 400,
            Code::Unauthenticated => 401,
            Code::PermissionDenied => 403,
            // What is asked for is not there.
            Code::NotFound | Code::OutOfRange => 404,
            Code::FailedPrecondition => 409,
            Code::DataLoss | Code::Internal => 500,
            Code::ResourceExhausted | Code::Unavailable | Code::Cancelled => 503,
            Code::DeadlineExceeded => 504,
        },
    }
}

fn code_of(status: u16) -> Code {
    match status {
        401 => Code::Unauthenticated,
        403 => Code::PermissionDenied,
        404 => Code::NotFound,
        409 | 412 => Code::FailedPrecondition,
        416 => Code::OutOfRange,
        408 | 504 => Code::DeadlineExceeded,
        503 => Code::Unavailable,
        500 => Code::Internal,
        _ => Code::InvalidArgument,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ALL;

    #[test]
    fn who_may_come_again_is_told_when_and_nobody_else() {
        for reason in ALL {
            let problem = Problem::of(&Error::new(reason, "m"));
            let again = matches!(problem.0.status, 503 | 504 | 507) && reason != Reason::Cancelled;
            assert_eq!(problem.0.retry_after.is_some(), again, "{reason:?}");
            assert_eq!(problem.0.reason, reason.name());
        }
    }

    #[test]
    fn a_problem_names_reason_field_and_hint_and_none_of_the_stores_whereabouts() {
        let error = Error::field("w must be 1 to 16384: w=0")
            .hint("leave it out")
            .in_field("w");
        let json: serde_json::Value = serde_json::from_str(&Problem::of(&error).json()).unwrap();
        assert_eq!(
            json,
            serde_json::json!({
                "type": "urn:framecache:field-invalid", "title": "field invalid", "status": 400,
                "detail": "w must be 1 to 16384: w=0", "reason": "FIELD_INVALID", "field": "w",
                "hint": "leave it out",
            })
        );
        let secret =
            Error::new(Reason::StoreUnavailable, "root=/srv/secret").hint("see /srv/secret");
        assert!(!Problem::of(&secret).json().contains("secret"));
    }
}
