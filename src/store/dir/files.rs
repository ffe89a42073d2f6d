//! The blocking half of the directory store.

use std::collections::{BTreeSet, HashSet};
use std::fs::File;
use std::io::Read;
use std::ops::Range;
use std::os::fd::OwnedFd;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use bytes::Bytes;
use rustix::fs::{self, AtFlags, FileType, FlockOperation, Mode, OFlags};
use rustix::io::Errno;

use super::fault::{errno, fault, root_is_no_folder};
use super::folder::{Chain, For};
use super::lock::Locks;
use super::root::Root;
use super::temporary::{self, Temporary};
use super::version::version_of;
use super::walk::Walk;
use crate::error::{Error, Reason, Result};
use crate::store::{Condition, Durability, ETag, MAX_OBJECT_BYTES, Object, Page, Written};

/// Folders whose names are known to be on disk; forgotten all at once when there are more.
const DURABLE_FOLDERS: usize = 4096;
/// A put whose folder is removed under it begins again; so often in a row is not chance.
const ATTEMPTS: u32 = 64;

pub(super) struct Files {
    root: Root,
    locks: Locks,
    /// (device, inode).
    durable_folders: Mutex<HashSet<(u64, u64)>>,
}

/// One put.
pub(super) struct Job {
    pub(super) key: String,
    pub(super) data: Bytes,
    pub(super) when: Condition,
    pub(super) durability: Durability,
}

impl Files {
    pub(super) fn new(root: PathBuf, locks: Locks) -> Files {
        Files {
            root: Root::new(root),
            locks,
            durable_folders: Mutex::default(),
        }
    }

    pub(super) fn root(&self) -> &Path {
        self.root.path()
    }

    pub(super) fn get(&self, key: &str) -> Result<Option<Object>> {
        let file = self.open_file(key)?;
        file.map(|file| self.read(file, key)).transpose()
    }

    pub(super) fn get_range(&self, key: &str, range: Range<u64>) -> Result<Option<Bytes>> {
        let read = |file| read_range(&file, range);
        let data = self.open_file(key)?.map(read).transpose();
        data.map_err(|e| self.fault("could not read an object", key, errno(&e)))
    }

    fn open_file(&self, key: &str) -> Result<Option<File>> {
        let (folder, name) = split(key);
        let chain = match Chain::open(&self.root, folder, For::Lookup) {
            Err(Errno::NOENT | Errno::NOTDIR) => return self.absent().map(|()| None),
            other => other.map_err(|e| self.fault("could not read an object", key, e))?,
        };
        chain
            .last()
            .and_then(|folder| open_object(folder, name))
            .map_err(|e| self.fault("could not read an object", key, e))
    }

    fn read(&self, mut file: File, key: &str) -> Result<Object> {
        let failed = |e| self.fault("could not read an object", key, e);
        let before = fs::fstat(&file).map_err(failed)?;
        let bytes = u64::try_from(before.st_size).unwrap_or(0);
        if bytes > MAX_OBJECT_BYTES {
            return Err(Error::new(
                Reason::ObjectCorrupt,
                format!("an object is larger than any we write: key={key} bytes={bytes}"),
            ));
        }
        let mut data = Vec::with_capacity(usize::try_from(bytes).unwrap_or(0));
        file.read_to_end(&mut data).map_err(|e| failed(errno(&e)))?;
        // What others change in place may be read in the middle of a change.
        let after = fs::fstat(&file).map_err(failed)?;
        let version =
            version_of(&before).filter(|before| version_of(&after).as_ref() == Some(before));
        Ok(Object::new(Bytes::from(data)).listed_as(version))
    }

    pub(super) fn put(&self, job: &Job) -> Result<Written> {
        for _ in 0..ATTEMPTS {
            match self.try_put(job) {
                // A folder that became empty was removed between our finding and our using it.
                Err(Errno::NOENT) => continue,
                Err(Errno::NOTDIR) => self.absent()?,
                other => return other.map_err(|e| self.put_fault(job, e)),
            }
            return Err(self.put_fault(job, Errno::NOTDIR));
        }
        Err(self.put_fault(job, Errno::NOENT))
    }

