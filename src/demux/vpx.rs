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

/// Whether any frame of a VP9 superframe (or the only frame) is shown.
pub fn vp9_shown(data: &[u8]) -> bool {
    let Some(frames) = superframe(data) else {
        return frame_shown(data);
    };
    frames.iter().any(|frame| frame_shown(frame))
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
    let profile = (first >> 5 & 1) | (first >> 3 & 2);
    // Bits: marker 2, profile 2, [reserved in profile 3], show_existing, frame_type, show_frame.
    let shift = if profile == 3 { 2 } else { 3 };
    let show_existing = first >> shift & 1 == 1;
    let show_frame = first >> (shift - 2) & 1 == 1;
    show_existing || show_frame
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
        assert!(!vp9_shown(&[hidden, 0]));
        assert!(vp9_shown(&[shown, 0]));
        // Two frames of one byte each, index with one-byte sizes.
        assert!(vp9_shown(&[hidden, shown, 0xc1, 1, 1, 0xc1]));
        assert!(!vp9_shown(&[hidden, hidden, 0xc1, 1, 1, 0xc1]));
    }

    #[test]
    fn a_show_existing_frame_header_counts_as_shown() {
        assert!(vp9_shown(&[0b1000_1000]));
    }
}
