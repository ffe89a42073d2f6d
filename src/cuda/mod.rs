//! The arithmetic of [`crate::pixel`] and [`crate::tensor`] on a GPU, byte for byte: kernels/*.cu.
//!
//! A [`Plan`] is pure: what it needs (weights, workspace, output), and which kernels it queues,
//! given where everything lies. [`FramesPlan`] makes what JPEGs and hashes are made of, [`RgbPlan`]
//! RGB, [`TensorPlan`] tensors. What queues them is a [`Launch`]: `gpu`'s stream, or, in tests/kernels.rs,
//! the same kernels compiled for the CPU.

mod any;
mod frames;
pub mod kernels;
mod pixels;
mod plan;
pub mod ptx;
mod resize;
mod source;
mod steps;

pub use any::AnyPlan;
pub use frames::{FramesLayout, FramesPlan};
pub use kernels::{Address, Kernel, Launch, MAX_FRAMES, Parameters};
pub use pixels::{RgbPlan, TensorPlan};
pub use plan::Plan;
pub use source::{Crop, Format, Source};
pub use steps::Batch;
