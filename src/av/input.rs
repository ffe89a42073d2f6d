//! An opened container: its streams, and its packets in the file's order.

use std::ffi::{CStr, CString, c_int};
use std::ptr;

use ffmpeg_next::ffi;

use super::io::{Enough, SourceIo};
use super::packet::Packet;
use super::palette::Palette;
use super::stream::{self, StreamInfo};
use super::unopened::{HEAD_BYTES, not_opened};
use super::{failure, log};
use crate::cancel::Stop;
use crate::error::{Error, Reason, Result};
use crate::media::colour::CodePoints;
use crate::media::limits::{MAX_PIXELS, MAX_STREAMS};
use crate::source::ByteSource;

/// Containers that are opened; playlists and anything that names other files is not among them.
/// The last line's hold no video: they are opened to say so.
const FORMATS: &str = "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,mpegts,mpeg,avi,flv,ivf,obu,h264,hevc,\
mpegvideo,m4v,mjpeg,mxf,asf,ogg,nut,dv,dhav,yuv4mpegpipe,vc1,h263,gxf,rm,wtv,swf,vvc,av1,gif,apng,\
wav,w64,flac,aiff,caf,au";

/// A container being read.
pub struct Input {
    context: *mut ffi::AVFormatContext,
    io: SourceIo,
    /// Of a picture that was not probed, since it is over the limits.
    refused_size: Option<(u32, u32)>,
    /// What the container says of its streams' colour, of those that its header names.
    colours: Vec<CodePoints>,
    /// The one stream whose packets are let through, and its palette.
    kept: Option<u32>,
    palette: Palette,
}

// SAFETY: used by one thread at a time, through `&mut self`; the source is Send.
unsafe impl Send for Input {}

impl Input {
    /// Opens the container and probes its streams (avformat_find_stream_info, which
    /// also finds the reorder depth that decoding from the first packet needs).
    ///
    /// # Errors
    /// The source's own failure; MEDIA_UNSUPPORTED for a format that is not read; MEDIA_CORRUPT for
    /// anything in which no container is found; CANCELLED once `stop` is set.
    pub fn open(source: Box<dyn ByteSource>, stop: Stop) -> Result<Self> {
        let mut input = Self::open_header(source, stop)?;
        input.take_colours();
        log::take_probed_size();
        let code = input.find_stream_info();
        input.refused_size = log::take_probed_size();
        if code < 0 {
            let error = failure(
                Reason::MediaCorrupt,
                "could not find the streams of the media",
                code,
            );
            return Err(input.io.failed().unwrap_or(error));
        }
        Ok(input)
    }

    /// Keeps what the container says of colour, and has probing tell what the bitstream says: in one
    /// field, either would hide the other.
    fn take_colours(&mut self) {
        // SAFETY: nb_streams pointers, and their parameters, are valid while the context is.
        unsafe {
            for i in 0..(*self.context).nb_streams as usize {
                let parameters = (*(*(*self.context).streams.add(i))).codecpar;
                self.colours.push(stream::code_points(parameters));
                (*parameters).color_space = ffi::AVColorSpace::AVCOL_SPC_UNSPECIFIED;
                (*parameters).color_range = ffi::AVColorRange::AVCOL_RANGE_UNSPECIFIED;
                (*parameters).color_primaries = ffi::AVColorPrimaries::AVCOL_PRI_UNSPECIFIED;
                (*parameters).color_trc = ffi::AVColorTransferCharacteristic::AVCOL_TRC_UNSPECIFIED;
            }
        }
    }

    /// Probes with decoders that take no larger pictures than ours. Streams that the header does not
    /// name (those of FLV and MPEG program streams) get theirs without that limit.
    fn find_stream_info(&mut self) -> c_int {
        let largest = MAX_PIXELS.to_string() + "\0";
        // SAFETY: the context is open; it reads one dictionary for each stream that it has now, and
        // changes them in place; all are freed.
        unsafe {
            let mut options = vec![ptr::null_mut(); (*self.context).nb_streams as usize];
            for option in &mut options {
                ffi::av_dict_set(option, c"max_pixels".as_ptr(), largest.as_ptr().cast(), 0);
            }
            let code = ffi::avformat_find_stream_info(self.context, options.as_mut_ptr());
            options
                .iter_mut()
                .for_each(|option| ffi::av_dict_free(option));
            code
        }
    }

