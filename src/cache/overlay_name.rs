//! File names of overlays: `{seq}_{name}.png`, any UTF-8 name of 1 to 200 bytes.
//!
//! `%`, `/`, `\` and control bytes (0x00 to 0x1f, 0x7f) are written `%XX`, two
//! upper-case hex digits. Only these escapes are read back, so a name that the
//! ancestor wrote with any other `%` in it stays what it is.

use std::fmt::Write as _;

use crate::error::{Error, Result};

const MAX_NAME_BYTES: usize = 200;
/// What Linux file systems take for one name.
const MAX_FILE_NAME_BYTES: usize = 255;

/// The file name of an overlay.
///
/// # Errors
/// FIELD_INVALID for an empty or over-long name.
pub fn file_name(seq: u64, name: &str) -> Result<String> {
    if name.is_empty() || name.len() > MAX_NAME_BYTES {
        return Err(Error::field(format!(
            "an overlay's name must have 1 to {MAX_NAME_BYTES} bytes: bytes={}",
            name.len()
        ))
        .hint("give it a name of 1 to 200 bytes of UTF-8")
        .in_field("name"));
    }
    let file = format!("{seq}_{}.png", encode(name));
    if file.len() > MAX_FILE_NAME_BYTES {
        return Err(Error::field(format!(
            "an overlay's file name is over {MAX_FILE_NAME_BYTES} bytes once encoded: bytes={}",
            file.len()
        ))
        .hint("give it a shorter name, or one with fewer %, /, \\ and control characters")
        .in_field("name"));
    }
    Ok(file)
}

/// The name as the key spells it.
pub fn encode(name: &str) -> String {
    let mut out = String::with_capacity(name.len());
    for c in name.chars() {
        if is_escaped(c) {
            // Writing into a String cannot fail.
            let _ = write!(out, "%{:02X}", u32::from(c));
        } else {
            out.push(c);
        }
    }
    out
}

/// The name that a key spells; none for an empty one.
pub fn decode(encoded: &str) -> Option<String> {
    let mut out = String::with_capacity(encoded.len());
    let mut rest = encoded;
    while let Some(c) = rest.chars().next() {
        if let Some(escaped) = escape_at(rest) {
            out.push(escaped);
            rest = rest.get(3..)?;
        } else {
            out.push(c);
            rest = rest.get(c.len_utf8()..)?;
        }
    }
    (!out.is_empty()).then_some(out)
}

/// The character of an escape that our writer makes, if `text` starts with one.
fn escape_at(text: &str) -> Option<char> {
    let digits = text.strip_prefix('%')?.get(..2)?;
    if digits
        .bytes()
        .any(|b| !matches!(b, b'0'..=b'9' | b'A'..=b'F'))
    {
        return None;
    }
    let c = char::from(u8::from_str_radix(digits, 16).ok()?);
    is_escaped(c).then_some(c)
}

fn is_escaped(c: char) -> bool {
    matches!(c, '%' | '/' | '\\' | '\0'..='\x1f' | '\x7f')
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn names_are_written_as_the_contract_says() {
        for (name, file) in [
            ("edge_overlay_b64", "3_edge_overlay_b64.png"),
            ("a.png", "3_a.png.png"),
            ("a/b\\c%d", "3_a%2Fb%5Cc%25d.png"),
            ("\u{0}\n\u{7f}", "3_%00%0A%7F.png"),
            ("h\u{f6}he \u{1f600}", "3_h\u{f6}he \u{1f600}.png"),
            ("..", "3_...png"),
        ] {
            assert_eq!(file_name(3, name).unwrap(), file);
        }
    }

    #[test]
    fn escapes_that_our_writer_never_makes_stay_as_they_are() {
        for kept in [
            "%41", "%2f", "%", "%2", "%%", "a%20b", "%\u{e9}1", "%C3%A9", "%+5",
        ] {
            assert_eq!(decode(kept).unwrap(), kept);
        }
        assert_eq!(decode("%252F").unwrap(), "%2F");
        assert_eq!(decode(""), None);
    }

    #[test]
    fn too_long_names_are_refused_before_and_after_encoding() {
        assert!(file_name(0, &"a".repeat(200)).is_ok());
        assert!(file_name(0, &"a".repeat(201)).is_err());
        assert!(file_name(0, "").is_err());
        // "0_" and ".png" are 6 bytes: 83 escapes make exactly 255.
        assert!(file_name(0, &"%".repeat(83)).is_ok());
        assert!(file_name(0, &"%".repeat(84)).is_err());
        assert!(file_name(10, &"%".repeat(83)).is_err());
    }

    proptest! {
        #[test]
        fn every_name_round_trips_and_is_one_segment(name in "[%/\\\\\\x00-\\x1f\\x7f0-9A-Fa-f.é\u{1f600}]{1,60}") {
            let encoded = encode(&name);
            prop_assert!(!encoded.contains(['/', '\\', '\0']));
            prop_assert_eq!(decode(&encoded), Some(name));
        }

        #[test]
        fn no_two_names_share_a_key(a in "\\PC{1,20}", b in "[%25F/]{1,8}", c in "[%25F/]{1,8}") {
            prop_assert_eq!(decode(&encode(&a)), Some(a));
            prop_assert_eq!(encode(&b) == encode(&c), b == c);
        }

        #[test]
        fn reading_any_key_never_panics(text in "\\PC{0,40}") {
            let _ = decode(&text);
        }
    }
}
