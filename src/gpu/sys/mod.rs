//! Declarations only: what is called of NVIDIA's libraries.

pub mod cuvid;

use std::ffi::{c_char, c_int, c_void};
use std::ptr;

/// Every symbol of libcuda that this crate calls, by itself or through cudarc, which
/// panics where one is missing. A name that is not here may not be used in `gpu`.
pub const CUDA_SYMBOLS: &[&str] = &[
    "cuCtxSetCurrent",
    "cuDeviceGet",
    "cuDeviceGetAttribute",
    "cuDeviceGetCount",
    "cuDeviceGetName",
    "cuDevicePrimaryCtxRelease_v2",
    "cuDevicePrimaryCtxRetain",
    "cuDevicePrimaryCtxSetFlags_v2",
    "cuDriverGetVersion",
    "cuEventCreate",
    "cuEventDestroy_v2",
    "cuEventElapsedTime",
    "cuEventQuery",
    "cuEventRecord",
    "cuGetErrorName",
    "cuInit",
    "cuLaunchKernel",
    "cuMemAlloc_v2",
    "cuMemFreeHost",
    "cuMemFree_v2",
    "cuMemGetInfo_v2",
    "cuMemHostAlloc",
    "cuMemcpy2DAsync_v2",
    "cuMemcpyDtoDAsync_v2",
    "cuMemcpyDtoHAsync_v2",
    "cuMemcpyHtoDAsync_v2",
    "cuMemsetD8Async",
    "cuModuleGetFunction",
    "cuModuleLoadData",
    "cuModuleUnload",
    "cuStreamCreate",
    "cuStreamDestroy_v2",
    "cuStreamQuery",
    "cuStreamWaitEvent",
];

/// Dl_info of dlfcn.h.
#[repr(C)]
pub struct SymbolInfo {
    pub file: *const c_char,
    base: *mut c_void,
    symbol: *const c_char,
    address: *mut c_void,
}

impl Default for SymbolInfo {
    fn default() -> Self {
        SymbolInfo {
            file: ptr::null(),
            base: ptr::null_mut(),
            symbol: ptr::null(),
            address: ptr::null_mut(),
        }
    }
}

unsafe extern "C" {
    /// Of the C library: which file an address was loaded from; 0 where none.
    pub fn dladdr(address: *const c_void, info: *mut SymbolInfo) -> c_int;
}

/// CUDA 12.0 (driver 525): the kernels' PTX is of its version, and so are cudarc's declarations.
pub const OLDEST_DRIVER: i32 = 12_000;
