//! Byte sources that media is demuxed from: files, objects of S3, bytes in
//! memory, and an init segment with its fragment. Blocking.

use std::fs::File;
use std::sync::Arc;

use crate::cancel::Stop;
use crate::error::Result;

mod concat;
mod file;
mod identity;
mod memory;
mod policy;
#[cfg_attr(not(feature = "s3"), path = "no_s3.rs")]
mod s3;
mod uri;

#[cfg(test)]
mod tests;

pub use concat::concat;
pub use identity::identity;
pub use memory::BytesSource;
pub use policy::SourcePolicy;
pub use uri::{check_absolute, strip_credentials};

use uri::Location;

/// A media source of known size, read at offsets. Blocking.
pub trait ByteSource: Send {
    /// Size in bytes.
    fn bytes(&self) -> u64;
    /// Reads up to `buf.len()` bytes at `offset`; 0 only at or past the end.
    fn read_at(&mut self, offset: u64, buf: &mut [u8]) -> Result<usize>;
    /// Reads that wait for another machine give up once this is set.
    fn follow(&mut self, _: &Stop) {}
    /// Reading a little here and there costs no more than reading on.
    fn skips(&self) -> bool {
        false
    }
    /// Files that another process can read it from, one after the other, with their sizes in bytes; none
    /// where it is no files.
    fn files(&self) -> Option<Vec<(Arc<File>, u64)>> {
        None
    }
}

/// Opens what [`ByteSource::files`] gave.
pub fn of_files(files: &[(Arc<File>, u64)]) -> Box<dyn ByteSource> {
    let open = |(file, bytes): &(Arc<File>, u64)| file::of_file(file.clone(), *bytes);
    let opened = files.iter().map(open);
    opened
        .reduce(concat)
        .unwrap_or_else(|| Box::new(BytesSource(bytes::Bytes::new())))
}

/// Opens a path, `file://` or `s3://bucket/key`, if the policy allows it.
///
/// # Errors
/// - FIELD_INVALID for other schemes, folders, pipes and devices.
/// - SOURCE_DENIED outside the policy's roots and buckets, or by the system's permissions.
/// - SOURCE_NOT_FOUND; SOURCE_UNAVAILABLE for the rest.
pub fn open(uri: &str, policy: &SourcePolicy) -> Result<Box<dyn ByteSource>> {
    match uri::parse(uri)? {
        Location::File(path) => file::open(&path, policy),
        Location::S3 { bucket, key } => {
            policy.check_bucket(&bucket)?;
            s3::open(policy.remote(), bucket, key)
        }
    }
}

/// Reads until `buf` is full or the source ends; gives how many bytes.
pub(crate) fn read_full(
    source: &mut dyn ByteSource,
    mut offset: u64,
    buf: &mut [u8],
) -> Result<usize> {
    let mut filled = 0;
    while let Some(rest) = buf.get_mut(filled..).filter(|rest| !rest.is_empty()) {
        match source.read_at(offset, rest)? {
            0 => break,
            count => {
                filled += count;
                offset += count as u64;
            }
        }
    }
    Ok(filled)
}
