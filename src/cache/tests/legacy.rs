//! Caches of the ancestor's writing: frames and no plan.

use std::sync::Arc;

use bytes::Bytes;
use futures::TryStreamExt;

use crate::cache::clear::ClearRequest;
use crate::cache::facts::FactsBatch;
use crate::cache::plans::{Claimed, Replace};
use crate::cache::read::{Frame, Miss, Reader};
use crate::cache::status::State;
use crate::cache::testing::*;
use crate::cache::verify::Fault;
use crate::cache::{Cache, Profile};
use crate::error::Reason;
use crate::media::facts::FrameFacts;
use crate::metrics::Tier;
use crate::store::memory::{MemoryStore, Operation};
use crate::store::{PutOptions, Store};

const SEQS: [u64; 6] = [0, 9, 10, 100, 1000, 2];

async fn legacy() -> (Arc<MemoryStore>, Cache, Profile) {
    let (store, cache) = memory_cache();
    for seq in SEQS {
        let key = format!("cache/timelines/t/frames/{seq}.jpg");
        let bytes = jpeg((seq % 250) as u8);
        store
            .put(&key, bytes, PutOptions::durable("image/jpeg"))
            .await
            .unwrap();
    }
    let profile = cache.profile("t", "default").unwrap();
    (store, cache, profile)
}

#[tokio::test]
async fn frames_without_a_plan_are_served_as_they_are() {
    let (_, _, profile) = legacy().await;
    let status = profile.status().await.unwrap();
    assert_eq!((status.state, status.plan.is_none()), (State::Legacy, true));
    let frame = profile.reader().read_frame(100).await.unwrap().unwrap();
    assert_eq!(frame.jpeg, jpeg(100));
    let known = FrameFacts {
        content_type: Some("image/jpeg".to_owned()),
        ..frame_facts(100, &frame.jpeg)
    };
    assert_eq!(frame.facts, known);
    let miss = profile.reader().read_frame(1).await.unwrap().unwrap_err();
    assert_eq!(miss, Miss::NotPlanned);
}

#[tokio::test]
async fn legacy_frames_are_listed_by_number_and_not_by_key() {
    let (_, _, profile) = legacy().await;
    let view = profile.view().await.unwrap();
    let batches: Vec<_> = profile
        .facts(&view)
        .await
        .unwrap()
        .try_collect()
        .await
        .unwrap();
    let [FactsBatch::Frames(frames)] = &batches[..] else {
        panic!("one batch of frames");
    };
    assert_eq!(
        frames.iter().map(|f| f.seq).collect::<Vec<_>>(),
        [0, 2, 9, 10, 100, 1000]
    );
    assert!(
        frames
            .iter()
            .all(|f| f.timestamp.is_none() && f.phash.is_none())
    );
}

/// Another process writes a frame.
async fn overwrite(store: &MemoryStore, seq: u64, jpeg: Bytes) {
    let key = format!("cache/timelines/t/frames/{seq}.jpg");
    let options = PutOptions::durable("image/jpeg");
    store.put(&key, jpeg, options).await.unwrap();
}

fn frame_reads(store: &MemoryStore) -> usize {
    let calls = store.calls();
    let frames = calls
        .iter()
        .filter(|(op, key)| *op == Operation::Get && key.ends_with(".jpg"));
    frames.count()
}

async fn read(reader: &Reader, seq: u64) -> Frame {
    reader.read_frame(seq).await.unwrap().unwrap()
}

#[tokio::test]
async fn a_frame_that_a_listing_gives_in_the_version_read_comes_from_memory() {
    let (store, _, profile) = legacy().await;
    let reader = profile.reader();
    let first = read(&reader, 100).await;
    assert_eq!(first.tier, Tier::Store);
    reader.legacy_frames().await.unwrap();
    for _ in 0..3 {
        let again = read(&reader, 100).await;
        assert_eq!(
            (again.tier, &again.facts, &again.jpeg),
            (Tier::Memory, &first.facts, &first.jpeg)
        );
    }
    assert_eq!(frame_reads(&store), 1);
}

#[tokio::test]
async fn without_a_listing_a_frame_is_read_each_time() {
    let (store, _, profile) = legacy().await;
    let reader = profile.reader();
    read(&reader, 100).await;
    overwrite(&store, 100, jpeg(101)).await;
    let frame = read(&reader, 100).await;
    assert_eq!((frame.tier, frame.jpeg), (Tier::Store, jpeg(101)));
}

