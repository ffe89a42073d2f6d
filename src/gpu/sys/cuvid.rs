//! What we use of NVIDIA's video decoding API (cuviddec.h, nvcuvid.h), written by hand: nine
//! structures of it. A test compares their sizes and offsets with the headers of nv-codec-headers.
//!
//! Enums are integers: a newer library may return values that no header here knows.

use std::ffi::{c_int, c_long, c_short, c_uchar, c_uint, c_ulong, c_ulonglong, c_ushort, c_void};

/// CUresult.
pub type Status = c_uint;
pub type DecoderHandle = *mut c_void;
pub type ParserHandle = *mut c_void;
pub type ContextLock = *mut c_void;

pub mod codec {
    use std::ffi::c_int;

    pub const H264: c_int = 4;
    pub const HEVC: c_int = 8;
    pub const VP8: c_int = 9;
    pub const VP9: c_int = 10;
    pub const AV1: c_int = 11;
}

pub mod chroma {
    use std::ffi::c_int;

    pub const MONOCHROME: c_int = 0;
    pub const C420: c_int = 1;
    pub const C422: c_int = 2;
    pub const C444: c_int = 3;
}

pub mod surface {
    use std::ffi::c_int;

    pub const NV12: c_int = 0;
    /// 16-bit words, the value in the high bits.
    pub const P016: c_int = 1;
    pub const YUV444: c_int = 2;
    pub const YUV444_16: c_int = 3;
}

pub const WEAVE: c_int = 0;
pub const PREFER_CUVID: c_ulong = 4;

pub mod packet {
    use std::ffi::c_ulong;

    pub const END_OF_STREAM: c_ulong = 1;
    pub const END_OF_PICTURE: c_ulong = 8;
}

pub mod status {
    use std::ffi::c_int;

    pub const IN_PROGRESS: c_int = 1;
    pub const SUCCESS: c_int = 2;
    pub const ERROR: c_int = 8;
    pub const ERROR_CONCEALED: c_int = 9;
}

#[repr(C)]
#[derive(Clone, Copy, Default)]
pub struct ShortRect {
    pub left: c_short,
    pub top: c_short,
    pub right: c_short,
    pub bottom: c_short,
}

#[repr(C)]
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub struct Rect {
    pub left: c_int,
    pub top: c_int,
    pub right: c_int,
    pub bottom: c_int,
}

/// CUVIDDECODECAPS
#[repr(C)]
#[derive(Clone, Copy, Default)]
pub struct DecodeCaps {
    pub codec: c_int,
    pub chroma: c_int,
    pub depth_minus_8: c_uint,
    pub reserved1: [c_uint; 3],
    pub supported: c_uchar,
    pub engines: c_uchar,
    pub output_formats: c_ushort,
    pub max_width: c_uint,
    pub max_height: c_uint,
    pub max_macroblocks: c_uint,
    pub min_width: c_ushort,
    pub min_height: c_ushort,
    pub histogram_supported: c_uchar,
    pub histogram_depth: c_uchar,
    pub histogram_bins: c_ushort,
    pub reserved3: [c_uint; 10],
}

/// CUVIDDECODECREATEINFO
#[repr(C)]
#[derive(Clone, Copy)]
pub struct CreateInfo {
    pub width: c_ulong,
    pub height: c_ulong,
    pub decode_surfaces: c_ulong,
    pub codec: c_int,
    pub chroma: c_int,
    pub flags: c_ulong,
    pub depth_minus_8: c_ulong,
    pub intra_only: c_ulong,
    pub max_width: c_ulong,
    pub max_height: c_ulong,
    pub reserved1: c_ulong,
    pub display_area: ShortRect,
    pub output_format: c_int,
    pub deinterlace: c_int,
    pub target_width: c_ulong,
    pub target_height: c_ulong,
    pub output_surfaces: c_ulong,
    pub lock: ContextLock,
    pub target_rect: ShortRect,
    pub enable_histogram: c_ulong,
    pub reserved2: [c_ulong; 4],
}

