//! What the cache asks of a store, said once: how each kind of object is put,
//! and whole listings.

use bytes::Bytes;
use futures::stream::{self, Stream, TryStreamExt};

use crate::error::Result;
use crate::store::{Condition, Entry, ListRequest, PutOptions, Store, Written};

pub const JPEG: &str = "image/jpeg";
pub const PNG: &str = "image/png";
const JSON: &str = "application/json";
/// Listings that should be empty are looked through again at most so often,
/// for servers whose page tokens lose rows while rows are deleted.
const MAX_DELETE_PASSES: usize = 4;

/// Puts a plan or record: durable when it answers.
pub async fn put_json(
    store: &dyn Store,
    key: &str,
    data: Bytes,
    when: Condition,
) -> Result<Written> {
    store
        .put(key, data, PutOptions::durable(JSON).when(when))
        .await
}

/// Every object whose key starts with `prefix`, in byte order of the keys.
pub fn entries<'a>(
    store: &'a dyn Store,
    prefix: &'a str,
) -> impl Stream<Item = Result<Entry>> + 'a {
    pages(store, prefix)
        .map_ok(|page| stream::iter(page.into_iter().map(Ok)))
        .try_flatten()
}

/// The same, a page at a time.
pub fn pages<'a>(
    store: &'a dyn Store,
    prefix: &'a str,
) -> impl Stream<Item = Result<Vec<Entry>>> + 'a {
    stream::try_unfold(
        Some(None),
        move |state: Option<Option<String>>| async move {
            let Some(token) = state else {
                return Ok(None);
            };
            let request = ListRequest {
                prefix,
                token,
                ..ListRequest::default()
            };
            let page = store.list(request).await?;
            Ok(Some((page.entries, page.next.map(Some))))
        },
    )
}

/// The folders right below `prefix`, each as its whole prefix ending in `/`.
pub async fn folders(store: &dyn Store, prefix: &str) -> Result<Vec<String>> {
    let mut found = Vec::new();
    let mut token = None;
    loop {
        let request = ListRequest {
            prefix,
            delimited: true,
            token,
            limit: None,
        };
        let page = store.list(request).await?;
        found.extend(page.prefixes);
        token = page.next;
        if token.is_none() {
            return Ok(found);
        }
    }
}

/// The object of exactly this key, as a listing tells it.
pub async fn entry(store: &dyn Store, key: &str) -> Result<Option<Entry>> {
    let request = ListRequest {
        prefix: key,
        limit: Some(1),
        ..ListRequest::default()
    };
    let page = store.list(request).await?;
    // A key sorts before all longer ones that start with it.
    Ok(page.entries.into_iter().next().filter(|e| e.key == key))
}

/// Whether any key starts with `prefix`.
pub async fn any(store: &dyn Store, prefix: &str) -> Result<bool> {
    let request = ListRequest {
        prefix,
        limit: Some(1),
        ..ListRequest::default()
    };
    Ok(!store.list(request).await?.entries.is_empty())
}

/// How many objects, and their bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tally {
    pub objects: u64,
    pub bytes: u64,
}

impl Tally {
    pub fn add(&mut self, entry: &Entry) {
        self.objects += 1;
        self.bytes = self.bytes.saturating_add(entry.bytes);
    }
}

/// Counts the objects whose keys start with `prefix`, and deletes them unless
/// it is a dry run.
pub async fn delete_below(store: &dyn Store, prefix: &str, dry_run: bool) -> Result<Tally> {
    let mut tally = Tally::default();
    for _ in 0..MAX_DELETE_PASSES {
        let before = tally.objects;
        let mut listed = std::pin::pin!(pages(store, prefix));
        while let Some(page) = listed.try_next().await? {
            page.iter().for_each(|entry| tally.add(entry));
            if !dry_run && !page.is_empty() {
                let keys: Vec<_> = page.into_iter().map(|e| e.key).collect();
                store.delete(&keys).await?;
            }
        }
        if dry_run || tally.objects == before {
            break;
        }
    }
    Ok(tally)
}
