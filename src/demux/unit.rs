//! What one access unit is, told from its own bytes.

use std::sync::Arc;

use ffmpeg_next::ffi::AVCodecID;

use super::fields::Fields;
use super::h26x::Framing;
use super::kind::UnitKind;
use super::sets::{self, Change, InForce, Sets};
use super::{av1, h26x, mpeg, pictures, vpx};
use crate::av::{Packet, StreamInfo};
use crate::error::Result;

/// How a stream's units are read.
enum Syntax {
    H264(Framing, Fields),
    Hevc(Framing),
    Vp8,
    Vp9,
    Av1(av1::References),
    Mpeg12,
    Mpeg4(mpeg::TimeIncrement),
    Vc1,
    /// MPEG-4's relatives, whose headers begin with the picture's type.
    Typed(pictures::Typed),
    Jpeg(pictures::Tables),
    Theora,
    /// Every picture stands by itself.
    Intra,
    /// Cut points are the container's key frames, nothing is droppable.
    Other,
}

impl Syntax {
    fn of(stream: &StreamInfo) -> Self {
        use AVCodecID::*;
        let is = |id| stream.is_codec(id);
        let extradata = stream.extradata();
        if is(AV_CODEC_ID_H264) {
            let fields = Fields::of_header(&h26x::h264_header(extradata));
            Syntax::H264(Framing::of_avcc(extradata), fields)
        } else if is(AV_CODEC_ID_HEVC) {
            Syntax::Hevc(Framing::of_hvcc(extradata))
        } else if is(AV_CODEC_ID_VP8) {
            Syntax::Vp8
        } else if is(AV_CODEC_ID_VP9) {
            Syntax::Vp9
        } else if is(AV_CODEC_ID_AV1) {
            Syntax::Av1(av1::References::of_extradata(extradata))
        } else if is(AV_CODEC_ID_MPEG2VIDEO) || is(AV_CODEC_ID_MPEG1VIDEO) {
            Syntax::Mpeg12
        } else if is(AV_CODEC_ID_MPEG4) {
            Syntax::Mpeg4(mpeg::TimeIncrement::of(extradata))
        } else if is(AV_CODEC_ID_VC1) {
            Syntax::Vc1
        } else if is(AV_CODEC_ID_MJPEG) {
            Syntax::Jpeg(pictures::Tables::default())
        } else if is(AV_CODEC_ID_THEORA) {
            Syntax::Theora
        } else if let Some(typed) = pictures::Typed::of(stream) {
            Syntax::Typed(typed)
        } else if stream.is_intra_only() {
            Syntax::Intra
        } else {
            Syntax::Other
        }
    }

    fn framing(&self) -> Option<Framing> {
        match self {
            Syntax::H264(framing, _) | Syntax::Hevc(framing) => Some(*framing),
            _ => None,
        }
    }

    /// Takes the sets of a header of the container's; none where it says more than sets do.
    fn take_header(&mut self, header: &[u8], sets: &mut Sets) -> Option<()> {
        match self {
            Syntax::H264(framing, fields) => {
                let nals = h26x::h264_header(header);
                *framing = Framing::of_avcc(header);
                fields.take_all(&nals);
                nals.iter().for_each(|nal| sets::h264(sets, nal));
            }
            Syntax::Hevc(framing) => {
                *framing = Framing::of_hvcc(header);
                let nals = h26x::hevc_header(header);
                nals.iter().for_each(|nal| sets::hevc(sets, nal));
            }
            Syntax::Mpeg12 => {
                sets::elements(header, mpeg::is_slice).for_each(|e| sets::mpeg12(sets, e))
            }
            Syntax::Mpeg4(_) => {
                sets::elements(header, mpeg::is_vop).for_each(|e| sets::mpeg4(sets, e))
            }
            Syntax::Av1(_) => {
                av1::sequence_headers(header, &mut |payload| sets::av1(sets, payload))
            }
            _ => return None,
        }
        Some(())
    }
}

/// How NAL units stand in a stream's units, by its header.
pub fn framing_of(stream: &StreamInfo) -> Option<Framing> {
    Syntax::of(stream).framing()
}

/// What a header of the container's says.
#[derive(Default)]
pub struct Header {
    pub framing: Option<Framing>,
    pub sets: InForce,
    /// Sets say all of it.
    pub is_sets: bool,
}

impl Header {
    /// Of the stream itself, or one that took its place.
    pub fn of(stream: &StreamInfo, header: &[u8]) -> Self {
        let (mut syntax, mut sets) = (Syntax::of(stream), Sets::default());
        let is_sets = syntax.take_header(header, &mut sets).is_some();
        Header {
            framing: syntax.framing(),
            sets: sets.into_latest(),
            is_sets,
        }
    }
}

/// Reads a stream's units, in decode order.
pub struct Classifier {
    syntax: Syntax,
    sets: Sets,
}

impl Classifier {
    pub fn of(stream: &StreamInfo) -> Self {
        Classifier {
            syntax: Syntax::of(stream),
            sets: Sets::default(),
        }
    }

    /// Whether units of this stream can be told by their first bytes: not in fields, and not where frames
    /// or their sizes stand anywhere in a unit (VP9, AV1).
    pub fn tells_by_heads(&self) -> bool {
        match &self.syntax {
            Syntax::H264(Framing::Lengths(_), fields) => !fields.may_hold_fields(),
            Syntax::Hevc(Framing::Lengths(_)) => true,
            _ => false,
        }
    }

