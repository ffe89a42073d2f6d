//! One of the plans, where the caller's wish decides which.

use crate::cuda::frames::FramesPlan;
use crate::cuda::kernels::Launch;
use crate::cuda::pixels::{RgbPlan, TensorPlan};
use crate::cuda::plan::{Plan, Sealed};
use crate::cuda::source::Source;
use crate::cuda::steps::Batch;
use crate::error::Result;

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
