//! libavcodec's error lines, counted for the decoder they are about.
//!
//! Note: with frame threads libavcodec may hand a picture out before the thread
//! that decodes it has found its damage, so that decode_error_flags come too
//! late (seen with H.264 and FFmpeg 5.1). Its error lines do not get lost: a
//! decoder on several threads that logged one is run again on one thread.

use std::ffi::{c_char, c_int, c_void};
use std::sync::atomic::{AtomicU32, Ordering};

use ffmpeg_next::ffi;

/// Sends FFmpeg's log to the counters, and nothing to the terminal.
pub fn install() {
    // SAFETY: the callback is a static function that is safe from any thread.
    unsafe { ffi::av_log_set_callback(Some(count)) };
}

unsafe extern "C" fn count(source: *mut c_void, level: c_int, _: *const c_char, _: VaList) {
    if source.is_null() || level > ffi::AV_LOG_ERROR as c_int {
        return;
    }
    // SAFETY: a log source starts with a pointer to its AVClass (libavutil/log.h); where that is
    // libavcodec's own, it is an AVCodecContext, whose `opaque` only `Decoder::open` sets (frame
    // threads copy it) to a counter that outlives the context.
    unsafe {
        if *source.cast::<*const ffi::AVClass>() == ffi::avcodec_get_class() {
            let counter = (*source.cast::<ffi::AVCodecContext>())
                .opaque
                .cast::<AtomicU32>();
            if let Some(counter) = counter.as_ref() {
                counter.fetch_add(1, Ordering::Relaxed);
            }
        }
    }
}

#[cfg(target_arch = "x86_64")]
type VaList = *mut ffi::__va_list_tag;
#[cfg(not(target_arch = "x86_64"))]
type VaList = ffi::va_list;
