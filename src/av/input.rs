//! An opened container: its streams, and its packets in the file's order.

use std::ffi::{CStr, CString, c_int};
use std::ptr::{self, addr_of};

use ffmpeg_next::ffi;

use super::failure;
use super::io::SourceIo;
use crate::error::{Error, Reason, Result};
use crate::media::time::TimeBase;
use crate::source::ByteSource;

/// Containers that are opened; playlists and anything that names other files is not among them.
const FORMATS: &str = "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,mpegts,mpeg,avi,flv,ivf,obu,h264,hevc,\
mpegvideo,m4v,mjpeg,mxf,asf,ogg,nut,dv,yuv4mpegpipe,vc1,h263,gxf,rm,wtv,swf,vvc,av1,gif,apng";

/// A container being read.
pub struct Input {
    context: *mut ffi::AVFormatContext,
    io: SourceIo,
}

// SAFETY: used by one thread at a time, through `&mut self`; the source is Send.
unsafe impl Send for Input {}

/// One packet of the container.
pub struct Packet(*mut ffi::AVPacket);

// SAFETY: packet data is reference counted with atomics, the packet is uniquely owned.
unsafe impl Send for Packet {}

/// What a stream's header says: enough to open a decoder without the container.
pub struct StreamInfo {
    parameters: *mut ffi::AVCodecParameters,
    pub index: u32,
    pub time_base: TimeBase,
    /// Frames a second, where the container knows.
    pub average_rate: Option<(i32, i32)>,
    pub real_rate: Option<(i32, i32)>,
    /// Row-major 3x3 display matrix, 16.16 (2.30 in the last column), as in ISO/IEC 14496-12.
    pub display_matrix: Option<[i32; 9]>,
    pub attached_picture: bool,
    pub is_video: bool,
    /// In `time_base`.
    pub duration: Option<i64>,
    pub frames_stated: Option<u64>,
    pub language: Option<String>,
}

// SAFETY: the parameters are owned, and never written after creation.
unsafe impl Send for StreamInfo {}
// SAFETY: as above.
unsafe impl Sync for StreamInfo {}

impl Input {
    /// Opens the container and probes its streams (avformat_find_stream_info, which
    /// also finds the reorder depth that decoding from the first packet needs).
    ///
    /// # Errors
    /// The source's own failure; MEDIA_UNSUPPORTED for a playlist; MEDIA_CORRUPT for
    /// anything in which no container is found.
    pub fn open(source: Box<dyn ByteSource>) -> Result<Self> {
        let mut input = Self::open_header(source)?;
        // SAFETY: the context is open.
        let code = unsafe { ffi::avformat_find_stream_info(input.context, ptr::null_mut()) };
        if code < 0 {
            let error = failure(
                Reason::MediaCorrupt,
                "could not find the streams of the media",
                code,
            );
            return Err(input.io.take_error().unwrap_or(error));
        }
        Ok(input)
    }

    /// Opens the container without probing: for a source whose streams are known already.
    pub fn open_header(source: Box<dyn ByteSource>) -> Result<Self> {
        let mut io = SourceIo::new(source)?;
        let formats =
            CString::new(FORMATS).map_err(|_| Error::internal("format list holds a NUL"))?;
        // SAFETY: the context is ours until avformat_open_input takes or frees it; options
        // are duplicated into it with av_strdup, as it frees them.
        unsafe {
            let mut context = ffi::avformat_alloc_context();
            if context.is_null() {
                return Err(Error::internal("could not allocate a demuxer"));
            }
            (*context).pb = io.as_mut_ptr();
            (*context).format_whitelist = ffi::av_strdup(formats.as_ptr());
            (*context).protocol_whitelist = ffi::av_strdup(c"none".as_ptr());
            (*context).io_open = Some(refuse_open);
            let code =
                ffi::avformat_open_input(&mut context, ptr::null(), ptr::null(), ptr::null_mut());
            if code < 0 {
                return Err(io.take_error().unwrap_or_else(|| not_opened(code)));
            }
            Ok(Input { context, io })
        }
    }

