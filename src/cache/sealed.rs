//! The envelope of `plan.json` and of commit records: one JSON object whose
//! `seal` is the sha256 of everything behind it, so that a flipped bit or a
//! cut tail is noticed whatever it hits.
//!
//! `{"attempt":"...","seal":"<64 hex>",...}`: what the seal covers is `{` and
//! the rest after it. `attempt` (records only) stands before it: two runs'
//! records are equal but for their attempt. The envelope stays the same in
//! all schemas, so that an older reader can tell "newer" from "damaged"; each
//! kind of object has schemas of its own, and `reader` names the oldest release
//! that knows the one it is of (absent: any).

use bytes::Bytes;
use serde::Deserialize;
use serde::Serialize;
use serde::de::DeserializeOwned;
use sha2::{Digest, Sha256};

use crate::error::{Error, Reason, Result};

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
    Newer(Newer),
}

/// What a later release wrote.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Newer {
    pub schema: u64,
    pub known: u32,
    /// The oldest release that reads it, where that is said.
    pub reader: Option<String>,
}

impl Newer {
    /// Why `what` is not read.
    pub fn refusal(&self, what: &str) -> Error {
        let (schema, known) = (self.schema, self.known);
        let by = "was written by a newer release";
        let message = format!("{what} {by}: schema={schema} known={known}");
        let hint = match &self.reader {
            Some(reader) => format!("use framecache {reader} or newer"),
            None => "use that release".to_owned(),
        };
        Error::new(Reason::PlanDiffers, message)
            .hint(format!("{hint}, or clear the profile with its plan"))
    }
}

/// What is kept under a seal.
pub trait Versioned: DeserializeOwned {
    /// The newest schema of its kind that this release reads.
    const KNOWN: u32;
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
pub fn open<T: Versioned>(data: &[u8]) -> Result<Opened<T>, Unreadable> {
    let (attempt, body) = unwrap(data).ok_or(Unreadable::Damaged)?;
    let head: Head = serde_json::from_slice(&body).map_err(|_| Unreadable::Damaged)?;
    if head.schema > u64::from(T::KNOWN) {
        return Err(Unreadable::Newer(Newer {
            schema: head.schema,
            known: T::KNOWN,
            reader: head.reader.filter(|reader| is_release(reader)),
        }));
    }
    let value = serde_json::from_slice(&body).map_err(|_| Unreadable::Damaged)?;
    Ok(Opened { attempt, value })
}

#[derive(Deserialize)]
struct Head {
    schema: u64,
    #[serde(default)]
    reader: Option<String>,
}

/// It is printed.
fn is_release(text: &str) -> bool {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b".-+".contains(&b);
    (1..=40).contains(&text.len()) && text.bytes().all(plain)
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
        #[serde(skip_serializing_if = "Option::is_none")]
        reader: Option<String>,
        text: String,
    }

    impl Versioned for Note {
        const KNOWN: u32 = 1;
    }

    fn note(schema: u32) -> Note {
        Note {
            schema,
            reader: None,
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
        let newer = |data: &[u8]| match open::<Note>(data) {
            Err(Unreadable::Newer(newer)) => newer,
            other => panic!("{other:?}"),
        };
        let refusal = newer(&data).refusal("it");
        assert!(refusal.message().ends_with("schema=2 known=1"), "{refusal}");
        let named = |reader: &str| {
            let reader = Some(reader.to_owned());
            let data = seal(&Note { reader, ..note(2) }, None).unwrap();
            let refusal = newer(&data).refusal("it");
            refusal.hint_text().unwrap().to_owned()
        };
        assert!(named("0.7.1").starts_with("use framecache 0.7.1 or newer"));
        assert!(named("\u{1b}[31m").starts_with("use that release"));
        let mut bad = data.to_vec();
        let last = bad.len() - 3;
        bad[last] ^= 1;
        assert_eq!(open::<Note>(&bad).err(), Some(Unreadable::Damaged));
    }
}