/// CUVIDRECONFIGUREDECODERINFO
#[repr(C)]
#[derive(Clone, Copy, Default)]
pub struct ReconfigureInfo {
    pub width: c_uint,
    pub height: c_uint,
    pub target_width: c_uint,
    pub target_height: c_uint,
    pub decode_surfaces: c_uint,
    pub reserved1: [c_uint; 12],
    pub display_area: ShortRect,
    pub target_rect: ShortRect,
    pub reserved2: [c_uint; 11],
}

/// The head of CUVIDPICPARAMS; the parser makes them, and they are only handed on.
#[repr(C)]
pub struct PictureParams {
    pub width_in_macroblocks: c_int,
    pub height_in_macroblocks: c_int,
    pub picture_index: c_int,
    pub field: c_int,
    pub bottom_field: c_int,
    pub second_field: c_int,
    bitstream_bytes: c_uint,
    bitstream: *const c_uchar,
    slices: c_uint,
    slice_offsets: *const c_uint,
    pub reference: c_int,
    pub intra: c_int,
    pub reserved: [c_uint; 30],
    pub specific: CodecSpecific,
}

/// The head of CUVIDPICPARAMS.CodecSpecific: as AV1 has it.
#[repr(C)]
#[derive(Clone, Copy)]
pub union CodecSpecific {
    pub av1: Av1Head,
    words: [c_uint; 1024],
    align: *const c_void,
}

/// The head of CUVIDAV1PICPARAMS.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct Av1Head {
    width: c_uint,
    height: c_uint,
    order_hint: c_uint,
    pub decode_picture_index: c_int,
    pub sequence_bits: c_uint,
}

/// `enable_fgs` in [`Av1Head::sequence_bits`].
pub const AV1_FILM_GRAIN: c_uint = 1 << 24;

/// CUVIDPROCPARAMS
#[repr(C)]
#[derive(Clone, Copy)]
pub struct ProcessParams {
    pub progressive: c_int,
    pub second_field: c_int,
    pub top_field_first: c_int,
    pub unpaired_field: c_int,
    pub reserved_flags: c_uint,
    pub reserved_zero: c_uint,
    raw_input: c_ulonglong,
    raw_input_pitch: c_uint,
    raw_input_format: c_uint,
    raw_output: c_ulonglong,
    raw_output_pitch: c_uint,
    pub reserved1: c_uint,
    pub stream: *mut c_void,
    pub reserved: [c_uint; 46],
    pub histogram: *mut c_ulonglong,
    pub reserved2: [*mut c_void; 1],
}

/// CUVIDGETDECODESTATUS
#[repr(C)]
#[derive(Clone, Copy)]
pub struct DecodeStatus {
    pub status: c_int,
    pub reserved: [c_uint; 31],
    pub reserved_pointers: [*mut c_void; 8],
}

/// CUVIDEOFORMAT
#[repr(C)]
#[derive(Clone, Copy, Default)]
pub struct VideoFormat {
    pub codec: c_int,
    pub rate_numerator: c_uint,
    pub rate_denominator: c_uint,
    pub progressive_sequence: c_uchar,
    pub luma_depth_minus_8: c_uchar,
    pub chroma_depth_minus_8: c_uchar,
    pub min_surfaces: c_uchar,
    pub coded_width: c_uint,
    pub coded_height: c_uint,
    pub display_area: Rect,
    pub chroma: c_int,
    pub bit_rate: c_uint,
    pub aspect: [c_int; 2],
    /// video_signal_description. Colour itself is taken from libavcodec; this tells when it changes.
    pub signal: [c_uchar; 4],
    pub header_bytes: c_uint,
}

/// Bytes of a stream's header that a parser can be given at its creation.
pub const HEADER_ROOM: usize = 1024;

/// CUVIDEOFORMATEX
#[repr(C)]
#[derive(Clone, Copy)]
pub struct VideoFormatEx {
    pub format: VideoFormat,
    /// The union is aligned as its AV1 member.
    header: [c_uint; HEADER_ROOM / 4],
}

impl VideoFormatEx {
    /// With that header; none where there is no room for it.
    pub fn with_header(header: &[u8]) -> Option<Self> {
        let mut words = [0; HEADER_ROOM / 4];
        if header.is_empty() || header.len() > HEADER_ROOM {
            return None;
        }
        for (word, bytes) in words.iter_mut().zip(header.chunks(4)) {
            let mut four = [0; 4];
            four[..bytes.len()].copy_from_slice(bytes);
            *word = c_uint::from_ne_bytes(four);
        }
        Some(VideoFormatEx {
            format: VideoFormat {
                header_bytes: header.len() as c_uint,
                ..VideoFormat::default()
            },
            header: words,
        })
    }
}

