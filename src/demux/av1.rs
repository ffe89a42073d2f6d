//! AV1 temporal units (AV1 Bitstream & Decoding Process Specification, 5.3 to 5.9): whether
//! anything that comes later can depend on one.
//!
//! What outlives a frame is in the eight reference slots: its planes, motion vectors, segmentation
//! map, probabilities, loop filter deltas and film grain are saved there (7.20) and loaded from
//! there (7.21). So a frame that refreshes none of them leaves nothing behind. (In VP9 one does:
//! `vpx`.)

use self::headers::{Frame, Obu, Sequence, Slot, frame, sequence};
use super::bits::Bits;

mod headers;
#[cfg(test)]
mod tests;

/// OBU types (6.2.2).
const SEQUENCE_HEADER: u8 = 1;
const TEMPORAL_DELIMITER: u8 = 2;
const FRAME_HEADER: u8 = 3;
const FRAME: u8 = 6;
const TILE_LIST: u8 = 8;

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

/// Whether a temporal unit's OBUs lie in it, one behind the other.
pub fn reads(unit: &[u8]) -> bool {
    let mut rest = unit;
    while !rest.is_empty() {
        match Obu::read(rest) {
            Some((_, after)) => rest = after,
            None => return false,
        }
    }
    true
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
