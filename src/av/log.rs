//! What libavcodec logs of its errors, kept for the decoder they are about.
//!
//! Note: with frame threads libavcodec may hand a picture out before the thread
//! that decodes it has found its damage, so that decode_error_flags come too
//! late (seen with H.264 and FFmpeg 5.1). Its error lines do not get lost: a
//! decoder on several threads that logged one is run again on one thread.
//!
//! That a picture is over `max_pixels` is an error like any other in what libavcodec returns; only
//! its log says so, and how large the picture would be.

use std::cell::Cell;
use std::ffi::{CStr, c_char, c_int, c_void};
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use ffmpeg_next::ffi;

/// What was logged about one decoder.
#[derive(Default)]
pub(super) struct Logged {
    errors: AtomicU32,
    /// Width and height in the upper and lower half; 0 where there was none.
    refused_size: AtomicU64,
}

impl Logged {
    /// Whether errors were logged since this was last asked.
    pub fn take_errors(&self) -> bool {
        self.errors.swap(0, Ordering::Relaxed) > 0
    }

    /// Width and height of a picture that was refused for them since this was last asked.
    pub fn take_refused_size(&self) -> Option<(u32, u32)> {
        size_of(self.refused_size.swap(0, Ordering::Relaxed))
    }
}

thread_local! {
    /// The same of decoders that libavformat opens to probe, on the thread that probes.
    static PROBED: Cell<u64> = const { Cell::new(0) };
}

/// Width and height of a picture that this thread's probing refused for them since this was last asked.
pub(super) fn take_probed_size() -> Option<(u32, u32)> {
    size_of(PROBED.take())
}

fn size_of(packed: u64) -> Option<(u32, u32)> {
    (packed > 0).then_some(((packed >> 32) as u32, packed as u32))
}

/// Sends FFmpeg's log to the counters, and nothing to the terminal.
pub fn install() {
    // SAFETY: the callback is a static function that is safe from any thread.
    unsafe { ffi::av_log_set_callback(Some(log)) };
}

unsafe extern "C" fn log(source: *mut c_void, level: c_int, format: *const c_char, values: VaList) {
    if source.is_null() || format.is_null() || level > ffi::AV_LOG_ERROR as c_int {
        return;
    }
    // SAFETY: libavutil gives a log source with its class, a format, and values that fit it.
    unsafe { keep(source, level, format, values) }
}

/// Not in the callback itself: libavformat logs several lines a packet, nearly all of no interest here.
///
/// # Safety
/// As libavutil calls back, with a source and a format.
#[cold]
#[inline(never)]
unsafe fn keep(source: *mut c_void, level: c_int, format: *const c_char, values: VaList) {
    // SAFETY: by the caller.
    unsafe {
        let Some(decoder) = decoder_of(source) else {
            return;
        };
        let logged = (*decoder).opaque.cast::<Logged>().as_ref();
        if let Some(logged) = logged {
            logged.errors.fetch_add(1, Ordering::Relaxed);
        }
        match (refused_size(source, level, format, values), logged) {
            (0, _) => {}
            (size, Some(logged)) => logged.refused_size.store(size, Ordering::Relaxed),
            (size, None) => PROBED.set(size),
        }
    }
}

/// The decoder that a line is about: its source, or what its source logs for.
///
/// # Safety
/// `source` must be a log source of FFmpeg's.
unsafe fn decoder_of(source: *mut c_void) -> Option<*const ffi::AVCodecContext> {
    // SAFETY: a log source starts with a pointer to its AVClass (libavutil/log.h), which says where
    // in it the parent is, a source itself; where a class is libavcodec's own, the source is an
    // AVCodecContext, whose `opaque` only `Decoder::open` sets (frame threads copy it) to what
    // outlives the context.
    unsafe {
        let class = *source.cast::<*const ffi::AVClass>();
        if class == ffi::avcodec_get_class() {
            return Some(source.cast());
        }
        let offset = class.as_ref()?.parent_log_context_offset;
        let parent = match usize::try_from(offset) {
            Ok(offset) if offset > 0 => *source.byte_add(offset).cast::<*mut c_void>(),
            _ => return None,
        };
        let known =
            !parent.is_null() && *parent.cast::<*const ffi::AVClass>() == ffi::avcodec_get_class();
        known.then_some(parent.cast_const().cast())
    }
}

/// How libavutil (`av_image_check_size2`) and dav1d begin to say that a picture is too large.
const TOO_LARGE: [&[u8]; 2] = [b"Picture size %ux%u", b"Frame size %dx%d"];

/// Width and height, in the upper and lower half, of a picture that the line says is too large; else 0.
///
/// # Safety
/// The arguments must be those of a log callback.
unsafe fn refused_size(
    source: *mut c_void,
    level: c_int,
    format: *const c_char,
    values: VaList,
) -> u64 {
    let mut line = [0 as c_char; 128];
    let mut prefix = 0;
    // SAFETY: by the caller; the buffer's true length is passed, and the line is terminated.
    let line = unsafe {
        let format = CStr::from_ptr(format).to_bytes();
        if !TOO_LARGE.iter().any(|begin| format.starts_with(begin)) {
            return 0;
        }
        let (text, length) = (line.as_mut_ptr(), line.len() as c_int);
        ffi::av_log_format_line2(
            source,
            level,
            format.as_ptr().cast(),
            values,
            text,
            length,
            &mut prefix,
        );
        CStr::from_ptr(line.as_ptr()).to_string_lossy()
    };
    size_in(&line).unwrap_or(0)
}

/// The first `WxH` of the line.
fn size_in(line: &str) -> Option<u64> {
    let mut words = line.split([' ', ',']);
    words.find_map(|word| {
        let (width, height) = word.split_once('x')?;
        let side = |side: &str| side.parse::<u32>().ok().filter(|side| *side > 0);
        Some(u64::from(side(width)?) << 32 | u64::from(side(height)?))
    })
}

#[cfg(target_arch = "x86_64")]
type VaList = *mut ffi::__va_list_tag;
#[cfg(not(target_arch = "x86_64"))]
type VaList = ffi::va_list;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refused_size_is_read_from_the_line_and_from_no_other() {
        let refused = "Picture size 16000x12000 exceeds specified max pixel count 67108864, see";
        assert_eq!(size_in(refused).and_then(size_of), Some((16000, 12000)));
        assert_eq!(size_in("Picture size 0x12 is invalid"), None);
        assert_eq!(size_in("error while decoding MB 6 4"), None);
    }
}
