//! How alike pictures are, as pure arithmetic: what is kept of a picture's tones, where scenes end, hashes of
//! mirrored pictures, which of many hashes are near one, and which footage is the same.

pub mod cuts;
pub mod mirror;
pub mod reel;
pub mod runs;
pub mod scan;
pub mod tones;

/// Of the 64 bits of two hashes so many differ where pictures are near duplicates, unless it is said otherwise.
pub const DISTANCE: u32 = 8;
/// The bits of a hash.
pub const BITS: u32 = 64;
