//! Where bytes are kept: an S3 bucket or a directory, behind one trait.

use async_trait::async_trait;
use bytes::Bytes;

use crate::error::Result;

/// An opaque version of an object, for `Put::IfMatch`. Two objects with
/// different bytes never have the same one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ETag(pub String);

/// An object as read.
#[derive(Debug, Clone)]
pub struct Object {
    pub data: Bytes,
    pub etag: Option<ETag>,
}

/// One row of a listing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    pub key: String,
    pub bytes: u64,
    /// Seconds since the Unix epoch.
    pub modified: Option<i64>,
}

/// When a write may happen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Condition {
    Always,
    /// Only where nothing is. Saves work; correctness may not rest on it.
    IfAbsent,
    /// Only over this version.
    IfMatch(ETag),
}

/// What became of a conditional write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Written {
    Yes,
    /// The condition did not hold; the object is as it was.
    ConditionFailed,
}

/// What a page of a listing holds.
#[derive(Debug, Clone, Default)]
pub struct Page {
    /// In byte order of the keys.
    pub entries: Vec<Entry>,
    /// With a delimiter: the common prefixes below, each ending in `/`, in byte order.
    pub prefixes: Vec<String>,
    /// Give this to the next call; none at the end.
    pub next: Option<String>,
}

/// One call of `list`.
#[derive(Debug, Clone, Default)]
pub struct ListRequest<'a> {
    /// Keys that start with this, byte for byte (it need not end in `/`).
    pub prefix: &'a str,
    /// Collapse keys at the next `/` after the prefix.
    pub delimited: bool,
    /// The `next` of the page before.
    pub token: Option<String>,
    /// At most this many rows (stores may give fewer); none: the store's own.
    pub limit: Option<usize>,
}

/// A flat key-value store of objects.
///
/// What every implementation promises, and `conformance` proves:
/// - A put is atomic: a reader sees the old object or the new one, whole.
/// - After a put answered, every later get and list in this process sees it.
/// - `get` of an absent key is `None`; anything else that went wrong is an
///   error (`STORE_*`, `DISK_FULL`), never `None`: "could not" is not "not found".
/// - Deleting what is not there succeeds.
/// - Keys are UTF-8 without NUL, `.` or `..` segments; what breaks that is
///   refused with FIELD_INVALID before anything is touched.
/// - A call that fails for a passing cause was retried within its own bound.
#[async_trait]
pub trait Store: Send + Sync {
    /// For messages to the person who configured it: `s3://bucket/prefix` or the folder.
    fn describe(&self) -> String;
    async fn get(&self, key: &str) -> Result<Option<Object>>;
    async fn put(
        &self,
        key: &str,
        data: Bytes,
        content_type: &str,
        when: Condition,
    ) -> Result<Written>;
    /// Returns when all frames put before are durable. A directory syncs its file system once; S3 is durable already.
    async fn sync(&self) -> Result<()>;
    async fn list(&self, request: ListRequest<'_>) -> Result<Page>;
    /// Deletes all of them (any number); counts those it was asked for.
    async fn delete(&self, keys: &[String]) -> Result<()>;
}
