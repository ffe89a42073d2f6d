//! A container's packets, as NVIDIA's parser wants them.

use super::Refusal;
use super::shape::Codec;
use crate::av::{BitstreamFilter, Framing, Needs, Packet, StreamInfo};
use crate::demux::Framing as Nals;
use crate::error::Result;

/// Reframes packets, and knows the stream's header.
pub(super) struct Feed {
    codec: Codec,
    filter: Option<BitstreamFilter>,
    header: Vec<u8>,
    /// How NAL units stand in packets, where they have any.
    nals: Option<Nals>,
    /// What the index says is needed; 0: nothing, the stream's header is all.
    needs: u32,
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
        let nals = match codec {
            Codec::H264 => Some(Nals::of_avcc(stream.extradata())),
            Codec::Hevc => Some(Nals::of_hvcc(stream.extradata())),
            _ => None,
        };
        Ok(Feed {
            codec,
            filter,
            header,
            nals,
            needs: 0,
        })
    }

    /// Takes what the index says is needed in the place of the stream's header. False: it is known.
    pub fn take(&mut self, needs: &Needs) -> bool {
        if std::mem::replace(&mut self.needs, needs.id) == needs.id {
            return false;
        }
        self.header = match self.nals {
            Some(nals) => Nals::StartCodes
                .reframed(&needs.sets, nals)
                .unwrap_or_else(|| needs.sets.clone()),
            None => needs.sets.clone(),
        };
        true
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
        match (&mut self.filter, self.nals) {
            // The filter would put the sets of the stream's header before random access pictures, whatever
            // is in force there.
            (_, Some(nals)) if self.needs > 0 => {
                match Nals::StartCodes.reframed(packet.data(), nals) {
                    Some(data) => out(&data),
                    None => out(packet.data()),
                }
            }
            (Some(filter), _) => filter.filter(packet, out),
            (None, _) => out(packet.data()),
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
