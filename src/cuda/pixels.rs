//! Upright RGB of the full size, and tensors of it: the device's [`to_rgb`](crate::pixel::rgb::to_rgb)
//! and [`Maker`](crate::tensor::Maker).

use crate::cuda::kernels::{self, Launch, Tensor};
use crate::cuda::plan::{Plan, Sealed};
use crate::cuda::resize::Resize;
use crate::cuda::source::Source;
use crate::cuda::steps::{Batch, Steps};
use crate::error::Result;
use crate::media::picture::Orientation;
use crate::pixel::orient;
use crate::tensor::{Channels, Datatype, Layout, Placement, Recipe};

/// RGB of each frame, `height x width x 3`, one frame after the other.
#[derive(Debug)]
pub struct RgbPlan {
    source: Source,
    orientation: Orientation,
}

impl RgbPlan {
    /// # Errors
    /// As [`to_rgb`](crate::pixel::rgb::to_rgb).
    pub fn new(source: Source, orientation: Orientation) -> Result<RgbPlan> {
        check(&source, orientation)?;
        Ok(RgbPlan {
            source,
            orientation,
        })
    }

    /// Width and height.
    pub fn size(&self) -> (usize, usize) {
        let (width, height) = self.source.size();
        self.orientation.upright(width, height)
    }
}

fn check(source: &Source, orientation: Orientation) -> Result<()> {
    source.check()?;
    source.to_rgb()?;
    orient::check(orientation)
}

impl Sealed for RgbPlan {}

impl Plan for RgbPlan {
    fn source(&self) -> &Source {
        &self.source
    }

    fn tables(&self) -> &[i32] {
        &[]
    }

    fn output_bytes(&self, frames: usize) -> usize {
        let (width, height) = self.size();
        3 * width * height * frames
    }

    fn queue<L: Launch>(&self, launch: &mut L, batch: &Batch) -> Result<usize> {
        let mut steps = Steps::new(launch, *batch)?;
        steps.upright(&self.source, 3, self.orientation, Some(batch.output))?;
        Ok(steps.workspace_bytes())
    }
}

/// Frames of a tensor, one after the other.
#[derive(Debug)]
pub struct TensorPlan {
    source: Source,
    orientation: Orientation,
    /// None where pixels stay as they are.
    resize: Option<Resize>,
    tables: Vec<i32>,
    channels: usize,
    datatype: Datatype,
    frame_bytes: usize,
    /// Without its addresses.
    parameters: Tensor,
}

impl TensorPlan {
    /// # Errors
    /// As [`to_rgb`](crate::pixel::rgb::to_rgb), and as [`Maker::make`](crate::tensor::Maker::make).
    pub fn new(source: Source, orientation: Orientation, recipe: &Recipe) -> Result<TensorPlan> {
        check(&source, orientation)?;
        let (width, height) = source.size();
        let place = recipe.place(orientation.upright(width, height));
        let spec = recipe.spec();
        let mut tables = Vec::new();
        let resize = if place.keeps_pixels() {
            None
        } else {
            let channels = spec.channels.count();
            Some(Resize::new(
                &place.geometry(spec.filter),
                channels,
                &mut tables,
            )?)
        };
        Ok(TensorPlan {
            source,
            orientation,
            resize,
            tables,
            channels: spec.channels.count(),
            datatype: spec.datatype,
            frame_bytes: recipe.frame_bytes(place.output)?,
            parameters: parameters(recipe, &place),
        })
    }
}

fn parameters(recipe: &Recipe, place: &Placement) -> Tensor {
    let spec = recipe.spec();
    let lines = recipe.lines();
    // Gray has one line.
    let of = |channel: usize| lines[channel.min(lines.len() - 1)];
    Tensor {
        source: 0,
        out: 0,
        left: place.at.0 as u32,
        top: place.at.1 as u32,
        inner_width: place.inner.0 as u32,
        inner_height: place.inner.1 as u32,
        width: place.output.0 as u32,
        height: place.output.1 as u32,
        channels: spec.channels.count() as u32,
        is_planar: u32::from(spec.layout == Layout::Nchw),
        is_reversed: u32::from(spec.channels == Channels::Bgr),
        pad: u32::from(spec.pad_value),
        a: [0, 1, 2].map(|channel| of(channel).a),
        b: [0, 1, 2].map(|channel| of(channel).b),
    }
}

impl Sealed for TensorPlan {}

impl Plan for TensorPlan {
    fn source(&self) -> &Source {
        &self.source
    }

    fn tables(&self) -> &[i32] {
        &self.tables
    }

    fn output_bytes(&self, frames: usize) -> usize {
        self.frame_bytes * frames
    }

    fn queue<L: Launch>(&self, launch: &mut L, batch: &Batch) -> Result<usize> {
        let mut steps = Steps::new(launch, *batch)?;
        let (channels, frames) = (self.channels, steps.frames());
        let upright = steps.upright(&self.source, channels, self.orientation, None)?;
        let mut parameters = Tensor {
            source: upright,
            out: batch.output,
            ..self.parameters
        };
        if let Some(resize) = &self.resize {
            let (width, height) = resize.target;
            parameters.source = steps.scratch(width * height * channels * frames);
            resize.run(&mut steps, frames, upright, parameters.source)?;
        }
        let kernel = match self.datatype {
            Datatype::Uint8 => &kernels::TENSOR[0],
            Datatype::Fp16 => &kernels::TENSOR[1],
            Datatype::Fp32 => &kernels::TENSOR[2],
        };
        let size = (parameters.width as usize, parameters.height as usize);
        steps.launch(kernel, size, frames, &parameters)?;
        Ok(steps.workspace_bytes())
    }
}
