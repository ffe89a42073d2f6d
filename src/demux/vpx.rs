//! VP8 (RFC 6386, 9.1) and VP9 (bitstream specification, 6.2 and Annex B):
//! whether a packet holds a frame that is shown.
//!
//! No frame of theirs is disposable, not even one that refreshes no reference frame: its
//! probabilities may go on, and in VP9 the next frame takes motion vectors (PrevMvs), segment ids
//! (PrevSegmentIds) and loop filter deltas from the one decoded last, whichever that was.

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

/// The frames of a superframe, by the index at its end; none if there is no index.
fn superframe(data: &[u8]) -> Option<Vec<&[u8]>> {
    let marker = *data.last()?;
    if marker & 0xe0 != 0xc0 {
        return None;
    }
    let width = usize::from(marker >> 3 & 3) + 1;
    let count = usize::from(marker & 7) + 1;
    let index = data.len().checked_sub(2 + width * count)?;
    if data[index] != marker {
        return None;
    }
    let mut rest = &data[..index];
    let mut frames = Vec::with_capacity(count);
    for size in data[index + 1..data.len() - 1].chunks_exact(width) {
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
    fn key_frames_are_those_of_the_bitstream() {
        assert!(vp8_key(&[0b0001_0000]) && !vp8_key(&[0b0001_0001]) && !vp8_key(&[]));
        assert!(vp9_key(&[0b1000_0010]) && !vp9_key(&[0b1000_0110]) && !vp9_key(&[]));
        // Profile 3 has a bit more.
        assert!(vp9_key(&[0b1011_0001]) && !vp9_key(&[0b1011_0010]));
    }
}
