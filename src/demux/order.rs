//! In which order a stream's pictures are shown, by their headers alone: where packets lack timestamps.
//! What is read here is libavcodec's parsers'; nothing is decoded.

use ffmpeg_next::ffi::AVCodecID;

use super::unpacking::Unpacker;
use crate::av::{Input, Packet, Parser, PictureHeader, StreamInfo};
use crate::error::Result;

/// The headers of a stream's pictures.
pub(super) struct PictureHeaders {
    parser: Parser,
    read: Vec<PictureHeader>,
    by_order_count: bool,
}

impl PictureHeaders {
    /// None where all is shown as it is decoded.
    ///
    /// # Errors
    /// INTERNAL where there is no memory.
    pub fn of(info: &StreamInfo) -> Result<Option<Self>> {
        const BY_COUNT: [AVCodecID; 2] = [AVCodecID::AV_CODEC_ID_H264, AVCodecID::AV_CODEC_ID_HEVC];
        let parser = match info.reorder_depth() {
            Some(_) => Parser::open(info)?,
            None => None,
        };
        Ok(parser.map(|parser| PictureHeaders {
            parser,
            read: Vec::new(),
            by_order_count: BY_COUNT.iter().any(|id| info.is_codec(*id)),
        }))
    }

    /// Of all packets of a source.
    ///
    /// # Errors
    /// As [`PictureHeaders::of`]; the source's own.
    pub fn of_packets(
        (mut input, mut unpacker): (Input, Option<Unpacker>),
        info: &StreamInfo,
    ) -> Result<Option<Self>> {
        let Some(mut headers) = PictureHeaders::of(info)? else {
            return Ok(None);
        };
        input.keep_only(info.index);
        let mut packet = Packet::new()?;
        while input.read(&mut packet)? {
            if packet.stream() == info.index && packet.size() > 0 {
                if let Some(unpacker) = &mut unpacker {
                    unpacker.unpack(&mut packet)?;
                }
                headers.take(&packet);
            }
        }
        Ok(Some(headers))
    }

    /// Packets must come in decode order, from the first.
    pub fn take(&mut self, packet: &Packet) {
        self.read.push(self.parser.read(packet));
    }

    /// The place of each unit in the order of showing, where it is told which are second fields and cut points.
    pub fn ranks(
        self,
        is_second_field: impl Fn(usize) -> bool,
        is_cut: impl Fn(usize) -> bool,
    ) -> Vec<u32> {
        let count = self.read.len();
        let first_fields: Vec<usize> = (0..count)
            .filter(|place| !is_second_field(*place))
            .collect();
        let shown = if self.by_order_count {
            by_order_counts(&first_fields, &self.read, is_cut)
        } else {
            by_types(&first_fields, &self.read)
        };
        ranks(&shown, count)
    }
}

/// MPEG-1, -2, -4 and their kin: a bidirectional picture is shown at once, any other when the next of its
/// kind comes (ISO/IEC 13818-2, 6.1.1.11).
fn by_types(units: &[usize], headers: &[PictureHeader]) -> Vec<usize> {
    let mut shown = Vec::with_capacity(units.len());
    let mut held = None;
    for unit in units {
        let bidirectional = headers[*unit].bidirectional;
        shown.extend(if bidirectional {
            Some(*unit)
        } else {
            held.replace(*unit)
        });
    }
    shown.extend(held);
    shown
}

/// H.264 and HEVC: by picture order count, which begins anew at a cut point that has no higher one than
/// what is decoded before it (a cut point is shown after all of that: H.264 8.2.1, HEVC 8.3.1).
fn by_order_counts(
    units: &[usize],
    headers: &[PictureHeader],
    is_cut: impl Fn(usize) -> bool,
) -> Vec<usize> {
    let count = |unit: &usize| headers[*unit].order_count;
    let mut shown = units.to_vec();
    let (mut from, mut highest) = (0, i32::MIN);
    for (place, unit) in units.iter().enumerate() {
        if is_cut(*unit) && count(unit) <= highest {
            shown[from..place].sort_by_key(count);
            (from, highest) = (place, i32::MIN);
        }
        highest = highest.max(count(unit));
    }
    shown[from..].sort_by_key(count);
    shown
}

/// Of all units; a second field has its first one's.
fn ranks(shown: &[usize], units: usize) -> Vec<u32> {
    let mut ranks = vec![u32::MAX; units];
    for (rank, unit) in shown.iter().enumerate() {
        ranks[*unit] = rank as u32;
    }
    for unit in 1..units {
        if ranks[unit] == u32::MAX {
            ranks[unit] = ranks[unit - 1];
        }
    }
    ranks
}

#[cfg(test)]
mod tests {
    use super::*;

    fn types(letters: &str) -> Vec<PictureHeader> {
        let header = |letter| PictureHeader {
            bidirectional: letter == 'B',
            order_count: 0,
        };
        letters.chars().map(header).collect()
    }

    fn counts(counts: &[i32]) -> Vec<PictureHeader> {
        let header = |count: &i32| PictureHeader {
            bidirectional: false,
            order_count: *count,
        };
        counts.iter().map(header).collect()
    }

    #[test]
    fn b_pictures_are_shown_before_the_reference_that_is_decoded_before_them() {
        let shown = by_types(&[0, 1, 2, 3, 4, 5], &types("IPBBPB"));
        assert_eq!(shown, [0, 2, 3, 1, 5, 4]);
        assert_eq!(by_types(&[0, 1, 2], &types("IPP")), [0, 1, 2]);
    }

    #[test]
    fn order_counts_begin_anew_at_cut_points_only() {
        let cut = |unit| unit == 0 || unit == 4;
        let all: Vec<usize> = (0..7).collect();
        let headers = counts(&[0, 8, 4, 2, 0, 4, 2]);
        let shown = by_order_counts(&all, &headers, cut);
        assert_eq!(shown, [0, 3, 2, 1, 4, 6, 5]);
        // An open cut point goes on counting: what leads it is shown before it.
        let headers = counts(&[0, 8, 4, 2, 16, 12, 18]);
        let shown = by_order_counts(&all, &headers, cut);
        assert_eq!(shown, [0, 3, 2, 1, 5, 4, 6]);
    }

    #[test]
    fn a_second_field_goes_where_its_first_one_goes() {
        assert_eq!(ranks(&[0, 3, 1], 5), [0, 2, 2, 1, 1]);
    }
}
