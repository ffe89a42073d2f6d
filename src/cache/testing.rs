//! Plans, facts and pictures for the tests of this folder.

use std::sync::Arc;

use bytes::Bytes;
use futures::TryStreamExt;

use crate::cache::commit::Committed;
use crate::cache::keys::{Layout, SpanId};
use crate::cache::memory::Memory;
use crate::cache::places::{Placing, Puts};
use crate::cache::planned::{Planned, Row};
use crate::cache::read::Reader;
use crate::cache::record::Outcome;
use crate::cache::sealed::sha256_hex;
use crate::cache::verify::{Fault, Finding};
use crate::cache::{Cache, Profile};
use crate::error::Result;
use crate::media::colour::{Colour, Matrix, Range};
use crate::media::facts::FrameFacts;
use crate::media::time::{Exact, Rational};
use crate::store::memory::MemoryStore;
use crate::store::{ListRequest, Store};
use crate::timeline::index::{ClockFacts, Identity, Unshown};
use crate::timeline::plan::{
    ChunkSpec, FrameLayout, Kind, Parameters, Plan, PlannedChunk, READING, SCHEMA, Sampling,
    SpanRow,
};

fn seconds(n: u64) -> Exact {
    Exact(Rational::from_integer(i128::from(n)))
}

pub fn row(chunk_id: &str, span: u32, first: u64, count: u64) -> SpanRow {
    SpanRow {
        chunk_id: chunk_id.to_owned(),
        span,
        start: seconds(first),
        end: seconds(first + count),
        first_frame: 0,
        frames: count,
        pts_offset: seconds(0),
        ordinal: None,
        first,
        count,
        stream: 0,
        source: identity(chunk_id),
        init: None,
        revision: 0,
    }
}

pub fn identity(of: &str) -> Identity {
    Identity {
        bytes: of.len() as u64,
        head_sha256: sha256_hex(&[of.as_bytes()]),
        tail_sha256: sha256_hex(&[of.as_bytes()]),
    }
}

/// A plan of these rows, with a chunk for each chunk_id.
pub fn plan_of(spans: Vec<SpanRow>) -> Plan {
    let mut chunks: Vec<PlannedChunk> = Vec::new();
    for row in &spans {
        match chunks.last_mut() {
            Some(chunk) if chunk.spec.chunk_id == row.chunk_id => {
                chunk.end = row.end;
                chunk.frames += row.count;
            }
            _ => chunks.push(chunk_of(row)),
        }
    }
    Plan {
        schema: SCHEMA,
        reader: None,
        kind: Kind::Extract,
        layout: FrameLayout::Frames,
        nonce: None,
        reading: READING,
        parameters: Some(Parameters::new(Sampling::All)),
        chunks,
        spans,
    }
}

fn chunk_of(row: &SpanRow) -> PlannedChunk {
    PlannedChunk {
        spec: ChunkSpec {
            chunk_id: row.chunk_id.clone(),
            uri: format!("{}.mp4", row.chunk_id),
            init_uri: None,
            source_start: None,
            source_end: None,
            start: None,
            stream: None,
        },
        begin: row.start,
        end: row.end,
        frames: row.count,
        unshown: Unshown::default(),
        clock: ClockFacts::default(),
        error: None,
    }
}

pub fn planned(plan: Plan) -> Planned {
    Planned::new(plan).unwrap()
}

/// Facts of a frame with these bytes.
pub fn frame_facts(seq: u64, bytes: &[u8]) -> FrameFacts {
    FrameFacts {
        seq,
        bytes: Some(bytes.len() as u64),
        sha256: Some(sha256_hex(&[bytes])),
        ..FrameFacts::default()
    }
}

/// Facts of one camera's frame, every one of them set.
pub fn every_fact(seq: u64) -> FrameFacts {
    FrameFacts {
        seq,
        chunk_id: Some("0".to_owned()),
        pts: Some(seq as i64 * 512),
        time_base: Some("1/15360".to_owned()),
        timestamp: Some(seq as f64 / 30.0),
        duration: Some(1.0 / 30.0),
        keyframe: Some(seq.is_multiple_of(250)),
        width: Some(1080),
        height: Some(1920),
        source_width: Some(1920),
        source_height: Some(1080),
        mirrored: Some(true),
        rotation: Some(90),
        sample_aspect_ratio: Some("1:1".to_owned()),
        interlaced: Some(false),
        bytes: Some(80_000 + seq),
        sha256: Some(sha256_hex(&[&seq.to_le_bytes()])),
        content_type: Some("image/jpeg".to_owned()),
        quality: Some(85),
        phash: Some(format!("{:016x}", seq.wrapping_mul(0x9e37_79b9_7f4a_7c15))),
        dhash: Some("00ff00ff00ff00ff".to_owned()),
        average_hash: Some("0f0f0f0f0f0f0f0f".to_owned()),
        flatness: Some(0.5 + (seq % 1000) as f64 / 10_000.0),
        luma: Some("10".repeat(16)),
        colour: Some(Colour {
            matrix: Matrix::Bt709,
            range: Range::Limited,
            primaries: Some("bt709".to_owned()),
            transfer: Some("bt709".to_owned()),
            assumed: vec!["range".to_owned()],
        }),
        backend: Some("cpu".to_owned()),
        fallback_reason: Some("codec".to_owned()),
        damaged: true,
        missing: true,
        repeats: Some(0),
    }
}

