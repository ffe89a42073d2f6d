//! Objects while they are written: named files in `.tmp/`, locked by their
//! writer, so that whoever finds one unlocked knows its writer is dead.

use std::fs::File;
use std::hash::{BuildHasher, RandomState};
use std::io::{self, Write};
use std::os::fd::OwnedFd;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering};

use rustix::fs::{self, AtFlags, FlockOperation, Mode, OFlags};
use rustix::io::Errno;

use super::lock::{Lock, Locks};
use crate::store::key::TEMPORARY;

/// For NFSv4, whose exclusive locks want a descriptor that can write.
const LOCKABLE: OFlags = OFlags::RDWR.union(OFlags::CLOEXEC);

/// A locked file that is deleted again unless it became an object.
pub(super) struct Temporary {
    folder: OwnedFd,
    name: String,
    file: File,
    renamed: bool,
}

impl Temporary {
    pub(super) fn create(root: &OwnedFd, locks: Locks) -> rustix::io::Result<Temporary> {
        loop {
            let folder = open_folder(root)?;
            let name = unused_name();
            let flags = OFlags::CREATE | OFlags::EXCL | LOCKABLE;
            let fd = match fs::openat(&folder, &name, flags, Mode::from_raw_mode(0o666)) {
                // The folder was removed under us, or (never, in practice) the name is taken.
                Err(Errno::NOENT | Errno::EXIST) => continue,
                other => other?,
            };
            let temporary = Temporary {
                folder,
                name,
                file: File::from(fd),
                renamed: false,
            };
            locks.take(&temporary.file, FlockOperation::LockExclusive);
            // A sweep may have got the lock, and deleted the file, between our two calls.
            if fs::fstat(&temporary.file)?.st_nlink > 0 {
                return Ok(temporary);
            }
        }
    }

    pub(super) fn write(&mut self, data: &[u8]) -> io::Result<()> {
        self.file.write_all(data)
    }

    pub(super) fn sync_data(&self) -> rustix::io::Result<()> {
        fs::fdatasync(&self.file)
    }

    /// Becomes the object, over what was there.
    pub(super) fn replace(&mut self, folder: &OwnedFd, name: &str) -> rustix::io::Result<()> {
        fs::renameat(&self.folder, &self.name, folder, name)?;
        self.renamed = true;
        Ok(())
    }

    /// Becomes the object, unless there is one (EEXIST).
    pub(super) fn claim(&mut self, folder: &OwnedFd, name: &str) -> rustix::io::Result<()> {
        match fs::linkat(&self.folder, &self.name, folder, name, AtFlags::empty()) {
            // File systems without hard links (exFAT, some FUSE) can do this instead.
            Err(Errno::PERM | Errno::OPNOTSUPP | Errno::NOSYS | Errno::MLINK) => {
                let flags = fs::RenameFlags::NOREPLACE;
                fs::renameat_with(&self.folder, &self.name, folder, name, flags)?;
                self.renamed = true;
                Ok(())
            }
            other => other,
        }
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        if !self.renamed {
            // What cannot be deleted is left to the next sweep.
            let _ = fs::unlinkat(&self.folder, &self.name, AtFlags::empty());
        }
    }
}

fn open_folder(root: &OwnedFd) -> rustix::io::Result<OwnedFd> {
    let flags = OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::RDONLY | OFlags::CLOEXEC;
    match fs::openat(root, TEMPORARY, flags, Mode::empty()) {
        Err(Errno::NOENT) => {
            match fs::mkdirat(root, TEMPORARY, Mode::from_raw_mode(0o777)) {
                Ok(()) | Err(Errno::EXIST) => {}
                Err(error) => return Err(error),
            }
            fs::openat(root, TEMPORARY, flags, Mode::empty())
        }
        other => other,
    }
}

/// Never used twice, by any process: a sweep that is slow to delete a name must
/// not hit another writer's file.
fn unused_name() -> String {
    static PROCESS: LazyLock<u64> =
        LazyLock::new(|| RandomState::new().hash_one(std::process::id()));
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    format!("{:016x}-{count}", *PROCESS)
}

/// Deletes the files whose writers are dead; says how many. What may be alive, and what cannot be
/// deleted, stays and stops nothing.
pub(super) fn sweep(root: &OwnedFd, locks: Locks) -> rustix::io::Result<u64> {
    let flags = OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::RDONLY | OFlags::CLOEXEC;
    let folder = match fs::openat(root, TEMPORARY, flags, Mode::empty()) {
        Err(Errno::NOENT) => return Ok(0),
        other => other?,
    };
    let mut swept = 0;
    for entry in fs::Dir::read_from(&folder)? {
        let entry = entry?;
        if !matches!(entry.file_name().to_bytes(), b"." | b"..") {
            swept += u64::from(sweep_one(&folder, entry.file_name(), locks));
        }
    }
    Ok(swept)
}

fn sweep_one(folder: &OwnedFd, name: &std::ffi::CStr, locks: Locks) -> bool {
    let flags = LOCKABLE | OFlags::NOFOLLOW | OFlags::NONBLOCK;
    let Ok(file) = fs::openat(folder, name, flags, Mode::empty()) else {
        // It became an object meanwhile, is nothing that we made, or another user's.
        return false;
    };
    locks.take(&file, FlockOperation::NonBlockingLockExclusive) == Lock::Held
        && fs::unlinkat(folder, name, AtFlags::empty()).is_ok()
}
