//! Parameter sets and other headers among a stream's units: H.264 (ITU-T H.264, 7.3.2) and HEVC
//! (ITU-T H.265, 7.3.2) parameter sets, MPEG-1 and -2 sequence headers and quantiser matrices
//! (ISO/IEC 13818-2, 6.2.2), MPEG-4 headers (ISO/IEC 14496-2, 6.2.2), VC-1 sequence headers
//! (SMPTE 421M, E.5) and AV1 sequence headers. What repeats costs a comparison and no memory.

use std::collections::{BTreeMap, HashSet};
use std::sync::{Arc, LazyLock};

use memchr::memmem::Finder;

use super::bits::Bits;
use super::bits::without_zeros;
use crate::error::{Error, Reason, Result};

/// Bytes of different sets of a stream, and places where they change: far more than any stream
/// needs, and little for one that is made to take memory.
const MAX_BYTES: usize = 16 << 20;
const MAX_CHANGES: usize = 1 << 20;

/// Sets with the same key replace each other. In their order a decoder is given them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key {
    rank: u8,
    layer: u8,
    id: u32,
}

impl Key {
    pub const fn new(rank: u8, id: u32) -> Self {
        Key { rank, layer: 0, id }
    }

    /// Pictures before a change of it are no reference for those behind it.
    pub fn is_sequence(self) -> bool {
        self.rank < PICTURE
    }
}

/// The rank of what may change between any two pictures.
pub const PICTURE: u8 = 8;

/// The sets in force at some place of a stream: NAL units without their framing, all others as they
/// stand in the stream. An empty one is none.
pub type InForce = BTreeMap<Key, Arc<[u8]>>;

/// What came to be in force with a unit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// The container's header for what follows.
    Header(Arc<[u8]>),
    Set(Key, Arc<[u8]>),
}

/// Follows a stream's sets, in decode order.
#[derive(Debug, Default)]
pub struct Sets {
    latest: InForce,
    known: HashSet<Arc<[u8]>>,
    changes: Vec<(u32, Change)>,
    bytes: usize,
    header: Option<Arc<[u8]>>,
    /// Of the unit at hand.
    unit: u32,
    brought: HashSet<Key>,
}

impl Sets {
    /// The next unit comes.
    pub fn begin(&mut self) {
        self.brought.clear();
    }

    /// The unit is over. True: it brought all sets that are in force.
    pub fn end(&mut self) -> bool {
        self.unit += 1;
        let mut in_force = self.latest.values().filter(|set| !set.is_empty());
        in_force.nth(self.brought.len()).is_none()
    }

    /// The container's header anew.
    pub fn header(&mut self, header: &[u8]) {
        if self.header.as_deref() != Some(header) {
            let header = self.keep(header);
            self.header = Some(header.clone());
            self.changes.push((self.unit, Change::Header(header)));
        }
    }

    pub fn take(&mut self, key: Key, set: &[u8]) {
        if !set.is_empty() {
            self.brought.insert(key);
        }
        if self.latest.get(&key).is_none_or(|known| **known != *set) {
            let set = self.keep(set);
            self.latest.insert(key, set.clone());
            self.changes.push((self.unit, Change::Set(key, set)));
        }
    }

    /// Nothing of this key is in force any more.
    pub fn drop_set(&mut self, key: Key) {
        if self.latest.contains_key(&key) {
            self.take(key, &[]);
        }
    }

    fn keep(&mut self, set: &[u8]) -> Arc<[u8]> {
        if let Some(known) = self.known.get(set) {
            return known.clone();
        }
        self.bytes += set.len() + size_of::<Change>();
        let set: Arc<[u8]> = set.into();
        self.known.insert(set.clone());
        set
    }

    /// # Errors
    /// LIMIT_EXCEEDED for sets that take more memory than any stream needs.
    pub fn check(&self) -> Result<()> {
        if self.bytes <= MAX_BYTES && self.changes.len() <= MAX_CHANGES {
            return Ok(());
        }
        Err(too_many(self.bytes, self.changes.len()))
    }

    /// Everything that changed, by unit; what is known of a first set is left to who knows the header.
    pub fn into_changes(self) -> Vec<(u32, Change)> {
        self.changes
    }

    /// In force at the end.
    pub fn into_latest(self) -> InForce {
        self.latest
    }
}

pub(super) fn too_many(bytes: usize, changes: usize) -> Error {
    Error::new(
        Reason::MediaLimit,
        format!(
            "the video's parameter sets change too often, bytes={bytes} changes={changes} \
             max_bytes={MAX_BYTES} max_changes={MAX_CHANGES}"
        ),
    )
    .hint("convert the video, or cut it into shorter files")
}