/// CUVIDPARSERDISPINFO
#[repr(C)]
#[derive(Clone, Copy)]
pub struct DisplayInfo {
    pub picture_index: c_int,
    pub progressive: c_int,
    pub top_field_first: c_int,
    pub repeat_first_field: c_int,
    pub timestamp: i64,
}

/// CUVIDSOURCEDATAPACKET
#[repr(C)]
pub struct SourcePacket {
    pub flags: c_ulong,
    pub bytes: c_ulong,
    pub payload: *const c_uchar,
    pub timestamp: i64,
}

pub type SequenceCallback = unsafe extern "C" fn(*mut c_void, *mut VideoFormat) -> c_int;
pub type DecodeCallback = unsafe extern "C" fn(*mut c_void, *mut PictureParams) -> c_int;
pub type DisplayCallback = unsafe extern "C" fn(*mut c_void, *mut DisplayInfo) -> c_int;

/// CUVIDPARSERPARAMS
#[repr(C)]
pub struct ParserParams {
    pub codec: c_int,
    pub max_decode_surfaces: c_uint,
    pub clock_rate: c_uint,
    pub error_threshold: c_uint,
    pub max_display_delay: c_uint,
    /// Bit 0: AV1 in Annex B framing.
    flags: c_uint,
    pub reserved1: [c_uint; 4],
    pub user_data: *mut c_void,
    pub sequence: Option<SequenceCallback>,
    pub decode: Option<DecodeCallback>,
    pub display: Option<DisplayCallback>,
    operating_point: *const c_void,
    pub reserved2: [*mut c_void; 6],
    pub header: *const VideoFormatEx,
}

/// A structure of zeros, as the API wants its reserved fields.
///
/// # Safety
/// For the structures of this file only: all of them are plain numbers and nullable pointers.
pub unsafe fn zeroed<T>() -> T {
    // SAFETY: by the caller.
    unsafe { std::mem::zeroed() }
}

pub type GetDecoderCaps = unsafe extern "C" fn(*mut DecodeCaps) -> Status;
pub type CreateDecoder = unsafe extern "C" fn(*mut DecoderHandle, *mut CreateInfo) -> Status;
pub type DestroyDecoder = unsafe extern "C" fn(DecoderHandle) -> Status;
pub type DecodePicture = unsafe extern "C" fn(DecoderHandle, *mut PictureParams) -> Status;
pub type GetDecodeStatus = unsafe extern "C" fn(DecoderHandle, c_int, *mut DecodeStatus) -> Status;
pub type ReconfigureDecoder = unsafe extern "C" fn(DecoderHandle, *mut ReconfigureInfo) -> Status;
pub type MapVideoFrame = unsafe extern "C" fn(
    DecoderHandle,
    c_int,
    *mut c_ulonglong,
    *mut c_uint,
    *mut ProcessParams,
) -> Status;
pub type UnmapVideoFrame = unsafe extern "C" fn(DecoderHandle, c_ulonglong) -> Status;
pub type CreateVideoParser = unsafe extern "C" fn(*mut ParserHandle, *mut ParserParams) -> Status;
pub type ParseVideoData = unsafe extern "C" fn(ParserHandle, *mut SourcePacket) -> Status;
pub type DestroyVideoParser = unsafe extern "C" fn(ParserHandle) -> Status;

// `tcu_ulong` of the headers is C's long, which is a pointer wide on Linux.
const _: () = assert!(size_of::<c_long>() == size_of::<*const c_void>());

#[cfg(test)]
mod tests {
    use super::*;
    use std::mem::offset_of;
    use std::path::Path;
    use std::process::Command;

