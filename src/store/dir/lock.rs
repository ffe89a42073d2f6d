//! Advisory locks, where the file system has them: NFS without a lock daemon and Lustre without
//! `-o flock` have none, and NFSv4 gives none over a descriptor that cannot write.

use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Once;

use rustix::fs::{FlockOperation, flock};
use rustix::io::{Errno, Result};

/// What became of asking for a lock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Lock {
    Held,
    /// Somebody else holds it.
    Busy,
    /// Nobody can tell.
    Unknown,
}

#[derive(Clone, Copy)]
pub(super) struct Locks {
    flock: fn(BorrowedFd<'_>, FlockOperation) -> Result<()>,
}

impl Locks {
    pub(super) fn new() -> Locks {
        Locks {
            flock: |file, operation| flock(file, operation),
        }
    }

    /// Locks that are as `flock` answers.
    #[cfg(test)]
    pub(super) fn of(flock: fn(BorrowedFd<'_>, FlockOperation) -> Result<()>) -> Locks {
        Locks { flock }
    }

    /// A lock saves work, or tells a live writer from a dead one; where there is none, writing goes on.
    pub(super) fn take(&self, file: impl AsFd, operation: FlockOperation) -> Lock {
        loop {
            return match (self.flock)(file.as_fd(), operation) {
                Ok(()) => Lock::Held,
                Err(Errno::INTR) => continue,
                Err(Errno::WOULDBLOCK) => Lock::Busy,
                Err(errno) => {
                    say_once(errno);
                    Lock::Unknown
                }
            };
        }
    }
}

fn say_once(errno: Errno) {
    static SAID: Once = Once::new();
    SAID.call_once(|| {
        tracing::warn!(
            cause = %errno,
            "the store's file system gives no locks: temporary files of writers that died stay in .tmp/"
        );
    });
}
