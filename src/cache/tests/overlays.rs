//! Overlays.

use proptest::prelude::*;

use crate::cache::Profile;
use crate::cache::clear::ClearRequest;
use crate::cache::keys::OverlayId;
use crate::cache::overlays::{OverlayFolder, OverlayFrames, OverlayScope, PutOverlay};
use crate::cache::testing::*;
use crate::store::memory::{MemoryStore, Operation};
use crate::store::{PutOptions, Store};

fn id(stage: &str, seq: u64, name: &str) -> OverlayId {
    OverlayId {
        job: "job-7".to_owned(),
        stage: stage.to_owned(),
        seq,
        name: name.to_owned(),
    }
}

async fn put(profile: &Profile, ids: &[OverlayId]) {
    let overlays = ids.iter().cloned().map(|id| PutOverlay {
        id,
        png: tiny_png(),
    });
    for result in profile.put_overlays(overlays.collect()).await.unwrap() {
        result.unwrap();
    }
}

#[tokio::test]
async fn overlays_are_listed_by_job_stage_frame_and_item() {
    let (store, cache) = memory_cache();
    let profile = cache.profile("t", "default").unwrap();
    let ids = [
        id("edges", 1, "a"),
        id("edges", 10, "a"),
        id("edges", 9, "b"),
        id("lines", 1, "a"),
    ];
    put(&profile, &ids).await;
    assert_eq!(profile.overlay_jobs().await.unwrap(), ["job-7"]);
    assert_eq!(
        profile.overlay_stages("job-7").await.unwrap(),
        ["edges", "lines"]
    );
    assert_eq!(
        profile.overlay_frames("job-7", "edges").await.unwrap(),
        [1, 9, 10]
    );
    let before = store.calls().len();
    let items = profile
        .list_overlays("job-7", "edges", Some(1))
        .await
        .unwrap();
    assert_eq!(items.len(), 1);
    assert_eq!(
        (&items[0].id, items[0].bytes),
        (&ids[0], tiny_png().len() as u64)
    );
    // One frame's overlays are found without listing its whole stage.
    let prefix = "cache/timelines/t/overlays/job-7/edges/1_".to_owned();
    assert_eq!(store.calls()[before..], [(Operation::List, prefix)]);
    assert!(profile.overlay_stages("nobody").await.unwrap().is_empty());
}

#[tokio::test]
async fn several_frames_and_names_are_found_at_once() {
    let (_, cache) = memory_cache();
    let profile = cache.profile("t", "p").unwrap();
    let ids = [
        id("e", 1, "a"),
        id("e", 1, "b"),
        id("e", 10, "a"),
        id("e", 11, "c"),
    ];
    put(&profile, &ids).await;
    let frames = OverlayFrames {
        job: "job-7".to_owned(),
        stage: "e".to_owned(),
        seqs: vec![10, 1, 5],
    };
    let found = |items: Vec<crate::cache::overlays::OverlayItem>| {
        items
            .into_iter()
            .map(|i| (i.id.seq, i.id.name))
            .collect::<Vec<_>>()
    };
    let all = found(profile.find_overlays(&frames, &[]).await.unwrap());
    assert_eq!(
        all,
        [
            (10, "a".to_owned()),
            (1, "a".to_owned()),
            (1, "b".to_owned())
        ]
    );
    let named = found(
        profile
            .find_overlays(&frames, &["b".to_owned()])
            .await
            .unwrap(),
    );
    assert_eq!(named, [(1, "b".to_owned())]);
}

#[tokio::test]
async fn each_overlay_has_its_own_result() {
    let (_, cache) = memory_cache();
    let profile = cache.profile("t", "default").unwrap();
    let overlays = [
        ("a", tiny_png()),
        ("", tiny_png()),
        ("c", jpeg(1)),
        ("d", tiny_png()),
    ];
    let overlays = overlays.map(|(name, png)| PutOverlay {
        id: id("e", 0, name),
        png,
    });
    let results = profile.put_overlays(overlays.into()).await.unwrap();
    let good: Vec<_> = results.iter().map(Result::is_ok).collect();
    assert_eq!(good, [true, false, false, true]);
    assert!(
        profile
            .get_overlay(&id("e", 0, "c"))
            .await
            .unwrap()
            .is_none()
    );
    assert_eq!(
        profile.get_overlay(&id("e", 0, "d")).await.unwrap(),
        Some(tiny_png())
    );
}

