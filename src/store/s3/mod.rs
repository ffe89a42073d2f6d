//! A store in a bucket of S3 or of what imitates it.
//!
//! Every call is tried again until its deadline (`aws::retry`), with its body.
//! A conditional put whose answer was lost may have been done: when the next
//! attempt says that the condition fails, the object is read and compared.

use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use aws_sdk_s3::primitives::ByteStream;
use bytes::Bytes;

use crate::aws::{Endpoint, Failure, Kind, Lazy, NoPage, Side, answered, read_body, retry};
use crate::error::{Error, Result};
use crate::store::{
    Condition, ETag, Expiry, ListRequest, MAX_OBJECT_BYTES, Object, Page, PutOptions, Store,
    Written, check_key, check_prefix, check_range, slice_of,
};

mod delete;
mod lifecycle;
mod list;

#[cfg(test)]
mod tests;

/// A bucket as a store; its client is made at the first call.
struct S3Store {
    aws: Lazy,
    bucket: String,
    /// Empty, or ending in `/`.
    prefix: String,
    /// The service was seen to refuse deletes of many keys at once.
    deletes_singly: AtomicBool,
}

/// `prefix` as in `Location::S3`. Opens no connection.
pub(super) fn open(bucket: &str, prefix: &str, endpoint: Endpoint) -> Result<Arc<dyn Store>> {
    let aws = Lazy::new(endpoint);
    Ok(Arc::new(S3Store::with(aws, bucket, prefix)))
}

/// As [`super::expiries`].
pub(super) async fn expiries(bucket: &str, endpoint: Endpoint) -> Result<Vec<Expiry>> {
    S3Store::with(Lazy::new(endpoint), bucket, "")
        .expiries()
        .await
}

impl S3Store {
    fn with(aws: Lazy, bucket: &str, prefix: &str) -> S3Store {
        let prefix = match prefix {
            "" => String::new(),
            prefix => format!("{prefix}/"),
        };
        S3Store {
            aws,
            bucket: bucket.to_owned(),
            prefix,
            deletes_singly: AtomicBool::new(false),
        }
    }

    /// The key in the bucket.
    fn full_key(&self, key: &str) -> Result<String> {
        let full = format!("{}{key}", self.prefix);
        check_key(&full).and_then(|()| check_key(key))?;
        Ok(full)
    }

    /// Runs attempts until the deadline, and says what was tried if none succeeds.
    async fn call<T, F>(&self, attempt: impl Fn() -> F, what: impl FnOnce() -> String) -> Result<T>
    where
        F: Future<Output = Result<T, Failure>>,
    {
        retry(&self.aws, attempt)
            .await
            .map_err(|failure| failure.into_error(Side::Store, what()))
    }

    async fn get_once(&self, key: &str) -> Result<Option<Object>, Failure> {
        let stall = self.aws.endpoint().stall;
        let client = self.aws.client().await?;
        let request = client.get_object().bucket(&self.bucket).key(key).send();
        let answer = match answered(stall, request).await {
            Err(failure) if failure.kind == Kind::NoKey => return Ok(None),
            other => other?,
        };
        let data = read_body(answer.body, answer.content_length, MAX_OBJECT_BYTES, stall).await?;
        // Nothing of ours begins so: a page, or the XML of an error under a status of success.
        if data.trim_ascii_start().starts_with(b"<") {
            return Err(Failure::new(Kind::Foreign, "a page in place of an object"));
        }
        Ok(Some(match answer.e_tag {
            Some(etag) => {
                let version = version_of(Some(etag.clone()));
                Object::versioned(data, ETag(etag)).listed_as(version)
            }
            None => Object::new(data),
        }))
    }

    async fn get_range_once(
        &self,
        key: &str,
        range: &Range<u64>,
    ) -> Result<Option<Bytes>, Failure> {
        let stall = self.aws.endpoint().stall;
        let call = self.aws.client().await?.get_object();
        let call = call.bucket(&self.bucket).key(key);
        let call = call.range(format!("bytes={}-{}", range.start, range.end - 1));
        let answer = match answered(stall, call.send()).await {
            Err(failure) if failure.kind == Kind::NoKey => return Ok(None),
            // The one condition is the range: the object ends before it begins.
            Err(failure) if failure.kind == Kind::Precondition => return Ok(Some(Bytes::new())),
            other => other?,
        };
        let (length, said) = (answer.content_length, answer.content_range);
        let data = read_body(answer.body, length, MAX_OBJECT_BYTES, stall).await?;
        match said {
            Some(said) if is_range(&said, range, data.len()) => Ok(Some(data)),
            Some(_) => Err(Failure::new(
                Kind::Refused,
                "the service did not answer the range asked for",
            )),
            None if data.trim_ascii_start().starts_with(b"<") => {
                Err(Failure::new(Kind::Foreign, "a page in place of an object"))
            }
            // All of it: there are services that know no ranges.
            None => Ok(Some(slice_of(&data, range))),
        }
    }

