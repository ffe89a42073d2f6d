//! H.264 (ITU-T H.264, 7.3 and Annex D) and HEVC (ITU-T H.265, 7.3) access
//! units: NAL unit types, reference marks, and recovery points.

use super::bits::without_zeros;
use super::fields::Fields;
use super::kind::UnitKind;
use super::sets::{self, Sets};

/// How NAL units are separated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Framing {
    /// Start codes (Annex B).
    StartCodes,
    /// Each NAL unit behind its length, in so many bytes (ISO/IEC 14496-15).
    Lengths(usize),
}

impl Framing {
    /// By AVCDecoderConfigurationRecord (ISO/IEC 14496-15, 5.3.3.1).
    pub fn of_avcc(extradata: &[u8]) -> Self {
        match extradata {
            [1, _, _, _, lengths, _, ..] => Framing::Lengths(usize::from(lengths & 3) + 1),
            _ => Framing::StartCodes,
        }
    }

    /// By HEVCDecoderConfigurationRecord (ISO/IEC 14496-15, 8.3.3.1). Old writers
    /// left its version 0; Annex B starts with zeros and a one.
    pub fn of_hvcc(extradata: &[u8]) -> Self {
        match extradata {
            [0, 0, 1, ..] | [0, 0, 0, 1, ..] => Framing::StartCodes,
            record if record.len() > 22 => Framing::Lengths(usize::from(record[21] & 3) + 1),
            _ => Framing::StartCodes,
        }
    }

    /// How the NAL units of a unit of so many bytes stand, of which these are the first: some writers
    /// put start codes where their header says lengths. None where more has to be read to tell.
    pub fn of_unit(self, head: &[u8], size: usize) -> Option<Framing> {
        let Framing::Lengths(bytes) = self else {
            return Some(self);
        };
        if !matches!(head, [0, 0, 1, ..] | [0, 0, 0, 1, ..]) {
            return Some(self);
        }
        // Lengths of 1, and of 256 to 511, begin in the same way; a chain of them ends with the unit.
        let mut at = 0usize;
        while let Some(length) = head.get(at..at + bytes) {
            at = at.saturating_add(bytes).saturating_add(number(length));
            if at >= size {
                let lengths = at == size;
                return Some(if lengths { self } else { Framing::StartCodes });
            }
        }
        (head.len() >= size).then_some(Framing::StartCodes)
    }

    /// NAL units, framed.
    pub fn join<'a>(self, nals: impl Iterator<Item = &'a [u8]>) -> Vec<u8> {
        let mut out = Vec::new();
        for nal in nals {
            match self {
                Framing::StartCodes => out.extend([0, 0, 0, 1]),
                Framing::Lengths(bytes) => {
                    let length = (nal.len() as u64).to_be_bytes();
                    out.extend(&length[length.len() - bytes..]);
                }
            }
            out.extend(nal);
        }
        out
    }

    /// The unit in this framing, where its own is another.
    pub fn reframed(self, unit: &[u8], stated: Framing) -> Option<Vec<u8>> {
        let own = stated.of_unit(unit, unit.len()).unwrap_or(stated);
        let nals = Nals::new(unit, &own).map(|nal| match own {
            Framing::StartCodes => without_zeros(nal),
            Framing::Lengths(_) => nal,
        });
        (own != self).then(|| self.join(nals.filter(|nal| !nal.is_empty())))
    }
}

fn number(bytes: &[u8]) -> usize {
    bytes
        .iter()
        .fold(0usize, |sum, byte| sum << 8 | usize::from(*byte))
}

/// The parameter sets of a stream's header: an AVCDecoderConfigurationRecord (ISO/IEC 14496-15,
/// 5.3.3.1), or Annex B.
pub fn h264_header(extradata: &[u8]) -> Vec<&[u8]> {
    match Framing::of_avcc(extradata) {
        Framing::StartCodes => Nals::new(extradata, &Framing::StartCodes).collect(),
        Framing::Lengths(_) => {
            let mut rest = extradata.get(5..).unwrap_or(&[]);
            let mut nals = Vec::new();
            for mask in [31, 255] {
                let Some((count, after)) = rest.split_first() else {
                    break;
                };
                rest = take_nals(after, usize::from(count & mask), &mut nals);
            }
            nals
        }
    }
}

