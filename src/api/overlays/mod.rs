//! OverlayService's methods.

mod delete;
mod get;
mod list;

pub use get::ReadOverlay;

/// Of one overlay: an RGBA picture of 64 megapixels that does not compress at all.
pub const MAX_OVERLAY_BYTES: u64 = 256 << 20;
