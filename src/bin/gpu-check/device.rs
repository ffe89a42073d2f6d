//! The GPU that is checked: the first.

use framecache::cuda::Plan;
use framecache::error::Result;
use framecache::gpu::nvdec::{self, Pool};
use framecache::gpu::{Device, DeviceBuffer, Kernels, PinnedBuffer, Pipeline, Stream};

use crate::files::Clip;
use crate::surfaces::Surface;

pub struct Card {
    pub device: Device,
    /// None where the machine lacks NVDEC's library: kernels run all the same.
    pub pool: Option<Pool>,
    pub stream: Stream,
    pub kernels: Kernels,
}

/// Surfaces on the device: planes of each.
pub struct Uploaded(Vec<Vec<DeviceBuffer>>);

impl Card {
    /// Without NVDEC, so far.
    ///
    /// # Errors
    /// GPU_UNAVAILABLE with the reason.
    pub fn open() -> Result<Self> {
        let device = Device::open(0)?;
        Ok(Card {
            pool: None,
            stream: Stream::new(&device)?,
            kernels: Kernels::load(&device)?,
            device,
        })
    }

    /// # Errors
    /// GPU_UNAVAILABLE with the reason.
    pub fn open_decoders(&mut self) -> Result<()> {
        self.pool = Some(Pool::new(&self.device, 14)?);
        Ok(())
    }

    /// Whether NVDEC is said to decode the clip.
    pub fn takes(&self, clip: &Clip) -> bool {
        self.pool.is_some() && nvdec::check(&self.device, &clip.media.track.info).is_ok()
    }

    pub fn upload<'s>(&self, surfaces: impl IntoIterator<Item = &'s Surface>) -> Result<Uploaded> {
        let plane = |bytes: &[u8]| DeviceBuffer::from_bytes(&self.stream, bytes);
        let surface = |surface: &Surface| {
            let planes = surface.planes().into_iter();
            let filled = planes.filter(|plane| !plane.is_empty());
            filled.map(plane).collect::<Result<Vec<_>>>()
        };
        surfaces
            .into_iter()
            .map(surface)
            .collect::<Result<_>>()
            .map(Uploaded)
    }

    pub fn pipeline<P: Plan>(&self, plan: P, frames: usize) -> Result<Pipeline<P>> {
        Pipeline::new(&self.kernels, plan, frames, &self.stream)
    }

    /// The plan's kernels, once.
    pub fn queue<P: Plan>(&self, pipeline: &mut Pipeline<P>, surfaces: &Uploaded) -> Result<()> {
        let views: Vec<Vec<_>> = surfaces
            .0
            .iter()
            .map(|planes| planes.iter().map(DeviceBuffer::view).collect())
            .collect();
        pipeline.run(&views, &self.stream)
    }

    /// The plan's output for these surfaces.
    pub fn run<P: Plan>(&self, plan: P, surfaces: &[Surface]) -> Result<Vec<u8>> {
        let frames = surfaces.len();
        let uploaded = self.upload(surfaces)?;
        let bytes = plan.output_bytes(frames);
        let mut pipeline = self.pipeline(plan, frames)?;
        let mut host = PinnedBuffer::new(&self.device, bytes)?;
        self.queue(&mut pipeline, &uploaded)?;
        pipeline.download(frames, &mut host, &self.stream)?;
        Ok(host.bytes()?[..bytes].to_vec())
    }
}
