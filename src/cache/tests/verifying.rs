//! Verify and repair.

use std::sync::Arc;

use crate::cache::Profile;
use crate::cache::put::PutFrame;
use crate::cache::record::Outcome;
use crate::cache::testing::*;
use crate::cache::verify::{Fault, Report};
use crate::media::facts::FrameFacts;
use crate::store::memory::MemoryStore;
use crate::store::{PutOptions, Store};

const BASE: &str = "cache/timelines/t/";

async fn extracted() -> (Arc<MemoryStore>, Profile) {
    let (store, cache) = memory_cache();
    let profile = cache.profile("t", "default").unwrap();
    extract_missing(&profile).await;
    (store, profile)
}

async fn extract_missing(profile: &Profile) {
    let rows = (0..10)
        .map(|n| row("0", n, u64::from(n) * 10, 10))
        .collect();
    let plan = profile.claim_plan(&plan_of(rows), None).await.unwrap().plan;
    for row in plan.in_sequence() {
        if profile.record(row).await.unwrap().is_err() {
            extract_row(profile, row).await.unwrap();
        }
    }
}

async fn put(store: &MemoryStore, name: &str, data: &[u8]) {
    let key = format!("{BASE}{name}");
    let data = data.to_vec().into();
    store
        .put(&key, data, PutOptions::durable("x/y"))
        .await
        .unwrap();
}

async fn damage(store: &MemoryStore, name: &str, change: impl Fn(&mut Vec<u8>)) {
    let key = format!("{BASE}{name}");
    let mut data = store.get(&key).await.unwrap().unwrap().data.to_vec();
    change(&mut data);
    put(store, name, &data).await;
}

fn faults(report: &Report) -> Vec<(&str, Fault)> {
    let named = report.findings.iter();
    named
        .map(|f| (f.key.strip_prefix(BASE).unwrap(), f.fault))
        .collect()
}

#[tokio::test]
async fn a_sound_cache_has_no_findings() {
    let (_, profile) = extracted().await;
    let report = profile.verify(false).await.unwrap();
    let counts = (report.frames_checked, report.records_checked, report.faults);
    assert_eq!(counts, (100, 10, 0));
}

#[tokio::test]
async fn every_kind_of_fault_is_found_repaired_and_extracted_again() {
    let (store, profile) = extracted().await;
    let sound = listing(&*store).await;
    damage(&store, "frames/3.jpg", |d| d[4] ^= 1).await;
    damage(&store, "frames/14.jpg", |d| d.truncate(5)).await;
    store
        .delete(&[format!("{BASE}frames/25.jpg")])
        .await
        .unwrap();
    damage(&store, "chunks/0/3.json", |d| {
        let at = d.len() - 20;
        d[at] ^= 2;
    })
    .await;
    damage(&store, "chunks/0/4.json", |d| d.truncate(100)).await;
    put(&store, "frames/1000.jpg", b"stray").await;
    put(&store, "frames/01.jpg", b"stray").await;
    put(&store, "chunks/9/0.json", b"stray").await;
    put(&store, "chunks/0/0.json.tmp", b"stray").await;
    let other = store
        .get(&format!("{BASE}chunks/0/6.json"))
        .await
        .unwrap()
        .unwrap();
    put(&store, "chunks/0/5.json", &other.data).await;

    let expected = [
        ("chunks/0/0.json.tmp", Fault::StrayRecord),
        ("chunks/0/3.json", Fault::DamagedRecord),
        ("chunks/0/4.json", Fault::DamagedRecord),
        ("chunks/0/5.json", Fault::StaleRecord),
        ("chunks/9/0.json", Fault::StrayRecord),
        ("frames/01.jpg", Fault::StrayFrame),
        ("frames/1000.jpg", Fault::StrayFrame),
        ("frames/14.jpg", Fault::WrongSize),
        ("frames/25.jpg", Fault::MissingFrame),
        ("frames/3.jpg", Fault::WrongSha256),
    ];
    let report = profile.verify(false).await.unwrap();
    assert_eq!(faults(&report), expected);
    assert_eq!((report.deleted, report.uncommitted_frames), (0, 30));

    let report = profile.verify(true).await.unwrap();
    assert_eq!(faults(&report), expected);
    // All but the missing frame, and three records of damaged or missing frames.
    assert_eq!(report.deleted, 9 + 3);
    assert!(profile.verify(false).await.unwrap().is_clean());
    extract_missing(&profile).await;
    assert_eq!(listing(&*store).await, sound);
}

#[tokio::test]
async fn frames_of_an_extraction_that_goes_on_are_left_alone() {
    let (store, cache) = memory_cache();
    let profile = cache.profile("t", "default").unwrap();
    let plan = plan_of(vec![row("0", 0, 0, 3)]);
    profile.claim_plan(&plan, None).await.unwrap();
    put(&store, "frames/1.jpg", b"on its way").await;
    let report = profile.verify(true).await.unwrap();
    assert_eq!((report.faults, report.uncommitted_frames), (0, 1));
    assert!(
        store
            .get(&format!("{BASE}frames/1.jpg"))
            .await
            .unwrap()
            .is_some()
    );
}

#[tokio::test]
async fn an_object_where_the_record_says_there_is_none_is_a_stray() {
    let (store, cache) = memory_cache();
    let profile = cache.profile("t", "default").unwrap();
    let plan = plan_of(vec![row("0", 0, 0, 2)]);
    let plan = profile.claim_plan(&plan, None).await.unwrap().plan;
    let kept = frame_facts(0, b"kept");
    let repeat = FrameFacts {
        seq: 1,
        repeats: Some(0),
        ..kept.clone()
    };
    put(&store, "frames/0.jpg", b"kept").await;
    put(&store, "frames/1.jpg", b"of an older plan").await;
    let outcome = Outcome::Frames(vec![kept, repeat]);
    profile
        .commit_span(plan.row(0).unwrap(), outcome, None)
        .await
        .unwrap();
    let report = profile.verify(false).await.unwrap();
    assert_eq!(faults(&report), [("frames/1.jpg", Fault::StrayFrame)]);
    assert_eq!(profile.sweep_stale().await.unwrap().frames.objects, 1);
    assert!(profile.verify(false).await.unwrap().is_clean());
}

#[tokio::test]
async fn damaged_put_frames_are_reported_as_lost() {
    let (store, cache) = memory_cache();
    let profile = cache.profile("t", "default").unwrap();
    let frames = (0..3).map(|seq| PutFrame {
        seq,
        jpeg: jpeg(seq as u8),
        facts: FrameFacts::default(),
    });
    profile.put_frames(frames.collect()).await.unwrap();
    assert!(profile.verify(false).await.unwrap().is_clean());
    damage(&store, "frames/1.jpg", |d| d[40] ^= 1).await;
    put(&store, "chunks/0/0.json", b"stray").await;
    let report = profile.verify(false).await.unwrap();
    assert_eq!(
        faults(&report),
        [
            ("chunks/0/0.json", Fault::StrayRecord),
            ("frames/1.jpg", Fault::WrongSha256)
        ]
    );
    assert_eq!(report.lost, 1);
}
