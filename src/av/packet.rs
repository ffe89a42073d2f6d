//! One packet of a container.

use std::ffi::c_int;

use ffmpeg_next::ffi;

use crate::error::{Error, Result};

/// One packet of the container.
pub struct Packet {
    pub(super) raw: *mut ffi::AVPacket,
    /// So many bytes of its data were read.
    known: usize,
}

// SAFETY: packet data is reference counted with atomics, the packet is uniquely owned.
unsafe impl Send for Packet {}

impl Packet {
    pub fn new() -> Result<Self> {
        // SAFETY: allocation only.
        let packet = unsafe { ffi::av_packet_alloc() };
        if packet.is_null() {
            return Err(Error::internal("could not allocate a packet"));
        }
        Ok(Packet {
            raw: packet,
            known: usize::MAX,
        })
    }

    fn raw(&self) -> &ffi::AVPacket {
        // SAFETY: allocated in `new`, freed on drop.
        unsafe { &*self.raw }
    }

    pub(super) fn as_ptr(&self) -> *const ffi::AVPacket {
        self.raw
    }

    /// Nothing behind the first `known` bytes of its data is to be looked at.
    pub(super) fn keep_head(&mut self, known: usize) {
        self.known = known;
    }

    pub(super) fn set_tag(&mut self, tag: i64) {
        // SAFETY: as in `raw`; dts is of no use to a decoder that is given tags.
        unsafe {
            (*self.raw).pts = tag;
            (*self.raw).dts = tag;
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

    /// In bytes.
    pub fn size(&self) -> usize {
        usize::try_from(self.raw().size).unwrap_or(0)
    }

    /// All of it, or what `Input::read_head` read.
    pub fn data(&self) -> &[u8] {
        let raw = self.raw();
        if raw.data.is_null() {
            return &[];
        }
        // SAFETY: data holds `size` bytes as long as the packet is referenced, of which `known` were written.
        unsafe { std::slice::from_raw_parts(raw.data, self.size().min(self.known)) }
    }

    /// The container says that decoding can start here.
    pub fn key(&self) -> bool {
        self.raw().flags & ffi::AV_PKT_FLAG_KEY as c_int != 0
    }

    /// To be decoded but not shown (edit lists).
    pub fn discarded(&self) -> bool {
        self.raw().flags & ffi::AV_PKT_FLAG_DISCARD as c_int != 0
    }

    /// Has a decoder give its picture even where it is not to be shown.
    pub fn show(&mut self) {
        // SAFETY: as in `raw`; the packet is uniquely owned.
        unsafe { (*self.raw).flags &= !(ffi::AV_PKT_FLAG_DISCARD as c_int) };
    }

    /// The demuxer reports damage.
    pub fn corrupt(&self) -> bool {
        self.raw().flags & ffi::AV_PKT_FLAG_CORRUPT as c_int != 0
    }
}

impl Drop for Packet {
    fn drop(&mut self) {
        // SAFETY: allocated in `new`, freed once.
        unsafe { ffi::av_packet_free(&mut self.raw) };
    }
}
