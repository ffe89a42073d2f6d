//! Field pairs of H.264: which access units are the second field of a picture.
//! Transport streams carry each field as a unit of its own; a decoder makes one
//! picture of both (ITU-T H.264, 3.30 and 7.4.1.2.4).

use std::collections::HashMap;

use super::bits::Bits;

/// What a slice header's first elements hang on (7.3.2.1.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Sequence {
    frame_num_bits: u32,
    frame_mbs_only: bool,
    separate_planes: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Field {
    bottom: bool,
    frame_num: u32,
}

/// Follows a stream's parameter sets and fields, in decode order.
#[derive(Debug, Default)]
pub struct Fields {
    sequences: HashMap<u32, Sequence>,
    /// seq_parameter_set_id by pic_parameter_set_id.
    pictures: HashMap<u32, u32>,
    /// A first field whose second has not come.
    pending: Option<Field>,
}

impl Fields {
    /// With the NAL units of a stream's header.
    pub fn of_header(nals: &[&[u8]]) -> Self {
        let mut fields = Fields::default();
        fields.take_all(nals);
        fields
    }

    pub fn take_all(&mut self, nals: &[&[u8]]) {
        for nal in nals {
            self.take(nal);
        }
    }

    /// A unit may hold fields, so that its first slice does not tell of all others.
    pub fn may_hold_fields(&self) -> bool {
        let frames_only = |sequence: &Sequence| sequence.frame_mbs_only;
        self.sequences.is_empty() || !self.sequences.values().all(frames_only)
    }

    /// Takes a NAL unit. Some(true) for a slice of a second field, Some(false) for any other slice.
    pub fn take(&mut self, nal: &[u8]) -> Option<bool> {
        let (header, payload) = nal.split_first()?;
        let mut bits = Bits::of_nal(payload);
        match header & 31 {
            7 => {
                let (id, sequence) = sequence(&mut bits)?;
                self.sequences.insert(id, sequence);
                None
            }
            8 => {
                let (id, sequence_id) = (bits.ue()?, bits.ue()?);
                self.pictures.insert(id, sequence_id);
                None
            }
            1 | 5 => Some(self.slice(&mut bits).unwrap_or(false)),
            _ => None,
        }
    }

    fn slice(&mut self, bits: &mut Bits) -> Option<bool> {
        let first_mb = bits.ue()?;
        bits.ue()?;
        let sequence = self.sequences.get(self.pictures.get(&bits.ue()?)?)?;
        if sequence.frame_mbs_only {
            return Some(false);
        }
        if sequence.separate_planes {
            bits.take(2)?;
        }
        let frame_num = bits.take(sequence.frame_num_bits)?;
        if bits.take(1)? == 0 {
            self.pending = None;
            return Some(false);
        }
        let bottom = bits.take(1)? == 1;
        let own = Field { bottom, frame_num };
        let pairs = self
            .pending
            .is_some_and(|first| first.bottom != bottom && first.frame_num == frame_num);
        // Further slices of a field belong to the field that their first one began.
        if first_mb == 0 {
            self.pending = (!pairs).then_some(own);
        }
        Some(pairs)
    }
}

/// seq_parameter_set_data up to frame_mbs_only_flag, with its id.
fn sequence(bits: &mut Bits) -> Option<(u32, Sequence)> {
    let profile = bits.take(8)?;
    bits.take(16)?;
    let id = bits.ue()?;
    let mut separate_planes = false;
    if [100, 110, 122, 244, 44, 83, 86, 118, 128, 138, 139, 134, 135].contains(&profile) {
        let chroma_format = bits.ue()?;
        if chroma_format == 3 {
            separate_planes = bits.take(1)? == 1;
        }
        bits.ue()?;
        bits.ue()?;
        bits.take(1)?;
        if bits.take(1)? == 1 {
            scaling_lists(bits, if chroma_format == 3 { 12 } else { 8 })?;
        }
    }
    let frame_num_bits = bits.ue()?.checked_add(4).filter(|bits| *bits <= 16)?;
    match bits.ue()? {
        0 => drop(bits.ue()?),
        1 => {
            bits.take(1)?;
            bits.ue()?;
            bits.ue()?;
            for _ in 0..bits.ue()?.min(255) {
                bits.ue()?;
            }
        }
        _ => {}
    }
    bits.ue()?;
    bits.take(1)?;
    bits.ue()?;
    bits.ue()?;
    let frame_mbs_only = bits.take(1)? == 1;
    let sequence = Sequence {
        frame_num_bits,
        frame_mbs_only,
        separate_planes,
    };
    Some((id, sequence))
}

