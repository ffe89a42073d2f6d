//! What a tensor is asked to be, checked once.

use serde::{Deserialize, Serialize};

use crate::error::{Error, Reason, Result};
use crate::pixel::resample::Filter;
use crate::tensor::place::Placement;
use crate::tensor::values::{Line, Values, lines};

/// Bytes of one batch.
pub const MAX_BATCH_BYTES: u64 = 1 << 30;
/// Pixels on a side of the output.
const MAX_SIDE: u32 = 16_384;

/// Of each sample.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Datatype {
    Uint8,
    /// IEEE 754 binary16.
    Fp16,
    /// IEEE 754 binary32.
    Fp32,
}

impl Datatype {
    /// As the Open Inference Protocol names it.
    pub fn name(self) -> &'static str {
        match self {
            Datatype::Uint8 => "UINT8",
            Datatype::Fp16 => "FP16",
            Datatype::Fp32 => "FP32",
        }
    }

    fn bytes(self) -> u64 {
        match self {
            Datatype::Uint8 => 1,
            Datatype::Fp16 => 2,
            Datatype::Fp32 => 4,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Layout {
    Nhwc,
    Nchw,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Channels {
    Rgb,
    Bgr,
    /// One channel: Pillow's `L`.
    Gray,
}

impl Channels {
    pub fn count(self) -> usize {
        match self {
            Channels::Rgb | Channels::Bgr => 3,
            Channels::Gray => 1,
        }
    }
}

/// How a picture comes to have the size that is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Fit {
    /// Both sides, whatever becomes of the aspect.
    Stretch,
    /// The whole picture, its aspect kept, centred on the padding.
    Letterbox,
    /// The largest centred part of that aspect.
    Crop,
}

/// y = x * scale / std - mean / std; see the module for its roundings.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Normalize {
    pub scale: f64,
    /// One value, or one for each channel in the tensor's order; so is `std`.
    pub mean: Vec<f64>,
    pub std: Vec<f64>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TensorSpec {
    pub datatype: Datatype,
    pub layout: Layout,
    pub channels: Channels,
    /// Width and height; none: each picture's own.
    pub size: Option<(u32, u32)>,
    pub fit: Fit,
    pub filter: Filter,
    /// Of padding, in all channels, before normalisation.
    pub pad_value: u8,
    /// For FP16 and FP32 only.
    pub normalize: Option<Normalize>,
}

/// A checked specification with its tables, shared by all frames of a request.
#[derive(Debug)]
pub struct Recipe {
    spec: TensorSpec,
    lines: Vec<Line>,
    values: Values,
}

impl Recipe {
    /// # Errors
    /// FIELD_INVALID or LIMIT_EXCEEDED, naming the field by its name in the API.
    pub fn new(spec: TensorSpec) -> Result<Recipe> {
        if let Some((width, height)) = spec.size {
            check_side("width", width)?;
            check_side("height", height)?;
        }
        let lines = lines(&spec)?;
        let values = Values::new(spec.datatype, &lines);
        Ok(Recipe {
            spec,
            lines,
            values,
        })
    }

    pub fn spec(&self) -> &TensorSpec {
        &self.spec
    }

    /// One for each channel of the tensor.
    pub fn lines(&self) -> &[Line] {
        &self.lines
    }

    pub(super) fn values(&self) -> &Values {
        &self.values
    }

    /// Width and height of the output for a picture of this width and height.
    pub fn output(&self, picture: (usize, usize)) -> (usize, usize) {
        self.spec
            .size
            .map_or(picture, |(width, height)| (width as usize, height as usize))
    }

    /// Bytes of one frame of this width and height.
    ///
    /// # Errors
    /// LIMIT_EXCEEDED where one frame alone is more than a batch may be.
    pub fn frame_bytes(&self, output: (usize, usize)) -> Result<usize> {
        let samples = (output.0 as u64)
            .checked_mul(output.1 as u64)
            .and_then(|pixels| pixels.checked_mul(self.spec.channels.count() as u64));
        let bytes = samples.and_then(|samples| samples.checked_mul(self.spec.datatype.bytes()));
        batch_bytes(1, bytes.unwrap_or(u64::MAX))
    }

    /// The shape of `frames` frames of this width and height.
    pub fn shape(&self, frames: usize, (width, height): (usize, usize)) -> [i64; 4] {
        let channels = self.spec.channels.count();
        let shape = match self.spec.layout {
            Layout::Nhwc => [frames, height, width, channels],
            Layout::Nchw => [frames, channels, height, width],
        };
        shape.map(|side| i64::try_from(side).unwrap_or(i64::MAX))
    }

    /// Where a picture of this width and height comes to lie.
    pub fn place(&self, picture: (usize, usize)) -> Placement {
        Placement::new(picture, self.output(picture), self.spec.fit)
    }
}

/// Bytes of a batch.
///
/// # Errors
/// LIMIT_EXCEEDED over [`MAX_BATCH_BYTES`].
pub fn batch_bytes(frames: u64, frame_bytes: u64) -> Result<usize> {
    let bytes = frames.checked_mul(frame_bytes);
    let fits = bytes.filter(|bytes| *bytes <= MAX_BATCH_BYTES);
    let fits = fits.and_then(|bytes| usize::try_from(bytes).ok());
    fits.ok_or_else(|| {
        Error::new(
            Reason::RequestLimit,
            format!(
                "a batch would be too large: frames={frames} frame_bytes={frame_bytes} max_bytes={MAX_BATCH_BYTES}"
            ),
        )
        .hint("ask for fewer frames in a batch, or smaller ones")
        .in_field(if frames > 1 { "batch" } else { "width" })
    })
}

fn check_side(field: &str, side: u32) -> Result<()> {
    if side == 0 {
        return Err(Error::field(format!("{field} must be at least 1: {field}=0")).in_field(field));
    }
    if side > MAX_SIDE {
        let message = format!("{field} is too large: {field}={side} max={MAX_SIDE}");
        return Err(Error::new(Reason::RequestLimit, message).in_field(field));
    }
    Ok(())
}
