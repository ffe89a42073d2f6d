//! Columns of hashes, made of records and of put frames.

use futures::TryStreamExt;

use crate::cache::Profile;
use crate::cache::commit::Committed;
use crate::cache::keys::SpanId;
use crate::cache::planned::{Planned, Row};
use crate::cache::put::PutFrame;
use crate::cache::record::Outcome;
use crate::cache::testing::*;
use crate::media::facts::FrameFacts;
use crate::store::Store;
use crate::timeline::plan::HashKind;

/// Frames with a hash and half a second of their own; each fifth is flat, each seventh has no hash.
fn hashed(seq: u64, facts: FrameFacts) -> FrameFacts {
    FrameFacts {
        timestamp: Some(seq as f64 / 2.0),
        phash: (!seq.is_multiple_of(7)).then(|| format!("{:016x}", 0xff00_u64.wrapping_add(seq))),
        flatness: Some(if seq.is_multiple_of(5) { 1.0 } else { 0.5 }),
        ..facts
    }
}

async fn commit(profile: &Profile, row: Row<'_>) {
    let frames = row.sequences();
    let frames = frames.map(|seq| hashed(seq, frame_facts(seq, &frame_bytes(row, seq))));
    let outcome = Outcome::Frames(frames.collect());
    let committed = profile.commit_span(row, outcome, None).await.unwrap();
    assert_eq!(committed, Committed::Yes);
}

async fn columns(profile: &Profile) -> Vec<(u64, u64, f64)> {
    let view = profile.reader().view().await.unwrap();
    let columns = profile
        .hash_columns(&view, HashKind::Phash, 0)
        .await
        .unwrap();
    let columns: Vec<_> = columns.try_collect().await.unwrap();
    let each = columns.iter().flat_map(|column| {
        let rows = column.seqs.iter().zip(&column.hashes).zip(&column.times);
        rows.map(|((seq, hash), time)| (*seq, *hash, *time))
    });
    each.collect()
}

fn expected(seqs: impl Iterator<Item = u64>) -> Vec<(u64, u64, f64)> {
    let told = seqs.filter(|seq| !seq.is_multiple_of(5) && !seq.is_multiple_of(7));
    told.map(|seq| (seq, 0xff00_u64.wrapping_add(seq), seq as f64 / 2.0))
        .collect()
}

fn row_of<'p>(plan: &'p Planned, chunk_id: &str) -> Row<'p> {
    let chunk_id = chunk_id.to_owned();
    plan.row_named(&SpanId { chunk_id, span: 0 }).unwrap()
}

#[tokio::test]
async fn columns_have_what_is_committed_and_neither_flat_frames_nor_such_without_a_hash() {
    let (_, cache) = memory_cache();
    let profile = cache.profile("t", "default").unwrap();
    let plan = plan_of(vec![
        row("0", 0, 0, 12),
        row("1", 0, 12, 9),
        row("2", 0, 30, 4),
    ]);
    let plan = profile.claim_plan(&plan, None).await.unwrap().plan;
    assert_eq!(columns(&profile).await, []);
    commit(&profile, row_of(&plan, "2")).await;
    assert_eq!(columns(&profile).await, expected(30..34));
    commit(&profile, row_of(&plan, "0")).await;
    assert_eq!(columns(&profile).await, expected((0..12).chain(30..34)));
    assert_eq!(columns(&profile).await, expected((0..12).chain(30..34)));
}

#[tokio::test]
async fn a_record_that_is_written_anew_by_others_is_read_again_and_one_that_is_gone_is_not_searched()
 {
    let (store, cache) = memory_cache();
    let profile = cache.profile("t", "default").unwrap();
    let plan = plan_of(vec![row("0", 0, 0, 4), row("1", 0, 4, 4)]);
    let plan = profile.claim_plan(&plan, None).await.unwrap().plan;
    for row in plan.in_sequence() {
        commit(&profile, row).await;
    }
    assert_eq!(columns(&profile).await, expected(0..8));
    let id = row_of(&plan, "1").id();
    store.delete(&[profile.keys().record(&id)]).await.unwrap();
    // Of another process: what this one listed lasts five seconds.
    profile.memory.forget_recorded(&profile).await;
    assert_eq!(columns(&profile).await, expected(0..4));
}

#[tokio::test]
async fn put_frames_have_the_hashes_that_their_maker_gave() {
    let (_, cache) = memory_cache();
    let profile = cache.profile("t", "cam").unwrap();
    let put = |seq: u64, gray| PutFrame {
        seq,
        jpeg: jpeg(gray),
        facts: hashed(seq, FrameFacts::default()),
    };
    let frames = (1..9).map(|seq| put(seq, seq as u8));
    profile.put_frames(frames.collect()).await.unwrap();
    assert_eq!(columns(&profile).await, expected(1..9));
    let last = u64::MAX - 2;
    profile.put_frames(vec![put(last, 9)]).await.unwrap();
    assert_eq!(columns(&profile).await, expected((1..9).chain([last])));
}

#[tokio::test]
async fn tones_that_no_picture_has_are_refused_of_put_frames() {
    let (_, cache) = memory_cache();
    let profile = cache.profile("t", "cam").unwrap();
    let mut refused = Vec::new();
    for facts in [
        FrameFacts {
            flatness: Some(f64::NAN),
            ..FrameFacts::default()
        },
        FrameFacts {
            luma: Some("0".repeat(31)),
            ..FrameFacts::default()
        },
    ] {
        let frame = PutFrame {
            seq: 0,
            jpeg: jpeg(1),
            facts,
        };
        let error = profile.put_frames(vec![frame]).await.unwrap_err();
        refused.extend(error.field_path().map(str::to_owned));
    }
    assert_eq!(refused, ["facts.flatness", "facts.luma"]);
}
