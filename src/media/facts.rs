//! Facts of a frame, as commit records and answers carry them. What is
//! unknown is absent, never 0 or "".

use serde::{Deserialize, Serialize};

use crate::media::colour::Colour;

/// Everything that is known of one frame. Field names are the contract's JSON names.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct FrameFacts {
    /// Number on the timeline, from 0.
    pub seq: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub chunk_id: Option<String>,
    /// In `time_base`, the container's own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pts: Option<i64>,
    /// Seconds, "n/d".
    #[serde(skip_serializing_if = "Option::is_none")]
    pub time_base: Option<String>,
    /// Timeline seconds: the nearest f64 of the exact time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timestamp: Option<f64>,
    /// Seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub duration: Option<f64>,
    /// A cut point of our own index.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub keyframe: Option<bool>,
    /// Of the stored JPEG, in pixels.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub width: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub height: Option<u32>,
    /// Of the shown picture as coded, before rotation and max_side.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source_width: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source_height: Option<u32>,
    /// Left-right, applied before `rotation`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mirrored: Option<bool>,
    /// Degrees clockwise that were applied: 0, 90, 180, 270.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rotation: Option<u16>,
    /// "n:d"; absent where the stream does not say.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sample_aspect_ratio: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub interlaced: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bytes: Option<u64>,
    /// Of the JPEG, lower-case hex.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sha256: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub content_type: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub quality: Option<u8>,
    /// 16 hex digits each, as Python's ImageHash prints them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub phash: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dhash: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub average_hash: Option<String>,
    /// 1 for a picture of one tone, 0 for one half black and half white. Hashes of pictures of 0.98 and more
    /// are those of their noise, and are near none. Absent where no hash was made.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub flatness: Option<f64>,
    /// How luma is spread, 32 hex digits: of 16 even steps from dark to bright how many 256ths of the picture
    /// each has. What `change` is told by, between any two frames. Absent where no hash was made.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub luma: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub colour: Option<Colour>,
    /// `cpu` or `nvdec`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub backend: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fallback_reason: Option<String>,
    #[serde(skip_serializing_if = "is_false")]
    pub damaged: bool,
    /// The index has it, the decoder did not deliver it; there are no bytes.
    #[serde(skip_serializing_if = "is_false")]
    pub missing: bool,
    /// The sequence of the frame whose bytes answer for this one (dedup).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub repeats: Option<u64>,
}

fn is_false(flag: &bool) -> bool {
    !flag
}
