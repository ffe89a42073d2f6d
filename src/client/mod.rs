//! What a program can do with framecache, whether it holds the store itself or asks a server.
//!
//! [`Local`] does it in this process, [`Remote`] over gRPC; the results, and the errors' reasons
//! and words, are the same.

mod local;
mod remote;
mod report;

use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::BoxStream;

use crate::cache::Tally;
use crate::cache::clear::Cleared;
use crate::cache::overlays::{OverlayScope, PutOverlay};
use crate::cache::put::{PutDone, ReadyFrame};
use crate::cache::status::Ids;
use crate::error::Result;
use crate::foundry::Probe;
use crate::frames::{
    Extraction, Found, FoundTwins, OnMiss, Pick, Progress, Search, Summary, Take, Twins, Which,
};
use crate::media::facts::FrameFacts;
use crate::media::time::Exact;
use crate::similar::cuts::Scored;
use crate::timeline::plan::{ChunkSpec, Window};

pub use local::Local;
pub use remote::{Remote, ServerAddress};
pub use report::{ChunkReport, PlanReport, Report};

/// One profile of one timeline.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Of<'a> {
    pub timeline: &'a str,
    pub profile: &'a str,
    /// What becomes of frames that are planned and not in the cache.
    pub on_miss: OnMiss,
}

impl<'a> Of<'a> {
    /// Its frames are extracted where they are not there.
    pub fn new(timeline: &'a str, profile: &'a str) -> Self {
        let on_miss = OnMiss::Extract;
        Of {
            timeline,
            profile,
            on_miss,
        }
    }

    /// For the end of messages.
    pub fn facts(&self) -> String {
        format!("timeline={} profile={}", self.timeline, self.profile)
    }
}

/// A frame and its facts.
#[derive(Debug, Clone)]
pub struct Picture {
    pub facts: FrameFacts,
    pub jpeg: Bytes,
}

/// Overlays of one stage.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct OverlayQuery {
    pub job: String,
    pub stage: String,
    /// Empty: all frames.
    pub seqs: Vec<u64>,
    /// Empty: all names.
    pub names: Vec<String>,
}

/// One overlay.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Overlay {
    pub seq: u64,
    pub name: String,
    pub png: Bytes,
}

/// An overlay in a listing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OverlayRow {
    pub seq: u64,
    pub name: String,
    pub bytes: u64,
}

/// What a profile's frames are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProfileKind {
    Extracted,
    Put,
    /// Frames without a plan.
    Legacy,
    /// Neither plan nor frames.
    Empty,
}

/// What to clear; frames and records always.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Clear {
    pub overlays: bool,
    pub plan: bool,
    pub dry_run: bool,
    /// Only profiles that are older, in seconds.
    pub older_than: Option<u64>,
}

/// Hears how far an extraction has come; must not block.
pub type Hear<'h> = &'h (dyn Fn(&Progress) + Send + Sync);

/// Rows in the order of their kind, as they come.
pub type Rows<T> = BoxStream<'static, Result<T>>;

/// Whose errors are those of `frames` and `cache`, whoever answers.
#[async_trait]
pub trait Client: Send + Sync {
    /// For people: `store DIR`, or `server HOST:PORT`.
    fn describe(&self) -> Result<String>;

    /// Plans a timeline and extracts what of it is not in the cache.
    async fn extract(&self, asked: &Extraction, hear: Hear<'_>) -> Result<Summary>;

    /// The facts of all frames, in sequence order, many at a time.
    async fn facts(&self, of: Of<'_>) -> Result<Rows<Vec<FrameFacts>>>;

    /// The sequences of the planned frames that are shown at these times.
    async fn shown_at(&self, of: Of<'_>, times: &[Exact]) -> Result<Vec<u64>>;

    /// The sequences of the planned frames that lie in the window.
    async fn within(&self, of: Of<'_>, window: Window) -> Result<Vec<u64>>;

    /// The sequences of those frames that are picked.
    async fn picked(&self, of: Of<'_>, which: Which, pick: Pick) -> Result<Vec<u64>>;

    /// A page of the frames that are like another.
    async fn similar(&self, search: Search) -> Result<Found>;

    /// The stretches of other timelines that show the same footage.
    async fn twins(&self, asked: Twins) -> Result<FoundTwins>;

    /// How much changes from frame to frame, some frames at a time.
    async fn cuts(&self, of: Of<'_>, threshold: f64) -> Result<Rows<Vec<Scored>>>;

    /// Refuses sequences that the profile cannot have, and extracts those that are not there.
    async fn prepare(&self, of: Of<'_>, seqs: &[u64], hear: Hear<'_>) -> Result<()>;

    /// Frames in this order; each may fail alone.
    async fn frames(&self, of: Of<'_>, seqs: &[u64])
    -> Result<BoxStream<'static, Result<Picture>>>;

    /// Frames decoded from their source again.
    async fn decode(&self, of: Of<'_>, seqs: &[u64], take: Take<'_>) -> Result<()>;

    /// Stores frames made elsewhere, in one record.
    async fn put_frames(&self, of: Of<'_>, frames: Vec<ReadyFrame>) -> Result<PutDone>;

    /// Stores overlays; each has its own result.
    async fn put_overlays(&self, of: Of<'_>, overlays: Vec<PutOverlay>) -> Result<Vec<Result<()>>>;

    /// Overlays in the order of the frames asked, then of the names.
    async fn overlays(&self, of: Of<'_>, asked: OverlayQuery) -> Result<Rows<Overlay>>;

    async fn overlay_jobs(&self, of: Of<'_>) -> Result<Vec<String>>;

    async fn overlay_stages(&self, of: Of<'_>, job: &str) -> Result<Vec<String>>;

    /// Overlays of a stage, or of one frame of it.
    async fn list_overlays(&self, of: Of<'_>, scope: &OverlayScope) -> Result<Vec<OverlayRow>>;

    async fn delete_overlays(
        &self,
        of: Of<'_>,
        scope: &OverlayScope,
        dry_run: bool,
    ) -> Result<Tally>;

    /// A page of timelines; `token`: what the page before said.
    async fn timelines(&self, token: Option<String>) -> Result<Ids>;

    /// Profiles of a timeline that have anything.
    async fn profiles(&self, timeline: &str) -> Result<Vec<String>>;

    /// What a profile's frames are.
    async fn kind(&self, of: Of<'_>) -> Result<ProfileKind>;

    /// How a profile stands.
    async fn report(&self, of: Of<'_>, check_sources: bool) -> Result<Report>;

    /// Clears one profile, or all of the timeline's.
    async fn clear(
        &self,
        timeline: &str,
        profile: Option<&str>,
        what: Clear,
    ) -> Result<Vec<(String, Cleared)>>;

    /// What a source is.
    async fn probe(&self, source: &ChunkSpec) -> Result<Probe>;
}
