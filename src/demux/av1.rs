//! AV1 temporal units (AV1 Bitstream & Decoding Process Specification, 5.3 to 5.9): whether
//! anything that comes later can depend on one.
//!
//! What outlives a frame is in the eight reference slots: its planes, motion vectors, segmentation
//! map, probabilities, loop filter deltas and film grain are saved there (7.20) and loaded from
//! there (7.21). So a frame that refreshes none of them leaves nothing behind. (In VP9 one does:
//! `vpx`.)

use super::bits::Bits;

/// OBU types (6.2.2).
const SEQUENCE_HEADER: u8 = 1;
const TEMPORAL_DELIMITER: u8 = 2;
const FRAME_HEADER: u8 = 3;
const FRAME: u8 = 6;
const TILE_LIST: u8 = 8;

/// Frame types (6.8.2).
const KEY_FRAME: u32 = 0;
const INTRA_ONLY_FRAME: u32 = 2;
const SWITCH_FRAME: u32 = 3;

/// SELECT_SCREEN_CONTENT_TOOLS and SELECT_INTEGER_MV (3): each frame says so itself.
const SELECT: u32 = 2;

/// Follows a stream's sequence header and reference slots, in decode order.
#[derive(Debug, Default)]
pub struct References {
    /// None: there was none yet that could be read.
    sequence: Option<Sequence>,
    /// None: not known.
    slots: [Option<Slot>; 8],
    /// Of the unit taken last: whether its first frame is a key frame that is shown.
    key: Option<bool>,
}

/// A frame that later ones may refer to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Slot {
    /// Shown again, it refreshes all slots.
    key: bool,
    order_hint: u32,
}

