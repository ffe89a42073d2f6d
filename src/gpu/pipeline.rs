//! Plans of [`crate::cuda`] on a stream: a batch of decoded surfaces in, its results out.

use std::collections::HashMap;
use std::ffi::c_void;
use std::ptr;
use std::sync::Arc;

use super::{Copy2d, Device, DeviceBuffer, DeviceView, Function, Module, PinnedBuffer, Stream};
use crate::cuda::{Address, Batch, Kernel, Launch, Parameters, Plan, ptx};
use crate::error::{Error, Result};

/// All kernels, compiled for one device; a clone is the same ones.
#[derive(Clone)]
pub struct Kernels {
    device: Device,
    functions: Arc<HashMap<String, Function>>,
}

impl Kernels {
    /// # Errors
    /// GPU_UNAVAILABLE where the driver cannot compile them.
    pub fn load(device: &Device) -> Result<Self> {
        let mut functions = HashMap::new();
        for (_, text) in ptx::MODULES {
            let module = Module::load(device, text)?;
            for (name, _) in ptx::entries(text) {
                functions.insert(name.to_owned(), module.function(name)?);
            }
        }
        Ok(Kernels {
            device: device.clone(),
            functions: Arc::new(functions),
        })
    }

    fn function(&self, name: &str) -> Result<&Function> {
        let missing = || Error::internal(format!("no PTX has such a kernel, kernel={name}"));
        self.functions.get(name).ok_or_else(missing)
    }
}

/// One plan, for batches of up to a number of frames, with all the memory that it needs.
///
/// Its memory is used again by each batch: all of them, and the copies of their results, belong on
/// one stream.
pub struct Pipeline<P> {
    plan: P,
    kernels: Kernels,
    tables: DeviceBuffer,
    workspace: DeviceBuffer,
    output: DeviceBuffer,
}

impl<P: Plan> Pipeline<P> {
    /// For batches of 1 to `frames` surfaces.
    ///
    /// # Errors
    /// MEMORY_BUDGET where the device has no room.
    pub fn new(kernels: &Kernels, plan: P, frames: usize, stream: &Stream) -> Result<Self> {
        let device = &kernels.device;
        let tables: Vec<u8> = plan
            .tables()
            .iter()
            .flat_map(|word| word.to_le_bytes())
            .collect();
        Ok(Pipeline {
            kernels: kernels.clone(),
            tables: DeviceBuffer::from_bytes(stream, &tables)?,
            workspace: DeviceBuffer::new(device, plan.workspace_bytes(frames)?)?,
            output: DeviceBuffer::new(device, plan.output_bytes(frames))?,
            plan,
        })
    }

    pub fn plan(&self) -> &P {
        &self.plan
    }

    /// Bytes that it takes of the device's memory.
    pub fn bytes(&self) -> usize {
        self.tables.len() + self.workspace.len() + self.output.len()
    }

    /// Queues the kernels for `surfaces`: the planes of each, as many as the source's format has.
    /// They must stay until the stream has done it, as buffers and mapped pictures do when they are
    /// dropped.
    ///
    /// # Errors
    /// INTERNAL where a plane is too short, or there are more surfaces than the pipeline is for.
    pub fn run(&mut self, surfaces: &[Vec<DeviceView<'_>>], stream: &Stream) -> Result<()> {
        let addresses: Vec<[Address; 3]> = surfaces
            .iter()
            .map(|planes| self.addresses(planes))
            .collect::<Result<_>>()?;
        let frames = surfaces.len();
        if self.plan.workspace_bytes(frames)? > self.workspace.len()
            || self.plan.output_bytes(frames) > self.output.len()
        {
            return Err(Error::internal(format!(
                "a batch has more frames than its pipeline is for, frames={frames}"
            )));
        }
        let batch = Batch {
            surfaces: &addresses,
            tables: self.tables.address(),
            workspace: self.workspace.address(),
            output: self.output.address(),
        };
        let mut queue = Queue {
            kernels: &self.kernels,
            stream,
        };
        self.plan.queue(&mut queue, &batch)?;
        Ok(())
    }

    fn addresses(&self, planes: &[DeviceView<'_>]) -> Result<[Address; 3]> {
        let source = self.plan.source();
        let mut addresses = [0; 3];
        for (index, address) in addresses
            .iter_mut()
            .enumerate()
            .take(source.format.plane_count())
        {
            let plane = planes
                .get(index)
                .filter(|plane| plane.len() >= source.plane_bytes(index));
            let plane = plane.ok_or_else(|| {
                Error::internal(format!(
                    "a decoded surface is smaller than its geometry, plane={index} {source:?}"
                ))
            })?;
            *address = plane.address();
        }
        Ok(addresses)
    }

    /// Queues the copy of the results of a batch of `frames`; they begin at the buffer's start.
    ///
    /// # Errors
    /// INTERNAL where the buffer is too small.
    pub fn download(&self, frames: usize, to: &mut PinnedBuffer, stream: &Stream) -> Result<()> {
        let copy = Copy2d::line(self.plan.output_bytes(frames));
        to.download(self.output.view(), &copy, stream)
    }

    /// The results, for work that goes on on the device.
    pub fn output(&self) -> DeviceView<'_> {
        self.output.view()
    }
}

/// A stream that takes a plan's kernels.
struct Queue<'a> {
    kernels: &'a Kernels,
    stream: &'a Stream,
}

impl Launch for Queue<'_> {
    fn launch<P: Parameters>(
        &mut self,
        kernel: &Kernel<P>,
        size: (usize, usize),
        frames: usize,
        parameters: &P,
    ) -> Result<()> {
        let function = self.kernels.function(kernel.name)?;
        let grid = kernel.grid(size, frames)?;
        let mut arguments = [ptr::from_ref(parameters).cast_mut().cast::<c_void>()];
        // SAFETY: the kernel's one parameter is a P: its handle says so, and a test compares sizes
        // with the PTX. The addresses are those that `Pipeline::run` gave the plan, behind which is
        // as much memory as the plan asked for; it waits for the stream before it is freed.
        unsafe { function.launch(self.stream, grid, kernel.block(), &mut arguments) }
    }
}