    async fn put_once(&self, put: &PutCall<'_>) -> Result<Written, Failure> {
        let client = self.aws.client().await?;
        let mut request = client
            .put_object()
            .bucket(&self.bucket)
            .key(&put.key)
            .content_type(put.options.content_type)
            .body(ByteStream::from(put.data.clone()));
        match &put.options.when {
            Condition::Always => {}
            Condition::IfAbsent => request = request.if_none_match("*"),
            Condition::IfMatch(etag) => request = request.if_match(&etag.0),
        }
        // A slow line is given the time that 64 KB/s need.
        let sending = Duration::from_millis(put.data.len() as u64 / 64);
        let stall = self.aws.endpoint().stall + sending;
        let sent = request.customize().interceptor(NoPage).send();
        match answered(stall, sent).await {
            Ok(_) => Ok(Written::Yes),
            Err(failure) if failed_condition(&failure, &put.options.when) => self.settle(put).await,
            Err(failure) => {
                if failure.kind == Kind::Unavailable {
                    put.may_be_done.store(true, Ordering::Relaxed);
                }
                Err(failure)
            }
        }
    }

    /// The condition failed; perhaps because an attempt before was done and its answer lost.
    async fn settle(&self, put: &PutCall<'_>) -> Result<Written, Failure> {
        if !put.may_be_done.load(Ordering::Relaxed) {
            return Ok(Written::ConditionFailed);
        }
        let there = self.get_once(&put.key).await?;
        Ok(match there {
            Some(object) if object.data == put.data => Written::Yes,
            _ => Written::ConditionFailed,
        })
    }
}

/// A put with all its attempts.
struct PutCall<'a> {
    /// In the bucket.
    key: String,
    data: Bytes,
    options: PutOptions<'a>,
    /// An attempt's answer was lost or an error of the service's.
    may_be_done: AtomicBool,
}

/// Whether a Content-Range (RFC 9110, 14.4) is of the range asked for, as far as the object reaches,
/// and of so many bytes.
fn is_range(said: &str, asked: &Range<u64>, bytes: usize) -> bool {
    let Some(said) = said.trim().strip_prefix("bytes ") else {
        return false;
    };
    let Some((range, total)) = said.split_once('/') else {
        return false;
    };
    let end = total
        .parse()
        .map_or(asked.end, |total| asked.end.min(total));
    range == format!("{}-{}", asked.start, end.saturating_sub(1))
        && asked.start.checked_add(bytes as u64) == Some(end)
}

/// Some gateways give every object the ETag `""`, which tells nothing apart.
fn version_of(etag: Option<String>) -> Option<ETag> {
    etag.map(ETag).filter(ETag::tells)
}

/// If-Match on an absent object is answered 404.
fn failed_condition(failure: &Failure, when: &Condition) -> bool {
    match when {
        Condition::Always => false,
        Condition::IfAbsent => failure.kind == Kind::Precondition,
        Condition::IfMatch(_) => matches!(failure.kind, Kind::Precondition | Kind::NoKey),
    }
}

#[async_trait]
impl Store for S3Store {
    fn describe(&self) -> String {
        let whole = format!("s3://{}/{}", self.bucket, self.prefix);
        whole.trim_end_matches('/').to_owned()
    }

    async fn get(&self, key: &str) -> Result<Option<Object>> {
        let full = self.full_key(key)?;
        let what = || format!("could not read an object: key={key}");
        self.call(|| self.get_once(&full), what).await
    }

    async fn get_range(&self, key: &str, range: Range<u64>) -> Result<Option<Bytes>> {
        check_range(&range)?;
        let full = self.full_key(key)?;
        let what = || {
            let Range { start, end } = range;
            format!("could not read a part of an object: key={key} from={start} to={end}")
        };
        self.call(|| self.get_range_once(&full, &range), what).await
    }

    async fn put(&self, key: &str, data: Bytes, options: PutOptions<'_>) -> Result<Written> {
        let put = PutCall {
            key: self.full_key(key)?,
            data,
            options,
            may_be_done: AtomicBool::new(false),
        };
        let what = || format!("could not write an object: key={key}");
        self.call(|| self.put_once(&put), what).await
    }

    async fn sync(&self) -> Result<()> {
        Ok(())
    }

    async fn list(&self, request: ListRequest<'_>) -> Result<Page> {
        check_prefix(request.prefix)?;
        let what = || format!("could not list objects: prefix={}", request.prefix);
        self.call(|| self.list_once(&request), what).await
    }

    async fn delete(&self, keys: &[String]) -> Result<()> {
        let full: Result<Vec<String>> = keys.iter().map(|key| self.full_key(key)).collect();
        self.delete_all(full?).await
    }

    /// A PUT leaves nothing when it is cut off.
    async fn sweep(&self) -> Result<u64> {
        Ok(0)
    }
}

fn error(failure: Failure, attempt: String) -> Error {
    failure.into_error(Side::Store, attempt)
}
