//! A container's packets, as NVIDIA's parser wants them.

use super::Refusal;
use super::shape::Codec;
use crate::av::{BitstreamFilter, Framing, Packet, StreamInfo};
use crate::error::Result;

/// Reframes packets, and knows the stream's header.
pub(super) struct Feed {
    codec: Codec,
    filter: Option<BitstreamFilter>,
    header: Vec<u8>,
}

/// av1C begins with four bytes of its own (AV1-ISOBMFF 2.3.3); sequence headers follow.
const AV1C_BYTES: usize = 4;
/// Its marker bit and version 1.
const AV1C_MARKER: u8 = 0x81;

impl Feed {
    pub fn open(codec: Codec, stream: &StreamInfo) -> Result<Self, Refusal> {
        let framing = match codec {
            Codec::H264 => Some(Framing::H264AnnexB),
            Codec::Hevc => Some(Framing::HevcAnnexB),
            Codec::Vp9 => Some(Framing::Vp9Frames),
            Codec::Vp8 | Codec::Av1 => None,
        };
        let filter = framing
            .map(|framing| BitstreamFilter::open(framing, stream))
            .transpose()
            .map_err(|_| Refusal::Header)?;
        let header = match (codec, &filter) {
            (Codec::H264 | Codec::Hevc, Some(filter)) => filter.header(),
            (Codec::Av1, _) => av1_header(stream.extradata()),
            _ => &[],
        };
        let header = header.to_vec();
        Ok(Feed {
            codec,
            filter,
            header,
        })
    }

    /// Parameter sets in Annex B, AV1's sequence header, or nothing. To be sent wherever decoding
    /// starts: the filter puts them before IDR pictures only, and a cut point may be another.
    pub fn header(&self) -> &[u8] {
        &self.header
    }

    /// A piece given to `packet`'s `out` is exactly one picture. An AV1 temporal unit may be several.
    pub fn one_picture(&self) -> bool {
        self.codec != Codec::Av1
    }

    /// Gives the packet's pieces, in order.
    ///
    /// # Errors
    /// MEDIA_CORRUPT where the packet is damaged, and whatever `out` fails with.
    pub fn packet(
        &mut self,
        packet: &Packet,
        mut out: impl FnMut(&[u8]) -> Result<()>,
    ) -> Result<()> {
        match &mut self.filter {
            Some(filter) => filter.filter(packet, out),
            None => out(packet.data()),
        }
    }

    /// The next packet is a cut point.
    pub fn restart(&mut self) {
        if let Some(filter) = &mut self.filter {
            filter.flush();
        }
    }
}

fn av1_header(extradata: &[u8]) -> &[u8] {
    match extradata {
        [AV1C_MARKER, ..] => extradata.get(AV1C_BYTES..).unwrap_or(&[]),
        obus => obus,
    }
}
