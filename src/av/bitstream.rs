//! libavcodec's bitstream filters: the same pictures in other framing.

use std::ffi::CStr;
use std::ptr;

use ffmpeg_next::ffi;

use super::{Packet, StreamInfo, failure};
use crate::error::{Error, Reason, Result};

/// Which framing is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Framing {
    /// H.264 with start codes, and parameter sets before each IDR picture.
    H264AnnexB,
    /// HEVC with start codes, and parameter sets before each random access picture.
    HevcAnnexB,
    /// VP9, each frame of a superframe by itself.
    Vp9Frames,
    /// MPEG-4, each picture in a packet of its own.
    Mpeg4Unpacked,
}

impl Framing {
    fn filter(self) -> &'static CStr {
        match self {
            Framing::H264AnnexB => c"h264_mp4toannexb",
            Framing::HevcAnnexB => c"hevc_mp4toannexb",
            Framing::Vp9Frames => c"vp9_superframe_split",
            Framing::Mpeg4Unpacked => c"mpeg4_unpack_bframes",
        }
    }
}

/// A filter over one stream's packets. What is in the wanted framing already passes through.
pub struct BitstreamFilter {
    context: *mut ffi::AVBSFContext,
    /// A packet's own reference, which the filter takes.
    taken: Packet,
}

// SAFETY: a filter context may be used from any thread, one at a time; it is only used through `&mut self`.
unsafe impl Send for BitstreamFilter {}

impl BitstreamFilter {
    /// # Errors
    /// MEDIA_CORRUPT where the stream's header is not what the filter expects.
    pub fn open(framing: Framing, stream: &StreamInfo) -> Result<Self> {
        let taken = Packet::new()?;
        // SAFETY: the filter is static; the context is freed on drop, from its allocation on; the
        // stream's parameters are copied into it.
        unsafe {
            let filter = ffi::av_bsf_get_by_name(framing.filter().as_ptr());
            let mut context = ptr::null_mut();
            if filter.is_null() || ffi::av_bsf_alloc(filter, &mut context) < 0 {
                return Err(Error::internal(format!(
                    "FFmpeg lacks a bitstream filter, name={}",
                    framing.filter().to_string_lossy()
                )));
            }
            let opened = BitstreamFilter { context, taken };
            let mut code = ffi::avcodec_parameters_copy((*context).par_in, stream.parameters());
            if code >= 0 {
                (*context).time_base_in = stream.raw_time_base();
                code = ffi::av_bsf_init(context);
            }
            if code < 0 {
                let what = "could not read the stream's header";
                return Err(failure(Reason::MediaCorrupt, what, code));
            }
            Ok(opened)
        }
    }

    /// The stream's header in the wanted framing: for H.264 and HEVC its parameter sets.
    pub fn header(&self) -> &[u8] {
        // SAFETY: the output's parameters are set since `open`; its header is as long as it says
        // and lives as long as the context.
        unsafe {
            let parameters = &*(*self.context).par_out;
            match usize::try_from(parameters.extradata_size) {
                Ok(size) if size > 0 && !parameters.extradata.is_null() => {
                    std::slice::from_raw_parts(parameters.extradata, size)
                }
                _ => &[],
            }
        }
    }

    /// Filters one packet and hands what it became to `out`. The packet itself stays as it is.
    ///
    /// # Errors
    /// MEDIA_CORRUPT where the packet is damaged, and whatever `out` fails with.
    pub fn filter(
        &mut self,
        packet: &Packet,
        mut out: impl FnMut(&[u8]) -> Result<()>,
    ) -> Result<()> {
        let damaged = |code| failure(Reason::MediaCorrupt, "could not reframe a packet", code);
        // SAFETY: both packets are valid; the filter takes the reference only where it succeeds.
        let code = unsafe {
            ffi::av_packet_unref(self.taken.raw);
            match ffi::av_packet_ref(self.taken.raw, packet.as_ptr()) {
                code if code < 0 => code,
                _ => ffi::av_bsf_send_packet(self.context, self.taken.raw),
            }
        };
        if code < 0 {
            return Err(damaged(code));
        }
        loop {
            // SAFETY: the filter empties or fills the packet; its old content was given away.
            match unsafe { ffi::av_bsf_receive_packet(self.context, self.taken.raw) } {
                code if code >= 0 => out(self.taken.data())?,
                code if code == ffi::AVERROR(ffi::EAGAIN) => return Ok(()),
                code => return Err(damaged(code)),
            }
            // SAFETY: the packet is valid.
            unsafe { ffi::av_packet_unref(self.taken.raw) };
        }
    }

    /// Filters one packet in its place; of a filter that gives one packet for each.
    ///
    /// # Errors
    /// MEDIA_CORRUPT where the packet is damaged.
    pub fn exchange(&mut self, packet: &mut Packet) -> Result<()> {
        // SAFETY: the packet is valid; the filter takes its content, and gives another in its place.
        let code = unsafe {
            match ffi::av_bsf_send_packet(self.context, packet.raw) {
                code if code < 0 => code,
                _ => ffi::av_bsf_receive_packet(self.context, packet.raw),
            }
        };
        match code {
            code if code >= 0 => Ok(()),
            code => Err(failure(
                Reason::MediaCorrupt,
                "could not reframe a packet",
                code,
            )),
        }
    }

    /// Forgets what was seen: the next packet is a cut point.
    pub fn flush(&mut self) {
        // SAFETY: the context is initialised.
        unsafe { ffi::av_bsf_flush(self.context) };
    }
}

impl Drop for BitstreamFilter {
    fn drop(&mut self) {
        // SAFETY: allocated in `open`, freed once.
        unsafe { ffi::av_bsf_free(&mut self.context) };
    }
}
