//! Bytes in memory as a source.

use bytes::Bytes;

use crate::error::Result;
use crate::source::ByteSource;

pub struct BytesSource(pub Bytes);

impl ByteSource for BytesSource {
    fn bytes(&self) -> u64 {
        self.0.len() as u64
    }

    fn skips(&self) -> bool {
        true
    }

    fn read_at(&mut self, offset: u64, buf: &mut [u8]) -> Result<usize> {
        let offset = usize::try_from(offset).unwrap_or(usize::MAX);
        let rest = self.0.get(offset..).unwrap_or_default();
        let count = rest.len().min(buf.len());
        buf[..count].copy_from_slice(&rest[..count]);
        Ok(count)
    }
}
