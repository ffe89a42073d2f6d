//! Spans in, frames out: which units a span needs (`segments`), what one
//! decoded picture becomes (`develop`), the threads that do it (`engine`, `worker`, `device`), and why they do it otherwise
//! than asked (`fallback`).
//! Knows no store.

mod cards;
mod darkroom;
mod deal;
mod decoding;
mod develop;
mod device;
mod engine;
mod fallback;
mod job;
mod parts;
mod queues;
mod segments;
mod span;
#[cfg(test)]
mod tests;
mod trays;
mod turn;
mod waiting;
mod worker;

pub use crate::media::limits::{MAX_PIXELS, MAX_SIDE, check_size};
pub use cards::{Cards, check_cards};
pub use develop::{Developer, Development};
pub use engine::Engine;
pub use fallback::Fallback;
pub use job::{Made, Output, SpanEnd, SpanEvent, SpanJob, SpanMedia};
pub use segments::{Segment, Task, frame_threads, segments, start, tasks};
pub use turn::{Caller, Turn};
