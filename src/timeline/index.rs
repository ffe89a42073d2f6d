//! The index of one source: what `demux` reads from packets, and all that
//! planning needs to know of a video.

use serde::{Deserialize, Serialize};

use crate::media::time::TimeBase;

/// A picture that is shown, in the order of showing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shown {
    /// In the source's time base, the container's own value (where packets lack
    /// pts: what `timeline.md` puts in its place). Never smaller than the one before; may be equal.
    pub pts: i64,
    /// To the next shown picture, or as the container says for the last; in ticks, at least 0.
    pub duration: i64,
    /// Its access unit: place in decode order among all packets of the stream.
    pub unit: u32,
    /// A cut point: decoding can start at its unit.
    pub cut: bool,
}

/// Why packets have no number on the timeline.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Unshown {
    /// Discarded by an edit list.
    pub discarded: u64,
    /// Coded as never shown (VP8 alternate references and the like).
    pub invisible: u64,
    /// Before the first cut point.
    pub before_first_cut: u64,
    /// Leading pictures of the first cut point that cannot be decoded.
    pub undecodable_leading: u64,
}

/// Everything the planner needs of a source.
#[derive(Debug, Clone)]
pub struct SourceIndex {
    /// Index of the stream in the container.
    pub stream: u32,
    pub time_base: TimeBase,
    /// Never empty; `shown[0].pts` is source time zero. The first one's unit need not be a cut
    /// (leading pictures), but decoding for it starts at the first cut.
    pub shown: Vec<Shown>,
    pub unshown: Unshown,
    pub source: Identity,
    pub init: Option<Identity>,
    /// Under which release's rules its frames are made: 0 where they are those of the first release,
    /// 1 where times, pictures or colours came out otherwise before. A row's digest tells it.
    pub revision: u32,
}

/// What tells whether a source is still the same.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    pub bytes: u64,
    /// Of the first 64 KiB, lower-case hex.
    pub head_sha256: String,
    /// Of the last 64 KiB.
    pub tail_sha256: String,
}
