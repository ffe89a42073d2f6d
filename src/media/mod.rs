//! The vocabulary: plain data that the rest of the crate speaks in. No I/O,
//! no FFmpeg, no store.

pub mod colour;
pub mod facts;
pub mod limits;
pub mod picture;
pub mod time;
