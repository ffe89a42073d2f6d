//! What counts as extracted before it is reused, and what old releases left.

use std::sync::Arc;

use crate::cache::clear::ClearRequest;
use crate::cache::commit::Committed;
use crate::cache::put::PutFrame;
use crate::cache::read::Miss;
use crate::cache::record::Outcome;
use crate::cache::status::{SpanState, State};
use crate::cache::testing::*;
use crate::cache::{Profile, sealed};
use crate::media::facts::FrameFacts;
use crate::store::memory::{MemoryStore, Operation};
use crate::store::{ETag, Object, PutOptions, Store};

const ROWS: u64 = 40;

/// 40 spans of five frames: of each the third repeats the second, and the fifth is missing.
async fn extracted() -> (Arc<MemoryStore>, Profile) {
    let (store, cache) = memory_cache();
    let profile = cache.profile("t", "default").unwrap();
    let rows = (0..ROWS).map(|n| row("0", n as u32, n * 5, 5)).collect();
    let plan = profile.claim_plan(&plan_of(rows), None).await.unwrap().plan;
    for row in plan.in_sequence() {
        let Outcome::Frames(mut facts) = outcome(row) else {
            panic!("frames")
        };
        let first = row.row.first;
        facts[2] = FrameFacts {
            seq: first + 2,
            repeats: Some(first + 1),
            ..facts[1].clone()
        };
        facts[4] = FrameFacts {
            seq: first + 4,
            missing: true,
            ..FrameFacts::default()
        };
        for seq in [first, first + 1, first + 3] {
            profile.put_frame(seq, frame_bytes(row, seq)).await.unwrap();
        }
        let committed = profile.commit_span(row, Outcome::Frames(facts), None).await;
        assert_eq!(committed.unwrap(), Committed::Yes);
    }
    (store, profile)
}

async fn lost(profile: &Profile, rows: &[usize]) -> Vec<usize> {
    let plan = profile.load_plan().await.unwrap().unwrap();
    let states = profile.reusable_states(&plan, rows).await.unwrap();
    let lost = rows.iter().zip(states).filter(|(_, state)| match state {
        SpanState::Complete(counts) => {
            assert_eq!((counts.frames, counts.stored), (5, 3));
            false
        }
        state => {
            assert_eq!(*state, SpanState::Missing(Miss::NoObject));
            true
        }
    });
    lost.map(|(row, _)| *row).collect()
}

#[tokio::test]
async fn a_span_is_reused_only_with_every_frame_that_its_record_names() {
    let (store, profile) = extracted().await;
    let all: Vec<usize> = (0..ROWS as usize).collect();
    assert!(lost(&profile, &all).await.is_empty());
    let key = |seq| profile.keys().frame(seq);
    // One of three is gone, one is cut; of another span what is a repeat, or missing, never was there.
    store.delete(&[key(0), key(17), key(19)]).await.unwrap();
    let cut = PutOptions::durable("image/jpeg");
    store.put(&key(198), "cut".into(), cut).await.unwrap();
    assert_eq!(lost(&profile, &all).await, [0, 39]);
    assert_eq!(lost(&profile, &[39, 3, 0]).await, [39, 0]);
    assert!(lost(&profile, &[3, 4]).await.is_empty());
}

#[tokio::test]
async fn looking_for_a_thousand_frames_is_one_listing_and_no_request_a_frame() {
    let (store, profile) = extracted().await;
    let all: Vec<usize> = (0..ROWS as usize).collect();
    let before = store.calls().len();
    lost(&profile, &all).await;
    let calls = store.calls();
    let of_frames = |(operation, key): &&(Operation, String)| {
        key.contains("/frames/") && *operation != Operation::Put
    };
    let asked: Vec<_> = calls[before..].iter().filter(of_frames).collect();
    assert_eq!(asked, [&(Operation::List, profile.keys().frames_prefix())]);
}

#[tokio::test]
async fn where_nothing_is_committed_nothing_is_listed() {
    let (store, cache) = memory_cache();
    let profile = cache.profile("t", "default").unwrap();
    let plan = plan_of(vec![row("0", 0, 0, 5)]);
    let plan = profile.claim_plan(&plan, None).await.unwrap().plan;
    let before = store.calls().len();
    profile.reusable_states(&plan, &[0]).await.unwrap();
    let calls = store.calls();
    let listed = calls[before..]
        .iter()
        .filter(|(o, _)| *o == Operation::List);
    assert_eq!(listed.count(), 0);
}

