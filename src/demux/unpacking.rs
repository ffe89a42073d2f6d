//! B pictures of MPEG-4 that stand in the packet of another picture, as DivX wrote them for AVI:
//! each gets a packet of its own, in the place of the one that says nothing is coded.

use ffmpeg_next::ffi::AVCodecID;

use super::mpeg::packs_b_pictures;
use crate::av::{BitstreamFilter, Framing, Packet, StreamInfo};
use crate::error::Result;

pub struct Unpacker(BitstreamFilter);

impl Unpacker {
    /// Where the stream's header says that it packs them.
    ///
    /// # Errors
    /// As [`BitstreamFilter::open`].
    pub fn by_header(info: &StreamInfo) -> Result<Option<Self>> {
        Self::open_if(info, packs_b_pictures(info.extradata()))
    }

    /// Where the stream's first packet says so.
    ///
    /// # Errors
    /// As `by_header`.
    pub fn by_first(info: &StreamInfo, packet: &Packet) -> Result<Option<Self>> {
        Self::open_if(info, packs_b_pictures(packet.data()))
    }

    /// Where the index found out.
    ///
    /// # Errors
    /// As `by_header`.
    pub fn open_if(info: &StreamInfo, packed: bool) -> Result<Option<Self>> {
        if !packed || !info.is_codec(AVCodecID::AV_CODEC_ID_MPEG4) {
            return Ok(None);
        }
        BitstreamFilter::open(Framing::Mpeg4Unpacked, info).map(|filter| Some(Unpacker(filter)))
    }

    /// Puts into the packet what is its own picture.
    ///
    /// # Errors
    /// MEDIA_CORRUPT where the packet is damaged.
    pub fn unpack(&mut self, packet: &mut Packet) -> Result<()> {
        self.0.exchange(packet)
    }

    /// The next packet does not follow on the last one.
    pub fn restart(&mut self) {
        self.0.flush();
    }
}
