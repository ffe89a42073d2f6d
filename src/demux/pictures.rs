//! Picture headers of smaller codecs, as far as they say whether a picture stands by itself:
//! containers' key flags are missing or wrong often enough.

use ffmpeg_next::ffi::AVCodecID::*;

use super::bits::Bits;
use crate::av::StreamInfo;

/// A codec whose picture header soon says the picture's type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Typed {
    /// ITU-T H.263, 5.1.
    H263,
    /// Sorenson's H.263, as in Flash Video.
    Flv1,
    /// Microsoft's first three MPEG-4 codecs and Windows Media Video 7.
    Msmpeg4,
    /// Windows Media Video 8.
    Wmv2,
    /// FFV1 (RFC 9043, 4.4).
    Ffv1,
}

impl Typed {
    pub fn of(stream: &StreamInfo) -> Option<Self> {
        let codecs = [
            (AV_CODEC_ID_H263, Typed::H263),
            (AV_CODEC_ID_H263P, Typed::H263),
            (AV_CODEC_ID_FLV1, Typed::Flv1),
            (AV_CODEC_ID_MSMPEG4V2, Typed::Msmpeg4),
            (AV_CODEC_ID_MSMPEG4V3, Typed::Msmpeg4),
            (AV_CODEC_ID_WMV1, Typed::Msmpeg4),
            (AV_CODEC_ID_WMV2, Typed::Wmv2),
            (AV_CODEC_ID_FFV1, Typed::Ffv1),
        ];
        let own = codecs.into_iter().find(|(id, _)| stream.is_codec(*id));
        own.map(|(_, typed)| typed)
    }

    /// None: the header cannot be read.
    pub fn is_intra(self, data: &[u8]) -> Option<bool> {
        let mut bits = Bits::new(data);
        match self {
            Typed::H263 => h263(&mut bits),
            Typed::Flv1 => flv1(&mut bits),
            Typed::Msmpeg4 => Some(bits.take(2)? == 0),
            Typed::Wmv2 => Some(bits.take(1)? == 0),
            // The first bit, in the middle of its range coder's first 16 (3.8.1.1).
            Typed::Ffv1 => Some(bits.take(16)? >= 0x7f80),
        }
    }
}

/// A header packet, which chained streams bring again (Theora specification, 6.1).
pub fn theora_header(data: &[u8]) -> bool {
    data.first().is_some_and(|byte| byte & 0x80 != 0)
}

/// A frame packet of an intra frame (Theora specification, 7.1).
pub fn theora_key(data: &[u8]) -> bool {
    data.first().is_some_and(|byte| byte & 0xc0 == 0)
}

fn h263(bits: &mut Bits) -> Option<bool> {
    const EXTENDED: u32 = 7;
    if bits.take(22)? != 0x20 {
        return None;
    }
    // Temporal reference; 1, 0, split screen, document camera, freeze release.
    bits.take(8 + 5)?;
    if bits.take(3)? != EXTENDED {
        return Some(bits.take(1)? == 0);
    }
    // UFEP 001: OPPTYPE is there.
    if bits.take(3)? == 1 {
        bits.take(18)?;
    }
    Some(bits.take(3)? == 0)
}

fn flv1(bits: &mut Bits) -> Option<bool> {
    if bits.take(17)? != 1 {
        return None;
    }
    // Version, temporal reference.
    bits.take(5 + 8)?;
    match bits.take(3)? {
        0 => bits.take(16)?,
        1 => bits.take(32)?,
        _ => 0,
    };
    Some(bits.take(2)? == 0)
}

/// Which tables of Motion JPEG came so far (ISO/IEC 10918-1, B.2).
#[derive(Debug, Default)]
pub struct Tables {
    /// Until then those that decoders begin with are in force (K.3.3).
    huffman: bool,
}

impl Tables {
    /// Whether the picture needs no tables of one before it.
    pub fn suffice(&mut self, data: &[u8]) -> bool {
        const DHT: u8 = 0xc4;
        const SOS: u8 = 0xda;
        const DQT: u8 = 0xdb;
        let (mut quantisers, mut huffman) = (false, false);
        for marker in markers(data).take_while(|marker| *marker != SOS) {
            quantisers |= marker == DQT;
            huffman |= marker == DHT;
        }
        let suffice = quantisers && (huffman || !self.huffman);
        self.huffman |= huffman;
        suffice
    }
}

/// The markers of segments, in order.
fn markers(data: &[u8]) -> impl Iterator<Item = u8> {
    let mut rest = data;
    std::iter::from_fn(move || {
        loop {
            match rest {
                [0xff, 0xff, ..] => rest = &rest[1..],
                [0xff, 0xd8 | 0x01, after @ ..] => rest = after,
                [0xff, marker, high, low, ..] => {
                    let length = usize::from(u16::from_be_bytes([*high, *low]));
                    let marker = *marker;
                    rest = rest.get(2 + length..).unwrap_or(&[]);
                    return Some(marker);
                }
                _ => return None,
            }
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_picture_type_is_read_and_not_the_containers_flag() {
        assert_eq!(Typed::Msmpeg4.is_intra(&[0b0011_1111]), Some(true));
        assert_eq!(Typed::Msmpeg4.is_intra(&[0b0111_1111]), Some(false));
        assert_eq!(Typed::Wmv2.is_intra(&[0x80]), Some(false));
        assert_eq!(Typed::H263.is_intra(&[0, 0, 0x80, 2, 0x08, 0]), Some(true));
        assert_eq!(Typed::H263.is_intra(&[0, 0, 0x80, 2, 0x0a, 0]), Some(false));
        assert_eq!(Typed::Flv1.is_intra(&[0, 0, 0x84, 0, 0x80 | 0x40]), None);
        assert_eq!(Typed::Ffv1.is_intra(&[0x7f, 0x7f]), Some(false));
        assert_eq!(Typed::Ffv1.is_intra(&[0xc0, 0]), Some(true));
        assert_eq!(Typed::Ffv1.is_intra(&[]), None);
    }

    #[test]
    fn a_jpeg_without_quantisers_or_without_the_huffman_tables_of_others_before_it_is_no_cut_point()
    {
        let segment = |marker: u8| [0xff, marker, 0, 3, 7];
        let picture = |markers: &[u8]| {
            let mut data = vec![0xff, 0xd8];
            markers
                .iter()
                .for_each(|marker| data.extend(segment(*marker)));
            data.extend([0xff, 0xda, 0, 2, 0xff, 0xdb]);
            data
        };
        let (both, quantisers, none) = (
            picture(&[0xe0, 0xdb, 0xc4]),
            picture(&[0xdb]),
            picture(&[0xe0]),
        );
        let mut tables = Tables::default();
        let told =
            [&quantisers, &none, &both, &quantisers, &none, &both].map(|p| tables.suffice(p));
        assert_eq!(told, [true, false, true, false, false, true]);
        assert!(!Tables::default().suffice(&[]) && !Tables::default().suffice(&[0xff, 0xdb, 9]));
    }
}
