//! A store in a folder: an object is a file whose path is its key.
//!
//! | what | how |
//! |---|---|
//! | atomic put | written in `.tmp/`, then renamed (or linked, for `IfAbsent`) |
//! | `IfMatch` | compared and renamed under the exclusive lock of the object's folder, which other writers share |
//! | durable put | file and folders synced before it answers; frames wait for one `syncfs` |
//! | dead writers' leavings | deleted by `sweep`, which knows them by their free lock; they stay where there are no locks |
//! | symbolic links | never followed below the root, never listed |
//! | a root that becomes another folder | is unavailable, neither empty nor written to |

use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;

use crate::error::{Error, Result};
use crate::store::{
    ListRequest, Object, Page, PutOptions, Store, Written, check_key, check_prefix, check_range,
};

mod fault;
mod files;
mod folder;
mod lock;
mod root;
mod temporary;
mod version;
mod walk;

#[cfg(test)]
mod tests;

use files::{Files, Job};
use lock::Locks;

/// Rows of a page when the caller does not say. Each page reads its folders
/// anew, so large pages are what keeps listing a large folder linear: 100,000
/// rows are about 10 MB.
const PAGE_ROWS: usize = 100_000;

/// A directory as a store. The folder is made at the first write; until then the store is empty.
pub struct DirStore {
    files: Arc<Files>,
}

impl DirStore {
    /// # Errors
    /// STORE_NOT_FOUND where `root` exists but is no folder.
    pub fn open(root: &Path) -> Result<DirStore> {
        DirStore::with(root, Locks::new())
    }

    fn with(root: &Path, locks: Locks) -> Result<DirStore> {
        if root.exists() && !root.is_dir() {
            return Err(fault::root_is_no_folder(root));
        }
        // Absolute, so that a later change of directory cannot move the store.
        let root = std::path::absolute(root).unwrap_or_else(|_| PathBuf::from(root));
        Ok(DirStore {
            files: Arc::new(Files::new(root, locks)),
        })
    }

    /// File work blocks, so it runs on tokio's blocking threads.
    async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Files) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let files = Arc::clone(&self.files);
        tokio::task::spawn_blocking(move || work(&files))
            .await
            .unwrap_or_else(|lost| Err(Error::internal("a file task was lost").caused_by(lost)))
    }
}

#[async_trait]
impl Store for DirStore {
    fn describe(&self) -> String {
        self.files.root().display().to_string()
    }

    async fn get(&self, key: &str) -> Result<Option<Object>> {
        check_key(key)?;
        let key = key.to_owned();
        self.blocking(move |files| files.get(&key)).await
    }

    async fn get_range(&self, key: &str, range: Range<u64>) -> Result<Option<Bytes>> {
        check_key(key)?;
        check_range(&range)?;
        let key = key.to_owned();
        self.blocking(move |files| files.get_range(&key, range))
            .await
    }

    async fn put(&self, key: &str, data: Bytes, options: PutOptions<'_>) -> Result<Written> {
        check_key(key)?;
        let job = Job {
            key: key.to_owned(),
            data,
            when: options.when,
            durability: options.durability,
        };
        self.blocking(move |files| files.put(&job)).await
    }

    async fn sync(&self) -> Result<()> {
        self.blocking(Files::sync).await
    }

    async fn list(&self, request: ListRequest<'_>) -> Result<Page> {
        check_prefix(request.prefix)?;
        let prefix = request.prefix.to_owned();
        let (token, delimited) = (request.token.unwrap_or_default(), request.delimited);
        let limit = request.limit.unwrap_or(PAGE_ROWS).min(PAGE_ROWS);
        self.blocking(move |files| {
            let mut walk = walk::Walk::new(&prefix, &token, limit);
            walk.delimited = delimited;
            files.list(walk)
        })
        .await
    }

    async fn delete(&self, keys: &[String]) -> Result<()> {
        keys.iter().try_for_each(|key| check_key(key))?;
        let keys = keys.to_vec();
        self.blocking(move |files| files.delete(&keys)).await
    }

    async fn sweep(&self) -> Result<u64> {
        self.blocking(Files::sweep).await
    }
}
