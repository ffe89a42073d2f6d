//! Container bytes to access units: which stream, which units, where decoding
//! can start, and what is shown when. Reads packets, decodes nothing.

mod av1;
mod bits;
mod boxes;
mod clock;
mod configuration;
mod ending;
mod fields;
mod h26x;
mod heads;
mod index;
mod kind;
mod mpeg;
mod order;
mod pass;
mod pictures;
mod reader;
mod sets;
mod settle;
mod times;
mod unit;
mod unpacking;
mod vpx;

pub use configuration::Configurations;
pub use h26x::Framing;
pub use index::{Cut, Track, Unit};
pub use pass::read_track;
pub use reader::{Opener, UnitReader};

use crate::av::{Input, StreamInfo};
use crate::cancel::Stop;
use crate::error::{Error, Reason, Result};
use crate::media::picture::Orientation;
use crate::source::ByteSource;

/// Opens a container, refusing what is no media by itself.
///
/// # Errors
/// MEDIA_UNSUPPORTED for a playlist, MEDIA_CORRUPT for empty, text and truncated
/// input, and LIMIT_EXCEEDED with it for headers that would take far more memory than the
/// file has bytes; the source's own failures; CANCELLED once `stop` is set.
pub fn open(mut source: Box<dyn ByteSource>, stop: &Stop) -> Result<Input> {
    source.follow(stop);
    let mut head = [0u8; 1024];
    let mut filled = 0;
    while filled < head.len() {
        match source.read_at(filled as u64, &mut head[filled..])? {
            0 => break,
            count => filled += count,
        }
    }
    refuse_playlist(&head[..filled])?;
    if filled == 0 {
        return Err(
            Error::new(Reason::MediaCorrupt, "the media is empty, bytes=0")
                .hint("check that the file was written completely"),
        );
    }
    let source = match boxes::check(source.as_mut(), stop)? {
        true => boxes::guarded(source),
        false => source,
    };
    match Input::open(source, stop.clone()) {
        // Formats that begin with nothing but a sync word are told from noise only here.
        Err(error)
            if matches!(
                error.reason(),
                Reason::MediaCorrupt | Reason::MediaUnsupported
            ) && is_audio(&head[..filled]) =>
        {
            Err(no_video())
        }
        opened => opened,
    }
}

/// MPEG audio: an ID3 tag, or the sync word and a valid layer of a frame (ISO/IEC 11172-3, 2.4.1.3)
/// or of an ADTS header (ISO/IEC 13818-7, 6.2).
fn is_audio(head: &[u8]) -> bool {
    match head {
        [b'I', b'D', b'3', ..] => true,
        [0xff, second, third, ..] => {
            let adts = second & 0xf6 == 0xf0;
            let layers = second & 0xe0 == 0xe0 && second & 0x06 != 0;
            let rates = third >> 4 != 0xf && third >> 2 & 3 != 3;
            adts || (layers && rates)
        }
        _ => false,
    }
}

fn no_video() -> Error {
    Error::new(Reason::MediaUnsupported, "the media has no video stream")
        .hint("give a file that holds video")
}

fn refuse_playlist(head: &[u8]) -> Result<()> {
    let text = head.trim_ascii_start();
    let text = text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text);
    let kind = if text.starts_with(b"#EXTM3U") {
        "an HLS playlist"
    } else if text.starts_with(b"ffconcat") {
        "an ffconcat list"
    } else if text.starts_with(b"<") && contains(head, b"<MPD") {
        "a DASH manifest"
    } else {
        return Ok(());
    };
    Err(
        Error::new(Reason::MediaUnsupported, format!("this is {kind}, not media")).hint(
            "give the segments it names as the timeline's chunks, in order (bare fragments with --init)",
        ),
    )
}

fn contains(text: &[u8], word: &[u8]) -> bool {
    text.windows(word.len()).any(|w| w == word)
}

