//! What a container says of one of its streams.

use std::ffi::{CStr, c_int};
use std::ptr::{self, addr_of};

use ffmpeg_next::ffi;

use super::raw;
use crate::error::{Error, Reason, Result};
use crate::media::colour::{CodePoints, HeaderColour, Signal};
use crate::media::time::TimeBase;

/// What a stream's header says: enough to open a decoder without the container.
pub struct StreamInfo {
    /// Colour in them is the bitstream's, as far as it was probed.
    parameters: *mut ffi::AVCodecParameters,
    /// What the container says of colour.
    container: CodePoints,
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
    /// How many packets the container says it holds.
    pub frames: Option<u64>,
    /// Its timestamps begin again at 0 after so many bits; 64 where they do not.
    pub wrap_bits: u32,
}

// SAFETY: the parameters are owned, and never written after creation.
unsafe impl Send for StreamInfo {}
// SAFETY: as above.
unsafe impl Sync for StreamInfo {}

impl StreamInfo {
    /// # Safety
    /// `stream` must belong to an open format context.
    pub(super) unsafe fn copy(stream: *const ffi::AVStream, container: CodePoints) -> Option<Self> {
        // SAFETY: by the caller; everything is copied out, the parameters deeply.
        unsafe {
            let parameters = ffi::avcodec_parameters_alloc();
            let copied = !parameters.is_null()
                && ffi::avcodec_parameters_copy(parameters, (*stream).codecpar) >= 0;
            if !copied {
                return None;
            }
            let kind = addr_of!((*parameters).codec_type).cast::<c_int>().read();
            Some(StreamInfo {
                parameters,
                container,
                index: (*stream).index as u32,
                time_base: TimeBase {
                    num: (*stream).time_base.num,
                    den: (*stream).time_base.den,
                },
                average_rate: positive((*stream).avg_frame_rate),
                real_rate: positive((*stream).r_frame_rate),
                display_matrix: display_matrix(stream),
                attached_picture: (*stream).disposition & ffi::AV_DISPOSITION_ATTACHED_PIC as c_int
                    != 0,
                is_video: kind == ffi::AVMediaType::AVMEDIA_TYPE_VIDEO as c_int,
                duration: Some((*stream).duration).filter(|ticks| *ticks > 0),
                frames: u64::try_from((*stream).nb_frames).ok().filter(|n| *n > 0),
                wrap_bits: u32::try_from((*stream).pts_wrap_bits).unwrap_or(64),
            })
        }
    }

    /// The same stream with another header, or its own, and with this reorder depth at least.
    ///
    /// # Errors
    /// Where memory runs out.
    pub fn with(&self, header: Option<&[u8]>, reorder: u32) -> Result<Self> {
        let lacks = || Error::internal("could not copy a stream's header");
        // SAFETY: allocated here, owned by the copy from then on, which frees it; a new header is padded
        // as decoders want it, and takes the place of the one that was copied.
        unsafe {
            let parameters = ffi::avcodec_parameters_alloc();
            if parameters.is_null() {
                return Err(lacks());
            }
            let copy = StreamInfo {
                parameters,
                ..*self
            };
            if ffi::avcodec_parameters_copy(parameters, self.parameters) < 0 {
                return Err(lacks());
            }
            let reorder = c_int::try_from(reorder).unwrap_or(0);
            (*parameters).video_delay = (*parameters).video_delay.max(reorder);
            if let Some(header) = header {
                let padded = header.len() + ffi::AV_INPUT_BUFFER_PADDING_SIZE as usize;
                let data = ffi::av_mallocz(padded).cast::<u8>();
                if data.is_null() {
                    return Err(lacks());
                }
                std::ptr::copy_nonoverlapping(header.as_ptr(), data, header.len());
                ffi::av_freep(ptr::addr_of_mut!((*parameters).extradata).cast());
                (*parameters).extradata = data;
                (*parameters).extradata_size = c_int::try_from(header.len()).unwrap_or(0);
            }
            Ok(copy)
        }
    }

