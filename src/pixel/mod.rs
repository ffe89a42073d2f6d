//! Planes to pixels: integer arithmetic with one fixed rounding, so that a CPU
//! and a GPU make the same bytes. This code is the reference.
//!
//! - [`jfif`]: a decoded picture as the 8-bit BT.601 planes a JPEG stores
//! - [`rgb`], [`luma`]: the same picture as RGB, and as Pillow's `L` of that RGB
//! - [`resample`]: Pillow's resampler for 8-bit samples
//! - [`unpack`]: every other way that samples may lie, to planes that the rest reads
//! - [`orient`]: mirroring and rotation
//!
//! Functions ending in `_into` write into buffers that the caller keeps, since
//! fresh multi-megabyte allocations cost more in page faults than the arithmetic.

mod average;
pub mod coefficients;
pub(crate) mod each;
#[cfg(test)]
mod equality;
pub mod jfif;
pub mod luma;
pub mod orient;
pub(crate) mod planes;
pub mod resample;
pub mod rgb;
pub mod simd;
pub mod unpack;

/// Full-range 8-bit RGB, `height x width x 3`, rows not padded.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RgbImage {
    pub width: usize,
    pub height: usize,
    pub data: Vec<u8>,
}

/// Full-range 8-bit gray, `height x width`, rows not padded.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct GrayImage {
    pub width: usize,
    pub height: usize,
    pub data: Vec<u8>,
}

/// Gives `buffer` exactly `len` bytes and keeps the old ones: the caller
/// overwrites all of them, so a buffer of the right size costs nothing.
pub(crate) fn fit(buffer: &mut Vec<u8>, len: usize) -> &mut [u8] {
    buffer.resize(len, 0);
    buffer
}
