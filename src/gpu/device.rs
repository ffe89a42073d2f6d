//! A GPU and its primary context.

use std::ffi::{CStr, c_char, c_int};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use cudarc::driver::result::{self, DriverError};
use cudarc::driver::sys::{self as cuda, CUcontext, CUctx_flags, CUdevice, CUdevice_attribute};

use super::driver::{Driver, error_name};
use super::{failure, log_failure};
use crate::error::{Error, Reason, Result};

/// A wait for the GPU ends after this long: a span that decodes nothing for as long is given up, too.
const PATIENCE: Duration = Duration::from_secs(60);

/// A GPU with its primary context; a clone is the same one.
#[derive(Clone)]
pub struct Device(Arc<Context>);

struct Context {
    ordinal: u32,
    device: CUdevice,
    context: CUcontext,
    name: String,
    capability: (u32, u32),
    patience: Duration,
}

// SAFETY: the driver's contexts may be used from any thread, several at once.
unsafe impl Send for Context {}
// SAFETY: as above; the fields are never written.
unsafe impl Sync for Context {}

/// Bytes of a device's memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Memory {
    pub free: u64,
    pub total: u64,
}

impl Device {
    /// Opens the device of that ordinal, as CUDA_VISIBLE_DEVICES counts.
    ///
    /// # Errors
    /// GPU_UNAVAILABLE with the reason.
    pub fn open(ordinal: u32) -> Result<Self> {
        Self::open_patient(ordinal, PATIENCE)
    }

    /// As [`Device::open`], with another end to every wait for it.
    pub fn open_patient(ordinal: u32, patience: Duration) -> Result<Self> {
        let driver = Driver::load()?;
        if ordinal >= driver.devices() {
            return Err(Error::new(
                Reason::GpuUnavailable,
                format!(
                    "there is no such GPU, ordinal={ordinal} devices={}",
                    driver.devices()
                ),
            )
            .hint("GPUs are counted from 0, as CUDA_VISIBLE_DEVICES lists them"));
        }
        let fail = |error| failure(format!("could not open the GPU, ordinal={ordinal}"), error);
        // SAFETY: the driver is started. The context is released on drop.
        unsafe {
            let device = result::device::get(ordinal as c_int).map_err(fail)?;
            let name = name(device).map_err(fail)?;
            let capability = capability(device).map_err(fail)?;
            wait_asleep(device);
            let context = result::primary_ctx::retain(device).map_err(fail)?;
            Ok(Device(Arc::new(Context {
                ordinal,
                device,
                context,
                name,
                capability,
                patience,
            })))
        }
    }

    /// Makes its context current on the calling thread.
    pub fn bind(&self) -> Result<()> {
        self.bind_raw()
            .map_err(|error| failure("could not make the GPU's context current", error))
    }

    pub(super) fn bind_raw(&self) -> Result<(), DriverError> {
        // SAFETY: the context is retained as long as self lives.
        unsafe { result::ctx::set_current(self.0.context) }
    }

    pub fn ordinal(&self) -> u32 {
        self.0.ordinal
    }

    pub fn name(&self) -> &str {
        &self.0.name
    }

    /// Compute capability, major and minor.
    pub fn capability(&self) -> (u32, u32) {
        self.0.capability
    }

    pub fn memory(&self) -> Result<Memory> {
        self.bind()?;
        let (free, total) = result::mem_get_info()
            .map_err(|error| failure("could not ask for the GPU's memory", error))?;
        Ok(Memory {
            free: free as u64,
            total: total as u64,
        })
    }

    /// How long a wait for it may last.
    pub fn patience(&self) -> Duration {
        self.0.patience
    }

    /// Whether both are the same GPU.
    pub fn is(&self, other: &Device) -> bool {
        self.0.ordinal == other.0.ordinal
    }
}

impl Drop for Context {
    fn drop(&mut self) {
        // SAFETY: retained once in `open`; children hold the Arc, so none is left.
        let released = unsafe { result::primary_ctx::release(self.device) };
        log_failure("release a GPU's context", released);
    }
}

/// Whether threads that wait for a GPU spin from now on, for devices that are opened later. They
/// sleep otherwise: the cores they would spin on code pictures. To be measured; nobody else wants it.
pub fn spin_while_waiting(spin: bool) {
    SPIN.store(spin, Ordering::Relaxed);
}

static SPIN: AtomicBool = AtomicBool::new(false);

/// Of the primary context, before it is retained. That of somebody else in this process stays as it is.
///
/// # Safety
/// As [`name`].
unsafe fn wait_asleep(device: CUdevice) {
    let how = match SPIN.load(Ordering::Relaxed) {
        true => CUctx_flags::CU_CTX_SCHED_SPIN,
        false => CUctx_flags::CU_CTX_SCHED_BLOCKING_SYNC,
    };
    // SAFETY: by the caller.
    let set = unsafe { cuda::cuDevicePrimaryCtxSetFlags_v2(device, how as u32) };
    if let Err(error) = set.result() {
        tracing::debug!(cause = error_name(error), "a GPU's context waits as it is");
    }
}

/// # Safety
/// The driver must be started, and `device` be one of its devices.
unsafe fn name(device: CUdevice) -> Result<String, DriverError> {
    let mut text = [0 as c_char; 256];
    // SAFETY: by the caller; the true length is passed, less one for a NUL whatever the driver does.
    unsafe {
        cuda::cuDeviceGetName(text.as_mut_ptr(), text.len() as c_int - 1, device).result()?;
        Ok(CStr::from_ptr(text.as_ptr()).to_string_lossy().into_owned())
    }
}

/// # Safety
/// As [`name`].
unsafe fn capability(device: CUdevice) -> Result<(u32, u32), DriverError> {
    let attribute = |which| {
        // SAFETY: by the caller.
        let value = unsafe { result::device::get_attribute(device, which) }?;
        Ok(u32::try_from(value).unwrap_or(0))
    };
    Ok((
        attribute(CUdevice_attribute::CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR)?,
        attribute(CUdevice_attribute::CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR)?,
    ))
}