/// The video stream asked for, or the first that is no attached picture.
pub fn choose_stream(streams: Vec<StreamInfo>, wanted: Option<u32>) -> Result<StreamInfo> {
    let listed = streams
        .iter()
        .filter(|s| s.is_video && !s.attached_picture)
        .map(|s| s.index.to_string())
        .collect::<Vec<_>>()
        .join(", ");
    let found = streams.into_iter().find(|s| match wanted {
        Some(index) => s.index == index && s.is_video,
        None => s.is_video && !s.attached_picture,
    });
    found.ok_or_else(|| match wanted {
        Some(index) => Error::field(format!(
            "the media has no such video stream, stream={index}"
        ))
        .hint(format!("its video streams are: {listed}"))
        .in_field("stream"),
        None => no_video(),
    })
}

/// Mirror and rotation that a display matrix (ISO/IEC 14496-12, 6.2.2) asks for. Entries under 1 % of
/// the largest are what rounding left of 0.
///
/// # Errors
/// MEDIA_UNSUPPORTED for anything but quarter turns and mirrors.
pub fn orientation(matrix: Option<[i32; 9]>) -> Result<Orientation> {
    let Some([a, b, _, c, d, ..]) = matrix else {
        return Ok(Orientation::default());
    };
    let sizes = [a, b, c, d].map(|entry| u64::from(entry.unsigned_abs()));
    let largest = sizes.into_iter().max().unwrap_or(0);
    let sign = |entry: i32| match u64::from(entry.unsigned_abs()) * 100 < largest {
        true => 0,
        false => entry.signum(),
    };
    let (mirrored, rotation) = match (sign(a), sign(b), sign(c), sign(d)) {
        (1, 0, 0, 1) | (0, 0, 0, 0) => (false, 0),
        (0, 1, -1, 0) => (false, 90),
        (-1, 0, 0, -1) => (false, 180),
        (0, -1, 1, 0) => (false, 270),
        (-1, 0, 0, 1) => (true, 0),
        (0, -1, -1, 0) => (true, 90),
        (1, 0, 0, -1) => (true, 180),
        (0, 1, 1, 0) => (true, 270),
        _ => {
            return Err(Error::new(
                Reason::MediaUnsupported,
                format!("the display matrix is no quarter turn or mirror, matrix={a},{b},{c},{d}"),
            )
            .hint("remux the video without its display matrix"));
        }
    };
    Ok(Orientation { mirrored, rotation })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn turn(a: i32, b: i32, c: i32, d: i32) -> Option<(bool, u16)> {
        let orientation = orientation(Some([a, b, 0, c, d, 0, 0, 0, 1 << 30])).ok()?;
        Some((orientation.mirrored, orientation.rotation))
    }

    #[test]
    fn a_display_matrix_counts_as_the_quarter_turn_or_mirror_that_it_nearly_is() {
        let one = 1 << 16;
        assert_eq!(turn(one, 0, 0, one), Some((false, 0)));
        assert_eq!(turn(one, 1, -1, one), Some((false, 0)));
        assert_eq!(turn(-3, one, 1 - one, 655), Some((false, 90)));
        assert_eq!(turn(-one, 600, -600, -one), Some((false, 180)));
        assert_eq!(turn(2, -one, one, -1), Some((false, 270)));
        assert_eq!(turn(-one, 1, 1, one), Some((true, 0)));
        assert_eq!(turn(one, -1, 1, -one), Some((true, 180)));
        assert_eq!(turn(i32::MIN, 1, -1, i32::MIN), Some((false, 180)));
        assert_eq!(turn(0, 0, 0, 0), Some((false, 0)));
    }

    #[test]
    fn a_display_matrix_that_turns_by_other_angles_is_refused() {
        let one = 1 << 16;
        assert_eq!(turn(one, 656, -656, one), None);
        assert_eq!(turn(46341, 46341, -46341, 46341), None);
        assert_eq!(turn(one, one, 0, one), None);
    }
}