#[tokio::test]
async fn what_another_writer_overwrote_is_read_again_once_it_is_listed_again() {
    let (store, _, profile) = legacy().await;
    let reader = profile.reader();
    reader.legacy_frames().await.unwrap();
    read(&reader, 100).await;
    overwrite(&store, 100, jpeg(101)).await;
    reader.fresh_view().await.unwrap();
    reader.legacy_frames().await.unwrap();
    for tier in [Tier::Store, Tier::Memory] {
        let frame = read(&reader, 100).await;
        let sha256 = frame_facts(100, &jpeg(101)).sha256;
        assert_eq!(
            (frame.tier, frame.jpeg, frame.facts.sha256),
            (tier, jpeg(101), sha256)
        );
    }
    // And the old bytes again: they are known still.
    overwrite(&store, 100, jpeg(100)).await;
    reader.fresh_view().await.unwrap();
    reader.legacy_frames().await.unwrap();
    let frame = read(&reader, 100).await;
    assert_eq!((frame.tier, frame.jpeg), (Tier::Memory, jpeg(100)));
}

#[tokio::test]
async fn bytes_that_came_after_the_listing_are_not_kept_under_its_version() {
    let (store, _, profile) = legacy().await;
    let reader = profile.reader();
    reader.legacy_frames().await.unwrap();
    overwrite(&store, 100, jpeg(101)).await;
    for _ in 0..2 {
        let frame = read(&reader, 100).await;
        assert_eq!((frame.tier, frame.jpeg), (Tier::Store, jpeg(101)));
    }
}

#[tokio::test]
async fn frames_that_came_after_the_listing_are_looked_for_and_deleted_ones_missed_after_it() {
    let (store, _, profile) = legacy().await;
    let reader = profile.reader();
    reader.legacy_frames().await.unwrap();
    overwrite(&store, 7, jpeg(7)).await;
    assert_eq!(read(&reader, 7).await.jpeg, jpeg(7));
    let gone = "cache/timelines/t/frames/7.jpg".to_owned();
    store.delete(&[gone]).await.unwrap();
    let miss = reader.read_frame(7).await.unwrap().unwrap_err();
    assert_eq!(miss, Miss::NotPlanned);
}

#[tokio::test]
async fn a_listing_is_made_once_for_all_who_ask_and_kept_five_seconds() {
    let (store, _, profile) = legacy().await;
    let listings = || {
        let calls = store.calls();
        let listed = calls
            .iter()
            .filter(|(op, key)| *op == Operation::List && key.ends_with("/frames/"));
        listed.count()
    };
    let readers = [profile.reader(), profile.reader()];
    let [one, two] = &readers;
    let (a, b) = tokio::join!(one.legacy_frames(), two.legacy_frames());
    assert_eq!(
        (a.unwrap().frames().len(), b.unwrap().frames().len()),
        (6, 6)
    );
    assert_eq!(listings(), 1);
    tokio::time::sleep(std::time::Duration::from_millis(5100)).await;
    overwrite(&store, 7, jpeg(7)).await;
    let listed = one.legacy_frames().await.unwrap();
    assert_eq!((listed.frames().len(), listings()), (7, 2));
}

#[tokio::test]
async fn what_this_process_does_to_a_legacy_cache_is_seen_at_once() {
    let (_, _, profile) = legacy().await;
    let reader = profile.reader();
    reader.legacy_frames().await.unwrap();
    read(&reader, 100).await;
    profile.clear(ClearRequest::default()).await.unwrap();
    let miss = reader.read_frame(100).await.unwrap().unwrap_err();
    assert_eq!(miss, Miss::Absent);
    assert!(reader.legacy_frames().await.unwrap().frames().is_empty());
}

#[tokio::test]
async fn extraction_onto_a_legacy_cache_needs_replace() {
    let (_, _, profile) = legacy().await;
    let plan = plan_of(vec![row("0", 0, 0, 2)]);
    let error = profile.claim_plan(&plan, None).await.unwrap_err();
    assert_eq!(error.reason(), Reason::PlanDiffers);
    let claim = profile
        .claim_plan(&plan, Some(Replace::default()))
        .await
        .unwrap();
    assert_eq!(claim.claimed, Claimed::Replaced);
    extract_row(&profile, claim.plan.row(0).unwrap())
        .await
        .unwrap();
    let swept = profile.sweep_stale().await.unwrap();
    assert_eq!(swept.frames.objects, 5);
    assert!(profile.verify(false).await.unwrap().is_clean());
}

#[tokio::test]
async fn only_the_default_profile_can_be_legacy() {
    let (store, cache, _) = legacy().await;
    let key = "cache/timelines/t/profiles/p/frames/0.jpg";
    store
        .put(key, jpeg(1), PutOptions::durable("image/jpeg"))
        .await
        .unwrap();
    let profile = cache.profile("t", "p").unwrap();
    assert_eq!(profile.status().await.unwrap().state, State::Absent);
    let plan = plan_of(vec![row("0", 0, 0, 2)]);
    assert!(profile.claim_plan(&plan, None).await.is_ok());
}