    /// The same lines as tests/standin/layout.c prints.
    fn ours() -> String {
        let mut text = String::new();
        macro_rules! layout {
            ($type:ident: $($field:ident),*) => {
                text += &format!("{} size {} align {}\n", stringify!($type), size_of::<$type>(), align_of::<$type>());
                $(text += &format!("{} {} {}\n", stringify!($type), stringify!($field), offset_of!($type, $field));)*
            };
        }
        layout!(DecodeCaps: codec, chroma, depth_minus_8, reserved1, supported, engines, output_formats,
            max_width, max_height, max_macroblocks, min_width, min_height, reserved3);
        layout!(CreateInfo: width, height, decode_surfaces, codec, chroma, flags, depth_minus_8,
            intra_only, max_width, max_height, reserved1, display_area, output_format, deinterlace,
            target_width, target_height, output_surfaces, lock, target_rect, enable_histogram, reserved2);
        layout!(ReconfigureInfo: width, height, target_width, target_height, decode_surfaces, reserved1,
            display_area, target_rect, reserved2);
        layout!(PictureParams: width_in_macroblocks, height_in_macroblocks, picture_index, field,
            bottom_field, second_field, bitstream_bytes, bitstream, slices, slice_offsets, reference,
            intra, reserved, specific);
        layout!(ProcessParams: progressive, second_field, top_field_first, unpaired_field, reserved_flags,
            reserved_zero, reserved1, stream, reserved, histogram, reserved2);
        layout!(DecodeStatus: status, reserved, reserved_pointers);
        layout!(VideoFormat: codec, rate_numerator, rate_denominator, progressive_sequence,
            luma_depth_minus_8, chroma_depth_minus_8, min_surfaces, coded_width, coded_height,
            display_area, chroma, bit_rate, aspect, signal, header_bytes);
        layout!(VideoFormatEx: format, header);
        layout!(DisplayInfo: picture_index, progressive, top_field_first, repeat_first_field, timestamp);
        layout!(SourcePacket: flags, bytes, payload, timestamp);
        layout!(ParserParams: codec, max_decode_surfaces, clock_rate, error_threshold,
            max_display_delay, flags, reserved1, user_data, sequence, decode, display, operating_point, header);
        macro_rules! values {
            ($($value:path),*) => {$(text += &format!("{} {}\n", stringify!($value), $value);)*};
        }
        values!(codec::H264, codec::HEVC, codec::VP8, codec::VP9, codec::AV1);
        values!(chroma::MONOCHROME, chroma::C420, chroma::C422, chroma::C444);
        values!(
            surface::NV12,
            surface::P016,
            surface::YUV444,
            surface::YUV444_16
        );
        values!(
            WEAVE,
            PREFER_CUVID,
            packet::END_OF_STREAM,
            packet::END_OF_PICTURE
        );
        values!(
            status::IN_PROGRESS,
            status::SUCCESS,
            status::ERROR,
            status::ERROR_CONCEALED
        );
        let head = offset_of!(PictureParams, specific);
        text += &format!(
            "film grain word {} bits {:#x}\n",
            head + offset_of!(Av1Head, sequence_bits),
            AV1_FILM_GRAIN
        );
        text += &format!(
            "decodePicIdx {}\n",
            head + offset_of!(Av1Head, decode_picture_index)
        );
        text
    }

    /// What the headers say that are found in `folder`, or on this machine.
    fn theirs(folder: Option<&Path>) -> String {
        let source = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/standin/layout.c");
        let made = tempfile::tempdir().unwrap();
        let program = made.path().join("layout");
        let mut compiler = Command::new("cc");
        if let Some(folder) = folder {
            compiler.arg("-I").arg(folder);
        }
        let built = compiler.args([source, "-o"]).arg(&program).status();
        assert!(
            built.expect("cc must run").success(),
            "scripts/install.sh test installs libffmpeg-nvenc-dev"
        );
        String::from_utf8(Command::new(&program).output().unwrap().stdout).unwrap()
    }

    #[test]
    fn the_declarations_are_laid_out_as_in_nvidias_headers() {
        assert_eq!(ours(), theirs(None));
    }

    /// FRAMECACHE_NV_HEADERS: the `include` folders of some releases of nv-codec-headers.
    #[test]
    fn the_declarations_are_laid_out_as_in_older_and_newer_headers() {
        let Some(folders) = std::env::var_os("FRAMECACHE_NV_HEADERS") else {
            return;
        };
        for folder in std::env::split_paths(&folders) {
            assert_eq!(ours(), theirs(Some(&folder)), "{}", folder.display());
        }
    }
}
