//! Payloads in parts: what is over [`PART_BYTES`] goes on in further messages, out and in, so
//! that nobody need raise a message limit.

use base64_simd::STANDARD;
use bytes::{Bytes, BytesMut};

use crate::api::PART_BYTES;
use crate::error::{Error, Reason, Result};

/// Payload bytes whose base64 fills a part: a multiple of three, so that only the last is padded.
const BASE64_BYTES: usize = PART_BYTES / 4 * 3;

/// A part of a payload that is sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part<T> {
    pub data: T,
    /// Where it begins in the payload.
    pub offset: u64,
    /// The payload's whole length.
    pub total: u64,
    /// No further part follows.
    pub last: bool,
}

/// The payload in parts, none copied; one empty part for an empty payload.
pub fn parts(payload: Bytes) -> impl Iterator<Item = Part<Bytes>> + Send {
    let total = payload.len();
    starts(total, PART_BYTES).map(move |start| {
        let end = (start + PART_BYTES).min(total);
        Part {
            data: payload.slice(start..end),
            offset: start as u64,
            total: total as u64,
            last: end == total,
        }
    })
}

/// The payload as base64 (RFC 4648, section 4, with padding) in parts, offsets and total in
/// characters. Each part is encoded when it is taken.
pub fn base64_parts(payload: Bytes) -> impl Iterator<Item = Part<String>> + Send {
    let total = payload.len();
    let characters = |bytes: usize| (bytes.div_ceil(3) * 4) as u64;
    starts(total, BASE64_BYTES).map(move |start| {
        let end = (start + BASE64_BYTES).min(total);
        Part {
            data: STANDARD.encode_to_string(&payload[start..end]),
            offset: characters(start),
            total: characters(total),
            last: end == total,
        }
    })
}

fn starts(total: usize, step: usize) -> impl Iterator<Item = usize> + Send {
    (0..total.max(1)).step_by(step)
}

/// Puts a payload together from the parts that come in.
#[derive(Debug)]
pub struct Joiner {
    limit: u64,
    len: u64,
    /// As they came: a buffer that grows as it is filled is up to twice as large.
    parts: Vec<Bytes>,
}

impl Joiner {
    /// `limit`: bytes that the payload may have.
    pub fn new(limit: u64) -> Self {
        Joiner {
            limit,
            len: 0,
            parts: Vec::new(),
        }
    }

    pub fn len(&self) -> u64 {
        self.len
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Adds the next part, which must follow on exactly.
    ///
    /// # Errors
    /// FIELD_INVALID in `offset` for another place; LIMIT_EXCEEDED, before memory is taken.
    pub fn add(&mut self, part: Bytes, offset: u64) -> Result<()> {
        let len = self.len();
        if offset != len {
            let message =
                format!("a part does not follow on the one before: offset={offset} expected={len}");
            return Err(Error::field(message)
                .hint("send a payload's parts in order, without gaps, and the last with `last`")
                .in_field("offset"));
        }
        let grown = len.saturating_add(part.len() as u64);
        if grown > self.limit {
            return Err(too_long(grown, self.limit));
        }
        self.len = grown;
        if !part.is_empty() {
            self.parts.push(part);
        }
        Ok(())
    }

    /// The payload; one of a single part as it came.
    pub fn finish(mut self) -> Bytes {
        if self.parts.len() <= 1 {
            return self.parts.pop().unwrap_or_default();
        }
        let mut whole = BytesMut::with_capacity(usize::try_from(self.len).unwrap_or_default());
        for part in self.parts {
            whole.extend_from_slice(&part);
        }
        whole.freeze()
    }
}

fn too_long(bytes: u64, limit: u64) -> Error {
    let message = format!("a payload is longer than it may be: bytes={bytes} limit={limit}");
    Error::new(Reason::RequestLimit, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn payload(len: usize) -> Bytes {
        (0..len).map(|n| (n % 251) as u8).collect()
    }

    fn joined(parts: impl Iterator<Item = (Bytes, u64)>) -> Bytes {
        let mut joiner = Joiner::new(u64::MAX);
        parts.for_each(|(data, offset)| joiner.add(data, offset).unwrap());
        joiner.finish()
    }

    #[test]
    fn a_payload_of_any_length_comes_back_from_its_parts() {
        for len in [
            0,
            1,
            PART_BYTES - 1,
            PART_BYTES,
            PART_BYTES + 1,
            2 * PART_BYTES,
            7_000_001,
        ] {
            let whole = payload(len);
            let sent: Vec<_> = parts(whole.clone()).collect();
            assert_eq!(sent.len(), len.div_ceil(PART_BYTES).max(1), "{len}");
            assert!(
                sent.iter()
                    .all(|p| p.total == len as u64 && p.data.len() <= PART_BYTES)
            );
            let lasts: Vec<_> = sent.iter().map(|p| p.last).collect();
            assert!(
                lasts
                    .split_last()
                    .is_some_and(|(last, rest)| *last && !rest.contains(&true))
            );
            assert_eq!(joined(sent.into_iter().map(|p| (p.data, p.offset))), whole);
        }
    }

    #[test]
    fn base64_in_parts_is_the_base64_of_the_whole() {
        for len in [
            0,
            1,
            2,
            3,
            BASE64_BYTES - 1,
            BASE64_BYTES,
            BASE64_BYTES + 1,
            7_000_001,
        ] {
            let whole = payload(len);
            let sent: Vec<_> = base64_parts(whole.clone()).collect();
            let text = STANDARD.encode_to_string(&whole);
            assert!(
                sent.iter()
                    .all(|p| p.total == text.len() as u64 && p.data.len() <= PART_BYTES)
            );
            let parts = sent.into_iter().map(|p| (Bytes::from(p.data), p.offset));
            assert_eq!(joined(parts), text, "{len}");
        }
    }

    #[test]
    fn a_single_part_is_not_copied() {
        let whole = payload(1000);
        let mut joiner = Joiner::new(1000);
        joiner.add(whole.clone(), 0).unwrap();
        assert_eq!(joiner.finish().as_ptr(), whole.as_ptr());
    }

    #[test]
    fn a_gap_an_overlap_or_a_byte_too_many_is_refused() {
        let mut joiner = Joiner::new(10);
        for wrong in [1, u64::MAX] {
            let error = joiner.add(payload(4), wrong).unwrap_err();
            assert_eq!(error.field_path(), Some("offset"));
        }
        joiner.add(payload(4), 0).unwrap();
        for wrong in [0, 3, 5] {
            assert!(joiner.add(payload(4), wrong).is_err(), "{wrong}");
        }
        let error = joiner.add(payload(7), 4).unwrap_err();
        assert_eq!(error.reason(), Reason::RequestLimit);
        joiner.add(payload(6), 4).unwrap();
        assert_eq!(joiner.finish().len(), 10);
    }
}