    fn put_fault(&self, job: &Job, errno: Errno) -> Error {
        self.fault("could not write an object", &job.key, errno)
    }

    fn try_put(&self, job: &Job) -> rustix::io::Result<Written> {
        let (folder, name) = split(&job.key);
        let root = self.root.open(For::Writing)?;
        let mut temporary = Temporary::create(&root, self.locks)?;
        temporary.write(&job.data).map_err(|e| errno(&e))?;
        if job.durability == Durability::Now {
            temporary.sync_data()?;
        }
        let chain = Chain::open(&self.root, folder, For::Writing)?;
        let folder = chain.last()?;
        // Shared among writers, so that only a comparison (IfMatch) waits and is waited for.
        self.locks.take(folder, lock_for(&job.when));
        if publish(&mut temporary, folder, name, &job.when)? == Written::ConditionFailed {
            return Ok(Written::ConditionFailed);
        }
        if job.durability == Durability::Now {
            self.sync_folders(&chain)?;
        }
        Ok(Written::Yes)
    }

    /// Puts the object's name, and those of the folders above it, on disk.
    fn sync_folders(&self, chain: &Chain) -> rustix::io::Result<()> {
        fs::fsync(chain.last()?)?;
        for (above, below) in chain.links() {
            let stat = fs::fstat(below)?;
            let id = (stat.st_dev, stat.st_ino);
            if !self.durable_folders().contains(&id) {
                fs::fsync(above)?;
                let mut known = self.durable_folders();
                if known.len() >= DURABLE_FOLDERS {
                    known.clear();
                }
                known.insert(id);
            }
        }
        Ok(())
    }

    fn durable_folders(&self) -> std::sync::MutexGuard<'_, HashSet<(u64, u64)>> {
        self.durable_folders
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn sync(&self) -> Result<()> {
        let Some(root) = self.root.writes() else {
            return Ok(());
        };
        fs::syncfs(&*root).map_err(|e| {
            let attempt = "could not bring the store's writes to disk".to_owned();
            fault(attempt, e, self.root())
        })
    }

    pub(super) fn list(&self, walk: Walk<'_>) -> Result<Page> {
        let prefix = walk.prefix;
        let failed = |e| {
            let attempt = format!("could not list objects: prefix={prefix}");
            fault(attempt, e, self.root())
        };
        let (folder, path) = match prefix.rfind('/') {
            Some(slash) => (prefix.split_at(slash).0, prefix.split_at(slash + 1).0),
            None => ("", ""),
        };
        let chain = match Chain::open(&self.root, folder, For::Reading) {
            Err(Errno::NOENT | Errno::NOTDIR) => return self.absent().map(|()| Page::default()),
            other => other.map_err(failed)?,
        };
        let open = chain.last().map_err(failed)?;
        walk.run(open, path).map_err(failed)
    }

    pub(super) fn delete(&self, keys: &[String]) -> Result<()> {
        let mut folders = BTreeSet::new();
        for key in keys {
            let (folder, name) = split(key);
            folders.insert(folder);
            self.delete_one(folder, name)
                .map_err(|e| self.fault("could not delete an object", key, e))?;
        }
        for folder in folders {
            self.prune(folder);
        }
        Ok(())
    }

    fn delete_one(&self, folder: &str, name: &str) -> rustix::io::Result<()> {
        let chain = match Chain::open(&self.root, folder, For::Reading) {
            Err(Errno::NOENT | Errno::NOTDIR) => return Ok(()),
            other => other?,
        };
        let folder = chain.last()?;
        self.locks.take(folder, FlockOperation::LockShared);
        match fs::unlinkat(folder, name, AtFlags::empty()) {
            Err(Errno::NOENT | Errno::ISDIR) => Ok(()),
            other => other,
        }
    }

    /// Removes the folder, and those above it, as far as they are empty. Who
    /// writes into one at this moment makes it again.
    fn prune(&self, folder: &str) {
        let mut path = folder;
        while !path.is_empty() {
            let (above, name) = split(path);
            let removed = Chain::open(&self.root, above, For::Lookup)
                .and_then(|chain| fs::unlinkat(chain.last()?, name, AtFlags::REMOVEDIR));
            match removed {
                // The kernel may give its inode to another folder.
                Ok(()) => self.durable_folders().clear(),
                Err(Errno::NOENT) => {}
                Err(_) => return,
            }
            path = above;
        }
    }

