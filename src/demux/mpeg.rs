//! MPEG-1 and MPEG-2 pictures (ISO/IEC 13818-2, 6.2.2 and 6.2.3): picture type and whether a GOP is
//! closed; MPEG-4's (ISO/IEC 14496-2, 6.2.3 and 6.2.5): picture type and whether anything is coded.

use super::bits::Bits;
use super::kind::UnitKind;
use super::sets::{self, Sets};

pub fn is_slice(code: u8) -> bool {
    (1..=0xaf).contains(&code)
}

pub fn is_vop(code: u8) -> bool {
    code == 0xb6
}

pub fn mpeg12(data: &[u8], sets: &mut Sets, plain: UnitKind) -> UnitKind {
    let mut kind = plain;
    let mut closed_gop = false;
    for element in sets::elements(data, is_slice) {
        match element {
            // Slices: extensions of the picture came before them.
            [_, _, _, 1..=0xaf, ..] => break,
            [_, _, _, 0, _, second, ..] => {
                let picture_coding_type = second >> 3 & 7;
                let cut = plain.cut && picture_coding_type == 1;
                kind = UnitKind {
                    cut,
                    disposable: picture_coding_type == 3,
                    open: cut && !closed_gop,
                    ..plain
                };
            }
            // Group of pictures: time code 25 bits, then closed_gop.
            [_, _, _, 0xb8, _, _, _, fourth, ..] => closed_gop = fourth >> 6 & 1 == 1,
            header => sets::mpeg12(sets, header),
        }
    }
    kind
}

/// How many bits vop_time_increment has, by the video object layer before it.
#[derive(Debug, Default)]
pub struct TimeIncrement(Option<u32>);

impl TimeIncrement {
    pub fn of(header: &[u8]) -> Self {
        let mut increment = TimeIncrement::default();
        sets::elements(header, is_vop).for_each(|element| increment.take(element));
        increment
    }

    fn take(&mut self, element: &[u8]) {
        if let [_, _, _, 0x20..=0x2f, layer @ ..] = element {
            self.0 = resolution(&mut Bits::new(layer)).map(|ticks| {
                let last = u32::from(ticks.saturating_sub(1));
                (32 - last.leading_zeros()).max(1)
            });
        }
    }
}

/// vop_time_increment_resolution of a VideoObjectLayer() (6.2.3).
fn resolution(bits: &mut Bits) -> Option<u16> {
    const EXTENDED_ASPECT: u32 = 15;
    // random_accessible_vol, video_object_type_indication
    bits.take(1 + 8)?;
    if bits.flag()? {
        // is_object_layer_identifier: version, priority
        bits.take(4 + 3)?;
    }
    if bits.take(4)? == EXTENDED_ASPECT {
        bits.take(16)?;
    }
    // vol_control_parameters: chroma_format, low_delay, vbv_parameters
    if bits.flag()? {
        bits.take(2 + 1)?;
        if bits.flag()? {
            bits.take(32)?;
            bits.take(32)?;
            bits.take(15)?;
        }
    }
    // video_object_layer_shape, marker_bit
    bits.take(2 + 1)?;
    u16::try_from(bits.take(16)?).ok()
}

/// An MPEG-4 picture: the first of the unit.
pub fn mpeg4(
    data: &[u8],
    (increment, sets): (&mut TimeIncrement, &mut Sets),
    plain: UnitKind,
) -> UnitKind {
    for element in sets::elements(data, is_vop) {
        increment.take(element);
        match element {
            [_, _, _, 0xb6, vop @ ..] => {
                let (vop_coding_type, coded) = vop_header(vop, increment);
                return UnitKind {
                    cut: vop_coding_type == 0 && coded,
                    shown: coded,
                    ..plain
                };
            }
            header => sets::mpeg4(sets, header),
        }
    }
    UnitKind {
        cut: false,
        shown: false,
        ..plain
    }
}

