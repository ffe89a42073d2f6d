//! Small files of an operator's: tokens, certificates, keys.

use std::path::Path;

use crate::error::Error;

/// Why an operator's file cannot be read, and the system's cause.
pub struct Unread {
    why: String,
    cause: Option<std::io::Error>,
}

impl Unread {
    /// As an error in the words of whoever wanted the file.
    pub fn told(self, words: impl FnOnce(String) -> Error) -> Error {
        let error = words(self.why);
        match self.cause {
            Some(cause) => error.caused_by(cause),
            None => error,
        }
    }
}

/// An operator's file of at most this size.
///
/// # Errors
/// Why it cannot be read.
pub fn read_small(path: &Path, max_bytes: u64) -> Result<Vec<u8>, Unread> {
    let failed = |e: std::io::Error| Unread {
        why: format!("it cannot be read ({})", e.kind()),
        cause: Some(e),
    };
    if std::fs::metadata(path).map_err(failed)?.len() > max_bytes {
        let why = format!("it is over {max_bytes} bytes");
        return Err(Unread { why, cause: None });
    }
    std::fs::read(path).map_err(failed)
}
