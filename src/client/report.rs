//! How a profile stands, as both kinds of client tell it.

use serde::Serialize;

use crate::cache::status::{FailedSpan, FrameCounts, State};
use crate::frames::SourceFinding;
use crate::timeline::index::{ClockFacts, Unshown};
use crate::timeline::plan::{ChunkError, ChunkSpec, FrameLayout, Kind, Parameters, PlannedChunk};

/// A profile, its plan, and what of it is there.
#[derive(Debug)]
pub struct Report {
    pub state: State,
    /// Absent for `absent` and `legacy`.
    pub plan: Option<PlanReport>,
    /// Frames planned; for put profiles, those put.
    pub planned: u64,
    pub counts: FrameCounts,
    pub failed: Vec<FailedSpan>,
    /// Absent where sources were not looked at.
    pub findings: Option<Vec<SourceFinding>>,
}

/// A plan without its rows.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PlanReport {
    pub kind: Kind,
    pub layout: FrameLayout,
    /// Absent for `put`.
    pub parameters: Option<Parameters>,
    pub chunks: Vec<ChunkReport>,
    /// How many.
    pub spans: u64,
}

/// A chunk as planned.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ChunkReport {
    #[serde(flatten)]
    pub spec: ChunkSpec,
    /// On the timeline, in seconds.
    pub begin: f64,
    pub end: f64,
    /// Frames that are its own, sampled or not.
    pub frames: u64,
    pub unshown: Unshown,
    #[serde(flatten)]
    pub clock: ClockFacts,
    /// Why it could not be indexed and counts as empty.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<ChunkError>,
}

impl From<&PlannedChunk> for ChunkReport {
    fn from(chunk: &PlannedChunk) -> Self {
        ChunkReport {
            spec: chunk.spec.clone(),
            begin: chunk.begin.to_f64(),
            end: chunk.end.to_f64(),
            frames: chunk.frames,
            unshown: chunk.unshown,
            clock: chunk.clock.clone(),
            error: chunk.error.clone(),
        }
    }
}
