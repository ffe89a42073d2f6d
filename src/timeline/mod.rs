//! The timeline's arithmetic: pure code from indexes of sources to spans,
//! numbers and plans. No I/O, no FFmpeg, no store.

pub(crate) mod clock;
pub mod compare;
mod differences;
pub mod digest;
pub mod index;
pub mod limits;
mod numbers;
mod opened;
pub mod plan;
pub mod planner;
pub mod request;
pub mod samples;
mod sampling;
pub mod select;
pub mod shard;
mod spans;
#[cfg(test)]
mod tests;
