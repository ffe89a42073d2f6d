//! The kernels by name, and their parameters: twins of the structs in kernels/*.cu.

use std::marker::PhantomData;

use crate::error::{Error, Result};
use crate::pixel::coefficients::{ToJfif, ToRgb};

/// Where something lies in the device's memory.
pub type Address = u64;

/// Frames in one launch that reads surfaces.
pub const MAX_FRAMES: usize = 32;

/// A kernel whose parameter is a `P`.
#[derive(Debug)]
pub struct Kernel<P> {
    /// Its entry in the PTX.
    pub name: &'static str,
    /// Threads of a block: columns and rows.
    block: [u32; 2],
    /// Samples that a thread makes: columns and rows.
    each: [u32; 2],
    parameters: PhantomData<fn(P)>,
}

impl<P> Kernel<P> {
    const fn new(name: &'static str, block: [u32; 2], each: [u32; 2]) -> Kernel<P> {
        Kernel {
            name,
            block,
            each,
            parameters: PhantomData,
        }
    }

    pub fn block(&self) -> [u32; 3] {
        [self.block[0], self.block[1], 1]
    }

    /// Blocks that make `size` samples (columns, rows) of each of `frames` frames.
    ///
    /// # Errors
    /// INTERNAL where that is more than a launch may have.
    pub fn grid(&self, size: (usize, usize), frames: usize) -> Result<[u32; 3]> {
        let columns = size.0.div_ceil((self.block[0] * self.each[0]) as usize);
        let rows = size.1.div_ceil((self.block[1] * self.each[1]) as usize);
        let grid = [columns, rows, frames].map(u32::try_from);
        match grid {
            [Ok(x), Ok(y @ ..=0xffff), Ok(z @ ..=0xffff)] => Ok([x, y, z]),
            _ => Err(Error::internal(format!(
                "a launch would be too large kernel={} width={} height={} frames={frames}",
                self.name, size.0, size.1
            ))),
        }
    }
}

/// What a kernel takes, by value.
pub trait Parameters: Copy {}

/// What queues kernels: a GPU's stream, or the tests' loop.
pub trait Launch {
    /// Makes `size` samples (columns, rows) of each of `frames` frames.
    fn launch<P: Parameters>(
        &mut self,
        kernel: &Kernel<P>,
        size: (usize, usize),
        frames: usize,
        parameters: &P,
    ) -> Result<()>;
}

/// Decoded pictures of one geometry, in device memory.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct Surfaces {
    pub planes: [[Address; 3]; MAX_FRAMES],
    pub pitch_bytes: u32,
    /// The crop, in luma samples.
    pub left: u32,
    pub top: u32,
    pub width: u32,
    pub height: u32,
    /// Bits of a word below its sample.
    pub low_bits: u32,
}

#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct Jfif {
    pub surfaces: Surfaces,
    pub coefficients: ToJfif,
    pub luma: Address,
    pub chroma: Address,
}

#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct Rgb {
    pub surfaces: Surfaces,
    pub coefficients: ToRgb,
    pub out: Address,
}

#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct Resample {
    pub source: Address,
    pub out: Address,
    /// Of [`Axis`](crate::pixel::resample::Axis): starts, counts, weights.
    pub table: Address,
    pub targets: u32,
    /// Across: pixels of a source row. Down: bytes of a row.
    pub width: u32,
    pub source_rows: u32,
    /// Across only: rows that are read, and made.
    pub first_row: u32,
    pub rows: u32,
    /// Down only: rows that the source lacks at its beginning.
    pub missing_rows: u32,
    /// [`ACROSS_MANY`] only: weights of each target.
    pub taps: u32,
}

#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct Turn {
    pub source: Address,
    pub out: Address,
    pub width: u32,
    pub height: u32,
    pub swaps: u32,
    pub flips_columns: u32,
    pub flips_rows: u32,
}

#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct Tensor {
    pub source: Address,
    pub out: Address,
    pub left: u32,
    pub top: u32,
    pub inner_width: u32,
    pub inner_height: u32,
    pub width: u32,
    pub height: u32,
    pub channels: u32,
    pub is_planar: u32,
    pub is_reversed: u32,
    pub pad: u32,
    pub a: [f32; 3],
    pub b: [f32; 3],
}

impl Parameters for Jfif {}
impl Parameters for Rgb {}
impl Parameters for Resample {}
impl Parameters for Turn {}
impl Parameters for Tensor {}

/// As in kernels/common.cuh, and turn.cu, and resample.cu.
const PICTURE: ([u32; 2], [u32; 2]) = ([8, 12], [16, 2]);
const TURNS: ([u32; 2], [u32; 2]) = ([32, 8], [1, 4]);
const TARGETS: ([u32; 2], [u32; 2]) = ([LANES, 4], [1, 8]);
const SAMPLES: ([u32; 2], [u32; 2]) = ([32, 8], [1, 1]);
/// Threads that make one target of [`ACROSS_MANY`].
pub const LANES: u32 = 32;

macro_rules! kernels {
    ($shape:ident: $($name:literal),*) => {
        [$(Kernel::new($name, $shape.0, $shape.1)),*]
    };
}

/// In the order of [`Format::place`](super::Format), here and below.
pub const JFIF: [Kernel<Jfif>; 4] =
    kernels!(PICTURE: "jfif_nv12", "jfif_p016", "jfif_yuv444", "jfif_yuv444_16");
pub const RGB: [Kernel<Rgb>; 4] =
    kernels!(PICTURE: "rgb_nv12", "rgb_p016", "rgb_yuv444", "rgb_yuv444_16");
pub const LUMA: [Kernel<Rgb>; 4] =
    kernels!(PICTURE: "luma_nv12", "luma_p016", "luma_yuv444", "luma_yuv444_16");
/// Of 1 and of 3 channels.
pub const ACROSS: [Kernel<Resample>; 2] =
    kernels!(SAMPLES: "resample_across_1", "resample_across_3");
/// Of 1 channel, a column of [`LANES`] samples for each target.
pub const ACROSS_MANY: Kernel<Resample> = Kernel::new("resample_across_many", TARGETS.0, TARGETS.1);
pub const DOWN: Kernel<Resample> = Kernel::new("resample_down", SAMPLES.0, SAMPLES.1);
/// Of 1 and of 3 channels.
pub const TURN: [Kernel<Turn>; 2] = kernels!(TURNS: "turn_1", "turn_3");
/// UINT8, FP16, FP32.
pub const TENSOR: [Kernel<Tensor>; 3] =
    kernels!(SAMPLES: "tensor_uint8", "tensor_fp16", "tensor_fp32");
