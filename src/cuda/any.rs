//! One of the plans, where the caller's wish decides which.

use crate::error::Result;
use crate::pixel::cuda::frames::FramesPlan;
use crate::pixel::cuda::kernels::Launch;
use crate::pixel::cuda::pixels::{RgbPlan, TensorPlan};
use crate::pixel::cuda::plan::{Plan, Sealed};
use crate::pixel::cuda::source::Source;
use crate::pixel::cuda::steps::Batch;

#[derive(Debug)]
pub enum AnyPlan {
    Frames(FramesPlan),
    Rgb(RgbPlan),
    Tensor(TensorPlan),
}

impl Sealed for AnyPlan {}

impl Plan for AnyPlan {
    fn source(&self) -> &Source {
        match self {
            AnyPlan::Frames(plan) => plan.source(),
            AnyPlan::Rgb(plan) => plan.source(),
            AnyPlan::Tensor(plan) => plan.source(),
        }
    }

    fn tables(&self) -> &[i32] {
        match self {
            AnyPlan::Frames(plan) => plan.tables(),
            AnyPlan::Rgb(plan) => plan.tables(),
            AnyPlan::Tensor(plan) => plan.tables(),
        }
    }

    fn output_bytes(&self, frames: usize) -> usize {
        match self {
            AnyPlan::Frames(plan) => plan.output_bytes(frames),
            AnyPlan::Rgb(plan) => plan.output_bytes(frames),
            AnyPlan::Tensor(plan) => plan.output_bytes(frames),
        }
    }

    fn queue<L: Launch>(&self, launch: &mut L, batch: &Batch) -> Result<usize> {
        match self {
            AnyPlan::Frames(plan) => plan.queue(launch, batch),
            AnyPlan::Rgb(plan) => plan.queue(launch, batch),
            AnyPlan::Tensor(plan) => plan.queue(launch, batch),
        }
    }
}