/// vop_coding_type and vop_coded (6.2.5); what cannot be read is coded.
fn vop_header(vop: &[u8], increment: &TimeIncrement) -> (u32, bool) {
    let mut bits = Bits::new(vop);
    let kind = bits.take(2).unwrap_or(1);
    let mut coded = || {
        // modulo_time_base, and a marker before and behind vop_time_increment
        while bits.flag()? {}
        bits.take(1 + increment.0? + 1)?;
        bits.flag()
    };
    (kind, coded().unwrap_or(true))
}

/// Whether a header says that B pictures stand in the packet of the picture before which they are shown, as
/// DivX writes them: libavcodec's own sign, a `p` behind the build.
pub fn packs_b_pictures(header: &[u8]) -> bool {
    sets::elements(header, is_vop).any(|element| {
        let [_, _, _, 0xb2, b'D', b'i', b'v', b'X', rest @ ..] = element else {
            return false;
        };
        let rest = rest.trim_ascii_start();
        let after = |text: &[u8]| {
            text.iter()
                .position(|b| !b.is_ascii_digit())
                .unwrap_or(text.len())
        };
        let behind = &rest[after(rest)..];
        let build = behind
            .strip_prefix(b"Build")
            .or_else(|| behind.strip_prefix(b"b"));
        build.is_some_and(|build| build.get(after(build)) == Some(&b'p'))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn b_pictures_are_disposable_and_an_i_picture_of_a_closed_group_is_a_closed_cut_point() {
        let plain = UnitKind::plain(true);
        let mpeg12 = |data: &[u8], plain| mpeg12(data, &mut Sets::default(), plain);
        let group = |flags| [0, 0, 1, 0xb8, 0, 8, 0, flags, 0, 0, 1, 0, 0, 1 << 3, 0, 0];
        assert!(!mpeg12(&group(0x40), plain).open);
        assert!(mpeg12(&group(0), plain).open);
        let b = [0, 0, 1, 0, 0, 3 << 3, 0];
        assert!(
            mpeg12(
                &b,
                UnitKind {
                    cut: false,
                    ..plain
                }
            )
            .disposable
        );
        assert!(!mpeg12(&[0, 0, 1], plain).disposable);
    }

    /// 25 ticks a second: five bits of vop_time_increment.
    const LAYER: [u8; 9] = [0, 0, 1, 0x20, 0, 0x84, 0x40, 0x06, 0x60];

    fn vop(kind: u32, coded: u32) -> Vec<u8> {
        let bits = kind << 14 | 0b0100_1111 << 6 | coded << 5;
        let [.., high, low] = bits.to_be_bytes();
        vec![0, 0, 1, 0xb6, high, low]
    }

    #[test]
    fn an_mpeg4_i_picture_is_a_cut_point_and_one_that_is_not_coded_is_none_and_not_shown() {
        let told = |kind, coded| {
            let mut increment = TimeIncrement(Some(5));
            let kind = mpeg4(
                &vop(kind, coded),
                (&mut increment, &mut Sets::default()),
                UnitKind::plain(true),
            );
            (kind.cut, kind.shown)
        };
        assert_eq!(told(0, 1), (true, true));
        assert_eq!(told(1, 1), (false, true));
        assert_eq!(told(1, 0), (false, false));
        assert_eq!(told(2, 1), (false, true));
    }

    #[test]
    fn the_time_increment_is_as_long_as_its_resolution_needs() {
        assert_eq!(TimeIncrement::of(&LAYER).0, Some(5));
        assert_eq!(TimeIncrement::of(&LAYER[..6]).0, None);
    }

    #[test]
    fn packed_b_pictures_are_known_by_divx_own_words() {
        let says = |text: &[u8]| packs_b_pictures(&[&[0, 0, 1, 0xb2], text].concat());
        assert!(says(b"DivX503b1393p") && says(b"DivX500Build413p"));
        assert!(!says(b"DivX503b1393") && !says(b"XviD0046") && !says(b"DivX") && !says(b"p"));
    }
}
