//! The timeline's arithmetic: pure code from indexes of sources to spans,
//! numbers and plans. No I/O, no FFmpeg, no store.

pub mod index;
pub mod plan;
