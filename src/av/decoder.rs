//! A software decoder: packets in, frames out, and which packets it refused.

use std::ffi::c_int;
use std::ptr;

use ffmpeg_next::ffi;

use super::blank;
use super::log::Logged;
use super::{Frame, Packet, StreamInfo, failure, is_starved, no_memory, raw};
use crate::error::{Error, Reason, Result};
use crate::media::colour::HeaderColour;
use crate::media::limits::{MAX_PIXELS, check_size};

/// libavcodec's decoder for one stream, always bit exact.
pub struct Decoder {
    context: *mut ffi::AVCodecContext,
    header: HeaderColour,
    /// Boxed, since the context points to it.
    logged: Box<Logged>,
    /// It got no memory that it asked for: what it says is damaged may be whole.
    starved: bool,
    /// Its buffers are marked, so that what it never wrote is seen.
    marks: bool,
}

// SAFETY: a codec context may be used from any thread, one at a time; it is
// only used through `&mut self`.
unsafe impl Send for Decoder {}

/// What the pictures are for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// To be compared with ffmpeg's own: its defaults.
    Comparison,
    /// To be kept as frames.
    ///
    /// Note: libavcodec withholds H.264 pictures that it does not count as recovered, and forgets
    /// to pass recovery on to those that come out by draining (FFmpeg 5.1: started at an open
    /// recovery point and drained at once, it withholds the pictures after it). So all are asked
    /// for; those that do not come out by draining are flagged as damaged. And it leaves a part of
    /// what is cropped off at the left, for the sake of aligned rows, unless told that none need be.
    Frames,
    /// The same where damage was met, and everything is decoded again, in order, on one thread: what
    /// the decoder writes nowhere is gray.
    Damaged,
}

/// What became of a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sent {
    Taken,
    /// Frames must be received first; the packet was not taken.
    Full,
    /// The decoder reports the packet as damaged.
    Refused,
}

/// What a receive call gave.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Delivered {
    Frame,
    /// More packets are needed.
    Starved,
    /// Everything was delivered.
    Ended,
    /// The decoder reports damage instead of a frame; more may follow.
    Refused,
}

/// Decoders that leave parts of a picture out without flagging it.
const LEAVES_OUT: [ffi::AVCodecID; 3] = [
    ffi::AVCodecID::AV_CODEC_ID_HEVC,
    ffi::AVCodecID::AV_CODEC_ID_MJPEG,
    ffi::AVCodecID::AV_CODEC_ID_VP8,
];

/// Of them the one whose later pictures are made of such parts, flagged or not.
const GOES_ON: ffi::AVCodecID = ffi::AVCodecID::AV_CODEC_ID_VP8;

