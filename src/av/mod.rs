//! The FFmpeg fence: everything `unsafe` about libavformat and libavcodec,
//! and nothing else. Outside this folder nobody sees a raw pointer of theirs.
//!
//! Built on ffmpeg-next where its safe types fit (packets, frames) and on its
//! raw bindings where they do not: its stream opener takes no options, and its
//! enums are closed, so fields whose value a file decides are read as integers.

mod bitstream;
mod blank;
mod decoder;
mod format;
mod frame;
mod input;
mod io;
mod log;
mod packet;
mod palette;
mod parser;
mod raw;
mod stream;
mod unopened;

use std::ffi::c_int;

use ffmpeg_next::ffi;

pub use bitstream::{BitstreamFilter, Framing};
pub use decoder::{Decoder, Delivered, Purpose, Sent};
pub use frame::Frame;
pub use input::Input;
pub use packet::{Given, Needs, Packet};
pub use parser::{Parser, PictureHeader};
pub use stream::StreamInfo;

use crate::error::{Error, Reason};

/// The most that FFmpeg takes at once: more than a packet, or a plane of 64 megapixels of 8
/// bytes each. Its own default is 2 GiB, which a count in a header may ask for.
const MAX_ALLOCATION_BYTES: usize = 768 << 20;

/// Must run before any decoder is opened: takes FFmpeg's log over. Cheap to call again.
pub fn init() {
    log::install();
    // SAFETY: sets one number, atomically.
    unsafe { ffi::av_max_alloc(MAX_ALLOCATION_BYTES) };
}

/// FFmpeg's release and libavcodec's version, for `doctor` and plans' notes.
pub fn version() -> String {
    // SAFETY: both return static data.
    let (release, codec) = unsafe {
        (
            std::ffi::CStr::from_ptr(ffi::av_version_info()),
            ffi::avcodec_version(),
        )
    };
    format!(
        "FFmpeg {} (libavcodec {}.{}.{})",
        release.to_string_lossy(),
        codec >> 16,
        (codec >> 8) & 255,
        codec & 255
    )
}

/// The licence that this FFmpeg was built under, in its own words.
pub fn license() -> &'static str {
    ffmpeg_next::util::license()
}

/// The decoder that would be used for a codec by FFmpeg's name (`h264`), or none.
pub fn decoder_for(codec: &str) -> Option<String> {
    let id = match codec {
        "h264" => ffmpeg_next::codec::Id::H264,
        "hevc" => ffmpeg_next::codec::Id::HEVC,
        "vp8" => ffmpeg_next::codec::Id::VP8,
        "vp9" => ffmpeg_next::codec::Id::VP9,
        "av1" => ffmpeg_next::codec::Id::AV1,
        "mpeg2video" => ffmpeg_next::codec::Id::MPEG2VIDEO,
        "mpeg4" => ffmpeg_next::codec::Id::MPEG4,
        "mjpeg" => ffmpeg_next::codec::Id::MJPEG,
        "prores" => ffmpeg_next::codec::Id::PRORES,
        _ => return None,
    };
    ffmpeg_next::decoder::find(id).map(|decoder| decoder.name().to_owned())
}

/// FFmpeg's own words for an error code.
fn describe(code: c_int) -> String {
    let mut text = [0 as std::ffi::c_char; 128];
    // SAFETY: the buffer's true length is passed, and av_strerror terminates it.
    unsafe {
        ffi::av_strerror(code, text.as_mut_ptr(), text.len());
        std::ffi::CStr::from_ptr(text.as_ptr())
            .to_string_lossy()
            .into_owned()
    }
}

/// A failed FFmpeg call as our error; FFmpeg's words are the cause, not the message.
/// Where it got no memory, that is the reason: no fault of the media.
fn failure(reason: Reason, what: impl Into<String>, code: c_int) -> Error {
    match is_starved(code) {
        true => no_memory().caused_by(describe(code)),
        false => Error::new(reason, what).caused_by(describe(code)),
    }
}

/// Whether there was no memory to be had. FFmpeg says so, too, where a header asks for more than it ever
/// gives at once (`av_max_alloc`): then there is as much.
fn is_starved(code: c_int) -> bool {
    const MOST_AT_ONCE: usize = c_int::MAX as usize;
    code == ffi::AVERROR(ffi::ENOMEM) && Vec::<u8>::new().try_reserve_exact(MOST_AT_ONCE).is_err()
}

fn no_memory() -> Error {
    Error::new(Reason::MemoryBudget, "FFmpeg got no memory for the media")
        .hint("give it more (`--media-memory`), or use fewer workers, and try again")
}
