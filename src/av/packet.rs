//! One packet of a container.

use std::ffi::c_int;

use ffmpeg_next::ffi;

use crate::error::{Error, Result};

/// One packet of the container.
pub struct Packet(pub(super) *mut ffi::AVPacket);

// SAFETY: packet data is reference counted with atomics, the packet is uniquely owned.
unsafe impl Send for Packet {}

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

    /// Has a decoder give its picture even where it is not to be shown.
    pub fn show(&mut self) {
        // SAFETY: as in `raw`; the packet is uniquely owned.
        unsafe { (*self.0).flags &= !(ffi::AV_PKT_FLAG_DISCARD as c_int) };
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