/// A NAL unit of H.264: no matter what it is.
pub fn h264(sets: &mut Sets, nal: &[u8]) {
    let (rank, before_id) = match nal.first().map(|header| header & 31) {
        Some(7) => (1, 24),
        Some(8) => (PICTURE, 0),
        _ => return,
    };
    let mut bits = Bits::of_nal(&nal[1..]);
    if let Some(id) = bits.take(before_id).and_then(|_| bits.ue()) {
        sets.take(Key::new(rank, id), without_zeros(nal));
    }
}

/// A NAL unit of HEVC: no matter what it is.
pub fn hevc(sets: &mut Sets, nal: &[u8]) {
    let [first, second, payload @ ..] = nal else {
        return;
    };
    let mut bits = Bits::of_nal(payload);
    let (rank, id) = match first >> 1 & 63 {
        32 => (0, bits.take(4)),
        33 => (1, hevc_sequence_id(&mut bits)),
        34 => (PICTURE, bits.ue()),
        _ => return,
    };
    if let Some(id) = id {
        let layer = (first & 1) << 5 | second >> 3;
        sets.take(Key { rank, layer, id }, without_zeros(nal));
    }
}

/// sps_seq_parameter_set_id, behind profile_tier_level (7.3.2.2, 7.3.3).
fn hevc_sequence_id(bits: &mut Bits) -> Option<u32> {
    bits.take(4)?;
    let sub_layers = bits.take(3)?;
    // sps_temporal_id_nesting_flag, the general profile, tier and level
    skip(bits, 1 + 96)?;
    let present: Vec<(u32, u32)> = (0..sub_layers)
        .map(|_| Some((bits.take(1)?, bits.take(1)?)))
        .collect::<Option<_>>()?;
    if sub_layers > 0 {
        skip(bits, 2 * (8 - sub_layers))?;
    }
    for (profile, level) in present {
        skip(bits, 88 * profile + 8 * level)?;
    }
    bits.ue()
}

fn skip(bits: &mut Bits, mut count: u32) -> Option<()> {
    while count > 0 {
        let step = count.min(32);
        bits.take(step)?;
        count -= step;
    }
    Some(())
}

const MATRICES: Key = Key::new(PICTURE, 3);

/// A header of MPEG-1 or -2, from its start code on.
pub fn mpeg12(sets: &mut Sets, element: &[u8]) {
    match element {
        [_, _, _, 0xb3, ..] => {
            sets.take(Key::new(0, 0), without_zeros(element));
            // A sequence header sets them anew (6.3.11).
            sets.drop_set(MATRICES);
        }
        [_, _, _, 0xb5, first, ..] => match first >> 4 {
            id @ (1 | 2 | 5) => sets.take(Key::new(1, u32::from(id)), without_zeros(element)),
            3 => sets.take(MATRICES, without_zeros(element)),
            _ => {}
        },
        _ => {}
    }
}

/// A header of MPEG-4, from its start code on. Of user data only who made the stream is a header: by
/// that libavcodec knows the mistakes of its encoder.
pub fn mpeg4(sets: &mut Sets, element: &[u8]) {
    const MAKERS: [&[u8]; 5] = [b"DivX", b"XviD", b"Lavc", b"FFmpeg", b"ffmpeg"];
    let [_, _, _, code, payload @ ..] = element else {
        return;
    };
    let key = match code {
        0xb0 => Key::new(0, 0),
        0xb5 => Key::new(1, 0),
        0x00..=0x1f => Key::new(2, 0),
        0x20..=0x2f => Key::new(3, 0),
        // A picture may follow that refers to one before it.
        0xb2 => match MAKERS.iter().position(|maker| payload.starts_with(maker)) {
            Some(maker) => Key::new(PICTURE, maker as u32),
            None => return,
        },
        _ => return,
    };
    sets.take(key, without_zeros(element));
}

/// A VC-1 bitstream data unit, from its start code on.
pub fn vc1(sets: &mut Sets, element: &[u8]) {
    if let [_, _, _, 0x0f, ..] = element {
        sets.take(Key::new(0, 0), without_zeros(element));
    }
}

/// The payload of an AV1 sequence header.
pub fn av1(sets: &mut Sets, payload: &[u8]) {
    let mut obu = vec![1 << 3 | 2];
    let mut size = payload.len();
    while size > 127 {
        obu.push(size as u8 | 128);
        size >>= 7;
    }
    obu.push(size as u8);
    obu.extend_from_slice(payload);
    sets.take(Key::new(0, 0), &obu);
}

/// The elements of a stream of start codes, each from its start code to the next. One whose code
/// says that it `is_data` is the last, and goes to the end: nothing is looked for in it.
pub fn elements(data: &[u8], is_data: fn(u8) -> bool) -> impl Iterator<Item = &[u8]> {
    let mut next = start_code(data);
    std::iter::from_fn(move || {
        let at = next?;
        let rest = &data[at..];
        let code = rest.get(3).copied();
        next = match code.is_some_and(is_data) {
            true => None,
            false => start_code(rest.get(3..)?).map(|more| at + 3 + more),
        };
        Some(&data[at..next.unwrap_or(data.len())])
    })
}

