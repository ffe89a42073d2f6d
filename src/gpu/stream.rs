//! Streams, which keep the order of what is queued on them, and events, which mark a place in one.

use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use cudarc::driver::result::{self, DriverError};
use cudarc::driver::sys::{self as cuda, CUevent, CUevent_flags, CUresult, CUstream};

use super::{Device, failure, log_failure};
use crate::error::{Error, Reason, Result};

/// Asked for without sleeping at first: most waits are for one picture's kernels.
const SPIN: Duration = Duration::from_micros(20);
const LONGEST_SLEEP: Duration = Duration::from_millis(1);

/// Work queued on one stream is done in order; it does not wait for other streams. A clone is the same one.
#[derive(Clone)]
pub struct Stream(Arc<Queue>);

struct Queue {
    device: Device,
    stream: CUstream,
}

// SAFETY: the driver's streams may be used from any thread, several at once.
unsafe impl Send for Queue {}
// SAFETY: as above.
unsafe impl Sync for Queue {}

impl Stream {
    pub fn new(device: &Device) -> Result<Self> {
        device.bind()?;
        let stream = result::stream::create(result::stream::StreamKind::NonBlocking)
            .map_err(|error| failure("could not create a CUDA stream", error))?;
        Ok(Stream(Arc::new(Queue {
            device: device.clone(),
            stream,
        })))
    }

    pub fn device(&self) -> &Device {
        &self.0.device
    }

    pub(super) fn raw(&self) -> CUstream {
        self.0.stream
    }

    /// What is queued from now on starts after the event; the calling thread does not wait.
    pub fn wait_for(&self, event: &Event) -> Result<()> {
        self.0.device.bind()?;
        // SAFETY: both exist, and stay as long as the driver needs them: it defers their destruction.
        unsafe { cuda::cuStreamWaitEvent(self.raw(), event.event, 0) }
            .result()
            .map_err(|error| failure("could not make a CUDA stream wait", error))
    }

    /// Waits until everything queued so far is done.
    ///
    /// # Errors
    /// What went wrong in any of it; CHUNK_STALLED after the device's patience.
    pub fn synchronize(&self) -> Result<()> {
        // SAFETY: the stream exists.
        wait_until(&self.0.device, || unsafe {
            cuda::cuStreamQuery(self.raw())
        })
    }
}

impl Drop for Queue {
    fn drop(&mut self) {
        // SAFETY: created in `new`, destroyed once; work still queued is finished first by the driver.
        let destroyed = self
            .device
            .bind_raw()
            .and_then(|()| unsafe { result::stream::destroy(self.stream) });
        log_failure("destroy a CUDA stream", destroyed);
    }
}

/// A mark in a stream. One that was never recorded counts as reached. Those of [`Event::timed`] tell
/// how far apart they are.
pub struct Event {
    device: Device,
    event: CUevent,
}

// SAFETY: the driver's events may be used from any thread, several at once.
unsafe impl Send for Event {}
// SAFETY: as above.
unsafe impl Sync for Event {}

impl Event {
    pub fn new(device: &Device) -> Result<Self> {
        Self::with(device, CUevent_flags::CU_EVENT_DISABLE_TIMING)
    }

    /// One that says when it was reached, by the device's clock.
    pub fn timed(device: &Device) -> Result<Self> {
        Self::with(device, CUevent_flags::CU_EVENT_DEFAULT)
    }

    fn with(device: &Device, flags: CUevent_flags) -> Result<Self> {
        device.bind()?;
        let event = result::event::create(flags)
            .map_err(|error| failure("could not create a CUDA event", error))?;
        Ok(Event {
            device: device.clone(),
            event,
        })
    }

    /// Marks the place after everything queued on the stream so far; an earlier mark is forgotten.
    pub fn record(&self, stream: &Stream) -> Result<()> {
        self.device.bind()?;
        // SAFETY: both exist.
        unsafe { result::event::record(self.event, stream.raw()) }
            .map_err(|error| failure("could not record a CUDA event", error))
    }

    /// Seconds from an earlier mark to this one; both are timed, and reached.
    ///
    /// # Errors
    /// GPU_UNAVAILABLE where one is neither.
    pub fn seconds_since(&self, earlier: &Event) -> Result<f64> {
        self.device.bind()?;
        // SAFETY: both exist.
        let milliseconds = unsafe { result::event::elapsed(earlier.event, self.event) };
        let milliseconds =
            milliseconds.map_err(|error| failure("could not time CUDA events", error))?;
        Ok(f64::from(milliseconds) / 1e3)
    }

    /// Whether the mark is reached.
    ///
    /// # Errors
    /// What went wrong before it.
    pub fn is_reached(&self) -> Result<bool> {
        self.device.bind()?;
        // SAFETY: the event exists.
        ready(unsafe { cuda::cuEventQuery(self.event) })
    }

    /// Waits for the mark.
    ///
    /// # Errors
    /// What went wrong before it; CHUNK_STALLED after the device's patience.
    pub fn wait(&self) -> Result<()> {
        // SAFETY: the event exists.
        wait_until(&self.device, || unsafe { cuda::cuEventQuery(self.event) })
    }
}

impl Drop for Event {
    fn drop(&mut self) {
        // SAFETY: created in `new`, destroyed once.
        let destroyed = self
            .device
            .bind_raw()
            .and_then(|()| unsafe { result::event::destroy(self.event) });
        log_failure("destroy a CUDA event", destroyed);
    }
}

fn ready(answer: CUresult) -> Result<bool> {
    match answer {
        CUresult::CUDA_SUCCESS => Ok(true),
        CUresult::CUDA_ERROR_NOT_READY => Ok(false),
        other => Err(failure("the GPU failed", DriverError(other))),
    }
}

/// The driver's own waits have no end, so this asks again and again, ever less often.
fn wait_until(device: &Device, mut ask: impl FnMut() -> CUresult) -> Result<()> {
    device.bind()?;
    let began = Instant::now();
    let mut sleep = SPIN;
    while !ready(ask())? {
        let waited = began.elapsed();
        if waited > device.patience() {
            return Err(stalled(device));
        }
        if waited > SPIN {
            thread::sleep(sleep);
            sleep = (sleep * 2).min(LONGEST_SLEEP);
        }
    }
    Ok(())
}

fn stalled(device: &Device) -> Error {
    Error::new(
        Reason::ChunkStalled,
        format!(
            "the GPU did not finish its work, device={} seconds={}",
            device.ordinal(),
            device.patience().as_secs()
        ),
    )
    .hint("check nvidia-smi and the kernel's log for Xid errors")
}