/// The same of an HEVCDecoderConfigurationRecord (8.3.3.1).
pub fn hevc_header(extradata: &[u8]) -> Vec<&[u8]> {
    if Framing::of_hvcc(extradata) == Framing::StartCodes {
        return Nals::new(extradata, &Framing::StartCodes).collect();
    }
    let mut nals = Vec::new();
    let (arrays, mut rest) = match extradata.get(22..) {
        Some([arrays, rest @ ..]) => (*arrays, rest),
        _ => return nals,
    };
    for _ in 0..arrays {
        let [_, high, low, after @ ..] = rest else {
            break;
        };
        let count = usize::from(u16::from_be_bytes([*high, *low]));
        rest = take_nals(after, count, &mut nals);
    }
    nals
}

/// NAL units behind lengths of two bytes; what follows them.
fn take_nals<'a>(mut rest: &'a [u8], count: usize, nals: &mut Vec<&'a [u8]>) -> &'a [u8] {
    for _ in 0..count {
        let Some(([high, low], after)) = rest.split_first_chunk() else {
            return &[];
        };
        let length = usize::from(u16::from_be_bytes([*high, *low])).min(after.len());
        nals.push(&after[..length]);
        rest = &after[length..];
    }
    rest
}

/// NAL units of an access unit, without their framing.
struct Nals<'a> {
    rest: &'a [u8],
    framing: Framing,
}

impl<'a> Nals<'a> {
    fn new(data: &'a [u8], framing: &Framing) -> Self {
        let rest = match framing {
            Framing::Lengths(_) => data,
            Framing::StartCodes => after_start_code(data),
        };
        Nals {
            rest,
            framing: *framing,
        }
    }
}

impl<'a> Iterator for Nals<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        match self.framing {
            Framing::Lengths(size) => {
                let (length, rest) = self.rest.split_at_checked(size)?;
                let (nal, rest) = rest.split_at_checked(number(length).min(rest.len()))?;
                self.rest = rest;
                Some(nal)
            }
            Framing::StartCodes if self.rest.is_empty() => None,
            Framing::StartCodes => {
                let end = sets::start_code(self.rest).unwrap_or(self.rest.len());
                let (nal, rest) = self.rest.split_at(end);
                self.rest = after_start_code(rest);
                Some(nal)
            }
        }
    }
}

fn after_start_code(data: &[u8]) -> &[u8] {
    sets::start_code(data).map_or(&[], |at| &data[at + 3..])
}

pub fn h264(
    data: &[u8],
    (framing, fields, sets): (&Framing, &mut Fields, &mut Sets),
    plain: UnitKind,
) -> UnitKind {
    let mut second_field = None;
    let mut idr = false;
    let mut recovery = None;
    let mut reference = false;
    let mut slices = 0;
    for nal in Nals::new(data, framing) {
        let Some(header) = nal.first() else { continue };
        // A unit of both fields begins with the first.
        second_field = second_field.or(fields.take(nal));
        sets::h264(sets, nal);
        match header & 31 {
            1..=5 => {
                slices += 1;
                idr |= header & 31 == 5;
                reference |= header & 0x60 != 0;
                // All slices of a picture are alike in both (7.4.1); the rest need not be looked for.
                if framing == &Framing::StartCodes || !fields.may_hold_fields() {
                    break;
                }
            }
            6 => recovery = recovery.or_else(|| recovery_frame_count(&nal[1..])),
            _ => {}
        }
    }
    let second_field = second_field == Some(true);
    let recovers = recovery == Some(0) && slices > 0 && !second_field;
    UnitKind {
        cut: idr || recovers,
        disposable: slices > 0 && !reference,
        open: recovers && !idr,
        second_field,
        ..plain
    }
}

pub fn hevc(data: &[u8], (framing, sets): (&Framing, &mut Sets), plain: UnitKind) -> UnitKind {
    for nal in Nals::new(data, framing) {
        let [first, second, ..] = nal else { continue };
        let kind = (first >> 1) & 63;
        if kind > 31 {
            sets::hevc(sets, nal);
            continue;
        }
        return UnitKind {
            cut: (16..=21).contains(&kind),
            // Sub-layer non-reference pictures have even types below 16 (table 7-1).
            disposable: kind < 16 && kind % 2 == 0,
            temporal_id: (second & 7).saturating_sub(1),
            skipped_leading: kind == 8 || kind == 9,
            ..plain
        };
    }
    UnitKind {
        cut: false,
        ..plain
    }
}

