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

/// FFmpeg's name of a ColourPrimaries code point (H.273 table 2); none for unspecified.
pub fn primaries_name(code_point: i32) -> Option<&'static str> {
    Some(match code_point {
        1 => "bt709",
        4 => "bt470m",
        5 => "bt470bg",
        6 => "smpte170m",
        7 => "smpte240m",
        8 => "film",
        9 => "bt2020",
        10 => "smpte428",
        11 => "smpte431",
        12 => "smpte432",
        22 => "ebu3213",
        _ => return None,
    })
}

/// FFmpeg's name of a TransferCharacteristics code point (H.273 table 3); none for unspecified.
pub fn transfer_name(code_point: i32) -> Option<&'static str> {
    Some(match code_point {
        1 => "bt709",
        4 => "bt470m",
        5 => "bt470bg",
        6 => "smpte170m",
        7 => "smpte240m",
        8 => "linear",
        9 => "log100",
        10 => "log316",
        11 => "iec61966-2-4",
        12 => "bt1361e",
        13 => "iec61966-2-1",
        14 => "bt2020-10",
        15 => "bt2020-12",
        16 => "smpte2084",
        17 => "smpte428",
        18 => "arib-std-b67",
        _ => return None,
    })
}
