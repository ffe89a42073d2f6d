//! VP8 (RFC 6386, 9.1) and VP9 (bitstream specification, 6.2 and Annex B):
//! whether a packet holds a frame that is shown, and whether its headers are any.
//!
//! No frame of theirs is disposable, not even one that refreshes no reference frame: its
//! probabilities may go on, and in VP9 the next frame takes motion vectors (PrevMvs), segment ids
//! (PrevSegmentIds) and loop filter deltas from the one decoded last, whichever that was.

use super::bits::Bits;

/// Whether a packet begins as a VP8 frame does, and holds the first partition that its tag speaks of.
pub fn vp8_reads(data: &[u8]) -> bool {
    let &[first, second, third, ref rest @ ..] = data else {
        return false;
    };
    let tag = u32::from_le_bytes([first, second, third, 0]);
    let rest = match rest {
        // A start code and the picture's size.
        [0x9d, 0x01, 0x2a, _, _, _, _, rest @ ..] if vp8_key(data) => rest,
        _ if vp8_key(data) => return false,
        rest => rest,
    };
    tag >> 1 & 7 <= 3 && (tag >> 5) as usize <= rest.len()
}

/// Whether each frame of a VP9 packet begins as one does, and a superframe's lie in it.
pub fn vp9_reads(data: &[u8]) -> bool {
    let begins = |frame: &[u8]| vp9_begins(frame).is_some();
    match superframe(data) {
        Some(frames) => frames.into_iter().all(begins),
        None => index_of(data).is_none() && begins(data),
    }
}

/// The first elements of an uncompressed header.
fn vp9_begins(frame: &[u8]) -> Option<()> {
    const MARKER: u32 = 2;
    const SYNC_CODE: u32 = 0x49_83_42;
    let mut bits = Bits::new(frame);
    let is = |value: bool| value.then_some(());
    is(bits.take(2)? == MARKER)?;
    if bits.take(2)? == 3 {
        is(!bits.flag()?)?;
    }
    let show_existing = bits.flag()?;
    if show_existing {
        return bits.take(3).map(drop);
    }
    let is_key = !bits.flag()?;
    bits.take(2)?;
    is(!is_key || bits.take(24)? == SYNC_CODE)
}

/// show_frame of a VP8 frame tag.
pub fn vp8_shown(data: &[u8]) -> bool {
    data.first().is_none_or(|tag| tag >> 4 & 1 == 1)
}

/// The frame tag says that it is a key frame.
pub fn vp8_key(data: &[u8]) -> bool {
    data.first().is_some_and(|tag| tag & 1 == 0)
}

/// How many frames of a VP9 superframe (or the only frame) are shown.
pub fn vp9_shown(data: &[u8]) -> usize {
    let Some(frames) = superframe(data) else {
        return usize::from(frame_shown(data));
    };
    frames.iter().filter(|frame| frame_shown(frame)).count()
}

/// Whether the first frame is a key frame.
pub fn vp9_key(data: &[u8]) -> bool {
    data.first().is_some_and(|first| {
        // frame_type is 0 for them; a frame that is shown again has none.
        let shift = show_existing_shift(*first);
        first >> shift & 1 == 0 && first >> (shift - 1) & 1 == 0
    })
}

/// Bytes of the index at the end of a superframe, and of each size in it; none if there is no index.
fn index_of(data: &[u8]) -> Option<(usize, usize)> {
    let marker = *data.last()?;
    if marker & 0xe0 != 0xc0 {
        return None;
    }
    let width = usize::from(marker >> 3 & 3) + 1;
    let count = usize::from(marker & 7) + 1;
    let bytes = 2 + width * count;
    let first = data.len().checked_sub(bytes)?;
    (data[first] == marker).then_some((bytes, width))
}

/// The frames of a superframe; none if there is no index, or one that says more than there is.
fn superframe(data: &[u8]) -> Option<Vec<&[u8]>> {
    let (bytes, width) = index_of(data)?;
    let (mut rest, index) = data.split_at(data.len() - bytes);
    let mut frames = Vec::new();
    for size in index[1..bytes - 1].chunks_exact(width) {
        let size = size
            .iter()
            .rev()
            .fold(0usize, |sum, byte| sum << 8 | usize::from(*byte));
        let (frame, after) = rest.split_at_checked(size)?;
        frames.push(frame);
        rest = after;
    }
    Some(frames)
}

