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

use cudarc::driver::result::DriverError;
use cudarc::driver::sys::CUresult;

use crate::error::{Error, Reason};

/// A failed call of the driver as our error; the driver's own name of it is the cause.
fn failure(what: impl Into<String>, error: DriverError) -> Error {
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
