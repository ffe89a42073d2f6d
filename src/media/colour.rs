//! Colour description of a picture, after ITU-T H.273, and the rule that fills
//! what a stream leaves unsaid.

use serde::{Deserialize, Serialize};

/// Matrix coefficients that the integer pixel formulas exist for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Matrix {
    /// Samples are G, B, R already (H.273 MatrixCoefficients 0).
    Rgb,
    /// BT.601 (5 and 6).
    Bt601,
    /// BT.709 (1).
    Bt709,
    /// BT.2020 non-constant luminance (9).
    Bt2020,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Range {
    Limited,
    Full,
}

/// What a frame's colour was taken to be. Matrix and range decide the bytes;
/// primaries and transfer are facts only (H.273 code points by FFmpeg's names).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Colour {
    pub matrix: Matrix,
    pub range: Range,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub primaries: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub transfer: Option<String>,
    /// Which of `matrix` and `range` the stream did not say.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub assumed: Vec<String>,
}

/// How an untagged matrix is filled, or an override of the tag.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ColourRule {
    /// Untagged is BT.601, as FFmpeg's swscale, PyAV, OpenCV and torchcodec do.
    #[default]
    Bt601,
    /// Untagged is BT.709.
    Bt709,
    /// Untagged is BT.2020 non-constant luminance.
    Bt2020,
    /// Untagged is BT.709 from 720 lines on, BT.601 below, as players do.
    ByHeight,
}
