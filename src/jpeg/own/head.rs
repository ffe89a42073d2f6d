//! What stands before the coded data of a file: libjpeg-turbo's own, of a small picture.

use crate::jpeg::markers::next_segment;
use crate::jpeg::own::bits::{Codes, Tables, ZIGZAG};

/// The markers from the first to the start of the scan, and what they say.
#[derive(Debug, Clone)]
pub(super) struct Head {
    bytes: Vec<u8>,
    /// Where height and width stand.
    size_at: usize,
    /// Quantisation steps row by row: of luma, and of chroma, or of luma again.
    pub steps: [[u8; 64]; 2],
    pub tables: [Tables; 2],
}

impl Head {
    /// None where the file is not of the kind that libjpeg-turbo makes of 8-bit planes by default.
    pub fn of(file: &[u8]) -> Option<Head> {
        let (mut steps, mut codes) = ([None; 2], [const { None }; 4]);
        let (mut size_at, mut rest) = (None, file.get(2..)?);
        loop {
            let (marker, segment, behind) = next_segment(rest)?;
            let from = file.len() - behind.len() - segment.len();
            match marker {
                0xdb => steps_of(segment, &mut steps)?,
                0xc0 => size_at = Some(from + 1),
                0xc4 => codes_of(segment, &mut codes)?,
                0xe0 | 0xda => {}
                _ => return None,
            }
            rest = behind;
            if marker == 0xda {
                break;
            }
        }
        let [dc0, ac0, dc1, ac1] = codes;
        let luma = Tables {
            direct: dc0?,
            alternating: ac0?,
        };
        let chroma = match (dc1, ac1) {
            (Some(direct), Some(alternating)) => Tables {
                direct,
                alternating,
            },
            _ => luma.clone(),
        };
        let first = steps[0]?;
        Some(Head {
            bytes: file[..file.len() - rest.len()].to_vec(),
            size_at: size_at?,
            steps: [first, steps[1].unwrap_or(first)],
            tables: [luma, chroma],
        })
    }

    /// The same for a picture of another size, each side under 65,536.
    pub fn of_size(&self, (width, height): (usize, usize)) -> Vec<u8> {
        let mut bytes = self.bytes.clone();
        let sides = [height, width].map(|side| (side as u16).to_be_bytes());
        if let Some(to) = bytes.get_mut(self.size_at..self.size_at + 4) {
            to.copy_from_slice(sides.as_flattened());
        }
        bytes
    }
}

/// Tables of a DQT segment (B.2.4.1), of 8 bits.
fn steps_of(mut segment: &[u8], steps: &mut [Option<[u8; 64]>; 2]) -> Option<()> {
    while let Some((&place, rest)) = segment.split_first() {
        let (table, rest) = rest.split_first_chunk::<64>()?;
        let slot = steps.get_mut(usize::from(place))?;
        *slot = Some(ZIGZAG.map(|place| table[usize::from(place)]));
        segment = rest;
    }
    Some(())
}

/// Tables of a DHT segment (B.2.4.2): DC 0, AC 0, DC 1, AC 1.
fn codes_of(mut segment: &[u8], codes: &mut [Option<Codes>; 4]) -> Option<()> {
    while let Some((&class, rest)) = segment.split_first() {
        let (counts, rest) = rest.split_first_chunk::<16>()?;
        let all: usize = counts.iter().map(|&count| usize::from(count)).sum();
        let (symbols, rest) = rest.split_at_checked(all)?;
        let place = match class {
            0x00 => 0,
            0x10 => 1,
            0x01 => 2,
            0x11 => 3,
            _ => return None,
        };
        codes[place] = Some(Codes::new(counts, symbols));
        segment = rest;
    }
    Some(())
}
