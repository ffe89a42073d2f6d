//! Answers that no S3 service gives: login pages, portals, proxies' own words.

use aws_sdk_s3::config::interceptors::BeforeDeserializationInterceptorContextRef;
use aws_sdk_s3::config::{ConfigBag, Intercept, RuntimeComponents};
use aws_sdk_s3::error::BoxError;

/// Whether this body of an answer of the service's own, which is XML where it is not empty, cannot be one.
pub(super) fn is_foreign(body: &[u8]) -> bool {
    let text = body.trim_ascii_start();
    let starts = |with: &[u8]| {
        let head = text.get(..with.len());
        head.is_some_and(|head| head.eq_ignore_ascii_case(with))
    };
    !text.is_empty() && (!starts(b"<") || starts(b"<!doctype html") || starts(b"<html"))
}

/// Refuses a web page as the answer to a PUT or DELETE, of which the SDK reads the status alone.
#[derive(Debug)]
pub(crate) struct NoPage;

#[derive(Debug, thiserror::Error)]
#[error("a web page was answered where S3 says nothing")]
pub(super) struct WebPage;

impl Intercept for NoPage {
    fn name(&self) -> &'static str {
        "NoPage"
    }

    fn read_before_deserialization(
        &self,
        context: &BeforeDeserializationInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let answer = context.response();
        let header = |name| answer.headers().get(name).unwrap_or_default();
        // Some services name this type for an answer that is empty.
        let bytes: u64 = header("content-length").parse().unwrap_or(0);
        let empty = bytes == 0 && header("transfer-encoding").is_empty();
        let page = header("content-type").starts_with("text/html") && !empty;
        match answer.status().is_success() && page {
            true => Err(Box::new(WebPage)),
            false => Ok(()),
        }
    }
}
