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
    /// Which of `matrix` and `range` neither the bitstream nor the container said.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub assumed: Vec<String>,
}

/// What a bitstream or a container says of colour, by the numbers of H.273; the range by FFmpeg's:
/// 1 limited, 2 full.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CodePoints {
    pub matrix: i32,
    pub range: i32,
    pub primaries: i32,
    pub transfer: i32,
}

impl CodePoints {
    pub const UNSPECIFIED: CodePoints = CodePoints {
        matrix: 2,
        range: 0,
        primaries: 2,
        transfer: 2,
    };

    /// Each code that is left unspecified (or reserved) here, from `other`.
    pub fn or(self, other: CodePoints) -> CodePoints {
        let code = |own: i32, other: i32| if matches!(own, 2 | 3) { other } else { own };
        CodePoints {
            matrix: code(self.matrix, other.matrix),
            range: if self.range == 0 {
                other.range
            } else {
                self.range
            },
            primaries: code(self.primaries, other.primaries),
            transfer: code(self.transfer, other.transfer),
        }
    }
}

/// What stands in where a picture's bitstream is silent on colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HeaderColour {
    /// What the container says.
    pub container: CodePoints,
    pub signal: Signal,
}

/// What a codec's bitstream can say of colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signal {
    /// Nothing.
    None,
    /// What it likes.
    Own,
    /// As `Own`, but libavcodec calls the range limited where nothing is said (HEVC, VVC).
    LimitedByDefault,
    /// VP8 is BT.601 (RFC 6386, 9.2), and limited but where a picture says otherwise.
    Vp8,
}

impl HeaderColour {
    pub const UNKNOWN: HeaderColour = HeaderColour {
        container: CodePoints::UNSPECIFIED,
        signal: Signal::Own,
    };

    /// What counts as tagged: the bitstream first, then the container.
    pub fn complete(&self, bitstream: CodePoints) -> CodePoints {
        let told = match self.signal {
            Signal::None | Signal::Own => bitstream,
            Signal::Vp8 => bitstream.or(CodePoints {
                matrix: 5,
                range: 1,
                ..CodePoints::UNSPECIFIED
            }),
            // The three others and the range stand in one part of the VUI (H.265, E.2.1).
            Signal::LimitedByDefault => {
                let silent = CodePoints {
                    range: 0,
                    ..bitstream
                };
                if silent == CodePoints::UNSPECIFIED {
                    silent.or(self.container)
                } else {
                    bitstream
                }
            }
        };
        told.or(self.container).or(bitstream)
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    const BT709_FULL: CodePoints = CodePoints {
        matrix: 1,
        range: 2,
        primaries: 1,
        transfer: 1,
    };

    fn header(signal: Signal) -> HeaderColour {
        HeaderColour {
            container: BT709_FULL,
            signal,
        }
    }

    #[test]
    fn the_container_counts_for_each_code_that_the_bitstream_leaves_unspecified() {
        let told = CodePoints {
            transfer: 16,
            range: 1,
            ..CodePoints::UNSPECIFIED
        };
        let completed = header(Signal::Own).complete(told);
        let expected = CodePoints {
            transfer: 16,
            range: 1,
            ..BT709_FULL
        };
        assert_eq!(completed, expected);
        assert_eq!(
            header(Signal::None).complete(CodePoints::UNSPECIFIED),
            BT709_FULL
        );
    }

    #[test]
    fn the_limited_range_that_libavcodec_makes_up_for_hevc_does_not_count_against_the_container() {
        let made_up = CodePoints {
            range: 1,
            ..CodePoints::UNSPECIFIED
        };
        assert_eq!(
            header(Signal::LimitedByDefault).complete(made_up),
            BT709_FULL
        );
        let told = CodePoints {
            matrix: 9,
            ..made_up
        };
        assert_eq!(header(Signal::LimitedByDefault).complete(told).range, 1);
        let nobody = HeaderColour {
            container: CodePoints::UNSPECIFIED,
            signal: Signal::LimitedByDefault,
        };
        assert_eq!(nobody.complete(made_up), made_up);
    }

    #[test]
    fn vp8_is_bt601_whatever_the_container_says() {
        let unread = header(Signal::Vp8).complete(CodePoints::UNSPECIFIED);
        assert_eq!((unread.matrix, unread.range, unread.primaries), (5, 1, 1));
    }
}
