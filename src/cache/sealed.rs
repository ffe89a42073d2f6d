//! The envelope of `plan.json` and of commit records: one JSON object whose
//! `seal` is the sha256 of everything behind it, so that a flipped bit or a
//! cut tail is noticed whatever it hits.
//!
//! `{"attempt":"...","seal":"<64 hex>",...}`: what the seal covers is `{` and
//! the rest after it. `attempt` (records only) stands before it: two runs'
//! records are equal but for their attempt. The envelope stays the same in
//! all schemas, so that an older reader can tell "newer" from "damaged".

use bytes::Bytes;
use serde::Deserialize;
use serde::Serialize;
use serde::de::DeserializeOwned;
use sha2::{Digest, Sha256};

use crate::error::{Error, Result};
use crate::timeline::plan::SCHEMA;

/// An envelope that was opened: whose attempt wrote it, and what it holds.
#[derive(Debug)]
pub struct Opened<T> {
    pub attempt: Option<String>,
    pub value: T,
}

/// Why stored JSON cannot be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unreadable {
    /// Not what was written: the seal or the form is broken.
    Damaged,
    /// Whole, but of a schema this release does not know.
    Newer { schema: u64 },
}

/// Lower-case hex of the sha256 of `parts`, one after the other.
pub fn sha256_hex(parts: &[&[u8]]) -> String {
    let mut hasher = Sha256::new();
    for part in parts {
        hasher.update(part);
    }
    crate::hex::hex(&hasher.finalize())
}

/// Writes `value`, which must serialise as an object with at least one field.
///
/// # Errors
/// INTERNAL where it does not.
pub fn seal<T: Serialize>(value: &T, attempt: Option<&str>) -> Result<Bytes> {
    let json = serde_json::to_string(value)
        .map_err(|e| Error::internal("could not write a plan or record as JSON").caused_by(e))?;
    let Some(rest) = json.strip_prefix('{').filter(|r| r.starts_with('"')) else {
        return Err(Error::internal(
            "a plan or record is no JSON object with fields",
        ));
    };
    let seal = sha256_hex(&[json.as_bytes()]);
    let head = attempt.map_or_else(String::new, |a| format!("\"attempt\":\"{a}\","));
    Ok(format!("{{{head}\"seal\":\"{seal}\",{rest}").into())
}

/// Reads what `seal` wrote.
pub fn open<T: DeserializeOwned>(data: &[u8]) -> Result<Opened<T>, Unreadable> {
    let (attempt, body) = unwrap(data).ok_or(Unreadable::Damaged)?;
    let head: Head = serde_json::from_slice(&body).map_err(|_| Unreadable::Damaged)?;
    if head.schema > u64::from(SCHEMA) {
        return Err(Unreadable::Newer {
            schema: head.schema,
        });
    }
    let value = serde_json::from_slice(&body).map_err(|_| Unreadable::Damaged)?;
    Ok(Opened { attempt, value })
}

#[derive(Deserialize)]
struct Head {
    schema: u64,
}

/// Attempt, and the body as it was sealed; none where the seal does not fit.
fn unwrap(data: &[u8]) -> Option<(Option<String>, Vec<u8>)> {
    let mut rest = data.strip_prefix(b"{")?;
    let mut attempt = None;
    if let Some(after) = rest.strip_prefix(b"\"attempt\":\"") {
        let end = after.iter().position(|&b| b == b'"')?;
        let id = std::str::from_utf8(after.get(..end)?).ok()?;
        if !id.bytes().all(|b| b.is_ascii_alphanumeric()) {
            return None;
        }
        attempt = Some(id.to_owned());
        rest = after.get(end..)?.strip_prefix(b"\",")?;
    }
    let rest = rest.strip_prefix(b"\"seal\":\"")?;
    let (seal, rest) = rest.split_at_checked(64)?;
    let rest = rest.strip_prefix(b"\",")?;
    let sealed = sha256_hex(&[b"{", rest]);
    (sealed.as_bytes() == seal).then(|| (attempt, [b"{", rest].concat()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Note {
        schema: u32,
        text: String,
    }

    fn note(schema: u32) -> Note {
        Note {
            schema,
            text: "t\u{e9}xt \"quoted\"".to_owned(),
        }
    }

    #[test]
    fn what_was_sealed_opens_and_is_plain_json() {
        let data = seal(&note(1), Some("ab12")).unwrap();
        let opened = open::<Note>(&data).unwrap();
        assert_eq!(opened.value, note(1));
        assert_eq!(opened.attempt.as_deref(), Some("ab12"));
        let json: serde_json::Value = serde_json::from_slice(&data).unwrap();
        assert_eq!(json["attempt"], "ab12");
        assert_eq!(json["text"], "t\u{e9}xt \"quoted\"");
    }

    #[test]
    fn the_form_is_the_golden_one() {
        let data = seal(&note(1), None).unwrap();
        // printf '{"schema":1,"text":"téxt \\"quoted\\""}' | sha256sum
        assert_eq!(
            std::str::from_utf8(&data).unwrap(),
            "{\"seal\":\"15c896faf50899c045fe0662121393235ccb51e2aab1c37aaf01163a3f5df881\",\"schema\":1,\"text\":\"t\u{e9}xt \\\"quoted\\\"\"}"
        );
    }

    #[test]
    fn every_flipped_bit_and_cut_tail_behind_the_attempt_is_noticed() {
        let data = seal(&note(1), Some("ab12")).unwrap();
        let seal_at = data.windows(6).position(|w| w == b"\"seal\"").unwrap();
        for at in 0..data.len() {
            for bit in 0..8 {
                let mut bad = data.to_vec();
                bad[at] ^= 1 << bit;
                let opened = open::<Note>(&bad);
                // Only within the attempt's own characters may a flip pass.
                if at >= seal_at {
                    assert_eq!(
                        opened.err(),
                        Some(Unreadable::Damaged),
                        "byte {at} bit {bit}"
                    );
                } else if let Ok(opened) = opened {
                    assert_eq!(opened.value, note(1));
                }
            }
            assert!(open::<Note>(&data[..at]).is_err(), "cut at {at}");
        }
    }

    #[test]
    fn a_newer_schema_is_told_apart_from_damage() {
        let data = seal(&note(2), None).unwrap();
        assert_eq!(
            open::<Note>(&data).err(),
            Some(Unreadable::Newer { schema: 2 })
        );
        let mut bad = data.to_vec();
        let last = bad.len() - 3;
        bad[last] ^= 1;
        assert_eq!(open::<Note>(&bad).err(), Some(Unreadable::Damaged));
    }
}
