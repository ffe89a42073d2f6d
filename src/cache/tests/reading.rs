//! Reading frames and facts.

use std::sync::Arc;

use futures::TryStreamExt;

use crate::cache::Profile;
use crate::cache::facts::FactsBatch;
use crate::cache::plans::Replace;
use crate::cache::read::{Miss, Reader};
use crate::cache::record::Outcome;
use crate::cache::status::State;
use crate::cache::testing::*;
use crate::error::Reason;
use crate::media::facts::FrameFacts;
use crate::store::memory::{Fault, MemoryStore, Operation};
use crate::store::{PutOptions, Store};
use crate::timeline::plan::{ChunkError, Plan};

const FRAMES: &str = "cache/timelines/t/frames/";

fn plan() -> Plan {
    plan_of(vec![
        row("0", 0, 0, 3),
        row("0", 1, 3, 0),
        row("1", 0, 10, 2),
    ])
}

async fn extracted() -> (Arc<MemoryStore>, Profile) {
    let (store, cache) = memory_cache();
    let profile = cache.profile("t", "default").unwrap();
    let plan = profile.claim_plan(&plan(), None).await.unwrap().plan;
    for row in plan.in_sequence() {
        extract_row(&profile, row).await.unwrap();
    }
    (store, profile)
}

async fn miss(reader: &Reader, seq: u64) -> Miss {
    reader.read_frame(seq).await.unwrap().unwrap_err()
}

#[tokio::test]
async fn a_committed_frame_is_served_with_its_facts() {
    let (_, profile) = extracted().await;
    let plan = profile.load_plan().await.unwrap().unwrap();
    let reader = profile.reader();
    for seq in [0, 1, 2, 10, 11] {
        let frame = reader.read_frame(seq).await.unwrap().unwrap();
        assert_eq!(frame.jpeg, frame_bytes(plan.row_of(seq).unwrap(), seq));
        assert_eq!(frame.facts, frame_facts(seq, &frame.jpeg));
    }
    assert_eq!(miss(&reader, 3).await, Miss::NotPlanned);
    assert_eq!(miss(&reader, u64::MAX).await, Miss::NotPlanned);
    let status = profile.status().await.unwrap();
    assert_eq!(status.state, State::Complete);
    assert_eq!((status.planned, status.counts.stored), (5, 5));
}

#[tokio::test]
async fn nothing_is_served_without_its_record_or_with_other_bytes() {
    let (store, profile) = extracted().await;
    let knowing = profile.reader();
    knowing.read_frame(0).await.unwrap().unwrap();
    let reader = elsewhere(&profile);
    let jpeg = PutOptions::durable("image/jpeg");
    store
        .put(&format!("{FRAMES}0.jpg"), "frame 0 of".into(), jpeg)
        .await
        .unwrap();
    assert_eq!(miss(&reader, 0).await, Miss::WrongSha256);
    // Who has the right bytes in memory serves those.
    assert!(knowing.read_frame(0).await.unwrap().is_ok());
    store.delete(&[format!("{FRAMES}1.jpg")]).await.unwrap();
    assert_eq!(miss(&reader, 1).await, Miss::NoObject);
    store
        .delete(&["cache/timelines/t/chunks/0/0.json".to_owned()])
        .await
        .unwrap();
    assert_eq!(miss(&elsewhere(&profile), 2).await, Miss::NoRecord);
}

#[tokio::test]
async fn every_flipped_bit_of_a_record_makes_its_frames_a_miss() {
    let (store, profile) = extracted().await;
    let key = "cache/timelines/t/chunks/0/0.json";
    let data = store.get(key).await.unwrap().unwrap().data;
    let json = PutOptions::durable("application/json");
    for at in (50..data.len()).step_by(7) {
        let mut bad = data.to_vec();
        bad[at] ^= 1 << (at % 8);
        store.put(key, bad.into(), json.clone()).await.unwrap();
        assert_eq!(
            miss(&elsewhere(&profile), 2).await,
            Miss::DamagedRecord,
            "at={at}"
        );
    }
}

#[tokio::test]
async fn a_mismatch_is_looked_up_afresh_before_it_is_a_miss() {
    let (_, profile) = extracted().await;
    let reader = profile.reader();
    reader.read_frame(0).await.unwrap().unwrap();
    let mut other = plan();
    other.parameters.as_mut().unwrap().quality = 70;
    for row in &mut other.spans {
        row.source = identity("elsewhere");
    }
    let new = profile
        .claim_plan(&other, Some(Replace::default()))
        .await
        .unwrap()
        .plan;
    // The old record, remembered, has not these bytes' sha256; the new one has.
    extract_row(&profile, new.row(0).unwrap()).await.unwrap();
    let frame = reader.read_frame(0).await.unwrap().unwrap();
    assert_eq!(frame.jpeg, frame_bytes(new.row(0).unwrap(), 0));
    assert_eq!(miss(&reader, 10).await, Miss::StaleRecord);
}

#[tokio::test]
async fn a_frame_committed_while_reading_goes_on_is_found() {
    let (_, cache) = memory_cache();
    let profile = cache.profile("t", "default").unwrap();
    let reader = profile.reader();
    assert_eq!(miss(&reader, 0).await, Miss::Absent);
    let plan = profile.claim_plan(&plan(), None).await.unwrap().plan;
    assert_eq!(miss(&reader, 0).await, Miss::NoRecord);
    let failed = Outcome::Failed(ChunkError {
        reason: "MEDIA_CORRUPT".to_owned(),
        message: "why".to_owned(),
    });
    profile
        .commit_span(plan.row(0).unwrap(), failed, None)
        .await
        .unwrap();
    assert!(matches!(miss(&reader, 0).await, Miss::Failed(_)));
    extract_row(&profile, plan.row(0).unwrap()).await.unwrap();
    assert!(reader.read_frame(0).await.unwrap().is_ok());
}