/// What a frame header's first elements hang on (5.5).
#[derive(Debug, Clone, PartialEq, Eq)]
struct Sequence {
    operating_points: Vec<OperatingPoint>,
    decoder_model: Option<DecoderModel>,
    equal_picture_interval: bool,
    /// Absent: frames have none.
    frame_id_bits: Option<u32>,
    force_screen_content_tools: u32,
    force_integer_mv: u32,
    /// 0: frames have none.
    order_hint_bits: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct OperatingPoint {
    idc: u32,
    has_decoder_model: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct DecoderModel {
    buffer_delay_bits: u32,
    buffer_removal_time_bits: u32,
    frame_presentation_time_bits: u32,
}

/// What a frame header does to the slots.
#[derive(Debug, PartialEq, Eq)]
enum Frame {
    /// show_existing_frame.
    Existing { slot: usize },
    Coded {
        own: Slot,
        refresh_frame_flags: u32,
        /// Of an error resilient frame: what it takes the slots to hold.
        ref_order_hints: Option<[u32; 8]>,
    },
}

impl References {
    /// With the sequence header of the stream's own header, if there is one: behind the four bytes
    /// of an AV1CodecConfigurationRecord (AV1-ISOBMFF, 2.3.3), or by itself.
    pub fn of_extradata(extradata: &[u8]) -> Self {
        let obus = match extradata {
            [0x81, _, _, _, obus @ ..] => obus,
            obus => obus,
        };
        let mut references = References::default();
        references.disposable(obus);
        references
    }

    /// Takes a temporal unit. True: no later one depends on it. A unit that cannot be read, or
    /// that leaves a doubt, is none of these.
    pub fn disposable(&mut self, unit: &[u8]) -> bool {
        let told = self.take(unit);
        if told.is_none() {
            self.slots = Default::default();
        }
        told == Some(true)
    }

    /// Whether the unit taken last begins with a key frame that is shown; none where that cannot be read.
    pub fn begins_with_key(&self) -> Option<bool> {
        self.key
    }

    fn take(&mut self, unit: &[u8]) -> Option<bool> {
        self.key = None;
        let (mut frames, mut leaves_all) = (0, true);
        let mut rest = unit;
        while !rest.is_empty() {
            let obu;
            (obu, rest) = Obu::read(rest)?;
            match obu.kind {
                SEQUENCE_HEADER => {
                    self.sequence = sequence(&mut Bits::new(obu.payload));
                    leaves_all = false;
                }
                _ if self.drops(&obu) => {}
                FRAME_HEADER | FRAME => {
                    let header = frame(&mut Bits::new(obu.payload), self.sequence.as_ref()?, &obu)?;
                    self.key = self.key.or(Some(self.is_key(&header)));
                    leaves_all &= self.apply(&header);
                    frames += 1;
                }
                // Of large scale tile decoding, which goes by other rules (7.3.3).
                TILE_LIST => return None,
                _ => {}
            }
        }
        Some(frames > 0 && leaves_all)
    }

    fn is_key(&self, frame: &Frame) -> bool {
        match frame {
            Frame::Existing { slot } => self.slots[*slot].is_none_or(|shown| shown.key),
            Frame::Coded { own, .. } => own.key,
        }
    }

    /// drop_obu() (5.3.1): of a layer that operating point 0, which is decoded, does without.
    fn drops(&self, obu: &Obu) -> bool {
        let points = self.sequence.iter().flat_map(|s| &s.operating_points);
        let chosen = points.map(|point| point.idc).next().unwrap_or(0);
        obu.kind != TEMPORAL_DELIMITER && obu.extended && !obu.is_in(chosen)
    }

    /// The reference frame update process (7.20). True if it changes nothing.
    fn apply(&mut self, frame: &Frame) -> bool {
        match frame {
            Frame::Existing { slot } => {
                let shown = self.slots[*slot];
                let leaves_all = shown.is_some_and(|shown| !shown.key);
                if !leaves_all {
                    self.slots = [shown; 8];
                }
                leaves_all
            }
            Frame::Coded {
                own,
                refresh_frame_flags,
                ref_order_hints,
            } => {
                let as_taken = ref_order_hints.is_none_or(|hints| self.hold(&hints));
                for (place, slot) in self.slots.iter_mut().enumerate() {
                    if refresh_frame_flags >> place & 1 == 1 {
                        *slot = Some(*own);
                    } else if !as_taken {
                        *slot = None;
                    }
                }
                as_taken && *refresh_frame_flags == 0
            }
        }
    }

    /// Where a slot has another order hint than ref_order_hint says, it is set anew (5.9.2).
    fn hold(&self, hints: &[u32; 8]) -> bool {
        let mut pairs = self.slots.iter().zip(hints);
        pairs.all(|(slot, hint)| slot.is_some_and(|slot| slot.order_hint == *hint))
    }
}

/// Gives the payload of each sequence header of a temporal unit, or of a stream's own header.
pub fn sequence_headers(data: &[u8], out: &mut dyn FnMut(&[u8])) {
    let mut rest = match data {
        [0x81, _, _, _, obus @ ..] => obus,
        obus => obus,
    };
    while let Some((obu, after)) = Obu::read(rest).filter(|_| !rest.is_empty()) {
        // Frames come behind it.
        if matches!(obu.kind, FRAME_HEADER | FRAME) {
            break;
        }
        if obu.kind == SEQUENCE_HEADER {
            out(obu.payload);
        }
        rest = after;
    }
}

/// An open bitstream unit (5.3).
struct Obu<'a> {
    kind: u8,
    extended: bool,
    temporal_id: u32,
    spatial_id: u32,
    payload: &'a [u8],
}

impl<'a> Obu<'a> {
    /// The first one, and what follows it.
    fn read(data: &'a [u8]) -> Option<(Self, &'a [u8])> {
        let (header, mut rest) = data.split_first()?;
        let extended = header >> 2 & 1 == 1;
        let mut layers = 0;
        if extended {
            let (extension, after) = rest.split_first()?;
            (layers, rest) = (u32::from(*extension), after);
        }
        let mut size = rest.len();
        if header >> 1 & 1 == 1 {
            (size, rest) = leb128(rest)?;
        }
        let (payload, rest) = rest.split_at_checked(size)?;
        let obu = Obu {
            kind: header >> 3 & 15,
            extended,
            temporal_id: layers >> 5,
            spatial_id: layers >> 3 & 3,
            payload,
        };
        (header >> 7 == 0).then_some((obu, rest))
    }