pub fn tiny_png() -> Bytes {
    Bytes::from_static(
        b"\x89PNG\r\n\x1a\n\0\0\0\x0dIHDR\0\0\0\x01\0\0\0\x01\x08\0\0\0\0\x3a\x7e\x9b\x55\
          \0\0\0\x0aIDATx\x9cc`\0\0\0\x02\0\x01\x48\xaf\xa4\x71\0\0\0\0IEND\xaeB`\x82",
    )
}

/// A 16 x 8 picture of one gray.
pub fn jpeg(gray: u8) -> Bytes {
    let pixels = vec![gray; 16 * 8];
    let image = turbojpeg::Image {
        pixels: pixels.as_slice(),
        width: 16,
        pitch: 16,
        height: 8,
        format: turbojpeg::PixelFormat::GRAY,
    };
    let data = turbojpeg::compress(image, 85, turbojpeg::Subsamp::Gray).unwrap();
    Bytes::copy_from_slice(&data)
}

/// The frame that an extraction under these parameters would make.
pub fn frame_bytes(row: Row<'_>, seq: u64) -> Bytes {
    Bytes::from(format!("frame {seq} of {}", row.row.source.head_sha256))
}

/// What an extraction of the row gives.
pub fn outcome(row: Row<'_>) -> Outcome {
    let facts = row
        .sequences()
        .map(|seq| frame_facts(seq, &frame_bytes(row, seq)));
    Outcome::Frames(facts.collect())
}

/// Extracts one row as a worker does, as the plan that was read last has frames lie.
pub async fn extract_row(profile: &Profile, row: Row<'_>) -> Result<Committed> {
    let layout = profile.plan_read_last().map(|plan| plan.plan().layout);
    let mut placing = Placing::new(profile, row, layout.unwrap_or_default());
    let mut puts = Puts::new();
    for seq in row.sequences() {
        let jpeg = frame_bytes(row, seq);
        placing.take(frame_facts(seq, &jpeg), Some(jpeg), &mut puts)?;
        while puts.try_next().await?.is_some() {}
    }
    placing.end(&mut puts)?;
    while puts.try_next().await?.is_some() {}
    let placed = placing.placed();
    let outcome = Outcome::Frames(placed.facts);
    profile.commit_span(row, outcome, placed.packs).await
}

pub fn cache_over(store: Arc<dyn Store>) -> Cache {
    Cache::new(store, Layout::new("cache").unwrap(), Memory::new(16 << 20))
}

/// Places of all rows.
pub fn all_rows(plan: &Planned) -> Vec<usize> {
    (0..plan.rows().len()).collect()
}

/// A reader of another process: it remembers nothing.
pub fn elsewhere(profile: &Profile) -> Reader {
    let cache = cache_over(profile.store.clone());
    let keys = profile.keys();
    let profile = cache.profile(keys.timeline(), keys.profile()).unwrap();
    profile.reader()
}

/// All that an extraction does of a row: again where the profile was cleared meanwhile.
pub async fn extract_until_it_stands(profile: &Profile, id: &SpanId) -> Result<Committed> {
    loop {
        let plan = profile.load_plan().await?;
        let Some(row) = plan.as_ref().and_then(|plan| plan.row_named(id)) else {
            return Ok(Committed::Superseded);
        };
        match extract_row(profile, row).await? {
            Committed::Outdated => {}
            committed => return Ok(committed),
        }
    }
}

/// What is wrong with frames that a record which counts names.
pub async fn lost_frames(profile: &Profile) -> Vec<Finding> {
    let report = profile.verify(false).await.unwrap();
    let of_frame = [Fault::MissingFrame, Fault::WrongSize, Fault::WrongSha256];
    let findings = report.findings.into_iter();
    findings.filter(|f| of_frame.contains(&f.fault)).collect()
}

pub fn memory_cache() -> (Arc<MemoryStore>, Cache) {
    let store = Arc::new(MemoryStore::new());
    (store.clone(), cache_over(store))
}

/// Every key and its bytes; records without their attempt, plans without nonce and seal.
pub async fn listing(store: &dyn Store) -> Vec<(String, Vec<u8>)> {
    let page = store.list(ListRequest::default()).await.unwrap();
    assert!(page.next.is_none(), "one page is enough for tests");
    let mut all = Vec::new();
    for entry in page.entries {
        let data = store.get(&entry.key).await.unwrap().unwrap().data;
        let told = match entry.key.ends_with("/plan.json") {
            true => without_nonce(&data),
            false => without_attempt(&data),
        };
        all.push((entry.key, told));
    }
    all
}

fn without_nonce(plan: &[u8]) -> Vec<u8> {
    let mut json: serde_json::Value = serde_json::from_slice(plan).unwrap();
    let fields = json.as_object_mut().unwrap();
    fields.remove("seal").unwrap();
    fields.remove("nonce");
    serde_json::to_vec(&json).unwrap()
}

fn without_attempt(data: &[u8]) -> Vec<u8> {
    match data.strip_prefix(b"{\"attempt\":\"") {
        Some(rest) => rest.iter().skip_while(|b| **b != b',').copied().collect(),
        None => data.to_vec(),
    }
}