#[tokio::test]
async fn a_legacy_cache_is_cleared_whole() {
    let (store, _, profile) = legacy().await;
    let cleared = profile.clear(ClearRequest::default()).await.unwrap();
    assert_eq!(cleared.frames.objects, 6);
    assert!(listing(&*store).await.is_empty());
}

#[tokio::test]
async fn verify_finds_what_is_no_jpeg_and_leaves_it() {
    let (store, _, profile) = legacy().await;
    assert!(profile.verify(false).await.unwrap().is_clean());
    let key = "cache/timelines/t/frames/9.jpg".to_owned();
    let cut = jpeg(9).slice(..20);
    store
        .put(&key, cut, PutOptions::durable("image/jpeg"))
        .await
        .unwrap();
    let report = profile.verify(true).await.unwrap();
    assert_eq!(
        (report.faults, report.deleted, report.frames_checked),
        (1, 0, 6)
    );
    assert_eq!(
        (&report.findings[0].key, report.findings[0].fault),
        (&key, Fault::NotJpeg)
    );
    assert!(store.get(&key).await.unwrap().is_some());
}

/// The example that the ancestor itself wrote, where FRAMECACHE_MEDIA says that it is.
#[tokio::test]
async fn the_ancestors_example_is_read() {
    let Ok(media) = std::env::var("FRAMECACHE_MEDIA") else {
        return;
    };
    let root = &std::path::Path::new(&media).join("seed_cache_example/bucket_mpr");
    let (store, cache) = memory_cache();
    let timeline = root.join("cache/timelines/tl-example-01");
    let mut frames = Vec::new();
    for folder in ["frames", "overlays/job-7/detect_edges"] {
        for file in std::fs::read_dir(timeline.join(folder)).unwrap() {
            let path = file.unwrap().path();
            let key = path
                .strip_prefix(root)
                .unwrap()
                .to_str()
                .unwrap()
                .to_owned();
            let data = std::fs::read(&path).unwrap();
            store
                .put(&key, data.into(), PutOptions::durable("x/y"))
                .await
                .unwrap();
            frames.push(key);
        }
    }
    let ids = cache.list_timelines(None, None).await.unwrap().ids;
    assert_eq!(ids, ["tl-example-01"]);
    let profile = cache.profile("tl-example-01", "default").unwrap();
    let listed = profile.reader().legacy_frames().await.unwrap();
    let seqs: Vec<_> = listed.frames().iter().map(|f| f.seq).collect();
    assert_eq!(seqs, [0, 1, 2, 3, 5, 8, 9, 10, 11, 12, 100, 1000]);
    assert!(profile.verify(false).await.unwrap().is_clean());
    let overlays = profile
        .overlay_frames("job-7", "detect_edges")
        .await
        .unwrap();
    assert_eq!(overlays, [0, 1, 10, 100]);
    let of_zero = profile
        .list_overlays("job-7", "detect_edges", Some(0))
        .await
        .unwrap();
    let names: Vec<_> = of_zero.iter().map(|o| o.id.name.as_str()).collect();
    assert_eq!(
        names,
        ["edge_overlay_b64", "lines_overlay_b64", "with_under_score"]
    );
}

#[tokio::test]
async fn further_pages_of_frames_without_a_plan_are_of_the_first_ones_listing() {
    let (store, _, profile) = legacy().await;
    let view = profile.view().await.unwrap();
    let page = async |first| {
        let batches = profile.facts_from(&view, first, 2).await.unwrap();
        let batches: Vec<_> = batches.try_collect().await.unwrap();
        let seqs = batches.into_iter().flat_map(|batch| match batch {
            FactsBatch::Frames(frames) => frames.into_iter().map(|facts| facts.seq),
            FactsBatch::Without { .. } => panic!("{batch:?}"),
        });
        seqs.collect::<Vec<_>>()
    };
    let before = store.calls().len();
    assert_eq!(page(0).await, [0, 2, 9, 10, 100, 1000]);
    assert_eq!(page(9).await, [9, 10, 100, 1000]);
    assert_eq!(page(101).await, [1000]);
    assert!(page(1001).await.is_empty());
    assert_eq!(store.calls().len() - before, 1);
    let key = "cache/timelines/t/frames/3.jpg";
    let put = PutOptions::durable("image/jpeg");
    store.put(key, jpeg(3), put).await.unwrap();
    // Who begins anew sees what is there now.
    assert_eq!(page(0).await, [0, 2, 3, 9, 10, 100, 1000]);
}
