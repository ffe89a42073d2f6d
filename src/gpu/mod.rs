//! The CUDA fence: everything `unsafe` about NVIDIA's driver, and nothing else.
//!
//! libcuda is loaded at run time: a machine without it gets a plain reason
//! ([`Unavailable`]), never a panic. The tiers are cudarc's: its `sys` and
//! `result` below, our safe types here. A child keeps its parent alive, so the
//! order in which things are dropped cannot be wrong.
//!
//! Every call makes its device's context current first: any thread may use any of these types.

mod buffer;
mod device;
mod driver;
mod module;
pub mod nvdec;
mod pipeline;
mod stream;
mod survey;
mod sys;
mod unavailable;

pub use buffer::{Copy2d, DeviceBuffer, DeviceView, PinnedBuffer, Pitched};
pub use device::{Device, Memory, spin_while_waiting};
pub use driver::{DriverVersion, device_count, driver_version};
pub use module::{Function, Module};
pub use pipeline::{Kernels, Pipeline};
pub use stream::{Event, Stream};
pub use survey::{Survey, SurveyedDevice, survey};
pub use unavailable::Unavailable;

use std::sync::atomic::{AtomicBool, Ordering};

use cudarc::driver::result::DriverError;
use cudarc::driver::sys::CUresult;

use crate::error::{Error, Reason};

static SPENT: AtomicBool = AtomicBool::new(false);

/// Whether the driver has said that this process gets nothing more from it.
pub fn is_spent() -> bool {
    SPENT.load(Ordering::Relaxed)
}

#[cfg(test)]
pub(crate) fn spend() {
    SPENT.store(true, Ordering::Relaxed);
}

/// "This leaves the process in an inconsistent state and any further CUDA work will return the same error. To
/// continue using CUDA, the process must be terminated and relaunched" (CUDA Driver API, `CUresult`), or the same
/// in other words.
fn is_final(error: DriverError) -> bool {
    use CUresult as Code;
    matches!(
        error.0,
        Code::CUDA_ERROR_ILLEGAL_ADDRESS
            | Code::CUDA_ERROR_LAUNCH_TIMEOUT
            | Code::CUDA_ERROR_LAUNCH_FAILED
            | Code::CUDA_ERROR_ASSERT
            | Code::CUDA_ERROR_HARDWARE_STACK_ERROR
            | Code::CUDA_ERROR_ILLEGAL_INSTRUCTION
            | Code::CUDA_ERROR_MISALIGNED_ADDRESS
            | Code::CUDA_ERROR_INVALID_ADDRESS_SPACE
            | Code::CUDA_ERROR_INVALID_PC
            | Code::CUDA_ERROR_CONTEXT_IS_DESTROYED
            | Code::CUDA_ERROR_ECC_UNCORRECTABLE
            | Code::CUDA_ERROR_NVLINK_UNCORRECTABLE
    )
}

/// A failed call of the driver as our error; the driver's own name of it is the cause.
fn failure(what: impl Into<String>, error: DriverError) -> Error {
    if is_final(error) {
        SPENT.store(true, Ordering::Relaxed);
    }
    let reason = match error.0 {
        CUresult::CUDA_ERROR_OUT_OF_MEMORY => Reason::MemoryBudget,
        _ => Reason::GpuUnavailable,
    };
    Error::new(reason, what).caused_by(driver::error_name(error))
}

/// For `Drop`: an error has nobody to go to but the log.
fn log_failure(what: &str, result: Result<(), DriverError>) {
    match result {
        Ok(()) => {}
        // The process ends, and the driver has gone before us.
        Err(error) if error.0 == CUresult::CUDA_ERROR_DEINITIALIZED => {}
        Err(error) => {
            tracing::warn!(cause = driver::error_name(error), "could not {what}");
        }
    }
}
