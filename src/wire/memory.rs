//! Memory that two processes share for the large bulks of a call: places that one side fills and the
//! other empties. A socket takes a picture in thirty pieces, and both sides wake for each.
//!
//! It is written and read as a file (memfd_create(2)) and mapped by nobody: what the other side does to
//! it changes bytes, and never memory that is being looked at.

use std::os::fd::OwnedFd;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rustix::buffer::spare_capacity;
use rustix::fs::{MemfdFlags, SealFlags, fcntl_add_seals, fstat, ftruncate, memfd_create};
use rustix::io::{Errno, pread, pwrite};

use crate::wire::{Channel, Failure, MAX_BULK_BYTES};

/// One that is filled while the other is emptied.
pub(super) const PLACES: usize = 2;
/// What is smaller goes through the socket.
pub(super) const LEAST_BYTES: usize = 256 << 10;
/// Of all places. Of these bytes only those that were written take memory.
pub const MEMORY_BYTES: u64 = (PLACES * MAX_BULK_BYTES) as u64;
/// Of the memories of calls that ended, so many are kept, and none that took more.
const KEPT: usize = 4;
const MAX_KEPT_BYTES: u64 = 8 << 20;
/// Of what a file takes, stat(2).
const BLOCK_BYTES: u64 = 512;

/// Memories for the calls to one process, one after the other: to make one, page by page, costs as much
/// as to fill it.
#[derive(Debug, Default)]
pub struct Memories(Mutex<Vec<OwnedFd>>);

impl Memories {
    /// One that no call has, of which this is a copy to send.
    ///
    /// # Errors
    /// [`Failure::Io`] where the system has no more descriptors.
    pub(super) fn lend(&self) -> Result<(OwnedFd, OwnedFd), Failure> {
        let kept = self.kept().pop();
        let memory = kept.map_or_else(new, Ok)?;
        let copy = memory.try_clone()?;
        Ok((memory, copy))
    }

    /// Keeps the memory of a call whose last answer has come; in one that ended otherwise, the other side
    /// may write yet.
    pub fn keep(&self, ended: Channel) {
        let Side::Empties(memory) = ended.memory else {
            return;
        };
        let taken = fstat(&memory).map(|stat| stat.st_blocks.cast_unsigned() * BLOCK_BYTES);
        let mut kept = self.kept();
        if kept.len() < KEPT && taken.is_ok_and(|bytes| bytes <= MAX_KEPT_BYTES) {
            kept.push(memory);
        }
    }

    fn kept(&self) -> MutexGuard<'_, Vec<OwnedFd>> {
        // Nothing that can panic runs under the lock.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A new one, whose size nobody changes any more.
///
/// # Errors
/// [`Failure::Io`] where the system has no more descriptors.
fn new() -> Result<OwnedFd, Failure> {
    let made = || {
        let memory = memfd_create("bulk", MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING)?;
        ftruncate(&memory, MEMORY_BYTES)?;
        fcntl_add_seals(
            &memory,
            SealFlags::SHRINK | SealFlags::GROW | SealFlags::SEAL,
        )?;
        Ok(memory)
    };
    made().map_err(|e: Errno| Failure::Io(e.into()))
}

/// What a side may do with it.
#[derive(Debug)]
pub(super) enum Side {
    /// Bulks come and go through the socket alone.
    None,
    Fills(Filling),
    Empties(OwnedFd),
}

impl Side {
    /// The bulk of a place, copied out of it.
    ///
    /// # Errors
    /// [`Failure::Nonsense`] where there is no such memory.
    pub fn take(&self, place: usize, bytes: usize) -> Result<Vec<u8>, Failure> {
        let nonsense = || Failure::Nonsense("a bulk in memory that is not shared".to_owned());
        let Side::Empties(memory) = self else {
            return Err(nonsense());
        };
        let mut bulk = Vec::with_capacity(bytes);
        while bulk.len() < bytes {
            let offset = offset(place) + bulk.len() as u64;
            match pread(memory, spare_capacity(&mut bulk), offset) {
                Ok(0) => return Err(nonsense()),
                Ok(_) | Err(Errno::INTR) => {}
                Err(error) => return Err(Failure::Io(error.into())),
            }
        }
        bulk.truncate(bytes);
        Ok(bulk)
    }

    /// The other side says that it emptied a place.
    ///
    /// # Errors
    /// [`Failure::Nonsense`] for one that was not filled.
    pub fn emptied(&self, place: usize) -> Result<(), Failure> {
        match self {
            Side::Fills(filling) => filling.emptied(place),
            Side::None | Side::Empties(_) => Err(not_filled()),
        }
    }

    /// Nothing is emptied any more.
    pub fn end(&self) {
        if let Side::Fills(filling) = self {
            filling.state().is_over = true;
            filling.changed.notify_all();
        }
    }
}

fn offset(place: usize) -> u64 {
    (place * MAX_BULK_BYTES) as u64
}

fn not_filled() -> Failure {
    Failure::Nonsense("a place was emptied that was not filled".to_owned())
}

/// The side that fills.
#[derive(Debug)]
pub(super) struct Filling {
    memory: OwnedFd,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    is_full: [bool; PLACES],
    is_over: bool,
}

impl Filling {
    pub fn new(memory: OwnedFd) -> Self {
        Filling {
            memory,
            state: Mutex::default(),
            changed: Condvar::new(),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing that can panic runs under the lock.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts a bulk into a place once one is empty, and says into which.
    ///
    /// # Errors
    /// [`Failure::HungUp`]; [`Failure::Stalled`] where none is emptied within `patience`, if it has an end.
    pub fn fill(&self, bulk: &[u8], patience: Option<Duration>) -> Result<usize, Failure> {
        let place = self.empty_place(patience)?;
        let mut written = 0;
        while written < bulk.len() {
            match pwrite(
                &self.memory,
                &bulk[written..],
                offset(place) + written as u64,
            ) {
                Ok(count) => written += count,
                Err(Errno::INTR) => {}
                Err(error) => return Err(Failure::Io(error.into())),
            }
        }
        Ok(place)
    }

    fn empty_place(&self, patience: Option<Duration>) -> Result<usize, Failure> {
        let is_waiting = |state: &mut State| !state.is_over && state.is_full == [true; PLACES];
        let state = self.state();
        let mut state = match patience {
            Some(patience) => {
                let waited = self.changed.wait_timeout_while(state, patience, is_waiting);
                waited.unwrap_or_else(PoisonError::into_inner).0
            }
            None => {
                let waited = self.changed.wait_while(state, is_waiting);
                waited.unwrap_or_else(PoisonError::into_inner)
            }
        };
        if state.is_over {
            return Err(Failure::HungUp);
        }
        let place = state.is_full.iter().position(|is_full| !is_full);
        let place = place.ok_or(Failure::Stalled)?;
        state.is_full[place] = true;
        Ok(place)
    }

    fn emptied(&self, place: usize) -> Result<(), Failure> {
        let mut state = self.state();
        let is_full = state.is_full.get_mut(place).filter(|is_full| **is_full);
        *is_full.ok_or_else(not_filled)? = false;
        self.changed.notify_one();
        Ok(())
    }
}
