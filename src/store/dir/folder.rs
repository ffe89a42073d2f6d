//! Finding folders below the root without ever following a symbolic link, so
//! that no key leads out of the store.

use std::os::fd::OwnedFd;

use rustix::fs::{self, AtFlags, FileType, Mode, OFlags};
use rustix::io::{Errno, Result};

use super::root::Root;

/// The folders from the root (first) down to the one asked for (last).
pub(super) struct Chain {
    folders: Vec<OwnedFd>,
}

/// What the folders are opened for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum For {
    /// Only to look names up: needs no read permission.
    Lookup,
    /// To list, lock or sync them.
    Reading,
    /// The same, and those that are missing are made.
    Writing,
}

impl Chain {
    /// `folder` is a key's path without its last segment; empty for the root.
    pub(super) fn open(root: &Root, folder: &str, purpose: For) -> Result<Chain> {
        let flags = flags(purpose);
        let mut folders = vec![root.open(purpose)?];
        for segment in folder.split('/').filter(|s| !s.is_empty()) {
            let Some(above) = folders.last() else { break };
            let below = match fs::openat(above, segment, flags, Mode::empty()) {
                Err(Errno::NOENT) if purpose == For::Writing => {
                    make_and_open(above, segment, flags)
                }
                Err(Errno::NOTDIR) => Err(why_no_folder(above, segment)),
                other => other,
            }?;
            folders.push(below);
        }
        Ok(Chain { folders })
    }

    /// The folder asked for.
    pub(super) fn last(&self) -> Result<&OwnedFd> {
        self.folders.last().ok_or(Errno::NOENT)
    }

    /// Each folder below the root with the one that holds it, topmost first.
    pub(super) fn links(&self) -> impl DoubleEndedIterator<Item = (&OwnedFd, &OwnedFd)> {
        self.folders.iter().zip(self.folders.iter().skip(1))
    }
}

pub(super) fn flags(purpose: For) -> OFlags {
    let base = OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    match purpose {
        For::Lookup => base | OFlags::PATH,
        For::Reading | For::Writing => base | OFlags::RDONLY,
    }
}

fn make_and_open(above: &OwnedFd, segment: &str, flags: OFlags) -> Result<OwnedFd> {
    ignore_existing(fs::mkdirat(above, segment, Mode::from_raw_mode(0o777)))?;
    fs::openat(above, segment, flags, Mode::empty())
}

pub(super) fn ignore_existing(made: Result<()>) -> Result<()> {
    match made {
        Err(Errno::EXIST) => Ok(()),
        other => other,
    }
}

/// `O_DIRECTORY | O_NOFOLLOW` answers ENOTDIR for a link as for a file; a link is refused, a file is an object.
fn why_no_folder(above: &OwnedFd, segment: &str) -> Errno {
    match fs::statat(above, segment, AtFlags::SYMLINK_NOFOLLOW) {
        Ok(stat) if FileType::from_raw_mode(stat.st_mode) == FileType::Symlink => Errno::LOOP,
        _ => Errno::NOTDIR,
    }
}
