//! Commit records, base64 and digests: the bytes around the pictures.

use std::hint::black_box;

use bytes::Bytes;
use framecache::cache::keys::SpanId;
use framecache::cache::record::{Outcome, Record};
use framecache::media::colour::{Colour, Matrix, Range};
use framecache::media::facts::FrameFacts;
use framecache::rpc::parts::base64_parts;
use framecache::store::ETag;

use crate::run::{Loop, Size};

/// Bytes of a frame: a 1080p JPEG at quality 85 is of about this size.
const FRAME_BYTES: usize = 200_000;

pub fn loops(size: Size) -> Vec<Loop> {
    let frames = size.pick(1800, 120);
    let record = record(frames);
    let written = record.encode().unwrap();
    let bytes = Bytes::from(noise(size.pick(FRAME_BYTES, FRAME_BYTES / 10)));
    let (payload, hashed) = (bytes.clone(), bytes);
    vec![
        Loop::new("record encode", (frames, "frame"), move || {
            black_box(record.encode().unwrap());
        }),
        Loop::new("record decode", (frames, "frame"), move || {
            black_box(Record::decode(&written).unwrap());
        }),
        Loop::new("base64 of a frame", (payload.len(), "B"), move || {
            base64_parts(payload.clone()).for_each(|part| drop(black_box(part)));
        }),
        Loop::new("sha256 of a frame", (hashed.len(), "B"), move || {
            black_box(ETag::of(&hashed));
        }),
    ]
}

fn record(frames: usize) -> Record {
    Record {
        digest: "d".repeat(64),
        attempt: "0123abc".to_owned(),
        id: SpanId {
            chunk_id: "0".to_owned(),
            span: 3,
        },
        outcome: Outcome::Frames((0..frames as u64).map(facts).collect()),
        packs: None,
    }
}

fn facts(seq: u64) -> FrameFacts {
    FrameFacts {
        seq,
        chunk_id: Some("0".to_owned()),
        pts: Some(seq as i64 * 512),
        time_base: Some("1/15360".to_owned()),
        timestamp: Some(seq as f64 / 30.0),
        duration: Some(1.0 / 30.0),
        keyframe: Some(seq.is_multiple_of(250)),
        width: Some(1920),
        height: Some(1080),
        source_width: Some(1920),
        source_height: Some(1080),
        mirrored: Some(false),
        rotation: Some(0),
        sample_aspect_ratio: Some("1:1".to_owned()),
        interlaced: Some(false),
        bytes: Some(200_000 + seq % 1000),
        sha256: Some(ETag::of(&seq.to_le_bytes()).0),
        content_type: Some("image/jpeg".to_owned()),
        quality: Some(85),
        phash: Some(format!("{:016x}", seq.wrapping_mul(0x9e37_79b9_7f4a_7c15))),
        colour: Some(Colour {
            matrix: Matrix::Bt709,
            range: Range::Limited,
            primaries: Some("bt709".to_owned()),
            transfer: Some("bt709".to_owned()),
            assumed: Vec::new(),
        }),
        backend: Some("cpu".to_owned()),
        ..FrameFacts::default()
    }
}

fn noise(len: usize) -> Vec<u8> {
    let mut state = 1u32;
    let mut next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 24) as u8
    };
    (0..len).map(|_| next()).collect()
}