/// scaling_list (7.3.2.1.1.1), read over.
fn scaling_lists(bits: &mut Bits, lists: usize) -> Option<()> {
    for list in 0..lists {
        if bits.take(1)? == 0 {
            continue;
        }
        let (mut last, mut next) = (8i64, 8i64);
        for _ in 0..if list < 6 { 16 } else { 64 } {
            if next != 0 {
                next = (last + bits.se()?).rem_euclid(256);
            }
            last = if next == 0 { last } else { next };
        }
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Main profile, frame_num of 4 bits, fields allowed; and its picture parameter set.
    const SPS: [u8; 8] = [0x67, 77, 0, 30, 0xe5, 0x42, 0x22, 0x40];
    const PPS: [u8; 4] = [0x68, 0xce, 0x38, 0x80];

    fn slice(kind: u8, frame_num: u8, bottom: u8) -> [u8; 5] {
        // first_mb ue(0), slice_type ue(7), pps ue(0), frame_num u(4), field_pic 1, bottom u(1), …
        let bits = 0b1_0001_0001 << 7 | u32::from(frame_num) << 3 | 0b100 | u32::from(bottom) << 1;
        [kind, (bits >> 8) as u8, bits as u8, 0xff, 0xff]
    }

    fn fields() -> Fields {
        let mut fields = Fields::default();
        assert_eq!((fields.take(&SPS), fields.take(&PPS)), (None, None));
        assert_eq!(fields.sequences.len(), 1);
        fields
    }

    #[test]
    fn the_field_of_other_parity_and_the_same_frame_num_is_the_second() {
        let mut fields = fields();
        let order = [(0x65, 0, 0), (0x61, 0, 1), (0x61, 1, 0), (0x61, 1, 1)];
        let second =
            order.map(|(kind, frame_num, bottom)| fields.take(&slice(kind, frame_num, bottom)));
        assert_eq!(second, [Some(false), Some(true), Some(false), Some(true)]);
    }

    #[test]
    fn a_field_whose_second_is_lost_pairs_with_none_of_another_picture() {
        let mut fields = fields();
        let order = [(0x65, 0, 0), (0x61, 1, 0), (0x61, 2, 1), (0x61, 2, 0)];
        let second =
            order.map(|(kind, frame_num, bottom)| fields.take(&slice(kind, frame_num, bottom)));
        assert_eq!(second, [Some(false), Some(false), Some(false), Some(true)]);
    }

    #[test]
    fn without_parameter_sets_or_with_cut_off_ones_no_unit_is_a_second_field() {
        for cut in 0..SPS.len() {
            let mut fields = Fields::default();
            fields.take(&SPS[..cut]);
            fields.take(&PPS[..cut.min(4)]);
            fields.take(&slice(0x65, 0, 0));
            let told = fields.take(&slice(0x61, 0, 1));
            assert!(told == Some(false) || cut > 6, "{cut}");
        }
        let record = [1, 77, 0, 30, 255, 0xe1, 0, 9, 0x67];
        let fields = Fields::of_header(&super::super::h26x::h264_header(&record));
        assert_eq!(fields.sequences.len(), 0);
    }
}
