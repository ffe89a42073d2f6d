//! A span's job and what comes of it, as values that can be serialised: the
//! extraction of a span may run in another process.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use serde::{Deserialize, Serialize};

use crate::decode::Backend;
use crate::demux::{Opener, Track};
use crate::error::Result;
use crate::extract::turn::Turn;
use crate::media::facts::FrameFacts;
use crate::tensor::Recipe;
use crate::timeline::plan::{ChunkSpec, Parameters, SpanRow};

/// Everything that decides a span's frames.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct SpanJob {
    pub chunk: ChunkSpec,
    pub row: SpanRow,
    pub parameters: Parameters,
    #[serde(default)]
    pub output: Output,
    /// Sequences of the row, ascending; none: all of them.
    #[serde(default)]
    pub only: Option<Vec<u64>>,
    #[serde(default)]
    pub backend: Backend,
    /// With RGB: the tensor that the caller makes of it. Where a card decodes, the card makes it.
    #[serde(skip)]
    pub recipe: Option<Arc<Recipe>>,
    /// Decides nothing about its frames, but when they are decoded.
    #[serde(skip)]
    pub turn: Turn,
    /// Counts the units that were fed to a decoder for it: who watches sees that it goes on. Where they are fed in
    /// another process, it moves as that one says that it goes on.
    #[serde(skip)]
    pub fed: Arc<AtomicU64>,
}

/// What is made of a picture.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Output {
    /// A JPEG with all its facts.
    #[default]
    Jpeg,
    /// Upright RGB of the full size, without JPEG loss.
    Rgb,
}

/// The source of a span, indexed.
#[derive(Clone)]
pub struct SpanMedia {
    pub track: Arc<Track>,
    pub opener: Opener,
}

/// One picture, made.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Made {
    /// One for each number it has.
    pub facts: Vec<FrameFacts>,
    /// Its JPEG, or its RGB (`height x width x 3`, 8 bits, by the facts' size), or its tensor;
    /// empty where it is missing.
    pub data: Vec<u8>,
    /// The data are the frame that the job's recipe makes of RGB of the facts' size.
    #[serde(default)]
    pub is_tensor: bool,
}

/// How a span ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SpanEnd {
    /// `cpu` or `nvdec`.
    pub backend: String,
    /// Why another way was taken than the one chosen, by [`Fallback::name`](crate::extract::Fallback::name).
    pub fallback_reason: Option<String>,
    /// Media seconds are in the row; this is pictures fed to a decoder.
    pub decoded_units: u64,
}

/// What the engine says of a span while it works.
pub enum SpanEvent {
    /// In no particular order, except under dedup: in the order of showing.
    Made(Made),
    /// What was made so far does not count: damage was met, the span is decoded again.
    Restarted,
    /// The last event.
    Ended(Result<SpanEnd>),
}
