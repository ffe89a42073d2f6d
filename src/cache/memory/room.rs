//! The bytes that reads may have in flight beside what is kept.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::error::{Error, Reason, Result};

/// One permit stands for so many bytes.
const UNIT: u64 = 1 << 10;
/// What waits so long for memory is refused.
const MAX_WAIT: Duration = Duration::from_secs(30);

/// A share of the bytes that may be in flight, given back when dropped.
#[derive(Debug)]
pub struct Hold(#[allow(dead_code)] OwnedSemaphorePermit);

pub(super) struct Room {
    free: Arc<Semaphore>,
    units: u32,
}

impl Room {
    pub(super) fn new(bytes: u64) -> Room {
        let units = (bytes / UNIT).clamp(1, 1 << 28);
        Room {
            free: Arc::new(Semaphore::new(units as usize)),
            units: units as u32,
        }
    }

    pub(super) fn bytes(&self) -> u64 {
        u64::from(self.units) * UNIT
    }

    pub(super) fn held(&self) -> u64 {
        let free = self.free.available_permits() as u64;
        u64::from(self.units).saturating_sub(free) * UNIT
    }

    /// Waits until so many bytes are free. More than there can ever be count as all of them.
    ///
    /// # Errors
    /// MEMORY_BUDGET where they are not free within half a minute.
    pub(super) async fn hold(&self, bytes: u64) -> Result<Hold> {
        let units = bytes.div_ceil(UNIT).clamp(1, u64::from(self.units)) as u32;
        let permit = self.free.clone().acquire_many_owned(units);
        match tokio::time::timeout(MAX_WAIT, permit).await {
            Ok(Ok(permit)) => Ok(Hold(permit)),
            Ok(Err(_)) | Err(_) => Err(Error::new(
                Reason::MemoryBudget,
                format!("no memory was free for an answer: bytes={bytes}"),
            )
            .hint("ask again later, for fewer frames at once, or raise the server's --memory")),
        }
    }
}
