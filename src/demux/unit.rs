//! What one access unit is, told from its own bytes.

use ffmpeg_next::ffi::AVCodecID;

use super::fields::Fields;
use super::{av1, h26x, mpeg, vpx};
use crate::av::{Packet, StreamInfo};

/// What a packet's bytes say of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UnitKind {
    /// Decoding can start here.
    pub cut: bool,
    /// The unit holds a picture that is shown.
    pub shown: bool,
    /// No other picture depends on it, if its temporal layer is the stream's highest.
    pub disposable: bool,
    /// HEVC TemporalId; 0 elsewhere.
    pub temporal_id: u8,
    /// A leading picture that a decoder starting at its cut point cannot make.
    pub skipped_leading: bool,
    /// Leading pictures of this cut point depend on what is before it.
    pub open: bool,
    /// The second field of the picture that the unit before began.
    pub second_field: bool,
}

/// How a stream's units are read.
pub enum Classifier {
    H264(h26x::Framing, Fields),
    Hevc(h26x::Framing),
    Vp8,
    Vp9,
    Av1(av1::References),
    Mpeg12,
    /// Cut points are the container's key frames, nothing is droppable.
    Other,
}

impl Classifier {
    pub fn of(stream: &StreamInfo) -> Self {
        if stream.is_codec(AVCodecID::AV_CODEC_ID_H264) {
            Classifier::h264(stream.extradata())
        } else if stream.is_codec(AVCodecID::AV_CODEC_ID_HEVC) {
            Classifier::Hevc(h26x::Framing::of_hvcc(stream.extradata()))
        } else if stream.is_codec(AVCodecID::AV_CODEC_ID_VP8) {
            Classifier::Vp8
        } else if stream.is_codec(AVCodecID::AV_CODEC_ID_VP9) {
            Classifier::Vp9
        } else if stream.is_codec(AVCodecID::AV_CODEC_ID_AV1) {
            Classifier::Av1(av1::References::of_extradata(stream.extradata()))
        } else if stream.is_codec(AVCodecID::AV_CODEC_ID_MPEG2VIDEO)
            || stream.is_codec(AVCodecID::AV_CODEC_ID_MPEG1VIDEO)
        {
            Classifier::Mpeg12
        } else {
            Classifier::Other
        }
    }

    /// With the parameter sets of the stream's header.
    fn h264(extradata: &[u8]) -> Self {
        let framing = h26x::Framing::of_avcc(extradata);
        let fields = match framing {
            h26x::Framing::Lengths(_) => Fields::of_avcc(extradata),
            h26x::Framing::StartCodes => h26x::parameter_sets(extradata),
        };
        Classifier::H264(framing, fields)
    }

    /// Whether units of this stream can be told by their first bytes: not in fields, and not where frames
    /// or their sizes stand anywhere in a unit (VP9, AV1).
    pub fn tells_by_heads(&self) -> bool {
        match self {
            Classifier::H264(h26x::Framing::Lengths(_), fields) => !fields.may_hold_fields(),
            Classifier::Hevc(h26x::Framing::Lengths(_)) => true,
            _ => false,
        }
    }

    /// Whether these first bytes of a unit tell all that `classify` looks for.
    pub fn told_by(&self, head: &[u8]) -> bool {
        self.tells_by_heads()
            && match self {
                Classifier::H264(framing, _) => {
                    h26x::reaches_slice(head, framing, |first| (1..=5).contains(&(first & 31)))
                }
                Classifier::Hevc(framing) => {
                    h26x::reaches_slice(head, framing, |first| first >> 1 & 63 <= 31)
                }
                _ => false,
            }
    }

    /// Packets must come in decode order.
    pub fn classify(&mut self, packet: &Packet) -> UnitKind {
        let plain = UnitKind {
            cut: packet.key(),
            shown: true,
            disposable: false,
            temporal_id: 0,
            skipped_leading: false,
            open: false,
            second_field: false,
        };
        match self {
            Classifier::H264(framing, fields) => {
                h26x::h264(packet.data(), (framing, fields), plain)
            }
            Classifier::Hevc(framing) => h26x::hevc(packet.data(), framing, plain),
            Classifier::Vp8 => UnitKind {
                shown: vpx::vp8_shown(packet.data()),
                ..plain
            },
            Classifier::Vp9 => UnitKind {
                shown: vpx::vp9_shown(packet.data()),
                ..plain
            },
            Classifier::Av1(references) => UnitKind {
                disposable: references.disposable(packet.data()) && !plain.cut,
                ..plain
            },
            Classifier::Mpeg12 => mpeg::mpeg12(packet.data(), plain),
            Classifier::Other => plain,
        }
    }
}
