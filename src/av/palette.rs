//! The palette in force: a demuxer gives it with one packet, and a decoder needs it with whichever
//! packet comes to it first.

use ffmpeg_next::ffi;

use super::packet::Packet;

const KIND: ffi::AVPacketSideDataType = ffi::AVPacketSideDataType::AV_PKT_DATA_PALETTE;

/// Of one stream; none, for most.
#[derive(Default)]
pub(super) struct Palette {
    /// Of the header.
    first: Vec<u8>,
    current: Vec<u8>,
}

impl Palette {
    /// Keeps the packet's palette, or gives the packet the one that is in force.
    #[inline]
    pub fn follow(&mut self, packet: &mut Packet) {
        if let Some(brought) = packet.side_data(KIND) {
            self.current = brought.to_vec();
            if self.first.is_empty() {
                self.first.clone_from(&self.current);
            }
        } else if !self.current.is_empty() {
            self.give(packet);
        }
    }

    fn give(&self, packet: &mut Packet) {
        let size = self.current.len();
        // SAFETY: the packet is valid; new side data holds as many bytes as were asked for.
        unsafe {
            let added = ffi::av_packet_new_side_data(packet.raw, KIND, size);
            if !added.is_null() {
                added.copy_from_nonoverlapping(self.current.as_ptr(), size);
            }
        }
    }

    /// The header's is in force again: what comes next may lie anywhere.
    pub fn rewind(&mut self) {
        self.current.clone_from(&self.first);
    }

    /// Another than the header's is in force.
    pub fn changed(&self) -> bool {
        self.current != self.first
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packet(palette: Option<u8>) -> Packet {
        let packet = Packet::new().unwrap();
        if let Some(colour) = palette {
            // SAFETY: the packet is valid, its new side data has the size asked for.
            unsafe {
                ffi::av_packet_new_side_data(packet.raw, KIND, 1024).write_bytes(colour, 1024)
            };
        }
        packet
    }

    fn given(palette: &mut Palette, brought: Option<u8>) -> Option<u8> {
        let mut packet = packet(brought);
        palette.follow(&mut packet);
        let mut size = 0;
        // SAFETY: the packet is valid.
        unsafe { ffi::av_packet_get_side_data(packet.raw, KIND, &mut size).as_ref() }.copied()
    }

    #[test]
    fn each_packet_has_the_palette_in_force_and_the_headers_again_after_a_seek() {
        let mut palette = Palette::default();
        assert_eq!(given(&mut palette, None), None);
        assert_eq!(given(&mut palette, Some(1)), Some(1));
        assert_eq!(given(&mut palette, None), Some(1));
        assert!(!palette.changed());
        assert_eq!(given(&mut palette, Some(2)), Some(2));
        assert_eq!(given(&mut palette, None), Some(2));
        assert!(palette.changed());
        palette.rewind();
        assert!(!palette.changed());
        assert_eq!(given(&mut palette, None), Some(1));
    }
}
