//! AV1 headers, as far as they are needed: open bitstream units (5.3), sequence headers (5.5), and the
//! first elements of frame headers (5.9).

use crate::demux::bits::Bits;

/// Frame types (6.8.2).
pub(super) const KEY_FRAME: u32 = 0;
const INTRA_ONLY_FRAME: u32 = 2;
const SWITCH_FRAME: u32 = 3;

/// SELECT_SCREEN_CONTENT_TOOLS and SELECT_INTEGER_MV (3): each frame says so itself.
const SELECT: u32 = 2;

/// A frame that later ones may refer to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Slot {
    /// Shown again, it refreshes all slots.
    pub key: bool,
    pub order_hint: u32,
}

/// What a frame header's first elements hang on (5.5).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Sequence {
    pub operating_points: Vec<OperatingPoint>,
    pub decoder_model: Option<DecoderModel>,
    pub equal_picture_interval: bool,
    /// Absent: frames have none.
    pub frame_id_bits: Option<u32>,
    pub force_screen_content_tools: u32,
    pub force_integer_mv: u32,
    /// 0: frames have none.
    pub order_hint_bits: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct OperatingPoint {
    pub idc: u32,
    pub has_decoder_model: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct DecoderModel {
    buffer_delay_bits: u32,
    buffer_removal_time_bits: u32,
    frame_presentation_time_bits: u32,
}

/// What a frame header does to the slots.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Frame {
    /// show_existing_frame.
    Existing { slot: usize },
    Coded {
        own: Slot,
        refresh_frame_flags: u32,
        /// Of an error resilient frame: what it takes the slots to hold.
        ref_order_hints: Option<[u32; 8]>,
    },
}

/// An open bitstream unit (5.3).
pub(super) struct Obu<'a> {
    pub kind: u8,
    pub extended: bool,
    pub temporal_id: u32,
    pub spatial_id: u32,
    pub payload: &'a [u8],
}

impl<'a> Obu<'a> {
    /// The first one, and what follows it.
    pub fn read(data: &'a [u8]) -> Option<(Self, &'a [u8])> {
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
    pub fn is_in(&self, idc: u32) -> bool {
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
pub(super) fn sequence(bits: &mut Bits) -> Option<Sequence> {
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
pub(super) fn frame(bits: &mut Bits, sequence: &Sequence, obu: &Obu) -> Option<Frame> {
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
