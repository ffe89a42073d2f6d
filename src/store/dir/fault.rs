//! What the file system's refusals mean to a caller.

use std::io;
use std::path::Path;

use rustix::io::Errno;

use crate::error::{Error, Reason};

/// `attempt` says what was tried, in lower case, with its facts; the root goes
/// into the cause, since messages travel to clients and paths must not.
pub(super) fn fault(attempt: String, errno: Errno, root: &Path) -> Error {
    let (reason, hint) = meaning(errno);
    let cause = io::Error::other(format!(
        "{}: {}",
        root.display(),
        io::Error::from_raw_os_error(errno.raw_os_error())
    ));
    Error::new(reason, attempt).hint(hint).caused_by(cause)
}

fn meaning(errno: Errno) -> (Reason, &'static str) {
    match errno {
        Errno::NOSPC | Errno::DQUOT => (
            Reason::DiskFull,
            "free space on the store's disk (or raise its quota), then run it again",
        ),
        Errno::ROFS => (
            Reason::StoreUnavailable,
            "the store's file system is read-only (some turn so at an error of the disk): mount it for writing",
        ),
        Errno::ACCESS | Errno::PERM => (
            Reason::StoreDenied,
            "give the user that runs this read and write permission on the store's folder",
        ),
        Errno::LOOP => (
            Reason::StoreDenied,
            "a symbolic link lies in the store; only its root may be one",
        ),
        Errno::NOTDIR | Errno::ISDIR => (
            Reason::FieldInvalid,
            "one object's key cannot be a folder of another's",
        ),
        Errno::NAMETOOLONG => (Reason::FieldInvalid, "shorten the ids in this key"),
        Errno::STALE => (
            Reason::StoreUnavailable,
            "the store's folder is not the one that was opened: mount its file system again, or start again if it is meant to be another",
        ),
        Errno::MFILE | Errno::NFILE => (
            Reason::StoreUnavailable,
            "too many files are open; raise the limit (ulimit -n) or lower the parallelism",
        ),
        _ => (
            Reason::StoreUnavailable,
            "the store's disk answered with an error; see the cause",
        ),
    }
}

/// The root exists but is no folder.
pub(super) fn root_is_no_folder(root: &Path) -> Error {
    Error::new(Reason::StoreNotFound, "the store is not a folder")
        .hint("name a folder, or a path where one can be made")
        .caused_by(io::Error::other(format!(
            "{}: not a folder",
            root.display()
        )))
}

pub(super) fn errno(error: &io::Error) -> Errno {
    Errno::from_io_error(error).unwrap_or(Errno::IO)
}