/// Whether the first bytes of a unit reach into its first slice, so far that `h264` and `hevc` need no more.
pub fn reaches_slice(head: &[u8], framing: &Framing, is_slice: impl Fn(u8) -> bool) -> bool {
    /// What is looked at of a slice's header, generously.
    const LOOKED_AT: usize = 64;
    let slice = Nals::new(head, framing).find(|nal| nal.first().is_some_and(|b| is_slice(*b)));
    slice.is_some_and(|nal| nal.len() >= LOOKED_AT)
}

/// recovery_frame_cnt of a recovery point message in an SEI NAL unit (H.264 D.1.8).
fn recovery_frame_count(nal: &[u8]) -> Option<u32> {
    let payload = unescape(nal);
    let mut rest = payload.as_slice();
    while rest.len() > 2 {
        let kind = take_extended(&mut rest)?;
        let size = take_extended(&mut rest)?;
        let (message, after) = rest.split_at_checked(size)?;
        if kind == 6 {
            return exp_golomb(message);
        }
        rest = after;
    }
    None
}

/// ff_byte coding of SEI types and sizes (H.264 7.3.2.3.1).
fn take_extended(rest: &mut &[u8]) -> Option<usize> {
    let mut value = 0usize;
    loop {
        let (byte, after) = rest.split_first()?;
        *rest = after;
        value = value.checked_add(usize::from(*byte))?;
        if *byte != 255 {
            return Some(value);
        }
    }
}

/// Removes emulation prevention bytes (H.264 7.3.1).
fn unescape(nal: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(nal.len().min(512));
    let mut zeros = 0;
    // A recovery point message stands near the start; user data may be long.
    for byte in nal.iter().take(1 << 16) {
        if zeros >= 2 && *byte == 3 {
            zeros = 0;
            continue;
        }
        zeros = if *byte == 0 { zeros + 1 } else { 0 };
        out.push(*byte);
    }
    out
}