    /// Opens the container without probing: for a source whose streams are known already.
    ///
    /// # Errors
    /// As [`Input::open`].
    pub fn open_header(source: Box<dyn ByteSource>, stop: Stop) -> Result<Self> {
        let mut io = SourceIo::new(source, stop)?;
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
            (*context).interrupt_callback = io.interrupt();
            (*context).format_whitelist = ffi::av_strdup(formats.as_ptr());
            (*context).protocol_whitelist = ffi::av_strdup(c"none".as_ptr());
            (*context).io_open = Some(refuse_open);
            (*context).max_streams = MAX_STREAMS as c_int;
            let code =
                ffi::avformat_open_input(&mut context, ptr::null(), ptr::null(), ptr::null_mut());
            if code < 0 {
                let head = io.head(HEAD_BYTES);
                return Err(io
                    .failed()
                    .unwrap_or_else(|| not_opened(code, head, &formats)));
            }
            Ok(Input {
                context,
                io,
                refused_size: None,
                colours: Vec::new(),
                kept: None,
                palette: Palette::default(),
            })
        }
    }

    /// Short names of the container, as FFmpeg lists them.
    pub fn format_name(&self) -> String {
        // SAFETY: iformat is set on an open context, its name is static.
        unsafe { CStr::from_ptr((*(*self.context).iformat).name) }
            .to_string_lossy()
            .into_owned()
    }

    pub fn streams(&self) -> Vec<StreamInfo> {
        // SAFETY: nb_streams pointers are valid while the context is.
        unsafe {
            (0..(*self.context).nb_streams as usize)
                .filter_map(|i| {
                    let container = self.colours.get(i).copied();
                    let stream = *(*self.context).streams.add(i);
                    StreamInfo::copy(stream, container.unwrap_or(CodePoints::UNSPECIFIED))
                })
                .collect()
        }
    }

    /// Width and height of a picture that was not probed, since it is over the limits.
    pub fn refused_size(&self) -> Option<(u32, u32)> {
        self.refused_size
    }

    /// Whether reading goes on is asked of this from now on.
    pub fn follow(&mut self, stop: Stop) {
        self.io.follow(stop);
    }

    /// Lets only one stream's packets through.
    pub fn keep_only(&mut self, stream: u32) {
        self.kept = Some(stream);
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
    /// The source's own failures; CANCELLED.
    pub fn read(&mut self, packet: &mut Packet) -> Result<bool> {
        packet.keep_head(usize::MAX);
        // SAFETY: both are valid; av_read_frame unreferences nothing, so we do.
        let code = unsafe {
            ffi::av_packet_unref(packet.raw);
            ffi::av_read_frame(self.context, packet.raw)
        };
        if code >= 0 && self.kept == Some(packet.stream()) {
            self.palette.follow(packet);
        }
        let error = match code {
            0.. => self.io.take_error(),
            _ => self.io.failed(),
        };
        error.map_or(Ok(code >= 0), Err)
    }

    /// Whether packets' heads can be read without the rest: only MP4 gives packets without reading
    /// what lies between them, and not every source is better read so.
    pub fn skims(&self) -> bool {
        self.format_name().starts_with("mov,") && self.io.skips()
    }

    /// Has `read_head` read packets from now on, if it `skims`: so many first bytes, or more until they are
    /// `enough` (64 KiB at most).
    pub fn skim(&mut self, head: usize, enough: Enough) -> bool {
        let skims = self.skims();
        if skims {
            self.io.skim(head, enough);
        }
        skims
    }

    /// As `read`, after `skim`: a packet's data holds its first bytes alone.
    ///
    /// # Errors
    /// The source's own failures. `None` in place of a packet where something else than its data was
    /// cut short: then the container has to be opened anew and read as a whole.
    pub fn read_head(&mut self, packet: &mut Packet) -> Result<Option<bool>> {
        self.io.take_cut();
        let more = self.read(packet)?;
        let cut = self.io.take_cut();
        if cut.count == 0 {
            return Ok(Some(more));
        }
        // The packet's own data, of which a beginning may have been in the buffer.
        let start = u64::try_from(packet.position()).unwrap_or(u64::MAX);
        let end = start.saturating_add(packet.size() as u64);
        let own = cut.offset >= start && cut.offset.saturating_add(cut.length as u64) >= end;
        if cut.count > 1 || !more || !own {
            return Ok(None);
        }
        packet.keep_head(usize::try_from(cut.offset - start).unwrap_or(0) + cut.known);
        Ok(Some(true))
    }

    /// The last packet has another palette than the header's: decoding cannot start there.
    pub fn palette_changed(&self) -> bool {
        self.palette.changed()
    }

    /// Size of the source in bytes.
    pub fn bytes(&self) -> u64 {
        self.io.bytes()
    }

    /// Seeks to the last seek point at or before `timestamp` of the stream; false where the container cannot.
    pub fn seek(&mut self, stream: u32, timestamp: i64) -> bool {
        self.palette.rewind();
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

    /// Goes to a byte of the source, whatever is there; false where the container's packets cannot be
    /// found from anywhere.
    pub fn seek_to_byte(&mut self, position: i64) -> bool {
        // SAFETY: the context is open, its format static.
        unsafe {
            (*(*self.context).iformat).flags & ffi::AVFMT_NO_BYTE_SEEK == 0
                && ffi::av_seek_frame(self.context, -1, position, ffi::AVSEEK_FLAG_BYTE) >= 0
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
