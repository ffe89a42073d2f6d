//! One packet of a container.

use std::ffi::c_int;
use std::ptr::addr_of;
use std::sync::Arc;

use ffmpeg_next::ffi;

use crate::error::{Error, Result};

const NEW_HEADER: ffi::AVPacketSideDataType = ffi::AVPacketSideDataType::AV_PKT_DATA_NEW_EXTRADATA;

/// What a decoder needs before a packet that it does not have from the stream's header.
#[derive(Debug, PartialEq, Eq)]
pub struct Needs {
    /// Told apart by this within a stream; 0 is none.
    pub id: u32,
    /// The container's header, where it is another than the stream's and `sets` do not say all of it.
    pub header: Option<Arc<[u8]>>,
    /// All parameter sets in force, as they stand in front of a packet.
    pub sets: Vec<u8>,
    /// Those among them that no picture refers across are told apart by this.
    pub sequence: u32,
    /// Most pictures that stand before one in decode order and are shown after it, in the whole stream.
    pub reorder: u32,
}

/// A packet's own word on what a decoder needs there.
#[derive(Debug, Clone)]
pub struct Given {
    pub needs: Arc<Needs>,
    /// No packet before this one is of use to a decoder: what it holds is to be delivered, and it
    /// begins anew.
    pub restarts: bool,
}

/// One packet of the container.
pub struct Packet {
    pub(super) raw: *mut ffi::AVPacket,
    /// So many bytes of its data were read.
    known: usize,
    given: Option<Given>,
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
            given: None,
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

    /// A header of the container's that takes the place of the stream's from here on.
    pub fn new_header(&self) -> Option<&[u8]> {
        self.side_data(NEW_HEADER)
            .filter(|header| !header.is_empty())
    }

    /// What the demuxer gave beside the data; nearly all packets have nothing.
    #[inline]
    pub(super) fn side_data(&self, kind: ffi::AVPacketSideDataType) -> Option<&[u8]> {
        let mut size = 0;
        // SAFETY: as in `raw`; side data lives as long as the packet is referenced, and holds as many bytes
        // as it says.
        unsafe {
            if (*self.raw).side_data_elems == 0 {
                return None;
            }
            let data = ffi::av_packet_get_side_data(self.raw, kind, &mut size);
            (!data.is_null()).then(|| std::slice::from_raw_parts(data, size))
        }
    }

    /// Takes that header away: demuxers send it only to who reads on from the packet before.
    pub fn drop_header(&mut self) {
        // SAFETY: as in `raw`; the packet is uniquely owned, and each entry of its side data too: the
        // one that goes is freed, and the last takes its place.
        unsafe {
            let raw = &mut *self.raw;
            for place in (0..raw.side_data_elems).rev() {
                let entry = raw.side_data.add(place as usize);
                let kind = addr_of!((*entry).type_).cast::<c_int>().read();
                if kind == NEW_HEADER as c_int {
                    ffi::av_free((*entry).data.cast());
                    raw.side_data_elems -= 1;
                    entry.write(raw.side_data.add(raw.side_data_elems as usize).read());
                }
            }
        }
    }

    /// What a decoder is to be given before it.
    pub fn give(&mut self, given: Option<Given>) {
        self.given = given;
    }

    pub fn given(&self) -> Option<&Given> {
        self.given.as_ref()
    }

    /// Puts bytes in the place of its data.
    ///
    /// # Errors
    /// Where memory runs out.
    pub fn replace(&mut self, data: &[u8]) -> Result<()> {
        let size = c_int::try_from(data.len())
            .map_err(|_| Error::internal("a packet is longer than a number holds"))?;
        let fresh = Packet::new()?;
        // SAFETY: both packets are valid and uniquely owned; the new data holds so many bytes. What the
        // old one referred to goes with `fresh`.
        unsafe {
            let failed = ffi::av_new_packet(fresh.raw, size) < 0
                || ffi::av_packet_copy_props(fresh.raw, self.raw) < 0;
            if failed {
                return Err(Error::internal("could not allocate a packet"));
            }
            std::ptr::copy_nonoverlapping(data.as_ptr(), (*fresh.raw).data, data.len());
            std::ptr::swap(self.raw, fresh.raw);
        }
        Ok(())
    }

    /// Puts bytes in front of its data.
    ///
    /// # Errors
    /// As `replace`.
    pub fn put_in_front(&mut self, bytes: &[u8]) -> Result<()> {
        match bytes {
            [] => Ok(()),
            bytes => self.replace(&[bytes, self.data()].concat()),
        }
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