#[tokio::test]
async fn repeats_are_answered_with_the_kept_frame_and_missing_ones_with_data_loss() {
    let (store, cache) = memory_cache();
    let profile = cache.profile("t", "default").unwrap();
    let plan = profile.claim_plan(&plan(), None).await.unwrap().plan;
    let kept = frame_facts(0, b"kept");
    let repeat = FrameFacts {
        seq: 1,
        repeats: Some(0),
        timestamp: Some(0.5),
        ..kept.clone()
    };
    let missing = FrameFacts {
        seq: 2,
        missing: true,
        ..FrameFacts::default()
    };
    profile.put_frame(0, "kept".into()).await.unwrap();
    let outcome = Outcome::Frames(vec![kept, repeat.clone(), missing]);
    profile
        .commit_span(plan.row(0).unwrap(), outcome, None)
        .await
        .unwrap();
    let reader = profile.reader();
    let frame = reader.read_frame(1).await.unwrap().unwrap();
    assert_eq!((frame.facts, &frame.jpeg[..]), (repeat, &b"kept"[..]));
    let error = reader.read_frame(2).await.unwrap_err();
    assert_eq!(error.reason(), Reason::MediaCorrupt);
    let counts = profile.status().await.unwrap().counts;
    assert_eq!(
        (counts.frames, counts.stored, counts.repeats, counts.missing),
        (3, 1, 1, 1)
    );
    assert_eq!(counts.bytes, 4);
    assert!(
        store
            .get(&format!("{FRAMES}1.jpg"))
            .await
            .unwrap()
            .is_none()
    );
}

#[tokio::test]
async fn facts_come_in_sequence_order_and_say_which_spans_have_none() {
    let (store, profile) = extracted().await;
    store
        .delete(&["cache/timelines/t/chunks/0/0.json".to_owned()])
        .await
        .unwrap();
    let view = profile.view().await.unwrap();
    let batches: Vec<_> = profile
        .facts(&view)
        .await
        .unwrap()
        .try_collect()
        .await
        .unwrap();
    assert!(matches!(
        &batches[0],
        FactsBatch::Without {
            first: 0,
            count: 3,
            miss: Miss::NoRecord,
            ..
        }
    ));
    let FactsBatch::Frames(frames) = &batches[1] else {
        panic!("the second span has facts");
    };
    assert_eq!(frames.iter().map(|f| f.seq).collect::<Vec<_>>(), [10, 11]);
    assert_eq!(batches.len(), 2);
}

#[tokio::test]
async fn a_store_that_cannot_be_read_is_an_error_and_never_a_miss() {
    let (store, profile) = extracted().await;
    // A plan of few rows is listed only to verify it.
    let operations = [(Operation::Get, 3), (Operation::List, 2)];
    for (operation, after) in operations
        .into_iter()
        .flat_map(|(o, count)| (0..count).map(move |n| (o, n)))
    {
        store.inject(Fault {
            after,
            ..Fault::next(operation, Reason::StoreDenied)
        });
        let results = [
            elsewhere(&profile)
                .read_frame(0)
                .await
                .map(|r| assert!(r.is_ok())),
            profile
                .status()
                .await
                .map(|s| assert_eq!(s.state, State::Complete)),
            profile.verify(false).await.map(|r| assert!(r.is_clean())),
        ];
        let errors: Vec<_> = results.into_iter().filter_map(|r| r.err()).collect();
        assert_eq!(errors.len(), 1, "{operation:?} {after}");
        assert_eq!(errors[0].reason(), Reason::StoreDenied);
    }
}

#[tokio::test]
async fn timelines_and_profiles_are_listed_a_page_at_a_time() {
    let (_, cache) = memory_cache();
    for (timeline, profile) in [
        ("a", "default"),
        ("b", "half"),
        ("c", "default"),
        ("c", "z"),
        ("c", "half"),
    ] {
        let profile = cache.profile(timeline, profile).unwrap();
        profile.claim_plan(&plan(), None).await.unwrap();
    }
    let first = cache.list_timelines(None, Some(2)).await.unwrap();
    assert_eq!(first.ids, ["a", "b"]);
    let rest = cache.list_timelines(first.next, Some(2)).await.unwrap();
    assert_eq!((rest.ids, rest.next), (vec!["c".to_owned()], None));
    assert_eq!(
        cache.list_profiles("c").await.unwrap(),
        ["default", "half", "z"]
    );
    assert_eq!(cache.list_profiles("b").await.unwrap(), ["half"]);
    assert!(cache.list_profiles("nobody").await.unwrap().is_empty());
}

#[tokio::test]
async fn further_pages_of_a_status_read_no_record_again() {
    let (store, profile) = extracted().await;
    let first = profile.status_for_page(true).await.unwrap();
    assert_eq!(first.state, State::Complete);
    let record = "cache/timelines/t/chunks/0/0.json".to_owned();
    store.delete(&[record]).await.unwrap();
    let next = profile.status_for_page(false).await.unwrap();
    assert_eq!(next.state, State::Complete);
    let again = profile.status_for_page(true).await.unwrap();
    assert_eq!(again.state, State::Partial);
    let next = profile.status_for_page(false).await.unwrap();
    assert_eq!(next.state, State::Partial);
}
