//! Clearing.

use std::sync::Arc;

use crate::cache::Cache;
use crate::cache::clear::{ClearRequest, Cleared};
use crate::cache::put::PutFrame;
use crate::cache::status::State;
use crate::cache::testing::*;
use crate::media::facts::FrameFacts;
use crate::store::memory::MemoryStore;

async fn filled() -> (Arc<MemoryStore>, Cache) {
    let (store, cache) = memory_cache();
    for name in ["default", "half"] {
        let profile = cache.profile("t", name).unwrap();
        let plan = plan_of(vec![row("0", 0, 0, 3), row("1", 0, 3, 2)]);
        let plan = profile.claim_plan(&plan, None).await.unwrap().plan;
        for row in plan.in_sequence() {
            extract_row(&profile, row).await.unwrap();
        }
    }
    (store, cache)
}

fn counts(cleared: &Cleared) -> [u64; 4] {
    [
        cleared.records.objects,
        cleared.frames.objects,
        cleared.overlays.objects,
        cleared.plans.objects,
    ]
}

#[tokio::test]
async fn a_dry_run_counts_and_touches_nothing() {
    let (store, cache) = filled().await;
    let before = listing(&*store).await;
    let request = ClearRequest {
        plan: true,
        dry_run: true,
        ..ClearRequest::default()
    };
    let cleared = cache.clear("t", None, request).await.unwrap();
    assert_eq!(cleared.len(), 2);
    assert_eq!(counts(&cleared[0].1), [2, 5, 0, 1]);
    assert_eq!(listing(&*store).await, before);
}

#[tokio::test]
async fn clearing_one_profile_leaves_the_other_and_the_plan() {
    let (_, cache) = filled().await;
    let cleared = cache
        .clear("t", Some("default"), ClearRequest::default())
        .await
        .unwrap();
    assert_eq!(counts(&cleared[0].1), [2, 5, 0, 0]);
    let status = |name| {
        let profile = cache.profile("t", name).unwrap();
        async move { profile.status().await.unwrap() }
    };
    let default = status("default").await;
    assert_eq!(
        (default.state, default.planned, default.counts.frames),
        (State::Partial, 5, 0)
    );
    assert_eq!(status("half").await.state, State::Complete);
}

#[tokio::test]
async fn a_put_profile_loses_its_plan_too() {
    let (store, cache) = memory_cache();
    let profile = cache.profile("t", "put-1").unwrap();
    let frame = PutFrame {
        seq: 3,
        jpeg: jpeg(1),
        facts: FrameFacts::default(),
    };
    profile.put_frames(vec![frame]).await.unwrap();
    let cleared = profile.clear(ClearRequest::default()).await.unwrap();
    assert_eq!(counts(&cleared), [1, 1, 0, 1]);
    assert!(listing(&*store).await.is_empty());
}

#[tokio::test]
async fn what_is_not_old_enough_or_of_unknown_age_is_kept() {
    let folder = tempfile::tempdir().unwrap();
    let store = crate::store::dir::DirStore::open(folder.path()).unwrap();
    let cache = cache_over(Arc::new(store));
    let profile = cache.profile("t", "default").unwrap();
    let plan = plan_of(vec![row("0", 0, 0, 1)]);
    profile.claim_plan(&plan, None).await.unwrap();
    let older_than = |cutoff| ClearRequest {
        plan: true,
        older_than: Some(cutoff),
        ..ClearRequest::default()
    };
    let cleared = profile.clear(older_than(1_000_000_000)).await.unwrap();
    assert!(cleared.kept_as_newer);
    assert!(profile.load_plan().await.unwrap().is_some());
    let cleared = profile.clear(older_than(i64::MAX)).await.unwrap();
    assert_eq!((cleared.kept_as_newer, cleared.plans.objects), (false, 1));
    assert!(
        profile
            .clear(older_than(i64::MAX))
            .await
            .unwrap()
            .kept_as_newer
    );
}
