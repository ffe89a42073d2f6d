//! Put profiles.

use std::sync::Arc;

use crate::cache::Profile;
use crate::cache::put::PutFrame;
use crate::cache::read::Miss;
use crate::cache::status::State;
use crate::cache::testing::*;
use crate::cache::tests::stores::DyingStore;
use crate::error::Reason;
use crate::media::facts::FrameFacts;
use crate::store::{PutOptions, Store};

fn frame(seq: u64, gray: u8) -> PutFrame {
    PutFrame {
        seq,
        jpeg: jpeg(gray),
        facts: FrameFacts {
            timestamp: Some(seq as f64 / 3.0),
            backend: Some("camera".to_owned()),
            ..FrameFacts::default()
        },
    }
}

async fn gray_of(profile: &Profile, seq: u64) -> Option<u8> {
    let frame = elsewhere(profile).read_frame(seq).await.unwrap().ok()?;
    assert_eq!(frame.facts.sha256, frame_facts(seq, &frame.jpeg).sha256);
    (0..=255).find(|&gray| jpeg(gray) == frame.jpeg)
}

#[tokio::test]
async fn put_frames_are_served_with_the_facts_their_maker_gave() {
    let (_, cache) = memory_cache();
    let profile = cache.profile("t", "cam").unwrap();
    let done = profile
        .put_frames(vec![frame(9, 1), frame(4, 2)])
        .await
        .unwrap();
    assert_eq!(done.record, 0);
    let read = profile.reader().read_frame(9).await.unwrap().unwrap();
    assert_eq!(read.jpeg, jpeg(1));
    assert_eq!(read.facts.timestamp, Some(3.0));
    assert_eq!((read.facts.width, read.facts.height), (Some(16), Some(8)));
    assert_eq!(read.facts.backend.as_deref(), Some("camera"));
    let status = profile.status().await.unwrap();
    assert_eq!((status.state, status.counts.stored), (State::Complete, 2));
    let miss = profile.reader().read_frame(5).await.unwrap().unwrap_err();
    assert_eq!(miss, Miss::NotPlanned);
}

#[tokio::test]
async fn the_latest_put_that_names_a_sequence_wins() {
    let (_, cache) = memory_cache();
    let profile = cache.profile("t", "default").unwrap();
    let reader = profile.reader();
    profile
        .put_frames(vec![frame(0, 1), frame(1, 1)])
        .await
        .unwrap();
    reader.read_frame(1).await.unwrap().unwrap();
    let done = profile
        .put_frames(vec![frame(1, 2), frame(2, 2)])
        .await
        .unwrap();
    assert_eq!(done.record, 1);
    let grays = [
        gray_of(&profile, 0).await,
        gray_of(&profile, 1).await,
        gray_of(&profile, 2).await,
    ];
    assert_eq!(grays, [Some(1), Some(2), Some(2)]);
    // A reader that remembers the first record finds what came after it.
    assert_eq!(reader.read_frame(1).await.unwrap().unwrap().jpeg, jpeg(2));
    assert_eq!(reader.read_frame(2).await.unwrap().unwrap().jpeg, jpeg(2));
}

#[tokio::test]
async fn a_put_that_dies_at_any_write_loses_no_frame_that_was_there() {
    for writes in 0.. {
        let (inner, cache) = memory_cache();
        let profile = cache.profile("t", "default").unwrap();
        profile
            .put_frames(vec![frame(0, 1), frame(1, 1)])
            .await
            .unwrap();
        let dying = Arc::new(DyingStore::new(inner.clone(), writes));
        let dying_profile = cache_over(dying.clone()).profile("t", "default").unwrap();
        let put = vec![frame(1, 2), frame(2, 2)];
        let result = dying_profile.put_frames(put.clone()).await;
        let grays = [gray_of(&profile, 0).await, gray_of(&profile, 1).await];
        assert_eq!(grays[0], Some(1));
        if !dying.died() {
            result.unwrap();
            // One new frame and a sync, the record, one frame over an older one and a sync.
            assert_eq!((writes, grays[1]), (5, Some(2)));
            return;
        }
        assert!(matches!(grays[1], Some(1 | 2)), "died at write {writes}");
        profile.put_frames(put).await.unwrap();
        assert_eq!(gray_of(&profile, 1).await, Some(2));
        assert_eq!(gray_of(&profile, 2).await, Some(2));
    }
}

