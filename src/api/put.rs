//! A frame of a client's, checked before it is stored.

use crate::cache::put::{PutFrame, ReadyFrame};
use crate::error::{Error, Reason, Result};
use crate::extract::{MAX_PIXELS, MAX_SIDE};

/// # Errors
/// As [`PutFrame::ready`]; LIMIT_EXCEEDED in `jpeg` for a picture too large.
pub fn ready(frame: PutFrame) -> Result<ReadyFrame> {
    let ready = frame.ready()?;
    let facts = ready.facts();
    if let (Some(width), Some(height)) = (facts.width, facts.height) {
        check_size(width, height).map_err(|e| e.in_field("jpeg"))?;
    }
    Ok(ready)
}

/// # Errors
/// LIMIT_EXCEEDED for more pixels, or a longer side, than any picture may have.
pub fn check_size(width: u32, height: u32) -> Result<()> {
    let pixels = u64::from(width) * u64::from(height);
    if pixels <= MAX_PIXELS && width.max(height) <= MAX_SIDE {
        return Ok(());
    }
    let message = format!(
        "a picture is too large: width={width} height={height} max_pixels={MAX_PIXELS} max_side={MAX_SIDE}"
    );
    Err(Error::new(Reason::RequestLimit, message))
}