/// show_existing_frame or show_frame of an uncompressed header.
fn frame_shown(data: &[u8]) -> bool {
    let Some(first) = data.first() else {
        return false;
    };
    let shift = show_existing_shift(*first);
    let show_existing = first >> shift & 1 == 1;
    let show_frame = first >> (shift - 2) & 1 == 1;
    show_existing || show_frame
}

/// Bits: marker 2, profile 2, [reserved in profile 3], show_existing, frame_type, show_frame.
fn show_existing_shift(first: u8) -> u8 {
    let profile = (first >> 5 & 1) | (first >> 3 & 2);
    if profile == 3 { 2 } else { 3 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_vp8_alternate_reference_is_not_shown() {
        assert!(vp8_shown(&[0b0001_0000]));
        assert!(!vp8_shown(&[0b0000_0001]));
    }

    #[test]
    fn a_vp9_superframe_is_shown_if_one_of_its_frames_is() {
        let hidden = 0b1000_0100;
        let shown = 0b1000_0110;
        assert_eq!(vp9_shown(&[hidden, 0]), 0);
        assert_eq!(vp9_shown(&[shown, 0]), 1);
        // Two frames of one byte each, index with one-byte sizes.
        assert_eq!(vp9_shown(&[hidden, shown, 0xc1, 1, 1, 0xc1]), 1);
        assert_eq!(vp9_shown(&[hidden, hidden, 0xc1, 1, 1, 0xc1]), 0);
        // Spatial layers.
        assert_eq!(vp9_shown(&[shown, shown, 0xc1, 1, 1, 0xc1]), 2);
    }

    #[test]
    fn a_show_existing_frame_header_counts_as_shown() {
        assert_eq!(vp9_shown(&[0b1000_1000]), 1);
        assert!(!vp9_key(&[0b1000_1000]));
    }

    #[test]
    fn a_vp8_frame_that_is_cut_off_or_has_no_start_code_is_unreadable() {
        // Its first partition has two bytes.
        let key = [0b0101_0000, 0, 0, 0x9d, 1, 0x2a, 64, 0, 48, 0, 1, 2, 3];
        let inter = [0b0101_0001, 0, 0, 1, 2];
        assert!(vp8_reads(&key) && vp8_reads(&inter));
        assert!(!vp8_reads(&key[..11]) && !vp8_reads(&inter[..4]) && !vp8_reads(&[]));
        let mut other = key;
        other[3] = 0;
        assert!(!vp8_reads(&other));
        // Version 4.
        assert!(!vp8_reads(&[inter[0] | 8, 0, 0, 1, 2]));
    }

    #[test]
    fn a_vp9_frame_without_marker_or_sync_code_is_unreadable_and_so_is_an_index_of_too_much() {
        let (key, inter) = ([0b1000_0010, 0x49, 0x83, 0x42], [0b1000_0110, 0]);
        assert!(vp9_reads(&key) && vp9_reads(&inter) && vp9_reads(&[0b1000_1000, 0]));
        assert!(!vp9_reads(&[]) && !vp9_reads(&key[..3]) && !vp9_reads(&[0b0100_0110, 0]));
        assert!(!vp9_reads(&[key[0], 0x49, 0x83, 0x43]));
        let two = [&inter[..], &inter, &[0xc1, 2, 2, 0xc1]].concat();
        assert!(vp9_reads(&two));
        let more = [&inter[..], &inter, &[0xc1, 2, 3, 0xc1]].concat();
        assert!(!vp9_reads(&more));
        let second = [&inter[..], &[0, 0], &[0xc1, 2, 2, 0xc1]].concat();
        assert!(!vp9_reads(&second));
    }

    #[test]
    fn key_frames_are_those_of_the_bitstream() {
        assert!(vp8_key(&[0b0001_0000]) && !vp8_key(&[0b0001_0001]) && !vp8_key(&[]));
        assert!(vp9_key(&[0b1000_0010]) && !vp9_key(&[0b1000_0110]) && !vp9_key(&[]));
        // Profile 3 has a bit more.
        assert!(vp9_key(&[0b1011_0001]) && !vp9_key(&[0b1011_0010]));
    }
}
