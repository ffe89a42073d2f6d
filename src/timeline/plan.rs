//! A plan: a profile's parameters, its chunks, and a row for each span. This
//! is `plan.json`, schema 1; schema 2 where frames are to lie packed.

use serde::{Deserialize, Serialize};

use crate::media::colour::ColourRule;
use crate::media::time::Exact;
use crate::timeline::index::{ClockFacts, Identity, Unshown};

/// Version of `plan.json`.
pub const SCHEMA: u32 = 1;
/// That of plans whose frames are to lie packed, which older releases would have lie loose.
pub const PACKED_SCHEMA: u32 = 2;
/// The oldest release that knows packs.
pub const PACKED_READER: &str = "0.2.0";
/// Raised when sources are indexed to other frames or times than before: a plan of less is made anew
/// before it is extracted by, and its rows' revisions tell which frames that changed.
pub const READING: u32 = 1;
/// Raised when the pixel rules change a byte of any frame.
pub const PIXEL_REVISION: u32 = 1;
/// What encodes frames; another encoder changes the digest.
pub const ENCODER: &str = "libjpeg-turbo-islow-420";

/// Which frames of the timeline are wanted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Sampling {
    /// Sample k is the frame shown at k/fps and has sequence k.
    Fps(Exact),
    /// Each n-th frame of the timeline.
    Every(u64),
    All,
    Keyframes,
    /// Timeline seconds, sorted, no duplicates.
    Timestamps(Vec<Exact>),
    /// Midpoints of n equal parts of the window.
    Count(u64),
}

impl Sampling {
    /// Its path in the API's messages.
    pub fn field(&self) -> &'static str {
        match self {
            Sampling::Fps(_) => "sampling.fps",
            Sampling::Every(_) => "sampling.every",
            Sampling::All => "sampling.all",
            Sampling::Keyframes => "sampling.keyframes",
            Sampling::Timestamps(_) => "sampling.timestamps",
            Sampling::Count(_) => "sampling.count",
        }
    }
}

/// [from, to) in timeline seconds; absent: the timeline's own ends.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Window {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<Exact>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<Exact>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HashKind {
    Phash,
    Dhash,
    AverageHash,
}

/// Everything that decides a frame's bytes and facts, defaults resolved into it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Parameters {
    pub sampling: Sampling,
    #[serde(default)]
    pub window: Window,
    /// JPEG quality, 1 to 100.
    pub quality: u8,
    pub encoder: String,
    pub colour: ColourRule,
    /// Sorted, no duplicates.
    pub hashes: Vec<HashKind>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dedup: Option<u8>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_side: Option<u32>,
    pub pixel_revision: u32,
}

/// A chunk as asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ChunkSpec {
    /// Empty as asked for: the planner puts the chunk's place in the list here.
    #[serde(default)]
    pub chunk_id: String,
    /// Without credentials or signatures.
    pub uri: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub init_uri: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source_start: Option<Exact>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source_end: Option<Exact>,
    /// On the timeline's clock; absent: the end of the chunk before (0 for the first).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start: Option<Exact>,
    /// Absent: the first video stream that is no attached picture.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stream: Option<u32>,
}

impl ChunkSpec {
    /// The whole of one source, everything else by default.
    pub fn of(uri: &str) -> ChunkSpec {
        ChunkSpec {
            chunk_id: String::new(),
            uri: uri.to_owned(),
            init_uri: None,
            source_start: None,
            source_end: None,
            start: None,
            stream: None,
        }
    }
}

/// A chunk as planned: where it lies on the timeline and what was found in it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlannedChunk {
    #[serde(flatten)]
    pub spec: ChunkSpec,
    /// Where it begins and ends on the timeline; what it owns is [begin, min(end, next chunk's begin)).
    pub begin: Exact,
    pub end: Exact,
    /// Frames that are its own, sampled or not (under `fps`, `count` and
    /// `timestamps` with the one shown at `source_start`).
    pub frames: u64,
    #[serde(default)]
    pub unshown: Unshown,
    /// What is out of the ordinary with its source's clock, in seconds of source time.
    #[serde(default, skip_serializing_if = "ClockFacts::is_plain")]
    pub clock: ClockFacts,
    /// With `skip_bad`: why it could not be indexed and counts as empty.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<ChunkError>,
}

/// A failure that is kept: reason's name and one sentence.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChunkError {
    pub reason: String,
    pub message: String,
}

/// The unit of commit, resume and single flight.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SpanRow {
    pub chunk_id: String,
    /// From 0 within the chunk.
    pub span: u32,
    /// What it covers of the timeline: from the chunk's begin (span 0) or its
    /// first frame, to the next span's first frame or the end of what the chunk owns.
    pub start: Exact,
    pub end: Exact,
    /// Its frames, sampled or not: places in the index's `shown`, from
    /// `first_frame` on, `frames` of them.
    pub first_frame: u64,
    pub frames: u64,
    /// Timeline time of pts 0: a frame's time is pts * time_base + this.
    pub pts_offset: Exact,
    /// Under `every`: the timeline's frames before its first one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ordinal: Option<u64>,
    /// Sequence of its first sample (where it has none: the one after the sample
    /// before it, so it never falls). Sequences within a span are consecutive.
    pub first: u64,
    /// Samples in it; a span of 0 has no record and is complete.
    pub count: u64,
    pub stream: u32,
    pub source: Identity,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub init: Option<Identity>,
    /// [`SourceIndex::revision`](crate::timeline::index::SourceIndex::revision), where it is not 0.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub revision: u32,
}

fn is_zero(revision: &u32) -> bool {
    *revision == 0
}

/// How a profile came to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    Extract,
    /// Frames were put, made elsewhere.
    Put,
}

/// How the frames of a profile are to lie from now on. Where one lies is its record's word.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum FrameLayout {
    /// One object a frame.
    #[default]
    Frames,
    /// A few objects a span, with all its frames.
    Packed,
}

impl FrameLayout {
    /// As plans and messages have it.
    pub fn name(self) -> &'static str {
        match self {
            FrameLayout::Frames => "frames",
            FrameLayout::Packed => "packed",
        }
    }
}

/// `plan.json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    pub schema: u32,
    /// The oldest release that reads it; absent: any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reader: Option<String>,
    pub kind: Kind,
    /// Outside all digests.
    pub layout: FrameLayout,
    /// Another one whenever frames are cleared, replaced or repaired, so that a span that began before
    /// is not committed after. Outside all digests; absent in plans of older releases.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nonce: Option<String>,
    /// [`READING`] as its sources were indexed; 0 in plans of older releases. Outside all digests.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub reading: u32,
    /// Absent for `put`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parameters: Option<Parameters>,
    #[serde(default)]
    pub chunks: Vec<PlannedChunk>,
    #[serde(default)]
    pub spans: Vec<SpanRow>,
}

impl Plan {
    /// The same, its frames to lie so.
    pub fn laid_out(self, layout: FrameLayout) -> Plan {
        let packed = layout == FrameLayout::Packed;
        Plan {
            schema: if packed { PACKED_SCHEMA } else { SCHEMA },
            reader: packed.then(|| PACKED_READER.to_owned()),
            layout,
            ..self
        }
    }
}