    /// Every picture of this codec stands by itself.
    pub fn is_intra_only(&self) -> bool {
        // FFmpeg 5.1 does not say so of PNG.
        if self.is_codec(ffi::AVCodecID::AV_CODEC_ID_PNG) {
            return true;
        }
        // SAFETY: a look-up in static tables.
        unsafe {
            let descriptor = raw::avcodec_descriptor_get(self.codec());
            !descriptor.is_null() && (*descriptor).props & ffi::AV_CODEC_PROP_INTRA_ONLY != 0
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

    fn codec(&self) -> c_int {
        // SAFETY: owned and non-null.
        unsafe { raw::codec_id(self.parameters) }
    }

    pub fn is_codec(&self, id: ffi::AVCodecID) -> bool {
        self.codec() == id as c_int
    }

    /// FFmpeg's name of the codec, or the container's code for one that FFmpeg does not know.
    pub fn codec_name(&self) -> String {
        if self.is_codec(ffi::AVCodecID::AV_CODEC_ID_NONE) {
            // SAFETY: owned and non-null.
            let code = unsafe { (*self.parameters).codec_tag }.to_le_bytes();
            return String::from_utf8_lossy(&code).escape_default().to_string();
        }
        // SAFETY: avcodec_get_name returns a static string for any id.
        unsafe { CStr::from_ptr(raw::avcodec_get_name(self.codec())) }
            .to_string_lossy()
            .into_owned()
    }

    /// # Errors
    /// MEDIA_UNSUPPORTED where this FFmpeg has no decoder for the stream.
    pub fn check_decoder(&self) -> Result<()> {
        // SAFETY: a look-up in static tables.
        if !unsafe { raw::avcodec_find_decoder(self.codec()) }.is_null() {
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
        // SAFETY: owned and non-null.
        let (data, size) = unsafe {
            (
                (*self.parameters).extradata,
                (*self.parameters).extradata_size,
            )
        };
        match usize::try_from(size) {
            Ok(size) if size > 0 && !data.is_null() => {
                // SAFETY: extradata holds that many bytes as long as the parameters live.
                unsafe { std::slice::from_raw_parts(data, size) }
            }
            _ => &[],
        }
    }

    /// As the header states it, in pixels; 0 where unknown.
    pub fn size(&self) -> (u32, u32) {
        // SAFETY: owned and non-null.
        let (width, height) = unsafe { ((*self.parameters).width, (*self.parameters).height) };
        (width.max(0) as u32, height.max(0) as u32)
    }

    /// How many pictures may be decoded before one that is shown earlier, as far as the probe saw; none
    /// for codecs whose pictures are shown in the order of decoding.
    pub fn reorder_depth(&self) -> Option<usize> {
        // SAFETY: a look-up in static tables; the parameters are owned and non-null.
        unsafe {
            let descriptor = raw::avcodec_descriptor_get(self.codec());
            let reorders = !descriptor.is_null()
                && (*descriptor).props & ffi::AV_CODEC_PROP_REORDER as c_int != 0;
            let depth = usize::try_from((*self.parameters).video_delay).unwrap_or(0);
            reorders.then_some(depth)
        }
    }

    pub fn sample_aspect_ratio(&self) -> Option<(i32, i32)> {
        // SAFETY: owned and non-null.
        positive(unsafe { (*self.parameters).sample_aspect_ratio })
    }

    pub fn bit_rate(&self) -> Option<u64> {
        // SAFETY: owned and non-null.
        let rate = unsafe { (*self.parameters).bit_rate };
        u64::try_from(rate).ok().filter(|rate| *rate > 0)
    }

    fn format(&self) -> c_int {
        // SAFETY: owned and non-null.
        unsafe { (*self.parameters).format }
    }

    /// FFmpeg's name of the pixel format, where the header or the probe told it.
    pub fn pixel_format(&self) -> Option<String> {
        super::format::name(self.format())
    }

    /// Bits a sample, and chroma sampling (`4:2:0`, `gray`, `rgb`), where the pixel format is known.
    pub fn samples(&self) -> Option<(u8, &'static str)> {
        super::format::samples(self.format())
    }

    /// The codec's profile, by FFmpeg's name.
    pub fn profile_name(&self) -> Option<String> {
        // SAFETY: returns null or a static string for any value.
        unsafe {
            let name = raw::avcodec_profile_name(self.codec(), (*self.parameters).profile);
            (!name.is_null()).then(|| CStr::from_ptr(name).to_string_lossy().into_owned())
        }
    }

    /// What counts as tagged, as far as the header and the probed pictures tell.
    pub fn colour(&self) -> CodePoints {
        self.header_colour().complete(self.bitstream_colour())
    }

    /// What stands in where the pictures are silent on their colour.
    pub fn header_colour(&self) -> HeaderColour {
        HeaderColour {
            container: self.container,
            signal: self.signal(),
        }
    }

    fn bitstream_colour(&self) -> CodePoints {
        // SAFETY: owned and non-null.
        unsafe { code_points(self.parameters) }
    }

    fn signal(&self) -> Signal {
        use ffi::AVCodecID::*;
        let is = |codecs: &[ffi::AVCodecID]| codecs.iter().any(|codec| self.is_codec(*codec));
        if is(&[AV_CODEC_ID_HEVC, AV_CODEC_ID_VVC]) {
            Signal::LimitedByDefault
        } else if is(&[AV_CODEC_ID_VP8]) {
            Signal::Vp8
        } else if is(&[
            AV_CODEC_ID_H264,
            AV_CODEC_ID_VP9,
            AV_CODEC_ID_AV1,
            AV_CODEC_ID_MPEG1VIDEO,
            AV_CODEC_ID_MPEG2VIDEO,
            AV_CODEC_ID_MPEG4,
            AV_CODEC_ID_VC1,
            AV_CODEC_ID_DIRAC,
            AV_CODEC_ID_PRORES,
            AV_CODEC_ID_DNXHD,
            AV_CODEC_ID_CAVS,
            AV_CODEC_ID_AVS2,
            AV_CODEC_ID_AVS3,
        ]) {
            Signal::Own
        } else {
            Signal::None
        }
    }

    /// Whether colours come out otherwise than by the first release, for which gray was limited
    /// wherever nothing else was said, and the container silent wherever a decoder set colours itself.
    ///
    /// Note: that libavcodec's H.264 decoder lets the container's stand where its VUI says nothing at
    /// all cannot be told here from a VUI that says "unspecified". So such files count as changed,
    /// too: to extract them once more costs less than wrong colours for good.
    pub fn colour_is_revised(&self) -> bool {
        let (bitstream, tagged) = (self.bitstream_colour(), self.colour());
        match self.signal() {
            Signal::None => tagged.range == 0 && super::format::is_gray(self.format()),
            Signal::Vp8 => false,
            _ if self.keeps_container_colour() => false,
            _ => tagged != bitstream,
        }
    }

    /// libavcodec's decoders of these set what they read, and nothing else.
    fn keeps_container_colour(&self) -> bool {
        use ffi::AVCodecID::*;
        [
            AV_CODEC_ID_MPEG1VIDEO,
            AV_CODEC_ID_MPEG2VIDEO,
            AV_CODEC_ID_MPEG4,
        ]
        .iter()
        .any(|codec| self.is_codec(*codec))
    }

    /// # Errors
    /// MEDIA_UNSUPPORTED where pictures of the header's pixel format are not read. What it leaves
    /// unknown passes.
    pub fn check_pixels(&self) -> Result<()> {
        match self.format() {
            0.. => super::format::Format::of(self.format()).map(|_| ()),
            _ => Ok(()),
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

/// Colour as these parameters state it.
///
/// # Safety
/// They must be allocated.
pub(super) unsafe fn code_points(parameters: *const ffi::AVCodecParameters) -> CodePoints {
    // SAFETY: by the caller; read as integers, the file decides the values.
    unsafe {
        CodePoints {
            matrix: addr_of!((*parameters).color_space).cast::<c_int>().read(),
            range: addr_of!((*parameters).color_range).cast::<c_int>().read(),
            primaries: addr_of!((*parameters).color_primaries)
                .cast::<c_int>()
                .read(),
            transfer: addr_of!((*parameters).color_trc).cast::<c_int>().read(),
        }
    }
}

/// # Safety
/// `stream` must belong to an open format context.
unsafe fn display_matrix(stream: *const ffi::AVStream) -> Option<[i32; 9]> {
    // SAFETY: by the caller; side data is valid for its stated size.
    unsafe {
        let (data, size) = stated_matrix(stream);
        (!data.is_null() && size >= 36).then(|| data.cast::<[i32; 9]>().read_unaligned())
    }
}

/// Where the display matrix is, and its bytes: of the stream's side data, or from FFmpeg 8 on of its parameters'.
///
/// # Safety
/// As [`display_matrix`].
#[cfg(not(ffmpeg_8))]
unsafe fn stated_matrix(stream: *const ffi::AVStream) -> (*const u8, usize) {
    let mut size = 0;
    let kind = ffi::AVPacketSideDataType::AV_PKT_DATA_DISPLAYMATRIX;
    // SAFETY: by the caller.
    let data = unsafe { ffi::av_stream_get_side_data(stream, kind, &mut size) };
    (data, size)
}

#[cfg(ffmpeg_8)]
unsafe fn stated_matrix(stream: *const ffi::AVStream) -> (*const u8, usize) {
    let kind = ffi::AVPacketSideDataType::AV_PKT_DATA_DISPLAYMATRIX;
    // SAFETY: by the caller; the entries are as many as are counted, and are not written.
    unsafe {
        let parameters = (*stream).codecpar;
        let entries = (*parameters).coded_side_data;
        let entry = ffi::av_packet_side_data_get(entries, (*parameters).nb_coded_side_data, kind);
        match entry.as_ref() {
            Some(entry) => (entry.data.cast_const(), entry.size),
            None => (ptr::null(), 0),
        }
    }
}