    pub(super) fn sweep(&self) -> Result<u64> {
        let root = self.root.open(For::Reading);
        match root.and_then(|root| temporary::sweep(&root, self.locks)) {
            Err(Errno::NOENT) => Ok(0),
            other => {
                other.map_err(|e| fault("could not sweep temporary files".into(), e, self.root()))
            }
        }
    }

    /// Whether "nothing there" is the whole story: a root that is a file is no empty store.
    fn absent(&self) -> Result<()> {
        match fs::stat(self.root()) {
            Ok(stat) if FileType::from_raw_mode(stat.st_mode) != FileType::Directory => {
                Err(root_is_no_folder(self.root()))
            }
            _ => Ok(()),
        }
    }

    fn fault(&self, attempt: &str, key: &str, errno: Errno) -> Error {
        fault(format!("{attempt}: key={key}"), errno, self.root())
    }
}

/// As far as the file reaches.
fn read_range(file: &File, range: Range<u64>) -> std::io::Result<Bytes> {
    let there = file.metadata()?.len().min(range.end);
    let bytes = there.saturating_sub(range.start);
    let mut data = vec![0; usize::try_from(bytes).unwrap_or(0)];
    let mut filled = 0;
    while let Some(rest) = data.get_mut(filled..).filter(|rest| !rest.is_empty()) {
        match file.read_at(rest, range.start + filled as u64) {
            Ok(0) => data.truncate(filled),
            Ok(more) => filled += more,
            Err(e) if e.kind() == std::io::ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
    }
    Ok(data.into())
}

/// (folder, name); the folder of a key at the root is empty.
fn split(key: &str) -> (&str, &str) {
    key.rsplit_once('/').unwrap_or(("", key))
}

fn lock_for(when: &Condition) -> FlockOperation {
    match when {
        Condition::IfMatch(_) => FlockOperation::LockExclusive,
        Condition::Always | Condition::IfAbsent => FlockOperation::LockShared,
    }
}

fn publish(
    temporary: &mut Temporary,
    folder: &OwnedFd,
    name: &str,
    when: &Condition,
) -> rustix::io::Result<Written> {
    match when {
        Condition::Always => temporary.replace(folder, name)?,
        Condition::IfAbsent => match temporary.claim(folder, name) {
            Err(Errno::EXIST) if is_folder(folder, name) => return Err(Errno::ISDIR),
            Err(Errno::EXIST) => return Ok(Written::ConditionFailed),
            other => other?,
        },
        Condition::IfMatch(etag) => {
            if current_etag(folder, name)?.as_ref() != Some(etag) {
                return Ok(Written::ConditionFailed);
            }
            temporary.replace(folder, name)?;
        }
    }
    Ok(Written::Yes)
}

fn is_folder(folder: &OwnedFd, name: &str) -> bool {
    fs::statat(folder, name, AtFlags::SYMLINK_NOFOLLOW)
        .is_ok_and(|stat| FileType::from_raw_mode(stat.st_mode) == FileType::Directory)
}

fn current_etag(folder: &OwnedFd, name: &str) -> rustix::io::Result<Option<ETag>> {
    let Some(mut file) = open_object(folder, name)? else {
        return Ok(None);
    };
    let mut data = Vec::new();
    file.read_to_end(&mut data).map_err(|e| errno(&e))?;
    Ok(Some(ETag::of(&data)))
}

/// None where there is nothing, or a folder or device: what a listing does not show.
fn open_object(folder: &OwnedFd, name: &str) -> rustix::io::Result<Option<File>> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let fd = match fs::openat(folder, name, flags, Mode::empty()) {
        Err(Errno::NOENT | Errno::NXIO) => return Ok(None),
        other => other?,
    };
    let kind = FileType::from_raw_mode(fs::fstat(&fd)?.st_mode);
    Ok((kind == FileType::RegularFile).then(|| File::from(fd)))
}