#[tokio::test]
async fn names_that_the_ancestor_wrote_raw_are_found_by_those_names() {
    let (store, cache) = memory_cache();
    let profile = cache.profile("t", "default").unwrap();
    for raw in ["100%.png", "a%20b", "x/y"] {
        let key = format!("cache/timelines/t/overlays/job-7/e/0_{raw}.png");
        store
            .put(&key, tiny_png(), PutOptions::durable("image/png"))
            .await
            .unwrap();
        let id = id("e", 0, raw);
        let listed = profile.list_overlays("job-7", "e", Some(0)).await.unwrap();
        assert!(listed.iter().any(|item| item.id == id), "{raw}");
        assert_eq!(
            profile.get_overlay(&id).await.unwrap(),
            Some(tiny_png()),
            "{raw}"
        );
    }
    // Written again under our own key, the name is listed once, and ours.
    put(&profile, &[id("e", 0, "a%20b")]).await;
    let listed = profile.list_overlays("job-7", "e", Some(0)).await.unwrap();
    let same: Vec<_> = listed.iter().filter(|i| i.id.name == "a%20b").collect();
    assert_eq!(same.len(), 1);
}

#[tokio::test]
async fn overlays_are_deleted_by_job_stage_or_frame() {
    let (_, cache) = memory_cache();
    let profile = cache.profile("t", "default").unwrap();
    let ids = [
        id("e", 1, "a"),
        id("e", 10, "a"),
        id("l", 1, "a"),
        id("l", 2, "a"),
    ];
    put(&profile, &ids).await;
    let scope = |stage: Option<&str>, seq| OverlayScope {
        job: "job-7".to_owned(),
        stage: stage.map(str::to_owned),
        seq,
    };
    let count = async |scope: OverlayScope, dry| {
        profile.delete_overlays(&scope, dry).await.unwrap().objects
    };
    assert_eq!(count(scope(None, None), true).await, 4);
    assert_eq!(count(scope(None, Some(1)), true).await, 2);
    assert_eq!(count(scope(Some("e"), Some(1)), false).await, 1);
    assert_eq!(profile.overlay_frames("job-7", "e").await.unwrap(), [10]);
    assert_eq!(count(scope(Some("l"), None), false).await, 2);
    assert_eq!(count(scope(None, None), false).await, 1);
    assert!(profile.overlay_jobs().await.unwrap().is_empty());
}

fn stage_listings(store: &MemoryStore) -> usize {
    let calls = store.calls();
    let listed = calls
        .iter()
        .filter(|(op, prefix)| *op == Operation::List && prefix.contains("/overlays/"));
    listed.count()
}

async fn names_of(profile: &Profile, seq: u64) -> Vec<String> {
    let stage = profile.small_stage(("job-7", "e"), 1).await.unwrap();
    let items = profile.of_stage(&stage.unwrap(), seq).await.unwrap();
    items.into_iter().map(|item| item.id.name).collect()
}

#[tokio::test]
async fn frames_of_a_small_stage_asked_for_one_by_one_are_listed_once() {
    let (store, cache) = memory_cache();
    let profile = cache.profile("t", "default").unwrap();
    put(
        &profile,
        &[id("e", 1, "a"), id("e", 2, "b"), id("e", 2, "c")],
    )
    .await;
    assert_eq!(names_of(&profile, 1).await, ["a"]);
    assert_eq!(names_of(&profile, 2).await, ["b", "c"]);
    assert_eq!(stage_listings(&store), 1);
    // What it does not have is asked for again.
    assert!(names_of(&profile, 3).await.is_empty());
    assert_eq!(stage_listings(&store), 2);
}

#[tokio::test]
async fn overlays_that_this_process_puts_or_deletes_are_seen_at_once() {
    let (_, cache) = memory_cache();
    let profile = cache.profile("t", "default").unwrap();
    put(&profile, &[id("e", 1, "a")]).await;
    assert_eq!(names_of(&profile, 1).await, ["a"]);
    put(&profile, &[id("e", 1, "b")]).await;
    assert_eq!(names_of(&profile, 1).await, ["a", "b"]);
    let scope = OverlayScope {
        job: "job-7".to_owned(),
        stage: None,
        seq: None,
    };
    profile.delete_overlays(&scope, false).await.unwrap();
    assert!(names_of(&profile, 1).await.is_empty());
    put(&profile, &[id("e", 1, "c")]).await;
    assert_eq!(names_of(&profile, 1).await, ["c"]);
    let everything = ClearRequest {
        overlays: true,
        ..ClearRequest::default()
    };
    profile.clear(everything).await.unwrap();
    assert!(names_of(&profile, 1).await.is_empty());
}