#[tokio::test]
async fn puts_at_once_each_keep_a_record_of_their_own() {
    let (_, cache) = memory_cache();
    let profile = cache.profile("t", "default").unwrap();
    let puts = (0..20).map(|n| profile.put_frames(vec![frame(n, n as u8)]));
    let mut records = Vec::new();
    for done in futures::future::join_all(puts).await {
        records.push(done.unwrap().record);
    }
    records.sort_unstable();
    assert_eq!(records, (0..20).collect::<Vec<_>>());
    for n in 0..20 {
        assert_eq!(gray_of(&profile, n).await, Some(n as u8));
    }
}

#[tokio::test]
async fn an_extracted_profile_takes_no_put_and_a_put_profile_no_extraction() {
    let (_, cache) = memory_cache();
    let plan = plan_of(vec![row("0", 0, 0, 2)]);
    let extracted = cache.profile("t", "default").unwrap();
    extracted.claim_plan(&plan, None).await.unwrap();
    let error = extracted.put_frames(vec![frame(0, 1)]).await.unwrap_err();
    assert_eq!(error.reason(), Reason::PlanDiffers);
    let put = cache.profile("t", "put").unwrap();
    put.put_frames(vec![frame(0, 1)]).await.unwrap();
    let error = put.claim_plan(&plan, None).await.unwrap_err();
    assert_eq!(error.reason(), Reason::PlanDiffers);
}

#[tokio::test]
async fn the_first_put_onto_a_legacy_cache_also_records_what_it_finds() {
    for writes in 0..=7 {
        let (inner, cache) = memory_cache();
        for seq in [5, 6] {
            let key = format!("cache/timelines/t/frames/{seq}.jpg");
            inner
                .put(&key, jpeg(seq), PutOptions::durable("image/jpeg"))
                .await
                .unwrap();
        }
        let profile = cache.profile("t", "default").unwrap();
        let dying = Arc::new(DyingStore::new(inner.clone(), writes));
        let dying_profile = cache_over(dying.clone()).profile("t", "default").unwrap();
        let put = vec![frame(6, 60), frame(7, 70)];
        let result = dying_profile.put_frames(put.clone()).await;
        assert_eq!(result.is_ok(), writes == 7);
        // At every moment what was there is served.
        assert_eq!(
            gray_of(&profile, 5).await,
            Some(5),
            "died at write {writes}"
        );
        assert!(matches!(gray_of(&profile, 6).await, Some(6 | 60)));
        profile.put_frames(put).await.unwrap();
        let grays = [
            gray_of(&profile, 5).await,
            gray_of(&profile, 6).await,
            gray_of(&profile, 7).await,
        ];
        assert_eq!(grays, [Some(5), Some(60), Some(70)]);
        assert_eq!(profile.status().await.unwrap().counts.stored, 3);
    }
}

#[tokio::test]
async fn what_is_no_jpeg_or_named_twice_is_refused_before_anything_is_written() {
    let (store, cache) = memory_cache();
    let profile = cache.profile("t", "default").unwrap();
    let bad = |change: fn(&mut PutFrame)| {
        let mut frame = frame(1, 1);
        change(&mut frame);
        vec![self::frame(0, 0), frame]
    };
    for frames in [
        Vec::new(),
        bad(|f| f.seq = 0),
        bad(|f| f.jpeg = tiny_png()),
        bad(|f| f.jpeg = f.jpeg.slice(..30)),
        bad(|f| f.jpeg.clear()),
        bad(|f| f.facts.missing = true),
        bad(|f| f.facts.repeats = Some(0)),
        bad(|f| f.facts.timestamp = Some(f64::NAN)),
    ] {
        let error = profile.put_frames(frames).await.unwrap_err();
        assert_eq!(error.reason(), Reason::FieldInvalid);
    }
    assert!(listing(&*store).await.is_empty());
}