    /// Short names of the container, as FFmpeg lists them.
    pub fn format_name(&self) -> String {
        // SAFETY: iformat is set on an open context, its name is static.
        unsafe { CStr::from_ptr((*(*self.context).iformat).name) }
            .to_string_lossy()
            .into_owned()
    }

    /// Microseconds.
    pub fn duration_us(&self) -> Option<i64> {
        // SAFETY: a plain field read.
        let duration = unsafe { (*self.context).duration };
        (duration > 0).then_some(duration)
    }

    pub fn streams(&self) -> Vec<StreamInfo> {
        // SAFETY: nb_streams pointers are valid while the context is.
        unsafe {
            (0..(*self.context).nb_streams as usize)
                .filter_map(|i| StreamInfo::copy(*(*self.context).streams.add(i)))
                .collect()
        }
    }

    /// Lets only one stream's packets through.
    pub fn keep_only(&mut self, stream: u32) {
        // SAFETY: as in `streams`.
        unsafe {
            for i in 0..(*self.context).nb_streams {
                (*(*(*self.context).streams.add(i as usize))).discard = if i == stream {
                    ffi::AVDiscard::AVDISCARD_DEFAULT
                } else {
                    ffi::AVDiscard::AVDISCARD_ALL
                };
            }
        }
    }

    /// Reads the next packet; false at the end. A damaged end of file is an end.
    ///
    /// # Errors
    /// Only the source's own failures.
    pub fn read(&mut self, packet: &mut Packet) -> Result<bool> {
        // SAFETY: both are valid; av_read_frame unreferences nothing, so we do.
        let code = unsafe {
            ffi::av_packet_unref(packet.0);
            ffi::av_read_frame(self.context, packet.0)
        };
        match self.io.take_error() {
            Some(error) => Err(error),
            None => Ok(code >= 0),
        }
    }

    /// Seeks to the last seek point at or before `timestamp` of the stream; false where the container cannot.
    pub fn seek(&mut self, stream: u32, timestamp: i64) -> bool {
        // SAFETY: the context is open.
        unsafe {
            ffi::av_seek_frame(
                self.context,
                stream as c_int,
                timestamp,
                ffi::AVSEEK_FLAG_BACKWARD as c_int,
            ) >= 0
        }
    }
}

impl Drop for Input {
    fn drop(&mut self) {
        // SAFETY: opened by avformat_open_input; custom I/O is not freed by it, `io` drops after.
        unsafe { ffi::avformat_close_input(&mut self.context) };
    }
}

unsafe extern "C" fn refuse_open(
    _: *mut ffi::AVFormatContext,
    _: *mut *mut ffi::AVIOContext,
    _: *const std::ffi::c_char,
    _: c_int,
    _: *mut *mut ffi::AVDictionary,
) -> c_int {
    ffi::AVERROR(ffi::EPERM)
}

fn not_opened(code: c_int) -> Error {
    failure(
        Reason::MediaCorrupt,
        "this is no media file, or its header is damaged or cut off",
        code,
    )
    .hint("check that the file is complete (an MP4 needs its moov box) and plays elsewhere")
}

impl Packet {
    pub fn new() -> Result<Self> {
        // SAFETY: allocation only.
        let packet = unsafe { ffi::av_packet_alloc() };
        if packet.is_null() {
            return Err(Error::internal("could not allocate a packet"));
        }
        Ok(Packet(packet))
    }

    fn raw(&self) -> &ffi::AVPacket {
        // SAFETY: allocated in `new`, freed on drop.
        unsafe { &*self.0 }
    }

    pub(super) fn as_ptr(&self) -> *const ffi::AVPacket {
        self.0
    }

    pub(super) fn set_tag(&mut self, tag: i64) {
        // SAFETY: as in `raw`; dts is of no use to a decoder that is given tags.
        unsafe {
            (*self.0).pts = tag;
            (*self.0).dts = tag;
        }
    }

    pub fn stream(&self) -> u32 {
        u32::try_from(self.raw().stream_index).unwrap_or(u32::MAX)
    }

    pub fn pts(&self) -> Option<i64> {
        (self.raw().pts != ffi::AV_NOPTS_VALUE).then_some(self.raw().pts)
    }

    pub fn dts(&self) -> Option<i64> {
        (self.raw().dts != ffi::AV_NOPTS_VALUE).then_some(self.raw().dts)
    }

