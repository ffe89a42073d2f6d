//! Pictures as one frame's bytes of a tensor: sized, reordered, normalised. Pure; no I/O.
//!
//! In this order: Pillow's `L` where the tensor is gray (of the whole picture, as
//! `convert("L").resize(...)` does), Pillow's resize, padding, then one value for each sample:
//! y = f32(f32(x * a) + b) with a = f32(scale / std) and b = f32(-mean / std), and FP16 rounds y
//! once, to nearest even. Bytes are row-major and little endian, without padding between rows.

mod make;
mod place;
mod spec;
#[cfg(test)]
mod tests;
mod values;

pub use make::Maker;
pub use place::{Placement, Transform};
pub use spec::{
    Channels, Datatype, Fit, Layout, MAX_BATCH_BYTES, Normalize, Recipe, TensorSpec, batch_bytes,
};
pub use values::Line;
