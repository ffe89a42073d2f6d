//! The folder that a store lies in.
//!
//! A path may come to name another folder: its file system goes, and what is below the mount point
//! shows. So the one that was found first is held open, which keeps it in use, and compared each time.

use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rustix::fs::{self, Mode, OFlags};
use rustix::io::{Errno, Result};

use super::fault::errno;
use super::folder::{For, flags, ignore_existing};

pub(super) struct Root {
    path: PathBuf,
    held: Mutex<Option<Held>>,
}

struct Held {
    folder: OwnedFd,
    /// Device and inode.
    id: (u64, u64),
    /// Opened before the first write, because `syncfs` reports the failed
    /// writes since its descriptor was opened.
    writes: Option<Arc<OwnedFd>>,
}

impl Root {
    pub(super) fn new(path: PathBuf) -> Root {
        let root = Root {
            path,
            held: Mutex::default(),
        };
        // What is not there yet is found later.
        let _ = root.open(For::Lookup);
        root
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// The folder, made where it is to be written to and none was there yet. It may be a symbolic
    /// link: its owner named it.
    ///
    /// # Errors
    /// ESTALE where the path names another folder than before, or none.
    pub(super) fn open(&self, purpose: For) -> Result<OwnedFd> {
        let mut held = self.held();
        if held.as_ref().is_some_and(Held::is_deleted) {
            *held = None;
        }
        let opened = match self.open_path(purpose) {
            Err(Errno::NOENT | Errno::NOTDIR) if held.is_some() => Err(Errno::STALE),
            Err(Errno::NOENT) if purpose == For::Writing => {
                make(&self.path)?;
                self.open_path(purpose)
            }
            other => other,
        }?;
        let id = id(&opened)?;
        let held = match &mut *held {
            Some(held) if held.id != id => return Err(Errno::STALE),
            Some(held) => held,
            none => none.insert(Held {
                folder: clone(&opened)?,
                id,
                writes: None,
            }),
        };
        if purpose == For::Writing && held.writes.is_none() {
            held.writes = Some(Arc::new(clone(&opened)?));
        }
        Ok(opened)
    }

    /// For `syncfs`; none where nothing was written.
    pub(super) fn writes(&self) -> Option<Arc<OwnedFd>> {
        self.held().as_ref()?.writes.clone()
    }

    fn open_path(&self, purpose: For) -> Result<OwnedFd> {
        let flags = flags(purpose).difference(OFlags::NOFOLLOW);
        fs::open(&self.path, flags, Mode::empty())
    }

    fn held(&self) -> MutexGuard<'_, Option<Held>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Held {
    /// Deleted, rather than out of sight: its owner wanted the store gone, and may begin anew.
    fn is_deleted(&self) -> bool {
        fs::fstat(&self.folder).is_ok_and(|stat| stat.st_nlink == 0)
    }
}

fn id(folder: &OwnedFd) -> Result<(u64, u64)> {
    let stat = fs::fstat(folder)?;
    Ok((stat.st_dev, stat.st_ino))
}

fn clone(folder: &OwnedFd) -> Result<OwnedFd> {
    folder.try_clone().map_err(|e| errno(&e))
}

/// Makes the root and what is missing above it, each entry on disk before the next.
fn make(path: &Path) -> Result<()> {
    let parent = path.parent().filter(|p| !p.as_os_str().is_empty());
    let Some(parent) = parent else {
        return ignore_existing(fs::mkdir(path, Mode::from_raw_mode(0o777)));
    };
    if matches!(fs::stat(parent), Err(Errno::NOENT)) {
        make(parent)?;
    }
    ignore_existing(fs::mkdir(path, Mode::from_raw_mode(0o777)))?;
    let above = fs::open(
        parent,
        OFlags::DIRECTORY | OFlags::RDONLY | OFlags::CLOEXEC,
        Mode::empty(),
    )?;
    fs::fsync(above)
}
