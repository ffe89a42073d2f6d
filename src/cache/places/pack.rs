//! One pack: a tar archive with `{seq}.jpg` and `{seq}.json` of frames of one span, in sequence
//! order. It is named by its digest, so that it is never rewritten with other bytes.

use bytes::Bytes;
use crc_fast::{CrcAlgorithm, checksum};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::cache::keys::DIGEST_DIGITS;
use crate::error::{Error, Result};
use crate::hex::hex;
use crate::media::facts::FrameFacts;
use crate::ustar;

/// A pack, as the record of its span names it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pack {
    /// The sha256 of the row's digest and the pack's bytes, one after the other, lower-case hex.
    pub digest: String,
    pub bytes: u64,
}

impl Pack {
    /// What its key has of the digest; none where that is none.
    pub fn name(&self) -> Option<&str> {
        let is_hex = |b: u8| b.is_ascii_digit() || (b'a'..=b'f').contains(&b);
        let whole = self.digest.len() == 64 && self.digest.bytes().all(is_hex);
        self.digest.get(..DIGEST_DIGITS).filter(|_| whole)
    }

    /// Whether these are its bytes.
    pub fn is(&self, row_digest: &str, data: &[u8]) -> bool {
        let mut hasher = Sha256::new();
        hasher.update(row_digest);
        hasher.update(data);
        self.bytes == data.len() as u64 && self.digest == hex(&hasher.finalize())
    }
}

/// Where one frame lies in a span's packs; its length is among its facts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "(u32, u64, u32)", into = "(u32, u64, u32)")]
pub struct Slot {
    /// The pack's place among the span's.
    pub pack: u32,
    pub offset: u64,
    pub crc32c: u32,
}

impl From<(u32, u64, u32)> for Slot {
    fn from((pack, offset, crc32c): (u32, u64, u32)) -> Slot {
        Slot {
            pack,
            offset,
            crc32c,
        }
    }
}

impl From<Slot> for (u32, u64, u32) {
    fn from(slot: Slot) -> Self {
        (slot.pack, slot.offset, slot.crc32c)
    }
}

pub fn crc32c(data: &[u8]) -> u32 {
    // The upper half of a 32-bit sum is empty.
    checksum(CrcAlgorithm::Crc32Iscsi, data) as u32
}

/// A pack that is being made.
pub struct PackWriter {
    tar: Vec<u8>,
    hasher: Sha256,
}

impl PackWriter {
    pub fn new(row_digest: &str) -> PackWriter {
        let mut hasher = Sha256::new();
        hasher.update(row_digest);
        PackWriter {
            tar: Vec::new(),
            hasher,
        }
    }

    /// Adds a frame with its facts; answers its offset.
    ///
    /// # Errors
    /// INTERNAL where JSON cannot hold the facts.
    pub fn add(&mut self, facts: &FrameFacts, jpeg: &[u8]) -> Result<u64> {
        let seq = facts.seq;
        let json = serde_json::to_vec(&lasting(facts))
            .map_err(|e| Error::internal("could not write a frame's facts").caused_by(e))?;
        let from = self.tar.len();
        let offset = ustar::append(&mut self.tar, &format!("{seq}.jpg"), jpeg);
        ustar::append(&mut self.tar, &format!("{seq}.json"), &json);
        self.hasher.update(self.tar.get(from..).unwrap_or_default());
        Ok(offset as u64)
    }

    pub fn bytes(&self) -> usize {
        self.tar.len()
    }

    pub fn finish(mut self) -> (Pack, Bytes) {
        let from = self.tar.len();
        ustar::end(&mut self.tar);
        self.hasher.update(self.tar.get(from..).unwrap_or_default());
        let pack = Pack {
            digest: hex(&self.hasher.finalize()),
            bytes: self.tar.len() as u64,
        };
        (pack, Bytes::from(self.tar))
    }
}

/// What is the same whoever decoded: the record tells who did.
fn lasting(facts: &FrameFacts) -> FrameFacts {
    FrameFacts {
        backend: None,
        fallback_reason: None,
        ..facts.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cache::testing::every_fact;

    #[test]
    fn a_frames_crc_is_castagnolis() {
        // RFC 3720, B.4.
        assert_eq!(crc32c(&[0; 32]), 0x8a91_36aa);
        assert_eq!(crc32c(&[0xff; 32]), 0x62a8_ab43);
    }

    #[test]
    fn the_same_frames_make_the_same_pack_whoever_decoded_them() {
        let made = |backend: &str| {
            let mut writer = PackWriter::new(&"d".repeat(64));
            for seq in [7, 8] {
                let facts = FrameFacts {
                    backend: Some(backend.to_owned()),
                    fallback_reason: None,
                    ..every_fact(seq)
                };
                let offset = writer.add(&facts, b"picture").unwrap() as usize;
                assert_eq!(&writer.tar[offset..offset + 7], b"picture");
            }
            writer.finish()
        };
        let (pack, tar) = made("cpu");
        assert_eq!((pack.clone(), tar.clone()), made("gpu"));
        assert!(pack.is(&"d".repeat(64), &tar));
        assert!(!pack.is(&"e".repeat(64), &tar));
        assert!(!pack.is(&"d".repeat(64), &tar[..tar.len() - 1]));
        assert_eq!(pack.name(), pack.digest.get(..8));
    }
}
