//! What tells whether a source is still the same.

use sha2::{Digest, Sha256};

use crate::error::{Error, Reason, Result};
use crate::hex::hex;
use crate::source::{ByteSource, read_full};
use crate::timeline::index::Identity;

const EDGE_BYTES: u64 = 64 << 10;

/// Size, and sha256 of the first and last 64 KiB (of all of it, where it is shorter).
///
/// # Errors
/// As reading; SOURCE_CHANGED where it ends before its size.
pub fn identity(source: &mut dyn ByteSource) -> Result<Identity> {
    let bytes = source.bytes();
    Ok(Identity {
        bytes,
        head_sha256: digest(source, 0)?,
        tail_sha256: digest(source, bytes.saturating_sub(EDGE_BYTES))?,
    })
}

fn digest(source: &mut dyn ByteSource, offset: u64) -> Result<String> {
    let bytes = source.bytes().min(EDGE_BYTES);
    let mut edge = vec![0; usize::try_from(bytes).unwrap_or(0)];
    if read_full(source, offset, &mut edge)? < edge.len() {
        return Err(Error::new(
            Reason::SourceChanged,
            "the source became shorter while it was read",
        ));
    }
    Ok(hex(&Sha256::digest(&edge)))
}