#[tokio::test]
async fn an_overlay_that_another_process_overwrote_is_never_served_old_under_a_new_listing() {
    let (store, cache) = memory_cache();
    let profile = cache.profile("t", "default").unwrap();
    put(&profile, &[id("e", 1, "a")]).await;
    let listed = profile.list_overlays("job-7", "e", Some(1)).await.unwrap();
    assert_eq!(
        profile.get_listed(&listed[0]).await.unwrap(),
        Some(tiny_png())
    );
    let key = "cache/timelines/t/overlays/job-7/e/1_a.png";
    let options = PutOptions::durable("image/png");
    store.put(key, "other".into(), options).await.unwrap();
    assert_eq!(
        profile.get_listed(&listed[0]).await.unwrap(),
        Some(tiny_png())
    );
    let listed = profile.list_overlays("job-7", "e", Some(1)).await.unwrap();
    assert_eq!(
        profile.get_listed(&listed[0]).await.unwrap(),
        Some("other".into())
    );
}

#[tokio::test]
async fn all_pages_behind_the_first_cost_one_listing_of_the_stage() {
    let (store, cache) = memory_cache();
    let profile = cache.profile("t", "default").unwrap();
    let ids = [
        id("e", 1, "a"),
        id("e", 2, "a"),
        id("e", 2, "b"),
        id("e", 10, "a"),
        id("e", 100, "a"),
    ];
    put(&profile, &ids).await;
    let (job, stage) = ("job-7", "e");
    let folder = OverlayFolder {
        job,
        stage,
        seq: None,
    };
    let (mut items, mut seqs) = (Vec::new(), Vec::new());
    for _ in 0..3 {
        let after = items.last().map(|id: &OverlayId| (id.seq, id.name.clone()));
        let page = profile.overlay_page(&folder, after.as_ref(), 2).await;
        items.extend(page.unwrap().into_iter().map(|item| item.id));
        let page = profile.overlay_frames_page(&folder, seqs.last().copied(), 2);
        seqs.extend(page.await.unwrap());
    }
    assert_eq!(items, ids);
    assert_eq!(seqs, [1, 2, 10, 100]);
    // Each first page lists for itself.
    assert_eq!(stage_listings(&store), 3);
    put(&profile, &[id("e", 3, "new")]).await;
    let behind = profile.overlay_frames_page(&folder, Some(2), 2);
    assert_eq!(behind.await.unwrap(), [3, 10]);
}

#[tokio::test]
async fn a_long_stage_is_tried_once_and_then_asked_for_frame_by_frame() {
    let (store, cache) = memory_cache();
    let profile = cache.profile("t", "default").unwrap();
    let many: Vec<_> = (0..1001).map(|seq| id("e", seq, "a")).collect();
    put(&profile, &many).await;
    for _ in 0..3 {
        assert!(
            profile
                .small_stage(("job-7", "e"), 1)
                .await
                .unwrap()
                .is_none()
        );
    }
    assert_eq!(stage_listings(&store), 1);
    assert!(
        profile
            .small_stage(("job-7", "e"), 8)
            .await
            .unwrap()
            .is_some()
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn any_name_comes_back_as_it_was_given(name in "[%/\\\\\\x00-\\x1f._ a-cA-F0-9é\u{1f600}]{1,40}", seq in 0..u64::MAX) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let (_, cache) = memory_cache();
            let profile = cache.profile("t", "default").unwrap();
            let id = id("e", seq, &name);
            put(&profile, std::slice::from_ref(&id)).await;
            let listed = profile.list_overlays("job-7", "e", Some(seq)).await.unwrap();
            assert_eq!(listed.len(), 1);
            assert_eq!(listed[0].id, id);
            assert_eq!(profile.get_overlay(&id).await.unwrap(), Some(tiny_png()));
        });
    }
}