/// The first ue(v) of a bit string (H.264 9.1).
fn exp_golomb(bytes: &[u8]) -> Option<u32> {
    let bit = |n: usize| {
        bytes
            .get(n / 8)
            .map(|byte| u32::from(byte >> (7 - n % 8) & 1))
    };
    let mut zeros = 0;
    while bit(zeros)? == 0 {
        zeros += 1;
        if zeros > 31 {
            return None;
        }
    }
    let mut value = 1u32;
    for n in 0..zeros {
        value = value << 1 | bit(zeros + 1 + n)?;
    }
    Some(value - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAIN: UnitKind = UnitKind::plain(true);

    #[test]
    fn an_idr_slice_is_a_cut_point_whatever_the_container_says() {
        let unit = [0, 0, 0, 1, 0x67, 1, 2, 0, 0, 1, 0x65, 9, 9];
        let kind = h264(
            &unit,
            (
                &Framing::StartCodes,
                &mut Fields::default(),
                &mut Sets::default(),
            ),
            UnitKind {
                cut: false,
                ..PLAIN
            },
        );
        assert!(kind.cut && !kind.disposable && !kind.open);
    }

    #[test]
    fn a_recovery_point_with_count_zero_is_an_open_cut_point_and_another_count_is_none() {
        // SEI: type 6, size 1, ue(0) = "1", exact_match and the rest.
        let zero = [0, 0, 0, 4, 6, 6, 1, 0b1100_0000, 0, 0, 0, 2, 0x41, 0xaa];
        let kind = h264(
            &zero,
            (
                &Framing::Lengths(4),
                &mut Fields::default(),
                &mut Sets::default(),
            ),
            PLAIN,
        );
        assert!(kind.cut && kind.open);
        // ue(3) = 00100
        let three = [0, 0, 0, 4, 6, 6, 1, 0b0010_0100, 0, 0, 0, 2, 0x41, 0xaa];
        assert!(
            !h264(
                &three,
                (
                    &Framing::Lengths(4),
                    &mut Fields::default(),
                    &mut Sets::default()
                ),
                PLAIN
            )
            .cut
        );
    }

    #[test]
    fn a_slice_with_nal_ref_idc_zero_is_disposable() {
        let unit = [0, 0, 0, 2, 0x01, 0xaa];
        assert!(
            h264(
                &unit,
                (
                    &Framing::Lengths(4),
                    &mut Fields::default(),
                    &mut Sets::default()
                ),
                PLAIN
            )
            .disposable
        );
    }

    #[test]
    fn hevc_types_tell_cut_points_leading_pictures_and_temporal_layers() {
        let nal = |kind: u8, tid: u8| [0u8, 0, 1, kind << 1, tid + 1, 0x80];
        let classify = |kind, tid| {
            hevc(
                &nal(kind, tid),
                (&Framing::StartCodes, &mut Sets::default()),
                PLAIN,
            )
        };
        assert!(classify(21, 0).cut && classify(19, 0).cut && !classify(1, 0).cut);
        assert!(classify(8, 1).skipped_leading && classify(8, 1).disposable);
        assert_eq!(classify(0, 2).temporal_id, 2);
        assert!(!classify(1, 2).disposable);
    }

    #[test]
    fn truncated_units_and_lengths_that_lie_do_not_panic() {
        for cut in 0..14 {
            let unit = [0, 0, 0, 4, 6, 6, 200, 0xff, 0xff, 0xff, 0xff, 0xff, 0x65, 1];
            h264(
                &unit[..cut],
                (
                    &Framing::Lengths(4),
                    &mut Fields::default(),
                    &mut Sets::default(),
                ),
                PLAIN,
            );
            hevc(
                &unit[..cut],
                (&Framing::Lengths(2), &mut Sets::default()),
                PLAIN,
            );
        }
    }

    #[test]
    fn start_codes_behind_a_header_of_lengths_are_known_by_a_chain_that_does_not_end() {
        let stated = Framing::Lengths(4);
        let whole = |unit: &[u8]| stated.of_unit(unit, unit.len());
        assert_eq!(
            whole(&[0, 0, 0, 1, 9, 0, 0, 0, 1, 0x65, 7]),
            Some(Framing::StartCodes)
        );
        assert_eq!(
            whole(&[0, 0, 1, 9, 16, 0, 0, 1, 0x65, 7]),
            Some(Framing::StartCodes)
        );
        // An end of sequence of one byte, and a NAL unit of 258 bytes.
        assert_eq!(whole(&[0, 0, 0, 1, 10, 0, 0, 0, 2, 0x65, 7]), Some(stated));
        let long = [&[0, 0, 1, 2][..], &[0x41; 258]].concat();
        assert_eq!(whole(&long), Some(stated));
        assert_eq!(stated.of_unit(&long[..99], long.len()), Some(stated));
        assert_eq!(stated.of_unit(&long[..99], 4096), None);
    }

    #[test]
    fn a_unit_is_reframed_only_where_its_framing_is_another() {
        let lengths = [0, 0, 0, 2, 9, 16, 0, 0, 0, 3, 0x65, 7, 8];
        for unit in [
            &[0, 0, 1, 9, 16, 0, 0, 0, 1, 0x65, 7, 8][..],
            &[0, 0, 0, 1, 9, 16, 0, 0, 1, 0x65, 7, 8],
        ] {
            let stated = Framing::Lengths(4);
            let lengths = lengths.to_vec();
            assert_eq!(stated.reframed(unit, stated), Some(lengths));
        }
        let four = Framing::Lengths(4);
        assert_eq!(four.reframed(&lengths, four), None);
        let codes = Framing::StartCodes.reframed(&lengths, four);
        assert_eq!(
            codes.as_deref(),
            Some(&[0, 0, 0, 1, 9, 16, 0, 0, 0, 1, 0x65, 7, 8][..])
        );
        let two = four.reframed(&[0, 2, 9, 16, 0, 3, 0x65, 7, 8], Framing::Lengths(2));
        assert_eq!(two.as_deref(), Some(&lengths[..]));
    }
}