/// A plan as releases before the nonce wrote it, made with that release.
const OLD_PLAN: &[u8] = include_bytes!("plan_without_nonce.golden.json");
const OLD_RECORD: &[u8] = include_bytes!("record.golden.json");

/// A cache of the first release: its plan, its record, its frames.
async fn of_the_first_release() -> (Arc<MemoryStore>, Profile) {
    let (store, cache) = memory_cache();
    let profile = cache.profile("t", "default").unwrap();
    let json = PutOptions::durable("application/json");
    let keys = profile.keys().clone();
    let plan = OLD_PLAN.trim_ascii_end().to_vec();
    store
        .put(&keys.plan(), plan.into(), json.clone())
        .await
        .unwrap();
    let record = keys.record(&crate::cache::keys::SpanId {
        chunk_id: "0".to_owned(),
        span: 0,
    });
    let data = OLD_RECORD.trim_ascii_end().to_vec();
    store.put(&record, data.into(), json).await.unwrap();
    let plan = profile.load_plan().await.unwrap().unwrap();
    for seq in 0..3 {
        let jpeg = frame_bytes(plan.row(0).unwrap(), seq);
        let options = PutOptions::durable("image/jpeg");
        store.put(&keys.frame(seq), jpeg, options).await.unwrap();
    }
    (store, profile)
}

#[tokio::test]
async fn a_cache_of_the_first_release_is_read_reused_and_gone_on_with() {
    let (_, profile) = of_the_first_release().await;
    let plan = profile.load_plan().await.unwrap().unwrap();
    assert_eq!(plan.nonce(), None);
    let frame = profile.reader().read_frame(2).await.unwrap().unwrap();
    assert_eq!(frame.jpeg, frame_bytes(plan.row(0).unwrap(), 2));
    let states = profile.reusable_states(&plan, &[0, 1]).await.unwrap();
    assert!(matches!(&states[0], SpanState::Complete(c) if c.frames == 3));
    assert_eq!(states[1], SpanState::Missing(Miss::NoRecord));
    let committed = extract_row(&profile, plan.row(1).unwrap()).await.unwrap();
    assert_eq!(committed, Committed::Yes);
    let status = profile.status().await.unwrap();
    assert_eq!(status.state, State::Complete);
}

#[tokio::test]
async fn a_plan_of_the_first_release_has_a_nonce_once_it_is_cleared() {
    let (store, profile) = of_the_first_release().await;
    let before = profile.load_plan().await.unwrap().unwrap();
    profile.clear(ClearRequest::default()).await.unwrap();
    let now = profile.load_plan().await.unwrap().unwrap();
    assert!(now.nonce().is_some());
    assert_eq!(now.plan(), before.plan());
    let committed = extract_row(&profile, before.row(0).unwrap()).await.unwrap();
    assert_eq!(committed, Committed::Outdated);
    assert_eq!(
        store
            .get(&profile.keys().record(&before.row(0).unwrap().id()))
            .await
            .unwrap()
            .map(drop),
        None
    );
}

#[tokio::test]
async fn the_nonce_stands_in_the_plan_and_changes_no_digest() {
    let (store, profile) = of_the_first_release().await;
    let old = profile.load_plan().await.unwrap().unwrap();
    let digests: Vec<_> = old.digested().map(|row| row.digest.to_owned()).collect();
    profile.clear(ClearRequest::default()).await.unwrap();
    let now = profile.load_plan().await.unwrap().unwrap();
    assert!(now.digested().map(|row| row.digest).eq(&digests));
    let stored = store.get(&profile.keys().plan()).await.unwrap().unwrap();
    let json: serde_json::Value = serde_json::from_slice(&stored.data).unwrap();
    assert_eq!(json["nonce"].as_str(), now.nonce());
    assert_eq!(json["schema"], 1);
    let opened = sealed::open::<crate::timeline::plan::Plan>(&stored.data).unwrap();
    assert_eq!(opened.value.nonce.as_deref(), now.nonce());
}

