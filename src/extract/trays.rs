//! Planes of pictures that were coded, for those that come: their memory is there already.

use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::media::picture::JfifPlanes;

pub(super) struct Spares {
    planes: Mutex<Vec<JfifPlanes>>,
    most: usize,
}

impl Spares {
    /// Of so many pictures at most.
    pub fn new(most: usize) -> Self {
        Spares {
            planes: Mutex::default(),
            most,
        }
    }

    /// Planes to be filled.
    pub fn take(&self) -> JfifPlanes {
        self.lock().pop().unwrap_or_default()
    }

    pub fn keep(&self, planes: JfifPlanes) {
        let mut kept = self.lock();
        if kept.len() < self.most {
            kept.push(planes);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Vec<JfifPlanes>> {
        // Nothing that can panic runs under the lock.
        self.planes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
