//! libcuda: loaded, checked and started once in a process.

use std::ffi::{CStr, OsStr, c_int};
use std::fmt;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;
use std::ptr;
use std::sync::OnceLock;

use cudarc::driver::result::DriverError;
use cudarc::driver::sys::{self as cuda, CUresult};

use super::Unavailable;
use super::sys::{CUDA_SYMBOLS, OLDEST_DRIVER, SymbolInfo, dladdr};

/// A driver's name; a toolkit's is without the number.
const NAME: &str = "libcuda.so.1";

/// The newest CUDA that a driver knows: 12080 is 12.8.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct DriverVersion(pub i32);

impl fmt::Display for DriverVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.0 / 1000, self.0 % 1000 / 10)
    }
}

/// Proof that libcuda is loaded, has every symbol of [`CUDA_SYMBOLS`], and is started.
#[derive(Clone, Copy)]
pub(super) struct Driver {
    version: DriverVersion,
    devices: u32,
}

impl Driver {
    /// The same answer for the whole process: what is missing now does not appear later.
    pub(super) fn load() -> Result<Driver, Unavailable> {
        static DRIVER: OnceLock<Result<Driver, Unavailable>> = OnceLock::new();
        DRIVER.get_or_init(start).clone()
    }

    pub(super) fn devices(self) -> u32 {
        self.devices
    }
}

/// # Errors
/// Why there is no driver to use.
pub fn driver_version() -> Result<DriverVersion, Unavailable> {
    Ok(Driver::load()?.version)
}

/// How many GPUs this process sees; at least one.
///
/// # Errors
/// Why there is none to use.
pub fn device_count() -> Result<u32, Unavailable> {
    Ok(Driver::load()?.devices)
}

fn start() -> Result<Driver, Unavailable> {
    check_symbols()?;
    // SAFETY: `check_symbols` found every function called here.
    unsafe {
        let mut version = 0;
        // Works before cuInit, and on drivers that are too old for it.
        check(cuda::cuDriverGetVersion(&mut version))?;
        if version < OLDEST_DRIVER {
            return Err(Unavailable::DriverTooOld(DriverVersion(version)));
        }
        check(cuda::cuInit(0))?;
        let mut devices: c_int = 0;
        check(cuda::cuDeviceGetCount(&mut devices))?;
        match u32::try_from(devices) {
            Ok(devices) if devices > 0 => Ok(Driver {
                version: DriverVersion(version),
                devices,
            }),
            _ => Err(Unavailable::NoDevice),
        }
    }
}

/// cudarc panics in the first call of a symbol that is missing: so all are looked for before any call.
fn check_symbols() -> Result<(), Unavailable> {
    // SAFETY: loading runs the library's initialisers; NVIDIA's (and the tests') ask nothing of us.
    // `culib` panics only where `is_culib_present` is false.
    let (own, library) = unsafe {
        let own = libloading::Library::new(NAME).map_err(|_| Unavailable::NoDriver)?;
        if !cuda::is_culib_present() {
            return Err(Unavailable::NoDriver);
        }
        (own, cuda::culib())
    };
    // cudarc takes libcuda.so, a CUDA toolkit's stub, before the driver's own.
    let address = |library: &libloading::Library| {
        // SAFETY: as below.
        unsafe { library.get::<*const ()>(b"cuInit") }.map(|function| *function)
    };
    if let (Ok(own), Ok(taken)) = (address(&own), address(library))
        && own != taken
    {
        return Err(Unavailable::AnotherDriver(file_of(taken)));
    }
    for symbol in CUDA_SYMBOLS {
        // SAFETY: the address is only asked for, never used.
        let found = unsafe { library.get::<*const ()>(symbol.as_bytes()) };
        if found.is_err() {
            return Err(Unavailable::DriverSymbol(symbol));
        }
    }
    Ok(())
}

/// The folder that the driver's library was loaded from.
pub(super) fn folder() -> Option<PathBuf> {
    Driver::load().ok()?;
    // SAFETY: the driver is loaded; the address is only asked for.
    let function = unsafe { cuda::culib().get::<*const ()>(b"cuInit") }.ok()?;
    Some(file_of(*function)?.parent()?.to_owned())
}

/// The file that an address was loaded from.
fn file_of(address: *const ()) -> Option<PathBuf> {
    let mut info = SymbolInfo::default();
    // SAFETY: the structure is dladdr's; the name that it gives lives as long as the library, which is never unloaded.
    unsafe {
        if dladdr(address.cast(), &mut info) == 0 || info.file.is_null() {
            return None;
        }
        let name = CStr::from_ptr(info.file);
        Some(PathBuf::from(OsStr::from_bytes(name.to_bytes())))
    }
}

fn check(result: CUresult) -> Result<(), Unavailable> {
    match result {
        CUresult::CUDA_SUCCESS => Ok(()),
        CUresult::CUDA_ERROR_NO_DEVICE => Err(Unavailable::NoDevice),
        other => Err(Unavailable::DriverFault(error_name(DriverError(other)))),
    }
}

/// The driver's name of an error (`CUDA_ERROR_LAUNCH_FAILED`).
///
/// Only for errors that a call gave: the driver is loaded then.
pub(super) fn error_name(error: DriverError) -> String {
    let mut name = ptr::null();
    // SAFETY: the driver is loaded; it gives a static string or leaves the pointer null.
    unsafe {
        let known = cuda::cuGetErrorName(error.0, &mut name) == CUresult::CUDA_SUCCESS;
        if !known || name.is_null() {
            return format!("CUDA error {}", error.0 as u32);
        }
        CStr::from_ptr(name).to_string_lossy().into_owned()
    }
}