#[test]
fn a_version_that_says_nothing_is_no_version_and_no_condition() {
    let object = |etag: &str| Object::versioned("x".into(), ETag(etag.to_owned()));
    for nothing in ["", "\"\"", "W/\"\""] {
        assert_eq!(object(nothing).version(), None, "{nothing}");
        let when = object(nothing).unchanged();
        assert_eq!(when, crate::store::Condition::Always, "{nothing}");
    }
    let told = object("\"a\"");
    assert_eq!(told.version(), Some(&ETag("\"a\"".to_owned())));
    let when = crate::store::Condition::IfMatch(ETag("\"a\"".to_owned()));
    assert_eq!(told.unchanged(), when);
}

async fn put_one(profile: &Profile, seq: u64, gray: u8) {
    let frame = PutFrame {
        seq,
        jpeg: jpeg(gray),
        facts: FrameFacts {
            timestamp: Some(f64::from(gray)),
            ..FrameFacts::default()
        },
    };
    profile.put_frames(vec![frame]).await.unwrap();
}

#[tokio::test]
async fn a_put_after_hundreds_asks_no_more_than_one_after_a_few() {
    let (store, cache) = memory_cache();
    let profile = cache.profile("t", "cam").unwrap();
    let mut asked = Vec::new();
    for seq in 0..400 {
        let before = store.calls().len();
        put_one(&profile, seq, seq as u8).await;
        asked.push(store.calls().len() - before);
    }
    let usual = asked[10];
    // One in 64 makes one record of 64.
    let compacting = asked.iter().filter(|calls| **calls > usual + 2).count();
    assert!((1..=8).contains(&compacting), "{asked:?}");
    let request = crate::store::ListRequest {
        prefix: &profile.keys().records_prefix(),
        ..Default::default()
    };
    assert!(store.list(request).await.unwrap().entries.len() < 130);
    for seq in 0..400 {
        let frame = elsewhere(&profile).read_frame(seq).await.unwrap().unwrap();
        assert_eq!(frame.facts.timestamp, Some(f64::from(seq as u8)));
        assert_eq!(frame.jpeg, jpeg(seq as u8));
    }
    let status = profile.status().await.unwrap();
    assert_eq!(status.counts.stored, 400);
}

#[tokio::test]
async fn a_compaction_that_dies_at_any_write_leaves_every_frame_served_as_it_was() {
    for steps in 0.. {
        let (inner, cache) = memory_cache();
        let profile = cache.profile("t", "cam").unwrap();
        for n in 0..64u64 {
            put_one(&profile, n % 40, n as u8).await;
        }
        let dying = Arc::new(crate::cache::tests::stores::DyingStore::new(
            inner.clone(),
            steps,
        ));
        let worker = cache_over(dying.clone()).profile("t", "cam").unwrap();
        worker.compact_puts(64).await;
        for n in 0..40u64 {
            let frame = elsewhere(&profile).read_frame(n).await.unwrap().unwrap();
            let latest = if n < 24 { n + 40 } else { n };
            assert_eq!(frame.facts.timestamp, Some(latest as f64), "{steps}");
            assert_eq!(frame.jpeg, jpeg(latest as u8));
        }
        if !dying.died() {
            let keys = inner.calls().len();
            assert!(keys > 0 && steps >= 64, "{steps}");
            return;
        }
    }
}

#[tokio::test]
async fn a_compaction_beside_a_put_at_any_call_loses_neither() {
    for calls in 0.. {
        let (inner, cache) = memory_cache();
        let profile = cache.profile("t", "cam").unwrap();
        for n in 0..64u64 {
            put_one(&profile, n, n as u8).await;
        }
        let writer = cache_over(inner.clone()).profile("t", "cam").unwrap();
        let visited =
            crate::cache::tests::stores::VisitedStore::new(inner.clone(), calls, async move {
                put_one(&writer, 5, 105).await;
                put_one(&writer, 70, 70).await;
            });
        let worker = cache_over(visited.clone()).profile("t", "cam").unwrap();
        worker.compact_puts(64).await;
        if visited.is_waiting() {
            assert!(calls > 64, "{calls}");
            return;
        }
        if calls % 7 != 0 {
            continue;
        }
        for n in (0..64u64).chain([70]) {
            let frame = elsewhere(&profile).read_frame(n).await.unwrap().unwrap();
            let latest = if n == 5 { 105 } else { n };
            assert_eq!(frame.facts.timestamp, Some(latest as f64), "{calls}");
        }
    }
}
