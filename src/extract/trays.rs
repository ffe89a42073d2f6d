//! Buffers of pictures on their way to be coded: each is there again for the next one of its size, from
//! whatever thread its picture ends on.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use crate::error::{Error, Result};

/// That wait for a picture: what was queued for workers comes back at once where these catch up.
const KEPT: usize = 8;

/// A darkroom's buffers.
pub(super) struct Trays<B>(Arc<Mutex<Shelf<B>>>);

struct Shelf<B> {
    /// What is taken now; others are not kept.
    size: usize,
    idle: Vec<B>,
}

impl<B> Default for Trays<B> {
    fn default() -> Self {
        Trays(Arc::new(Mutex::new(Shelf {
            size: 0,
            idle: Vec::new(),
        })))
    }
}

impl<B> Trays<B> {
    /// A buffer of that size, which `make` makes where none waits.
    ///
    /// # Errors
    /// What `make` fails with.
    pub fn take(&self, size: usize, make: impl FnOnce() -> Result<B>) -> Result<Lent<B>> {
        let mut shelf = lock(&self.0);
        let others = (shelf.size != size).then(|| std::mem::take(&mut shelf.idle));
        shelf.size = size;
        let idle = shelf.idle.pop();
        drop(shelf);
        drop(others);
        Ok(Lent {
            buffer: Some(idle.map_or_else(make, Ok)?),
            size,
            shelf: Arc::downgrade(&self.0),
        })
    }

    /// Keeps none of those that wait, or are lent.
    pub fn clear(&self) {
        let mut shelf = lock(&self.0);
        shelf.size = 0;
        let idle = std::mem::take(&mut shelf.idle);
        drop(shelf);
        drop(idle);
    }
}

fn lock<B>(shelf: &Mutex<Shelf<B>>) -> MutexGuard<'_, Shelf<B>> {
    // Nothing that can panic runs under the lock.
    shelf.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A buffer that goes back once it is dropped.
pub(super) struct Lent<B> {
    /// Taken only by `drop`.
    buffer: Option<B>,
    size: usize,
    shelf: Weak<Mutex<Shelf<B>>>,
}

impl<B> Lent<B> {
    pub fn get(&self) -> Result<&B> {
        self.buffer.as_ref().ok_or_else(gone)
    }

    pub fn get_mut(&mut self) -> Result<&mut B> {
        self.buffer.as_mut().ok_or_else(gone)
    }
}

fn gone() -> Error {
    Error::internal("a picture's buffer is used after its end")
}

impl<B> Drop for Lent<B> {
    fn drop(&mut self) {
        let Some(shelf) = self.shelf.upgrade() else {
            return;
        };
        let mut shelf = lock(&shelf);
        if shelf.size == self.size && shelf.idle.len() < KEPT {
            shelf.idle.extend(self.buffer.take());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn taken(trays: &Trays<u32>, size: usize, number: u32) -> (u32, Lent<u32>) {
        let lent = trays.take(size, || Ok(number)).unwrap();
        (*lent.get().unwrap(), lent)
    }

    #[test]
    fn a_buffer_is_used_again_for_its_size_from_whatever_thread_it_comes_back() {
        let trays = Trays::default();
        let (number, lent) = taken(&trays, 10, 1);
        assert_eq!(number, 1);
        std::thread::spawn(move || drop(lent)).join().unwrap();
        let (number, first) = taken(&trays, 10, 2);
        assert_eq!(number, 1);
        // Of another size none is kept, and the one that is lent is not taken back.
        let (number, _second) = taken(&trays, 20, 3);
        assert_eq!(number, 3);
        drop(first);
        assert_eq!(taken(&trays, 10, 4).0, 4);
    }

    #[test]
    fn no_more_wait_than_are_kept_and_none_once_it_is_cleared_or_gone() {
        let trays = Trays::default();
        let all: Vec<_> = (0..20).map(|n| taken(&trays, 10, n).1).collect();
        drop(all);
        let again: Vec<_> = (20..40).map(|n| taken(&trays, 10, n)).collect();
        assert_eq!(again.iter().filter(|(n, _)| *n < 20).count(), KEPT);
        trays.clear();
        drop(again);
        let (number, last) = taken(&trays, 10, 40);
        assert_eq!(number, 40);
        drop((trays, last));
    }
}
