//! Byte sources that media is demuxed from.

use crate::error::Result;

/// A media source of known size, read at offsets. Blocking.
pub trait ByteSource: Send {
    /// Size in bytes.
    fn bytes(&self) -> u64;
    /// Reads up to `buf.len()` bytes at `offset`; 0 only at or past the end.
    fn read_at(&mut self, offset: u64, buf: &mut [u8]) -> Result<usize>;
}