impl Decoder {
    /// Opens libavcodec's preferred decoder for the stream.
    ///
    /// `threads` are frame threads: slice threads would switch H.264's error
    /// concealment off (libavcodec `enable_er`), and with it what damage is reported.
    ///
    /// # Errors
    /// MEDIA_UNSUPPORTED where FFmpeg has no decoder, MEDIA_CORRUPT where the
    /// stream's header does not open one.
    pub fn open(stream: &StreamInfo, threads: usize, purpose: Purpose) -> Result<Self> {
        stream.check_decoder()?;
        let threads = threads.max(1);
        // ffmpeg's own pictures are those of one thread, with whatever lay in its buffers.
        let as_ffmpeg = purpose == Purpose::Comparison && threads <= 1;
        let marks = !as_ffmpeg && LEAVES_OUT.iter().any(|codec| stream.is_codec(*codec));
        // SAFETY: codec parameters are owned by `stream`; the context is freed on drop.
        unsafe {
            let parameters = stream.parameters();
            let codec = raw::avcodec_find_decoder(raw::codec_id(parameters));
            let context = ffi::avcodec_alloc_context3(codec);
            if context.is_null() {
                return Err(Error::internal("could not allocate a decoder"));
            }
            let decoder = Decoder {
                context,
                header: stream.header_colour(),
                logged: Box::default(),
                starved: false,
                marks,
            };
            (*context).opaque = ptr::from_ref(decoder.logged.as_ref()).cast_mut().cast();
            let code = ffi::avcodec_parameters_to_context(context, parameters);
            if code < 0 {
                return Err(failure(
                    Reason::MediaCorrupt,
                    "could not read the stream's parameters",
                    code,
                ));
            }
            (*context).max_pixels = MAX_PIXELS as i64;
            (*context).flags |= ffi::AV_CODEC_FLAG_BITEXACT as c_int;
            if purpose != Purpose::Comparison {
                (*context).flags |= ffi::AV_CODEC_FLAG_UNALIGNED as c_int;
                if stream.is_codec(ffi::AVCodecID::AV_CODEC_ID_H264) {
                    (*context).flags |= ffi::AV_CODEC_FLAG_OUTPUT_CORRUPT as c_int;
                }
            }
            if marks {
                let gray = purpose == Purpose::Damaged || stream.is_codec(GOES_ON);
                (*context).get_buffer2 = Some(if gray { blank::gray } else { blank::marked });
                // From any thread: they touch what nobody else has yet.
                #[cfg(not(ffmpeg_6))]
                {
                    (*context).thread_safe_callbacks = 1;
                }
            }
            (*context).thread_count = c_int::try_from(threads).unwrap_or(1);
            (*context).thread_type = ffi::FF_THREAD_FRAME as c_int;
            (*context).pkt_timebase = stream.raw_time_base();
            let code = ffi::avcodec_open2(context, codec, ptr::null_mut());
            if code < 0 {
                let what = format!("could not open the decoder, codec={}", stream.codec_name());
                return Err(failure(Reason::MediaCorrupt, what, code));
            }
            Ok(decoder)
        }
    }

    /// Gives the decoder a packet, tagged with the ordinal that its frame will carry
    /// ([`Frame::tag`]): pts may be absent, doubled or wrong, an ordinal is not.
    pub fn send(&mut self, packet: &mut Packet, tag: i64) -> Sent {
        packet.set_tag(tag);
        // SAFETY: both are valid; the decoder takes its own reference of the data.
        match unsafe { ffi::avcodec_send_packet(self.context, packet.as_ptr()) } {
            code if code >= 0 => Sent::Taken,
            code if code == ffi::AVERROR(ffi::EAGAIN) => Sent::Full,
            code => {
                self.starved |= is_starved(code);
                Sent::Refused
            }
        }
    }

    /// Whether libavcodec logged an error about this decoder since this was last asked.
    pub fn take_complaint(&mut self) -> bool {
        self.logged.take_errors()
    }

    /// Refuses the stream once a picture was over the limits: nothing was taken for it.
    ///
    /// # Errors
    /// LIMIT_EXCEEDED with the size and the limits; MEMORY_BUDGET where the decoder got no memory.
    pub fn check_size(&self) -> Result<()> {
        if self.starved {
            return Err(no_memory());
        }
        let refused = self.logged.take_refused_size();
        refused.map_or(Ok(()), |(width, height)| check_size(width, height))
    }

    /// Says that no packet follows, so that all frames come out.
    pub fn drain(&mut self) {
        // SAFETY: a null packet is the documented drain signal; a second one is an error that changes nothing.
        unsafe { ffi::avcodec_send_packet(self.context, ptr::null()) };
    }

    /// Forgets everything before the next cut point.
    pub fn flush(&mut self) {
        // SAFETY: the context is open.
        unsafe { ffi::avcodec_flush_buffers(self.context) };
    }

    pub fn receive(&mut self, frame: &mut Frame) -> Delivered {
        // SAFETY: both are valid; the frame is unreferenced before it is filled.
        match unsafe { ffi::avcodec_receive_frame(self.context, frame.as_mut_ptr(self.header)) } {
            0 => {
                if self.marks {
                    frame.look_for_blanks();
                }
                Delivered::Frame
            }
            code if code == ffi::AVERROR(ffi::EAGAIN) => Delivered::Starved,
            code if code == ffi::AVERROR_EOF => Delivered::Ended,
            code => {
                self.starved |= is_starved(code);
                Delivered::Refused
            }
        }
    }
}

impl Drop for Decoder {
    fn drop(&mut self) {
        // SAFETY: allocated by avcodec_alloc_context3, freed once.
        unsafe { ffi::avcodec_free_context(&mut self.context) };
    }
}