    /// Of the layers of an operating point (operating_point_idc, 6.4.1).
    fn is_in(&self, idc: u32) -> bool {
        let temporal = idc >> self.temporal_id & 1 == 1;
        let spatial = idc >> (self.spatial_id + 8) & 1 == 1;
        idc == 0 || (temporal && spatial)
    }
}

/// leb128() (4.10.5), and what follows it.
fn leb128(data: &[u8]) -> Option<(usize, &[u8])> {
    let mut value = 0u64;
    for (place, byte) in data.iter().take(8).enumerate() {
        value |= u64::from(byte & 0x7f) << (7 * place);
        if byte >> 7 == 0 {
            return Some((usize::try_from(value).ok()?, &data[place + 1..]));
        }
    }
    None
}

/// sequence_header_obu() up to order_hint_bits_minus_1 (5.5.1). None also for still pictures with
/// a reduced header: each of them is a key frame.
fn sequence(bits: &mut Bits) -> Option<Sequence> {
    // seq_profile, still_picture
    bits.take(4)?;
    let reduced_still_picture_header = bits.flag()?;
    if reduced_still_picture_header {
        return None;
    }
    let (mut equal_picture_interval, mut decoder_model) = (false, None);
    // timing_info_present_flag
    if bits.flag()? {
        equal_picture_interval = timing_info(bits)?;
        if bits.flag()? {
            decoder_model = Some(decoder_model_info(bits)?);
        }
    }
    let operating_points = operating_points(bits, decoder_model)?;
    let (width_bits, height_bits) = (bits.take(4)? + 1, bits.take(4)? + 1);
    bits.take(width_bits)?;
    bits.take(height_bits)?;
    let frame_id_bits = match bits.flag()? {
        true => Some(bits.take(4)? + 2 + bits.take(3)? + 1),
        false => None,
    };
    // use_128x128_superblock to enable_intra_edge_filter, enable_interintra_compound to enable_dual_filter
    bits.take(3 + 4)?;
    let enable_order_hint = bits.flag()?;
    if enable_order_hint {
        // enable_jnt_comp, enable_ref_frame_mvs
        bits.take(2)?;
    }
    let force_screen_content_tools = selected(bits)?;
    let force_integer_mv = match force_screen_content_tools {
        0 => SELECT,
        _ => selected(bits)?,
    };
    let order_hint_bits = match enable_order_hint {
        true => bits.take(3)? + 1,
        false => 0,
    };
    Some(Sequence {
        operating_points,
        decoder_model,
        equal_picture_interval,
        frame_id_bits,
        force_screen_content_tools,
        force_integer_mv,
        order_hint_bits,
    })
}

/// seq_choose_… and, where it is not set, seq_force_….
fn selected(bits: &mut Bits) -> Option<u32> {
    match bits.flag()? {
        true => Some(SELECT),
        false => bits.take(1),
    }
}

/// timing_info() (5.5.3): equal_picture_interval.
fn timing_info(bits: &mut Bits) -> Option<bool> {
    bits.take(32)?;
    bits.take(32)?;
    let equal_picture_interval = bits.flag()?;
    if equal_picture_interval {
        bits.ue()?;
    }
    Some(equal_picture_interval)
}

/// decoder_model_info() (5.5.4).
fn decoder_model_info(bits: &mut Bits) -> Option<DecoderModel> {
    let buffer_delay_bits = bits.take(5)? + 1;
    // num_units_in_decoding_tick
    bits.take(32)?;
    Some(DecoderModel {
        buffer_delay_bits,
        buffer_removal_time_bits: bits.take(5)? + 1,
        frame_presentation_time_bits: bits.take(5)? + 1,
    })
}

/// From initial_display_delay_present_flag on (5.5.1), with operating_parameters_info() (5.5.5).
fn operating_points(
    bits: &mut Bits,
    decoder_model: Option<DecoderModel>,
) -> Option<Vec<OperatingPoint>> {
    let initial_display_delay_present = bits.flag()?;
    let count = bits.take(5)? + 1;
    let mut points = Vec::new();
    for _ in 0..count {
        let idc = bits.take(12)?;
        let seq_level_idx = bits.take(5)?;
        if seq_level_idx > 7 {
            // seq_tier
            bits.take(1)?;
        }
        let mut has_decoder_model = false;
        if let Some(model) = decoder_model {
            has_decoder_model = bits.flag()?;
            if has_decoder_model {
                bits.take(model.buffer_delay_bits)?;
                bits.take(model.buffer_delay_bits)?;
                // low_delay_mode_flag
                bits.take(1)?;
            }
        }
        if initial_display_delay_present && bits.flag()? {
            // initial_display_delay_minus_1
            bits.take(4)?;
        }
        points.push(OperatingPoint {
            idc,
            has_decoder_model,
        });
    }
    Some(points)
}

/// uncompressed_header() up to ref_order_hint (5.9.2), of a frame without a reduced header.
fn frame(bits: &mut Bits, sequence: &Sequence, obu: &Obu) -> Option<Frame> {
    // show_existing_frame
    if bits.flag()? {
        let slot = bits.take(3)? as usize;
        return Some(Frame::Existing { slot });
    }
    let frame_type = bits.take(2)?;
    let intra = frame_type == KEY_FRAME || frame_type == INTRA_ONLY_FRAME;
    let show_frame = bits.flag()?;
    match sequence.decoder_model {
        Some(model) if show_frame && !sequence.equal_picture_interval => {
            bits.take(model.frame_presentation_time_bits)?;
        }
        _ => {}
    }
    if !show_frame {
        // showable_frame
        bits.take(1)?;
    }
    let refreshes_all = frame_type == SWITCH_FRAME || (frame_type == KEY_FRAME && show_frame);
    let error_resilient_mode = refreshes_all || bits.flag()?;
    // disable_cdf_update
    bits.take(1)?;
    screen_content(bits, sequence)?;
    if let Some(frame_id_bits) = sequence.frame_id_bits {
        bits.take(frame_id_bits)?;
    }
    if frame_type != SWITCH_FRAME {
        // frame_size_override_flag
        bits.take(1)?;
    }
    let order_hint = bits.take(sequence.order_hint_bits)?;
    if !intra && !error_resilient_mode {
        // primary_ref_frame
        bits.take(3)?;
    }
    buffer_removal_times(bits, sequence, obu)?;
    let refresh_frame_flags = if refreshes_all { 0xff } else { bits.take(8)? };
    let mut ref_order_hints = None;
    if (!intra || refresh_frame_flags != 0xff)
        && error_resilient_mode
        && sequence.order_hint_bits > 0
    {
        let mut hints = [0; 8];
        for hint in &mut hints {
            *hint = bits.take(sequence.order_hint_bits)?;
        }
        ref_order_hints = Some(hints);
    }
    Some(Frame::Coded {
        own: Slot {
            key: frame_type == KEY_FRAME,
            order_hint,
        },
        refresh_frame_flags,
        ref_order_hints,
    })
}

/// allow_screen_content_tools and force_integer_mv (5.9.2), read over.
fn screen_content(bits: &mut Bits, sequence: &Sequence) -> Option<()> {
    let allowed = match sequence.force_screen_content_tools {
        SELECT => bits.flag()?,
        forced => forced == 1,
    };
    if allowed && sequence.force_integer_mv == SELECT {
        bits.take(1)?;
    }
    Some(())
}

/// buffer_removal_time of each operating point that the frame belongs to (5.9.2), read over.
fn buffer_removal_times(bits: &mut Bits, sequence: &Sequence, obu: &Obu) -> Option<()> {
    let Some(model) = sequence.decoder_model else {
        return Some(());
    };
    if bits.flag()? {
        for point in &sequence.operating_points {
            if point.has_decoder_model && obu.is_in(point.idc) {
                bits.take(model.buffer_removal_time_bits)?;
            }
        }
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;
    use crate::decode::conformance::{AOM, Clip, SVT, clip};

    /// Bits from (value, count) pairs, closed by a one and filled up with zeros.
    fn bits(fields: &[(u32, u32)]) -> Vec<u8> {
        let each = fields
            .iter()
            .chain(&[(1, 1)])
            .flat_map(|(value, count)| (0..*count).rev().map(move |n| (value >> n & 1) as u8));
        let all: Vec<u8> = each.collect();
        let byte = |bits: &[u8]| (0..8).fold(0, |sum, n| sum << 1 | bits.get(n).unwrap_or(&0));
        all.chunks(8).map(byte).collect()
    }

    fn obu(kind: u8, layers: Option<(u8, u8)>, payload: &[u8]) -> Vec<u8> {
        let mut obu = vec![kind << 3 | u8::from(layers.is_some()) << 2 | 2];
        obu.extend(layers.map(|(temporal, spatial)| temporal << 5 | spatial << 3));
        obu.push(payload.len() as u8);
        obu.extend(payload);
        obu
    }

    /// A sequence of one operating point of these layers, with order hints of 4 bits.
    fn sequence_of(idc: u32) -> Vec<u8> {
        obu(
            SEQUENCE_HEADER,
            None,
            &bits(&[
                (0, 3 + 1 + 1),
                (0, 1 + 1 + 5), // no timing, no delays, one operating point
                (idc, 12),
                (4, 5),
                (7, 4),
                (7, 4),
                (159, 8),
                (119, 8),
                (0, 1), // no frame ids
                (0, 3 + 4),
                (1, 1),
                (0, 2),
                (1, 1), // frames say whether they are screen content
                (1, 1),
                (3, 3),
            ]),
        )
    }

    const ALWAYS: Option<(u8, u8)> = None;

    fn key(order_hint: u32) -> Vec<u8> {
        let shown = [(0, 1), (KEY_FRAME, 2), (1, 1), (0, 3), (order_hint, 4)];
        obu(FRAME, ALWAYS, &bits(&shown))
    }

    /// A shown inter frame that refreshes these slots.
    fn inter(refresh: u32, order_hint: u32, layers: Option<(u8, u8)>) -> Vec<u8> {
        let start = [(0, 1), (1, 2), (1, 1), (0, 4), (order_hint, 4), (0, 3)];
        obu(
            FRAME,
            layers,
            &bits(&[&start[..], &[(refresh, 8)]].concat()),
        )
    }

    /// The same of one that is error resilient, with what it takes the slots' order hints to be.
    fn resilient(refresh: u32, order_hint: u32, hints: [u32; 8]) -> Vec<u8> {
        let mut fields = vec![(0, 1), (1, 2), (1, 1), (1, 1), (0, 3), (order_hint, 4)];
        fields.push((refresh, 8));
        fields.extend(hints.map(|hint| (hint, 4)));
        obu(FRAME, ALWAYS, &bits(&fields))
    }

    fn existing(slot: u32) -> Vec<u8> {
        obu(FRAME_HEADER, ALWAYS, &bits(&[(1, 1), (slot, 3)]))
    }

    /// A hidden key frame into these slots.
    fn hidden_key(refresh: u32, order_hint: u32) -> Vec<u8> {
        let fields = [
            (0, 1),
            (KEY_FRAME, 2),
            (0, 1),
            (1, 1),
            (0, 4),
            (order_hint, 4),
        ];
        obu(
            FRAME,
            ALWAYS,
            &bits(&[&fields[..], &[(refresh, 8)]].concat()),
        )
    }

    /// Which of the units that follow a sequence header and a key frame are disposable.
    fn disposable<const N: usize>(units: [Vec<u8>; N]) -> [bool; N] {
        let mut references = References::default();
        assert!(!references.disposable(&[sequence_of(0), key(0)].concat()));
        units.map(|unit| references.disposable(&unit))
    }

    #[test]
    fn a_unit_is_disposable_if_each_of_its_frames_refreshes_nothing() {
        let delimiter = obu(TEMPORAL_DELIMITER, None, &[]);
        let told = disposable([
            inter(0, 1, ALWAYS),
            inter(0x40, 2, ALWAYS),
            [delimiter.clone(), inter(0, 3, ALWAYS)].concat(),
            [inter(0x40, 5, ALWAYS), inter(0, 4, ALWAYS)].concat(),
            [inter(0, 5, ALWAYS), inter(0, 6, ALWAYS)].concat(),
            delimiter,
            key(7),
        ]);
        assert_eq!(told, [true, false, true, false, true, false, false]);
    }

    #[test]
    fn a_frame_shown_again_is_disposable_unless_it_is_a_key_frame() {
        // Slot 3 holds an inter frame, slot 5 a hidden key frame, the others the first key frame.
        let told = disposable([
            inter(1 << 3, 1, ALWAYS),
            hidden_key(1 << 5, 2),
            existing(3),
            existing(5),
            // It is in all slots now.
            existing(3),
        ]);
        assert_eq!(told, [false, false, true, false, false]);
    }

    #[test]
    fn an_error_resilient_frame_that_sets_a_slot_anew_is_not_disposable() {
        let mut hints = [0; 8];
        hints[2] = 1;
        let told = disposable([
            resilient(0, 1, [0; 8]),
            inter(1 << 2, 1, ALWAYS),
            resilient(0, 2, hints),
            resilient(0, 2, [0; 8]),
            // What the slots hold is not known any more.
            resilient(0, 3, [0; 8]),
            existing(2),
            key(4),
            resilient(0, 5, [4; 8]),
        ]);
        let expected = [true, false, true, false, false, false, false, true];
        assert_eq!(told, expected);
    }

    #[test]
    fn frames_of_layers_that_are_not_decoded_do_not_count() {
        let mut references = References::default();
        // Temporal layers 0 and 1 of spatial layer 0.
        references.disposable(&[sequence_of(0x103), key(0)].concat());
        let told = [(1, 0), (2, 0), (0, 1)]
            .map(|layer| [inter(0, 1, Some((0, 0))), inter(1, 1, Some(layer))].concat())
            .map(|unit| references.disposable(&unit));
        assert_eq!(told, [false, true, true]);
        assert!(!references.disposable(&inter(0, 2, Some((2, 0)))));
    }

    #[test]
    fn clocks_decoder_models_and_frame_ids_are_read_over() {
        let header = bits(&[
            (0, 3 + 1 + 1),
            (1, 1), // timing_info
            (1, 32),
            (50, 32),
            (0, 1),
            (1, 1), // decoder_model_info
            (9, 5),
            (1, 32),
            (19, 5),
            (14, 5),
            (1, 1),
            (1, 5), // two operating points
            (0, 12),
            (8, 5),
            (0, 1),
            (1, 1),
            (1, 20),
            (0, 1),
            (1, 1),
            (3, 4),
            (0, 12),
            (4, 5),
            (0, 1),
            (0, 1),
            (7, 4),
            (7, 4),
            (159, 8),
            (119, 8),
            (1, 1), // frame ids of 3 + 2 + 2 + 1 bits
            (3, 4),
            (2, 3),
            (0, 3 + 4),
            (0, 1), // no order hints
            (0, 1),
            (1, 1),
            (0, 1),
            (1, 1),
        ]);
        let mut references = References::of_extradata(&obu(SEQUENCE_HEADER, None, &header));
        let frame = |refresh| {
            let fields = [
                (0, 1),
                (1, 2),
                (1, 1),
                (0xff, 15),
                (0, 1),
                (0, 1),
                (0xff, 8),
                (0, 1),
                (0, 3),
                (1, 1),
                (0xff, 20),
                (refresh, 8),
            ];
            obu(FRAME, ALWAYS, &bits(&fields))
        };
        assert!(references.disposable(&frame(0)));
        assert!(!references.disposable(&frame(1)));
    }

    #[test]
    fn without_a_sequence_header_or_cut_off_no_unit_is_disposable() {
        let unit = inter(0, 1, ALWAYS);
        assert!(!References::default().disposable(&unit));
        for end in 0..unit.len() {
            let [told, after] = disposable([unit[..end].to_vec(), existing(0)]);
            assert!(!told && !after, "{end}");
        }
        let sequence = sequence_of(0);
        for end in 0..sequence.len() {
            let mut references = References::of_extradata(&sequence[..end]);
            assert!(!references.disposable(&unit), "{end}");
        }
    }

    /// By FFmpeg's own parser: of each packet, whether it refreshes no slot.
    fn traced(path: &std::path::Path) -> Vec<bool> {
        let traced = Command::new("ffmpeg")
            .args(["-nostdin", "-hide_banner", "-i"])
            .arg(path)
            .args(["-c", "copy", "-bsf:v", "trace_headers", "-f", "null", "-"])
            .output()
            .unwrap();
        let text = String::from_utf8(traced.stderr).unwrap();
        let of_packet = |lines: &str| {
            let values = |name: &str| -> Vec<u32> {
                let of_name = lines
                    .lines()
                    .filter(|l| l.split_whitespace().any(|w| w == name));
                of_name
                    .map(|l| l.rsplit(' ').next().unwrap().parse().unwrap())
                    .collect()
            };
            let frames = values("show_existing_frame");
            let refreshes = values("refresh_frame_flags");
            let again = frames.iter().filter(|again| **again == 1).count();
            // A key frame that is shown does not say so.
            refreshes.iter().all(|flags| *flags == 0) && refreshes.len() + again == frames.len()
        };
        text.split("Packet: ").skip(1).map(of_packet).collect()
    }

    #[test]
    fn what_is_disposable_is_what_ffmpeg_reads_too() {
        let clips = [
            ("av1-leaves.mp4", &SVT[..], &[][..]),
            ("av1-aom.mkv", &AOM, &[]),
            // With frame ids and order hints of slots.
            ("av1-resilient.mkv", &AOM, &["-error-resilience", "1"]),
        ];
        for (name, encoder, more) in clips {
            let source = ["testsrc2=size=160x120:rate=25:duration=2"];
            let path = clip(name, &[&source, encoder, more].concat());
            let units = &Clip::open(&path).track.units;
            let told: Vec<bool> = units.iter().map(|unit| unit.disposable()).collect();
            assert_eq!(told, traced(&path), "{name}");
            assert!(told.contains(&true) && told.contains(&false), "{name}");
        }
    }
}
