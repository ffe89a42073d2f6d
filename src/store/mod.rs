//! Where bytes are kept: an S3 bucket or a directory, behind one trait.

use std::ops::Range;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use sha2::{Digest, Sha256};

use crate::error::{Error, Result};
use crate::hex::hex;

pub mod dir;
mod key;
pub mod memory;
pub mod metered;
#[cfg_attr(not(feature = "s3"), path = "no_s3.rs")]
mod s3;
mod spec;

#[cfg(test)]
pub(crate) mod conformance;
#[cfg(test)]
pub(crate) mod faulty;

pub use key::{MAX_KEY_BYTES, check_key, check_prefix, content_type_of};
pub(crate) use spec::check_bucket;
pub use spec::{Location, StoreSpec};

/// No object of ours is larger (64 megapixels of JPEG at quality 100 are about 150 MB);
/// a larger one is not read into memory.
pub const MAX_OBJECT_BYTES: u64 = 512 << 20;

/// An opaque version of an object, for `Condition::IfMatch`. Two objects with
/// different bytes never have the same one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ETag(pub String);

impl ETag {
    /// The version that a store without versions of its own gives these bytes:
    /// their sha256, lower-case hex.
    pub fn of(data: &[u8]) -> ETag {
        ETag(hex(&Sha256::digest(data)))
    }

    /// Whether it tells one version from another: some gateways answer `""` for every object.
    pub fn tells(&self) -> bool {
        let opaque = self.0.strip_prefix("W/").unwrap_or(&self.0);
        !opaque.trim_matches('"').is_empty()
    }
}

/// An object as read.
#[derive(Debug, Clone)]
pub struct Object {
    pub data: Bytes,
    etag: Option<ETag>,
    version: Option<ETag>,
}

impl Object {
    /// Without an ETag of the store's own: its content is its version.
    pub fn new(data: Bytes) -> Object {
        Object {
            data,
            etag: None,
            version: None,
        }
    }

    /// Its ETag is what listings tell it apart by, too.
    pub fn versioned(data: Bytes, etag: ETag) -> Object {
        Object {
            data,
            version: Some(etag.clone()).filter(ETag::tells),
            etag: Some(etag),
        }
    }

    /// Told apart by something else in listings.
    pub fn listed_as(self, version: Option<ETag>) -> Object {
        Object { version, ..self }
    }

    /// What a listing made while the object is as it was read gives as its version; none where
    /// that cannot be told.
    pub fn version(&self) -> Option<&ETag> {
        self.version.as_ref()
    }

    /// For `Condition::IfMatch`. Hashing is left until somebody asks: it costs
    /// more than reading a frame does.
    pub fn etag(&self) -> ETag {
        self.etag.clone().unwrap_or_else(|| ETag::of(&self.data))
    }

    /// Only over what was read; where the store does not tell versions apart, over whatever is there.
    pub fn unchanged(&self) -> Condition {
        let etag = self.etag();
        if etag.tells() {
            Condition::IfMatch(etag)
        } else {
            Condition::Always
        }
    }
}

/// One row of a listing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    pub key: String,
    pub bytes: u64,
    /// Seconds since the Unix epoch.
    pub modified: Option<i64>,
    /// As [`Object::version`]: two that are equal mean the same bytes. None where the listing
    /// cannot tell.
    pub version: Option<ETag>,
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

/// When a write must have reached the disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Durability {
    /// Before the put answers: plans, records.
    Now,
    /// By the end of the next `sync`: frames, overlays.
    AtSync,
}

/// How to put.
#[derive(Debug, Clone)]
pub struct PutOptions<'a> {
    pub content_type: &'a str,
    pub when: Condition,
    pub durability: Durability,
}

impl<'a> PutOptions<'a> {
    /// Unconditional, on disk before it answers.
    pub fn durable(content_type: &'a str) -> Self {
        PutOptions {
            content_type,
            when: Condition::Always,
            durability: Durability::Now,
        }
    }

    /// Unconditional, on disk after the next `sync`.
    pub fn unsynced(content_type: &'a str) -> Self {
        PutOptions {
            durability: Durability::AtSync,
            ..PutOptions::durable(content_type)
        }
    }

