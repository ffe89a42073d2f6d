//! Kernels from PTX text.

use std::ffi::{CString, c_void};
use std::sync::Arc;

use cudarc::driver::result;
use cudarc::driver::sys::{CUfunction, CUmodule, CUresult};

use super::{Device, Stream, failure, log_failure};
use crate::error::{Error, Result};

/// PTX compiled for one device; a clone is the same one.
#[derive(Clone)]
pub struct Module(Arc<Loaded>);

struct Loaded {
    device: Device,
    module: CUmodule,
}

// SAFETY: the driver's modules may be used from any thread, several at once.
unsafe impl Send for Loaded {}
// SAFETY: as above.
unsafe impl Sync for Loaded {}

impl Module {
    /// The driver compiles the PTX for the device, or takes it from its cache of such.
    ///
    /// # Errors
    /// GPU_UNAVAILABLE where it cannot.
    pub fn load(device: &Device, ptx: &str) -> Result<Self> {
        let text = CString::new(ptx).map_err(|_| Error::internal("a kernel's PTX holds a NUL"))?;
        device.bind()?;
        // SAFETY: PTX text that ends with a NUL, as cuModuleLoadData wants it.
        let module =
            unsafe { result::module::load_data(text.as_ptr().cast()) }.map_err(|error| {
                let refused = error.0 == CUresult::CUDA_ERROR_UNSUPPORTED_PTX_VERSION;
                let error = failure("could not load the GPU kernels", error);
                if refused {
                    error.hint("install NVIDIA's driver 525 or newer")
                } else {
                    error
                }
            })?;
        Ok(Module(Arc::new(Loaded {
            device: device.clone(),
            module,
        })))
    }

    /// # Errors
    /// INTERNAL where the PTX has no such kernel.
    pub fn function(&self, name: &str) -> Result<Function> {
        let missing = || Error::internal(format!("the PTX has no such kernel, kernel={name}"));
        let text = CString::new(name).map_err(|_| missing())?;
        self.0.device.bind()?;
        // SAFETY: the module is loaded; the name ends with a NUL.
        let function = unsafe { result::module::get_function(self.0.module, text) }
            .map_err(|error| missing().caused_by(super::driver::error_name(error)))?;
        Ok(Function {
            module: self.clone(),
            function,
        })
    }
}

impl Drop for Loaded {
    fn drop(&mut self) {
        // SAFETY: loaded in `load`, unloaded once; functions hold the Arc, so none is left.
        let unloaded = self
            .device
            .bind_raw()
            .and_then(|()| unsafe { result::module::unload(self.module) });
        log_failure("unload GPU kernels", unloaded);
    }
}

/// A kernel.
#[derive(Clone)]
pub struct Function {
    module: Module,
    function: CUfunction,
}

// SAFETY: as for the module that it belongs to.
unsafe impl Send for Function {}
// SAFETY: as above.
unsafe impl Sync for Function {}

impl Function {
    pub fn device(&self) -> &Device {
        &self.module.0.device
    }

    /// Queues the kernel. `arguments` are pointers to its parameters' values, in their order;
    /// the values are copied before this returns.
    ///
    /// # Safety
    /// Number and types of the arguments must be those of the kernel. Device memory that it
    /// touches must be as large as it assumes, and stay until the stream has done it.
    pub(in crate::gpu) unsafe fn launch(
        &self,
        stream: &Stream,
        grid: [u32; 3],
        block: [u32; 3],
        arguments: &mut [*mut c_void],
    ) -> Result<()> {
        let (grid, block) = ((grid[0], grid[1], grid[2]), (block[0], block[1], block[2]));
        self.device().bind()?;
        // SAFETY: by the caller; no shared memory beyond what the kernel declares.
        unsafe { result::launch_kernel(self.function, grid, block, 0, stream.raw(), arguments) }
            .map_err(|error| failure("could not launch a GPU kernel", error))
    }
}