    /// In ticks of the stream's time base; 0 where unknown.
    pub fn duration(&self) -> i64 {
        self.raw().duration.max(0)
    }

    /// Byte position in the source, -1 where unknown.
    pub fn position(&self) -> i64 {
        self.raw().pos
    }

    pub fn data(&self) -> &[u8] {
        let raw = self.raw();
        match usize::try_from(raw.size) {
            Ok(size) if size > 0 && !raw.data.is_null() => {
                // SAFETY: data holds `size` bytes as long as the packet is referenced.
                unsafe { std::slice::from_raw_parts(raw.data, size) }
            }
            _ => &[],
        }
    }

    /// The container says that decoding can start here.
    pub fn key(&self) -> bool {
        self.raw().flags & ffi::AV_PKT_FLAG_KEY as c_int != 0
    }

    /// To be decoded but not shown (edit lists).
    pub fn discarded(&self) -> bool {
        self.raw().flags & ffi::AV_PKT_FLAG_DISCARD as c_int != 0
    }

    /// The demuxer reports damage.
    pub fn corrupt(&self) -> bool {
        self.raw().flags & ffi::AV_PKT_FLAG_CORRUPT as c_int != 0
    }
}

impl Drop for Packet {
    fn drop(&mut self) {
        // SAFETY: allocated in `new`, freed once.
        unsafe { ffi::av_packet_free(&mut self.0) };
    }
}

impl StreamInfo {
    /// # Safety
    /// `stream` must belong to an open format context.
    unsafe fn copy(stream: *const ffi::AVStream) -> Option<Self> {
        // SAFETY: by the caller; everything is copied out, the parameters deeply.
        unsafe {
            let s = &*stream;
            let parameters = ffi::avcodec_parameters_alloc();
            if parameters.is_null() || ffi::avcodec_parameters_copy(parameters, s.codecpar) < 0 {
                return None;
            }
            let kind = addr_of!((*parameters).codec_type).cast::<c_int>().read();
            Some(StreamInfo {
                parameters,
                index: s.index as u32,
                time_base: TimeBase {
                    num: s.time_base.num,
                    den: s.time_base.den,
                },
                average_rate: positive(s.avg_frame_rate),
                real_rate: positive(s.r_frame_rate),
                display_matrix: display_matrix(stream),
                attached_picture: s.disposition & ffi::AV_DISPOSITION_ATTACHED_PIC as c_int != 0,
                is_video: kind == ffi::AVMediaType::AVMEDIA_TYPE_VIDEO as c_int,
                duration: (s.duration > 0).then_some(s.duration),
                frames_stated: u64::try_from(s.nb_frames).ok().filter(|n| *n > 0),
                language: None,
            })
        }
    }

    pub(super) fn parameters(&self) -> *const ffi::AVCodecParameters {
        self.parameters
    }

    pub(super) fn raw_time_base(&self) -> ffi::AVRational {
        ffi::AVRational {
            num: self.time_base.num,
            den: self.time_base.den,
        }
    }

    fn raw(&self) -> &ffi::AVCodecParameters {
        // SAFETY: owned and non-null.
        unsafe { &*self.parameters }
    }

    pub fn is_codec(&self, id: ffi::AVCodecID) -> bool {
        // SAFETY: read as an integer: a newer library may know codecs that this enum does not.
        let raw = unsafe { addr_of!((*self.parameters).codec_id).cast::<c_int>().read() };
        raw == id as c_int
    }

    /// FFmpeg's name of the codec, or the container's code for one that FFmpeg does not know.
    pub fn codec_name(&self) -> String {
        let raw = self.raw();
        if self.is_codec(ffi::AVCodecID::AV_CODEC_ID_NONE) {
            let code = raw.codec_tag.to_le_bytes();
            return String::from_utf8_lossy(&code).escape_default().to_string();
        }
        // SAFETY: avcodec_get_name returns a static string for any id.
        unsafe { CStr::from_ptr(ffi::avcodec_get_name(raw.codec_id)) }
            .to_string_lossy()
            .into_owned()
    }

