//! The size of a JPEG, and how often it goes over its picture (ISO/IEC 10918-1, B.1 and B.2), told from its
//! markers alone.

use crate::error::{Error, Reason, Result};

/// No encoder makes more, libjpeg's own scripts for progressive files ten; each may cost as much as the
/// whole picture, and be a few bytes long.
const MAX_SCANS: usize = 100;

/// # Errors
/// LIMIT_EXCEEDED over 100 scans.
pub fn check_scans(jpeg: &[u8]) -> Result<()> {
    let scans = scans(jpeg);
    if scans <= MAX_SCANS {
        return Ok(());
    }
    let message = format!("decode JPEG: too many scans scans={scans} limit={MAX_SCANS}");
    Err(Error::new(Reason::MediaLimit, message))
}

/// Width and height, by the first frame header (B.2.2); none where there is none, or no picture in it.
pub fn frame_size(jpeg: &[u8]) -> Option<(usize, usize)> {
    let mut rest = jpeg.strip_prefix(&[0xff, 0xd8])?;
    loop {
        let (marker, segment, behind) = next_segment(rest)?;
        rest = behind;
        match (marker, segment) {
            // Huffman tables, an extension, arithmetic conditioning: the three that are no frame's.
            (0xc4 | 0xc8 | 0xcc, _) => {}
            (0xc0..=0xcf, [_, y1, y0, x1, x0, ..]) => {
                let side = |high: &u8, low: &u8| usize::from(u16::from_be_bytes([*high, *low]));
                let (width, height) = (side(x1, x0), side(y1, y0));
                return (width > 0 && height > 0).then_some((width, height));
            }
            (0xda, _) => return None,
            _ => {}
        }
    }
}

/// Start-of-scan markers up to the end or the first damage. Where the first scan has the whole picture,
/// a decoder takes no other.
fn scans(jpeg: &[u8]) -> usize {
    let (mut rest, mut scans, mut components) = (jpeg, 0, None);
    while let Some((marker, segment, behind)) = next_segment(rest) {
        rest = behind;
        match marker {
            // SOF0 and SOF1: sequential, by Huffman's codes; the number of components is its sixth byte.
            0xc0 | 0xc1 => components = segment.get(5).copied(),
            0xda => {
                scans += 1;
                if components.is_some() && components == segment.first().copied() {
                    return scans;
                }
            }
            _ => {}
        }
    }
    scans
}

/// The next marker that has a segment, the segment, and what is behind it. Coded data in front is passed
/// over: in it, 0xff is followed by zero or a restart marker, or by more of its kind.
pub(super) fn next_segment(mut bytes: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    loop {
        let at = bytes.iter().position(|byte| *byte == 0xff)?;
        bytes = bytes.get(at + 1..)?;
        match bytes.first()? {
            0 | 0x01 | 0xd0..=0xd8 | 0xff => {}
            0xd9 => return None,
            marker => {
                let (len, _) = bytes.get(1..)?.split_first_chunk()?;
                let len = usize::from(u16::from_be_bytes(*len));
                return Some((*marker, bytes.get(3..1 + len)?, bytes.get(1 + len..)?));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::jpeg::Encoder;
    use crate::media::picture::JfifPlanes;

    fn segment(marker: u8, bytes: &[u8]) -> Vec<u8> {
        let len = (bytes.len() as u16 + 2).to_be_bytes();
        [&[0xff, marker], &len[..], bytes].concat()
    }

    /// A file of that kind of frame with as many scans of one component, each of a little coded data.
    fn file(frame: u8, scans: usize) -> Vec<u8> {
        let scan = [
            segment(0xda, &[1, 1, 0, 0, 63, 0]),
            vec![7, 0xff, 0, 0xff, 0xd3, 9],
        ]
        .concat();
        let head = [
            vec![0xff, 0xd8],
            // What other segments hold counts for nothing.
            segment(0xe1, &scan.repeat(200)),
            segment(frame, &[8, 0, 16, 0, 16, 3, 1, 17, 0, 2, 17, 0, 3, 17, 0]),
        ];
        [head.concat(), scan.repeat(scans), vec![0xff, 0xd9]].concat()
    }

    #[test]
    fn scans_are_counted_of_files_that_may_have_several() {
        for frame in [0xc0, 0xc2] {
            assert_eq!(scans(&file(frame, 10)), 10);
            assert!(check_scans(&file(frame, 100)).is_ok());
            let refused = check_scans(&file(frame, 101)).unwrap_err();
            assert_eq!(refused.reason(), Reason::MediaLimit);
        }
        let planes = JfifPlanes {
            width: 64,
            height: 64,
            y: vec![9; 4096],
            cb: vec![1; 1024],
            cr: vec![2; 1024],
        };
        let one = Encoder::new(85).unwrap().encode(&planes).unwrap();
        assert_eq!(scans(&one), 1);
    }

    #[test]
    fn the_size_is_that_of_the_first_frame_header_of_any_kind() {
        for frame in [0xc0, 0xc1, 0xc2, 0xc9] {
            assert_eq!(frame_size(&file(frame, 1)), Some((16, 16)));
        }
        let whole = file(0xc4, 1);
        assert_eq!(frame_size(&whole), None, "tables are no frame");
        let whole = file(0xc0, 1);
        let head = whole.windows(2).position(|pair| pair == [0xff, 0xda]);
        for end in 0..head.unwrap() {
            assert!(matches!(frame_size(&whole[..end]), None | Some((16, 16))));
        }
        assert_eq!(frame_size(&whole[1..]), None, "not from its start");
    }

    #[test]
    fn damage_ends_the_count_and_nothing_else() {
        let whole = file(0xc2, 3);
        for end in 0..whole.len() {
            assert!(scans(&whole[..end]) <= 3);
        }
        assert_eq!(scans(&[0xff; 100]), 0);
        assert_eq!(scans(b"\xff\xda"), 0);
        assert_eq!(scans(b"\xff\xda\x00\x00"), 0);
    }
}