    /// Whether these first bytes of a unit of so many tell all that `classify` looks for.
    pub fn told_by(&self, head: &[u8], size: usize) -> bool {
        self.tells_by_heads()
            && match &self.syntax {
                Syntax::H264(framing, _) => framing.of_unit(head, size).is_some_and(|framing| {
                    h26x::reaches_slice(head, &framing, |first| (1..=5).contains(&(first & 31)))
                }),
                Syntax::Hevc(framing) => framing.of_unit(head, size).is_some_and(|framing| {
                    h26x::reaches_slice(head, &framing, |first| first >> 1 & 63 <= 31)
                }),
                _ => false,
            }
    }

    /// Cut points are taken from the container, which says of all pictures that they are key frames: of
    /// a codec whose pictures may refer to others that cannot be believed.
    pub fn trusts_keys(&self) -> bool {
        matches!(self.syntax, Syntax::Other | Syntax::Vc1)
    }

    /// Cut points are told from the bitstream where they were the container's key frames once.
    pub fn reads_keys(&self) -> bool {
        !matches!(self.syntax, Syntax::H264(..) | Syntax::Hevc(_)) && !self.trusts_keys()
    }

    /// Packets must come in decode order.
    ///
    /// # Errors
    /// LIMIT_EXCEEDED for parameter sets that take more memory than any stream needs.
    pub fn classify(&mut self, packet: &Packet) -> Result<UnitKind> {
        self.sets.begin();
        if let Some(header) = packet.new_header() {
            self.sets.header(header);
            self.syntax.take_header(header, &mut self.sets);
        }
        let kind = self.kind(packet);
        let complete = self.sets.end();
        self.sets.check()?;
        Ok(UnitKind { complete, ..kind })
    }

    fn kind(&mut self, packet: &Packet) -> UnitKind {
        let plain = UnitKind::plain(packet.key());
        let data = packet.data();
        let sets = &mut self.sets;
        match &mut self.syntax {
            Syntax::H264(stated, fields) => {
                let framing = stated.of_unit(data, packet.size()).unwrap_or(*stated);
                let kind = h26x::h264(data, (&framing, fields, sets), plain);
                let reframed = framing != *stated;
                UnitKind { reframed, ..kind }
            }
            Syntax::Hevc(stated) => {
                let framing = stated.of_unit(data, packet.size()).unwrap_or(*stated);
                let kind = h26x::hevc(data, (&framing, sets), plain);
                let reframed = framing != *stated;
                UnitKind { reframed, ..kind }
            }
            Syntax::Vp8 => UnitKind {
                cut: vpx::vp8_key(data),
                shown: vpx::vp8_shown(data),
                unreadable: !vpx::vp8_reads(data),
                ..plain
            },
            Syntax::Vp9 => {
                let shown = vpx::vp9_shown(data);
                UnitKind {
                    cut: vpx::vp9_key(data),
                    shown: shown > 0,
                    layered: shown > 1,
                    unreadable: !vpx::vp9_reads(data),
                    ..plain
                }
            }
            Syntax::Av1(references) => {
                av1::sequence_headers(data, &mut |payload| sets::av1(sets, payload));
                let disposable = references.disposable(data);
                let cut = plain.cut && references.begins_with_key() != Some(false);
                UnitKind {
                    cut,
                    disposable: disposable && !cut,
                    unreadable: !av1::reads(data),
                    ..plain
                }
            }
            Syntax::Mpeg12 => mpeg::mpeg12(data, sets, plain),
            Syntax::Mpeg4(increment) => mpeg::mpeg4(data, (increment, sets), plain),
            Syntax::Vc1 => {
                sets::elements(data, |code| code == 0x0d)
                    .for_each(|element| sets::vc1(sets, element));
                plain
            }
            Syntax::Typed(typed) => UnitKind {
                cut: typed.is_intra(data).unwrap_or(plain.cut),
                ..plain
            },
            Syntax::Jpeg(tables) => UnitKind {
                cut: tables.suffice(data),
                ..plain
            },
            Syntax::Theora => UnitKind {
                cut: pictures::theora_key(data),
                shown: !pictures::theora_header(data),
                ..plain
            },
            Syntax::Intra => UnitKind::plain(true),
            Syntax::Other => plain,
        }
    }

    /// What parameter sets and headers changed with which unit.
    pub fn into_changes(self) -> Vec<(u32, Change)> {
        self.sets.into_changes()
    }
}

/// The stream's own header, as `Header::of` reads it, and how to read others.
pub struct Headers<'s> {
    stream: Option<&'s StreamInfo>,
    pub own: Header,
    pub bytes: Arc<[u8]>,
}

impl<'s> Headers<'s> {
    pub fn of(stream: &'s StreamInfo) -> Self {
        Headers {
            stream: Some(stream),
            own: Header::of(stream, stream.extradata()),
            bytes: stream.extradata().into(),
        }
    }

    /// Of a stream of which nothing is known.
    #[cfg(test)]
    pub fn unknown() -> Self {
        Headers {
            stream: None,
            own: Header::default(),
            bytes: [].into(),
        }
    }

    pub fn anew(&self, header: &[u8]) -> Header {
        let read = |stream| Header::of(stream, header);
        self.stream.map(read).unwrap_or_default()
    }
}
