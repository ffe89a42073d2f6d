//! Why there is no GPU to use, in plain words.

use std::fmt;
use std::path::PathBuf;

use super::driver::DriverVersion;
use crate::error::{Error, Reason};

/// Why this machine's GPU, or its video decoder, cannot be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unavailable {
    /// libcuda.so.1 cannot be loaded.
    NoDriver,
    /// What is found as libcuda.so is not the driver's libcuda.so.1; where it lies.
    AnotherDriver(Option<PathBuf>),
    /// libcuda lacks a function.
    DriverSymbol(&'static str),
    DriverTooOld(DriverVersion),
    /// cuInit failed, by the driver's name of the error.
    DriverFault(String),
    NoDevice,
    /// libnvcuvid.so.1 cannot be loaded.
    NoVideoLibrary,
    /// libnvcuvid lacks a function.
    VideoSymbol(&'static str),
    /// The device has no NVDEC engine, by its name.
    NoDecoder(String),
}

impl Unavailable {
    /// One word for labels and facts.
    pub fn name(&self) -> &'static str {
        match self {
            Unavailable::NoDriver => "no_driver",
            Unavailable::AnotherDriver(_) => "another_driver",
            Unavailable::DriverSymbol(_) => "driver_incomplete",
            Unavailable::DriverTooOld(_) => "driver_too_old",
            Unavailable::DriverFault(_) => "driver_fault",
            Unavailable::NoDevice => "no_device",
            Unavailable::NoVideoLibrary => "no_video_library",
            Unavailable::VideoSymbol(_) => "video_library_incomplete",
            Unavailable::NoDecoder(_) => "no_decoder",
        }
    }

    /// How to mend it, in one sentence.
    pub fn hint(&self) -> &'static str {
        match self {
            Unavailable::NoDriver => {
                "install NVIDIA's driver; in a container, start it with its GPUs (docker run --gpus all)"
            }
            Unavailable::AnotherDriver(_) => {
                "take the CUDA toolkit's stubs out of LD_LIBRARY_PATH, or put the driver's folder before them"
            }
            Unavailable::DriverSymbol(_)
            | Unavailable::DriverTooOld(_)
            | Unavailable::VideoSymbol(_) => "install NVIDIA's driver 525 or newer",
            Unavailable::DriverFault(_) => {
                "run nvidia-smi: where it fails too, reload the driver or restart the machine"
            }
            Unavailable::NoDevice => {
                "check nvidia-smi, CUDA_VISIBLE_DEVICES, and which GPUs the container was given"
            }
            Unavailable::NoVideoLibrary => {
                "in a container, set NVIDIA_DRIVER_CAPABILITIES=compute,utility,video; elsewhere install the driver's libnvcuvid"
            }
            Unavailable::NoDecoder(_) => {
                "use another GPU or a larger MIG slice; the CPU gives the same frames"
            }
        }
    }
}

impl fmt::Display for Unavailable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Unavailable::NoDriver => {
                f.write_str("there is no NVIDIA driver here, library=libcuda.so.1")
            }
            Unavailable::AnotherDriver(file) => {
                f.write_str("libcuda.so is not the NVIDIA driver's")?;
                let file = file
                    .as_ref()
                    .map(|file| format!(", path={}", file.display()));
                f.write_str(&file.unwrap_or_default())
            }
            Unavailable::DriverSymbol(symbol) => {
                write!(f, "the NVIDIA driver lacks a function, symbol={symbol}")
            }
            Unavailable::DriverTooOld(version) => {
                write!(f, "the NVIDIA driver is too old, cuda={version}")
            }
            Unavailable::DriverFault(error) => {
                write!(f, "the NVIDIA driver does not start, error={error}")
            }
            Unavailable::NoDevice => f.write_str("the NVIDIA driver finds no GPU"),
            Unavailable::NoVideoLibrary => f.write_str(
                "the driver's video decoding library is missing, library=libnvcuvid.so.1",
            ),
            Unavailable::VideoSymbol(symbol) => {
                write!(
                    f,
                    "the driver's video decoding library lacks a function, symbol={symbol}"
                )
            }
            Unavailable::NoDecoder(device) => {
                write!(f, "the GPU has no video decoder, device={device}")
            }
        }
    }
}

impl std::error::Error for Unavailable {}

impl From<Unavailable> for Error {
    fn from(why: Unavailable) -> Self {
        Error::new(Reason::GpuUnavailable, why.to_string()).hint(why.hint())
    }
}