/// Where the first start code begins. Vectorised: pictures of megabytes are looked through.
pub fn start_code(data: &[u8]) -> Option<usize> {
    static START_CODE: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new(&[0, 0, 1]));
    START_CODE.find(data)
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: [u8; 6] = [0x67, 77, 0, 30, 0x80, 1];
    const B: [u8; 6] = [0x67, 77, 0, 30, 0x80, 2];

    fn changes(units: &[&[&[u8]]]) -> Vec<u32> {
        let mut sets = Sets::default();
        for unit in units {
            sets.begin();
            unit.iter().for_each(|nal| h264(&mut sets, nal));
            sets.end();
        }
        sets.into_changes().iter().map(|(unit, _)| *unit).collect()
    }

    #[test]
    fn what_repeats_is_no_change_whatever_zeros_stand_behind_it() {
        let padded = [&A[..], &[0, 0]].concat();
        assert_eq!(changes(&[&[&A], &[&A], &[&padded], &[]]), [0]);
        assert_eq!(changes(&[&[&A], &[&B], &[&B], &[&A]]), [0, 1, 3]);
    }

    #[test]
    fn a_unit_is_complete_if_it_brings_all_sets_in_force() {
        let mut sets = Sets::default();
        let pps = [0x68, 0xce];
        let mut unit = |nals: &[&[u8]]| {
            sets.begin();
            nals.iter().for_each(|nal| h264(&mut sets, nal));
            sets.end()
        };
        assert!(unit(&[&A, &pps]) && !unit(&[&A]) && !unit(&[]) && unit(&[&B, &pps]));
    }

    #[test]
    fn hevc_sets_are_told_apart_by_id_and_layer() {
        let sps = |id: u8, layer: u8| {
            let mut nal = vec![33 << 1, layer << 3 | 1, 1];
            nal.extend([7; 12]);
            nal.extend([id, 9]);
            nal
        };
        let mut sets = Sets::default();
        // ue(0) is 1, ue(1) is 010.
        for (id, layer) in [(0x80, 0), (0x40, 0), (0x80, 1), (0x80, 0)] {
            hevc(&mut sets, &sps(id, layer));
        }
        let keys: Vec<_> = sets.latest.keys().map(|key| (key.layer, key.id)).collect();
        assert_eq!(keys, [(0, 0), (0, 1), (1, 0)]);
        assert_eq!(sets.into_changes().len(), 3);
    }

    #[test]
    fn matrices_between_pictures_hold_until_the_next_sequence_header() {
        let sequence = [0, 0, 1, 0xb3, 8, 0, 9];
        let matrices = [0, 0, 1, 0xb5, 0x31, 5];
        let mut sets = Sets::default();
        for element in [&sequence[..], &matrices, &sequence, &sequence] {
            sets.begin();
            mpeg12(&mut sets, element);
            sets.end();
        }
        let units: Vec<u32> = sets.into_changes().iter().map(|(unit, _)| *unit).collect();
        assert_eq!(units, [0, 1, 2]);
    }

    #[test]
    fn who_made_an_mpeg4_stream_is_told_by_each_maker_and_begins_no_sequence() {
        let says = |text: &[u8]| [&[0, 0, 1, 0xb2], text].concat();
        let (lavc, divx, other) = (says(b"Lavc59"), says(b"DivX503b1393p"), says(b"camera 7"));
        let mut sets = Sets::default();
        for unit in [&[&lavc, &divx][..], &[&lavc, &other], &[&lavc]] {
            sets.begin();
            unit.iter().for_each(|element| mpeg4(&mut sets, element));
            sets.end();
        }
        assert!(sets.latest.keys().all(|key| !key.is_sequence()));
        assert_eq!(sets.into_changes().len(), 2);
    }

    #[test]
    fn sets_that_never_repeat_end_at_a_limit() {
        let mut sets = Sets::default();
        let mut pps = vec![0x68, 0xce];
        pps.extend([7; 60_000]);
        let refused = (0..1000u32).find(|n| {
            pps.splice(2..6, (n | 0x0100_0000).to_be_bytes());
            h264(&mut sets, &pps);
            sets.check().is_err()
        });
        assert!(refused.is_some());
        assert_eq!(sets.check().unwrap_err().reason(), Reason::MediaLimit);
    }

    #[test]
    fn cut_off_sets_are_none() {
        let mut sets = Sets::default();
        for nal in [&[][..], &[0x67], &[0x67, 1, 2], &[0x68]] {
            h264(&mut sets, nal);
        }
        for nal in [&[][..], &[66], &[66, 1], &[66, 1, 14, 0], &[68, 1]] {
            hevc(&mut sets, nal);
        }
        assert!(sets.into_changes().is_empty());
    }
}
