//! Functions of FFmpeg's that take an enum, declared with integers: a file, or a newer library, may
//! hold values that the bindings' closed enums do not know, and such a value in one is undefined behaviour.

use std::ffi::{c_char, c_int};

use ffmpeg_next::ffi::{AVCodec, AVCodecDescriptor, AVCodecParameters, AVPixFmtDescriptor};

// C enums are passed as `int` by every ABI that FFmpeg is built for.
unsafe extern "C" {
    pub fn avcodec_find_decoder(id: c_int) -> *const AVCodec;
    pub fn avcodec_descriptor_get(id: c_int) -> *const AVCodecDescriptor;
    pub fn avcodec_get_name(id: c_int) -> *const c_char;
    pub fn avcodec_profile_name(id: c_int, profile: c_int) -> *const c_char;
    pub fn av_pix_fmt_desc_get(format: c_int) -> *const AVPixFmtDescriptor;
    pub fn av_get_pix_fmt_name(format: c_int) -> *const c_char;
    pub fn av_image_get_buffer_size(
        format: c_int,
        width: c_int,
        height: c_int,
        align: c_int,
    ) -> c_int;
    pub fn av_image_copy_to_buffer(
        target: *mut u8,
        size: c_int,
        planes: *const *const u8,
        strides: *const c_int,
        format: c_int,
        width: c_int,
        height: c_int,
        align: c_int,
    ) -> c_int;
}

/// The codec that these parameters are of.
///
/// # Safety
/// They must be allocated and not changed meanwhile.
pub unsafe fn codec_id(parameters: *const AVCodecParameters) -> c_int {
    // SAFETY: by the caller; read as an integer.
    unsafe {
        std::ptr::addr_of!((*parameters).codec_id)
            .cast::<c_int>()
            .read()
    }
}
