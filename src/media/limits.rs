//! What of media is taken, so that no file can take all memory or time.

use crate::error::{Error, Reason, Result};

/// Pixels of a picture.
pub const MAX_PIXELS: u64 = 64 << 20;
/// Pixels on a side.
pub const MAX_SIDE: u32 = 16_384;
/// Access units of a source: as many as a profile may have frames.
pub const MAX_UNITS: u64 = 4_000_000;
/// Samples that a source may have whatever its size: of each the demuxer keeps some 24 bytes, and the
/// index 75 if it is a picture.
const FREE_SAMPLES: u64 = 640_000;
/// Streams of a source. A television multiplex has about a hundred.
pub const MAX_STREAMS: u32 = 256;

/// Refuses pictures over the limits.
///
/// # Errors
/// LIMIT_EXCEEDED with the size and the limits.
pub fn check_size(width: u32, height: u32) -> Result<()> {
    let pixels = u64::from(width) * u64::from(height);
    if pixels <= MAX_PIXELS && width.max(height) <= MAX_SIDE {
        return Ok(());
    }
    Err(Error::new(
        Reason::MediaLimit,
        format!(
            "the video's pictures are too large, width={width} height={height} \
             max_pixels={MAX_PIXELS} max_side={MAX_SIDE}"
        ),
    )
    .hint("scale the video down before it is extracted"))
}

/// Samples of all its tracks that a source of so many bytes may have: those of a few bytes each are many
/// only in a file that is made to take memory.
pub fn max_samples(bytes: u64) -> u64 {
    FREE_SAMPLES + bytes / 8
}

/// Refuses a video of more pictures than are taken of a source of so many bytes.
///
/// # Errors
/// LIMIT_EXCEEDED with the number and the limit.
#[inline]
pub fn check_units(units: u64, bytes: u64) -> Result<()> {
    let limit = MAX_UNITS.min(max_samples(bytes));
    if units <= limit {
        return Ok(());
    }
    Err(too_many_units(units, limit))
}

#[cold]
fn too_many_units(units: u64, limit: u64) -> Error {
    Error::new(
        Reason::MediaLimit,
        format!("the video has too many pictures for one source, pictures={units} limit={limit}"),
    )
    .hint("cut it into several sources")
}
