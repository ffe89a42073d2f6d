//! framecache: decodes a timeline's video once, and keeps its frames.

pub mod aws;
pub mod error;
pub mod hash;
pub mod jpeg;
pub mod media;
pub mod pixel;
pub mod store;
pub mod timeline;
