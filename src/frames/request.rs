//! What an extraction is asked for, and what it tells while it runs.

use serde::Serialize;

use crate::cache::plans::{Claimed, Replace};
use crate::decode::Backend;
use crate::media::facts::FrameFacts;
use crate::timeline::plan::{ChunkSpec, FrameLayout, Parameters, Plan};
use crate::timeline::shard::Shard;

/// Which of the plan's spans to extract.
#[derive(Debug, Clone, Default)]
pub enum Only {
    #[default]
    All,
    Chunks(Vec<String>),
    Shard(Shard),
    /// Places in the plan's rows.
    Rows(Vec<usize>),
    /// The same, committed or not: objects of theirs are lost or damaged.
    Again(Vec<usize>),
}

/// An extraction.
#[derive(Debug, Clone)]
pub struct Extraction {
    pub timeline: String,
    pub profile: String,
    /// The timeline's whole list of chunks, and how to sample it. None: both as planned already.
    pub asked: Option<(Vec<ChunkSpec>, Parameters)>,
    pub only: Only,
    /// Index and claim the plan, extract nothing.
    pub plan_only: bool,
    /// Make every frame anew, over whatever is there.
    pub replace: Option<Replace>,
    /// Try spans again whose record says that they cannot be decoded.
    pub retry_failed: bool,
    /// A chunk that cannot be indexed counts as empty, instead of failing the plan.
    pub skip_bad: bool,
    /// What decodes.
    pub backend: Backend,
    /// How frames are to lie; none: as the profile's plan has it, or loose where there is none.
    pub layout: Option<FrameLayout>,
}

/// What is being done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Stage {
    /// Reading packets to plan.
    Index,
    Extract,
}

/// How far it has come.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Progress {
    pub stage: Stage,
    pub chunk_id: Option<String>,
    /// Chunks indexed, or frames done, of those that this call has to do.
    pub done: u64,
    pub total: u64,
    /// Timeline seconds covered by what is done.
    pub media_seconds: f64,
}

/// What became of a chunk.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ChunkResult {
    pub chunk_id: String,
    /// Frames of it in the cache now, reused ones too.
    pub frames: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub backend: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fallback_reason: Option<String>,
    /// Frames marked as damaged, and frames that the decoder did not deliver.
    pub damaged: u64,
    pub missing: u64,
    /// Packets without a number, by reason.
    pub unshown: crate::timeline::index::Unshown,
    #[serde(flatten)]
    pub clock: crate::timeline::index::ClockFacts,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<crate::timeline::plan::ChunkError>,
}

/// How an extraction ended.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Summary {
    pub timeline: String,
    pub profile: String,
    /// Frames in the cache now, of the spans that were asked for.
    pub frames: u64,
    /// Of those, made by this call, and found committed.
    pub written: u64,
    pub reused: u64,
    pub seconds: f64,
    /// Timeline seconds of the spans made by this call.
    pub media_seconds: f64,
    pub chunks: Vec<ChunkResult>,
}

impl Summary {
    /// Whether a chunk or a frame failed.
    pub fn failed(&self) -> bool {
        self.chunks
            .iter()
            .any(|chunk| chunk.error.is_some() || chunk.missing > 0)
    }
}

/// What an extraction tells while it runs.
pub enum Event<'a> {
    Plan {
        plan: &'a Plan,
        claimed: Claimed,
    },
    Progress(Progress),
    /// A span is committed: its place in the plan's rows, and its frames.
    Committed {
        place: usize,
        facts: &'a [FrameFacts],
    },
}

/// Hears events; called from the task that runs the extraction, so it must not block.
pub type Sink<'a> = &'a (dyn Fn(Event<'_>) + Send + Sync);
