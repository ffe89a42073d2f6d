//! What all plans promise.

use crate::cuda::kernels::{Kernel, Launch, Parameters};
use crate::cuda::source::Source;
use crate::cuda::steps::Batch;
use crate::error::Result;

/// Kept in this folder.
pub trait Sealed {}

/// Kernels in their order, for surfaces of one geometry. Pure: it knows sizes and addresses, no device.
/// Nobody else can make one: kernels touch just what a plan says.
pub trait Plan: Sealed {
    fn source(&self) -> &Source;

    /// Weights that the batch's `tables` must hold, little endian.
    fn tables(&self) -> &[i32];

    /// Bytes that the batch's `output` must have.
    fn output_bytes(&self, frames: usize) -> usize;

    /// Queues all kernels, and tells how many bytes of the batch's `workspace` they use.
    ///
    /// # Errors
    /// INTERNAL where the batch has no surfaces, or over [`MAX_FRAMES`](super::MAX_FRAMES); and what launching fails with.
    fn queue<L: Launch>(&self, launch: &mut L, batch: &Batch) -> Result<usize>;

    /// Bytes that the batch's `workspace` must have.
    ///
    /// # Errors
    /// INTERNAL where no batch has so many frames.
    fn workspace_bytes(&self, frames: usize) -> Result<usize> {
        let batch = Batch {
            surfaces: &vec![[0; 3]; frames],
            tables: 0,
            workspace: 0,
            output: 0,
        };
        self.queue(&mut Nothing, &batch)
    }
}

/// Queues nothing: to find out how much a plan needs.
struct Nothing;

impl Launch for Nothing {
    fn launch<P: Parameters>(
        &mut self,
        _: &Kernel<P>,
        _: (usize, usize),
        _: usize,
        _: &P,
    ) -> Result<()> {
        Ok(())
    }
}
