//! The steps that plans are made of: each queues one kernel, or the two passes of a resampler.

use crate::cuda::kernels::{
    self, Address, Jfif, Kernel, Launch, MAX_FRAMES, Parameters, Rgb, Turn,
};
use crate::cuda::source::Source;
use crate::error::{Error, Result};
use crate::media::picture::Orientation;

/// Beginnings of buffers: what cudaMalloc aligns to.
const ALIGNMENT: usize = 256;

/// Where a batch's pictures, weights, scratch and results lie.
#[derive(Debug, Clone, Copy)]
pub struct Batch<'a> {
    /// Y, Cb Cr or Y, Cb, Cr of each surface.
    pub surfaces: &'a [[Address; 3]],
    pub tables: Address,
    pub workspace: Address,
    pub output: Address,
}

/// Luma planes of a batch's frames one after the other, and their chroma: Cb, Cr, Cb, Cr, …
#[derive(Debug, Clone, Copy)]
pub(super) struct Planes {
    pub luma: Address,
    pub chroma: Address,
}

/// Pictures without padding, one after the other.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pictures {
    /// Width and height in pixels.
    pub size: (usize, usize),
    /// Bytes of a pixel: 1 or 3.
    pub channels: usize,
    pub count: usize,
}

impl Pictures {
    pub fn bytes(&self) -> usize {
        self.size.0 * self.size.1 * self.channels * self.count
    }
}

/// `bytes`, so that what follows is aligned.
pub(super) fn aligned(bytes: usize) -> usize {
    bytes.next_multiple_of(ALIGNMENT)
}

/// A batch on its way, and how much of the workspace it has taken.
pub(super) struct Steps<'a, L> {
    launch: &'a mut L,
    pub batch: Batch<'a>,
    used: usize,
    most: usize,
}

impl<'a, L: Launch> Steps<'a, L> {
    pub fn new(launch: &'a mut L, batch: Batch<'a>) -> Result<Self> {
        let frames = batch.surfaces.len();
        if !(1..=MAX_FRAMES).contains(&frames) {
            return Err(Error::internal(format!(
                "a batch has 1 to {MAX_FRAMES} surfaces, frames={frames}"
            )));
        }
        Ok(Steps {
            launch,
            batch,
            used: 0,
            most: 0,
        })
    }

    pub fn frames(&self) -> usize {
        self.batch.surfaces.len()
    }

    /// Bytes of the workspace, until [`Steps::reuse`].
    pub fn scratch(&mut self, bytes: usize) -> Address {
        let at = self.used;
        self.used += aligned(bytes);
        self.most = self.most.max(self.used);
        self.batch.workspace + at as u64
    }

    /// Gives the workspace to the steps that follow: those queued so far are done before.
    pub fn reuse(&mut self) {
        self.used = 0;
    }

    /// Bytes of the workspace that were needed at once.
    pub fn workspace_bytes(&self) -> usize {
        self.most
    }

    pub fn launch<P: Parameters>(
        &mut self,
        kernel: &Kernel<P>,
        size: (usize, usize),
        frames: usize,
        parameters: &P,
    ) -> Result<()> {
        self.launch.launch(kernel, size, frames, parameters)
    }

    pub fn jfif(&mut self, source: &Source, to: Planes) -> Result<()> {
        let parameters = Jfif {
            surfaces: source.surfaces(self.batch.surfaces),
            coefficients: source.to_jfif()?,
            luma: to.luma,
            chroma: to.chroma,
        };
        let kernel = &kernels::JFIF[source.format.place()];
        self.launch(kernel, source.size(), self.frames(), &parameters)
    }

    /// RGB, or L: `channels` is 3 or 1.
    pub fn rgb(&mut self, source: &Source, channels: usize, out: Address) -> Result<()> {
        let parameters = Rgb {
            surfaces: source.surfaces(self.batch.surfaces),
            coefficients: source.to_rgb()?,
            out,
        };
        let family = if channels == 1 {
            &kernels::LUMA
        } else {
            &kernels::RGB
        };
        let kernel = &family[source.format.place()];
        self.launch(kernel, source.size(), self.frames(), &parameters)
    }

    pub fn turn(
        &mut self,
        pictures: &Pictures,
        orientation: Orientation,
        source: Address,
        out: Address,
    ) -> Result<()> {
        let (width, height) = pictures.size;
        let half_turn = matches!(orientation.rotation, 180 | 270);
        let swaps = orientation.swaps_sides();
        // As orient::turn: a quarter turn reads columns upwards, and mirroring undoes that.
        let parameters = Turn {
            source,
            out,
            width: width as u32,
            height: height as u32,
            swaps: u32::from(swaps),
            flips_columns: u32::from(orientation.mirrored != half_turn),
            flips_rows: u32::from(swaps != half_turn),
        };
        let kernel = &kernels::TURN[usize::from(pictures.channels == 3)];
        let upright = orientation.upright(width, height);
        self.launch(kernel, upright, pictures.count, &parameters)
    }
    /// The upright picture as RGB or L (`channels` 3 or 1), at `out` or in the workspace.
    pub fn upright(
        &mut self,
        source: &Source,
        channels: usize,
        orientation: Orientation,
        out: Option<Address>,
    ) -> Result<Address> {
        let pictures = Pictures {
            size: source.size(),
            channels,
            count: self.frames(),
        };
        let out = out.unwrap_or_else(|| self.scratch(pictures.bytes()));
        if orientation == Orientation::default() {
            self.rgb(source, channels, out)?;
        } else {
            let coded = self.scratch(pictures.bytes());
            self.rgb(source, channels, coded)?;
            self.turn(&pictures, orientation, coded, out)?;
        }
        Ok(out)
    }
}