    pub fn when(mut self, when: Condition) -> Self {
        self.when = when;
        self
    }
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
/// - `get_range` gives the bytes of one version of the object, as far as it reaches: fewer where it
///   ends within the range, none where it ends before. A range without bytes is refused.
/// - Deleting what is not there succeeds.
/// - Keys are as `check_key` wants them; others are refused with FIELD_INVALID
///   before anything is touched.
/// - No key may be another one's folder (`a` beside `a/b`): a directory refuses
///   it, S3 does not notice.
/// - A call that fails for a passing cause was retried within its own bound.
#[async_trait]
pub trait Store: Send + Sync {
    /// For messages to the person who configured it: `s3://bucket/prefix` or the folder.
    fn describe(&self) -> String;
    async fn get(&self, key: &str) -> Result<Option<Object>>;
    async fn get_range(&self, key: &str, range: Range<u64>) -> Result<Option<Bytes>>;
    async fn put(&self, key: &str, data: Bytes, options: PutOptions<'_>) -> Result<Written>;
    /// Returns when everything put before is durable. A directory syncs its file system once; S3 is durable already.
    async fn sync(&self) -> Result<()>;
    async fn list(&self, request: ListRequest<'_>) -> Result<Page>;
    /// Deletes all of them (any number).
    async fn delete(&self, keys: &[String]) -> Result<()>;
    /// Removes what writers that died left behind outside the keys (temporary
    /// files), and says how many there were.
    async fn sweep(&self) -> Result<u64>;
}

/// Refuses a range that no store is to be asked for.
///
/// # Errors
/// INTERNAL for one without bytes, or with more than an object may have.
fn check_range(range: &Range<u64>) -> Result<()> {
    if (1..=MAX_OBJECT_BYTES).contains(&range.end.saturating_sub(range.start)) {
        return Ok(());
    }
    let message = format!(
        "a range that cannot be read was asked for: {}..{}",
        range.start, range.end
    );
    Err(Error::internal(message))
}

/// What of the range lies within these bytes.
fn slice_of(data: &Bytes, range: &Range<u64>) -> Bytes {
    let place = |at: u64| usize::try_from(at).unwrap_or(usize::MAX).min(data.len());
    data.slice(place(range.start)..place(range.end))
}

/// Opens a store. Touches nothing but a folder's own metadata; a bucket's client
/// is made, and its credentials looked for, at the first call.
///
/// # Errors
/// STORE_NOT_FOUND where a folder is asked for and something else is there; FIELD_INVALID for a
/// bucket in a build without S3.
pub fn open(spec: &StoreSpec) -> Result<Arc<dyn Store>> {
    Ok(match &spec.location {
        Location::Dir(root) => Arc::new(dir::DirStore::open(root)?),
        Location::S3 { bucket, prefix } => s3::open(bucket, prefix, spec.endpoint.clone())?,
    })
}

/// A rule by which the store itself deletes objects.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Expiry {
    /// Its name.
    pub rule: String,
    /// Of the keys as the bucket has them.
    pub prefix: String,
    /// `after 30 days`.
    pub after: String,
}

impl Expiry {
    /// Whether it may delete what lies below `folder`, or some of it.
    pub fn touches(&self, folder: &str) -> bool {
        folder.starts_with(&self.prefix) || self.prefix.starts_with(folder)
    }
}

/// The bucket's lifecycle rules that delete objects; a directory has none.
///
/// # Errors
/// STORE_DENIED without s3:GetLifecycleConfiguration; the store's own.
pub async fn expiries(spec: &StoreSpec) -> Result<Vec<Expiry>> {
    match &spec.location {
        Location::Dir(_) => Ok(Vec::new()),
        Location::S3 { bucket, .. } => s3::expiries(bucket, spec.endpoint.clone()).await,
    }
}

/// Whether the store refuses a create-only put where an object is, as it should:
/// some imitations of S3 ignore the condition. Two puts and a delete of a key below
/// `folder` (empty, or ending in `/`), for `doctor`.
///
/// # Errors
/// As `put`.
pub async fn probe_conditional(store: &dyn Store, folder: &str) -> Result<bool> {
    let now = std::time::UNIX_EPOCH.elapsed().unwrap_or_default();
    let key = format!(
        "{folder}probe/{}-{}.json",
        std::process::id(),
        now.as_nanos()
    );
    let claim = || PutOptions::unsynced("application/json").when(Condition::IfAbsent);
    let first = store.put(&key, Bytes::from_static(b"{}"), claim()).await?;
    // Other bytes, so that a claim whose answer was lost is not taken for ours.
    let second = store.put(&key, Bytes::from_static(b"[]"), claim()).await;
    store.delete(&[key]).await?;
    Ok((first, second?) == (Written::Yes, Written::ConditionFailed))
}
