//! Decoders between two uses: creating one takes about 300 ms.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::hardware::Hardware;
use super::library::Library;
use super::sequence::Sequence;
use super::session::Session;
use crate::error::{Reason, Result};
use crate::gpu::{Device, Unavailable};

/// A device's decoders; a clone is the same pool. Those not in use are kept for the next stream of
/// their kind, up to a number.
#[derive(Clone)]
pub struct Pool(Arc<Shelf>);

pub(super) struct Shelf {
    device: Device,
    library: &'static Library,
    keep: usize,
    /// The one used last comes last.
    idle: Mutex<Vec<Hardware>>,
}

impl Pool {
    /// Keeps up to `keep` decoders that are not in use.
    ///
    /// # Errors
    /// Why this machine's NVDEC cannot be used.
    pub fn new(device: &Device, keep: usize) -> Result<Self, Unavailable> {
        Ok(Pool(Arc::new(Shelf {
            device: device.clone(),
            library: Library::load()?,
            keep,
            idle: Mutex::default(),
        })))
    }

    pub fn device(&self) -> &Device {
        &self.0.device
    }

    /// Decoders kept just now.
    pub fn idle(&self) -> usize {
        self.0.lock().len()
    }

    /// Destroys those that are not in use.
    pub fn clear(&self) {
        let idle = std::mem::take(&mut *self.0.lock());
        drop(idle);
    }

    pub(super) fn library(&self) -> &'static Library {
        self.0.library
    }

    /// A decoder for the sequence with at least so many surfaces, to be called from a sequence
    /// callback: one that was kept, one reconfigured to a size within its largest, or a new one.
    pub(super) fn take(&self, sequence: &Sequence, surfaces: u32) -> Result<Session> {
        let hardware = match self.0.find(sequence, surfaces) {
            Some(hardware) => hardware,
            None => self.create(sequence, surfaces)?,
        };
        Ok(Session::new(hardware, Arc::downgrade(&self.0)))
    }

    fn create(&self, sequence: &Sequence, surfaces: u32) -> Result<Hardware> {
        let create = || Hardware::create(&self.0.device, self.0.library, sequence, surfaces);
        match create() {
            // What is kept may be what fills the memory.
            Err(error) if error.reason() == Reason::MemoryBudget && self.idle() > 0 => {
                self.clear();
                create()
            }
            created => created,
        }
    }
}

impl Shelf {
    fn lock(&self) -> MutexGuard<'_, Vec<Hardware>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn find(&self, sequence: &Sequence, surfaces: u32) -> Option<Hardware> {
        let same = |h: &Hardware| h.shape == sequence.shape && h.surfaces >= surfaces;
        if let Some(found) = self.remove(|h| same(h) && h.coded == sequence.coded) {
            return Some(found);
        }
        let (width, height) = sequence.coded;
        let holds = |h: &Hardware| same(h) && width <= h.max.0 && height <= h.max.1;
        let mut found = self.remove(holds)?;
        match found.reconfigure(sequence.coded) {
            Ok(()) => Some(found),
            Err(error) => {
                tracing::warn!("a kept video decoder is dropped: {error}");
                None
            }
        }
    }

    /// The one used last, of those that fit.
    fn remove(&self, fits: impl Fn(&Hardware) -> bool) -> Option<Hardware> {
        let mut idle = self.lock();
        let place = idle.iter().rposition(fits)?;
        Some(idle.remove(place))
    }

    /// Keeps a decoder of which nothing is in use; the one unused longest makes room.
    pub(super) fn put(&self, hardware: Hardware) {
        let mut idle = self.lock();
        idle.push(hardware);
        let surplus = (idle.len() > self.keep).then(|| idle.remove(0));
        drop(idle);
        drop(surplus);
    }
}