    /// # Errors
    /// MEDIA_UNSUPPORTED where this FFmpeg has no decoder for the stream.
    pub fn check_decoder(&self) -> Result<()> {
        // SAFETY: a look-up in static tables.
        if !unsafe { ffi::avcodec_find_decoder(self.raw().codec_id) }.is_null() {
            return Ok(());
        }
        Err(Error::new(
            Reason::MediaUnsupported,
            format!(
                "this FFmpeg has no decoder for the video, codec={}",
                self.codec_name()
            ),
        )
        .hint("install an FFmpeg that decodes it, or convert the video"))
    }

    /// Codec configuration (avcC, hvcC, or parameter sets in Annex B).
    pub fn extradata(&self) -> &[u8] {
        let raw = self.raw();
        match usize::try_from(raw.extradata_size) {
            Ok(size) if size > 0 && !raw.extradata.is_null() => {
                // SAFETY: extradata holds that many bytes as long as the parameters live.
                unsafe { std::slice::from_raw_parts(raw.extradata, size) }
            }
            _ => &[],
        }
    }

    /// As the header states it, in pixels; 0 where unknown.
    pub fn size(&self) -> (u32, u32) {
        let raw = self.raw();
        (raw.width.max(0) as u32, raw.height.max(0) as u32)
    }

    pub fn sample_aspect_ratio(&self) -> Option<(i32, i32)> {
        positive(self.raw().sample_aspect_ratio)
    }

    pub fn bit_rate(&self) -> Option<u64> {
        u64::try_from(self.raw().bit_rate)
            .ok()
            .filter(|rate| *rate > 0)
    }

    /// FFmpeg's name of the pixel format, where the header or the probe told it.
    pub fn pixel_format(&self) -> Option<String> {
        super::frame::format_name(self.raw().format)
    }

    /// Bits a sample, and chroma sampling (`4:2:0`, `gray`, `rgb`), where the pixel format is known.
    pub fn samples(&self) -> Option<(u8, &'static str)> {
        super::frame::format_samples(self.raw().format)
    }

    /// The codec's profile, by FFmpeg's name.
    pub fn profile_name(&self) -> Option<String> {
        // SAFETY: returns null or a static string for any value.
        unsafe {
            let name = ffi::avcodec_profile_name(self.raw().codec_id, self.raw().profile);
            (!name.is_null()).then(|| CStr::from_ptr(name).to_string_lossy().into_owned())
        }
    }

    /// Matrix, range, primaries and transfer as H.273 code points.
    pub fn colour_code_points(&self) -> [i32; 4] {
        // SAFETY: read as integers, the file decides the values.
        unsafe {
            let p = self.parameters;
            [
                addr_of!((*p).color_space).cast::<c_int>().read(),
                addr_of!((*p).color_range).cast::<c_int>().read(),
                addr_of!((*p).color_primaries).cast::<c_int>().read(),
                addr_of!((*p).color_trc).cast::<c_int>().read(),
            ]
        }
    }

    /// FFmpeg's field order: interlaced content by the header.
    pub fn interlaced(&self) -> Option<bool> {
        // SAFETY: as above.
        match unsafe {
            addr_of!((*self.parameters).field_order)
                .cast::<c_int>()
                .read()
        } {
            1 => Some(false),
            2..=5 => Some(true),
            _ => None,
        }
    }
}

impl Drop for StreamInfo {
    fn drop(&mut self) {
        // SAFETY: allocated in `copy`, freed once.
        unsafe { ffi::avcodec_parameters_free(&mut self.parameters) };
    }
}

fn positive(ratio: ffi::AVRational) -> Option<(i32, i32)> {
    (ratio.num > 0 && ratio.den > 0).then_some((ratio.num, ratio.den))
}

/// # Safety
/// `stream` must belong to an open format context.
unsafe fn display_matrix(stream: *const ffi::AVStream) -> Option<[i32; 9]> {
    // SAFETY: by the caller; side data is valid for its stated size.
    unsafe {
        let mut size = 0;
        let data = ffi::av_stream_get_side_data(
            stream,
            ffi::AVPacketSideDataType::AV_PKT_DATA_DISPLAYMATRIX,
            &mut size,
        );
        (!data.is_null() && size >= 36).then(|| data.cast::<[i32; 9]>().read_unaligned())
    }
}
