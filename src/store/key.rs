//! What a key may be. The same for every store, so that a cache can be moved
//! from one to another.

use crate::error::{Error, Result};

/// S3's own bound, on the whole key with its prefix.
pub const MAX_KEY_BYTES: usize = 1024;
/// What Linux file systems take for one name.
const MAX_SEGMENT_BYTES: usize = 255;
/// Where a directory store keeps what is not yet an object.
pub(crate) const TEMPORARY: &str = ".tmp";

/// Refuses a key that some store could not hold or could misread: empty or
/// over-long, with NUL, with an empty, `.` or `..` segment, or under `.tmp`.
///
/// # Errors
/// FIELD_INVALID.
pub fn check_key(key: &str) -> Result<()> {
    if key.len() > MAX_KEY_BYTES {
        return Err(Error::field(format!(
            "a key is longer than {MAX_KEY_BYTES} bytes: bytes={}",
            key.len()
        )));
    }
    check_segments(key, key)
}

/// The same for the prefix of a listing: its folders must be a key's, what
/// follows the last `/` is only compared.
///
/// # Errors
/// FIELD_INVALID.
pub fn check_prefix(prefix: &str) -> Result<()> {
    if prefix.len() > MAX_KEY_BYTES || prefix.contains('\0') {
        return Err(invalid("the prefix of a listing", prefix));
    }
    match prefix.rsplit_once('/') {
        None => Ok(()),
        Some((folder, _)) => check_segments(folder, prefix),
    }
}

fn check_segments(path: &str, whole: &str) -> Result<()> {
    for segment in path.split('/') {
        let bad = matches!(segment, "" | "." | "..")
            || segment.len() > MAX_SEGMENT_BYTES
            || segment.contains('\0');
        if bad {
            return Err(invalid("a key", whole));
        }
    }
    match path.split('/').next() {
        Some(TEMPORARY) => Err(invalid("a key", whole)),
        _ => Ok(()),
    }
}

fn invalid(what: &str, value: &str) -> Error {
    let shown: String = value.chars().take(100).collect();
    Error::field(format!("{what} has a segment that no store can hold: key={shown:?}"))
        .hint("a key's segments are neither empty, `.` nor `..`, at most 255 bytes, without NUL, and not under `.tmp`")
}

/// The media type that an object's extension stands for.
pub fn content_type_of(key: &str) -> &'static str {
    match key.rsplit_once('.').map(|(_, extension)| extension) {
        Some("jpg" | "jpeg") => "image/jpeg",
        Some("png") => "image/png",
        Some("json") => "application/json",
        _ => "application/octet-stream",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Reason;

    #[test]
    fn keys_that_could_leave_the_root_or_alias_are_refused() {
        let long_segment = "x".repeat(256);
        let long = "x/".repeat(600);
        let bad = [
            "",
            "/",
            "/a",
            "a/",
            "a//b",
            ".",
            "..",
            "../a",
            "a/../b",
            "a/..",
            "a/./b",
            "a\0b",
            ".tmp/a",
            ".tmp",
            &long_segment,
            &long,
        ];
        for key in bad {
            let error = check_key(key).expect_err(key);
            assert_eq!(error.reason(), Reason::FieldInvalid);
        }
        for key in ["a", "a/.tmp", "...", "a/..b", ".a", "ä/ö b%2f\\.jpg"] {
            check_key(key).expect(key);
        }
    }

    #[test]
    fn a_prefix_may_end_anywhere_but_not_climb() {
        for prefix in ["", "a", "a/", "a/b", ".", "a/..", "a/.t"] {
            check_prefix(prefix).expect(prefix);
        }
        for prefix in ["/", "../", "a/../", "a/../b", "a//", ".tmp/", "a\0"] {
            assert!(check_prefix(prefix).is_err(), "{prefix:?}");
        }
    }
}
