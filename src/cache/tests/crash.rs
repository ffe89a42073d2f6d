//! A process that dies at any write, then the same command again: the final
//! listing is that of an undisturbed run.

use std::sync::Arc;

use crate::cache::clear::ClearRequest;
use crate::cache::plans::{OverlayPolicy, Replace};
use crate::cache::status::SpanState;
use crate::cache::testing::*;
use crate::cache::{Cache, Profile};
use crate::error::Result;
use crate::store::memory::MemoryStore;
use crate::store::{PutOptions, Store};
use crate::timeline::plan::Plan;

fn plan() -> Plan {
    plan_of(vec![
        row("0", 0, 0, 3),
        row("0", 1, 3, 0),
        row("0", 2, 3, 2),
        row("1", 0, 5, 2),
    ])
}

/// Fewer frames, other bytes.
fn smaller_plan() -> Plan {
    let mut plan = plan_of(vec![row("0", 0, 0, 2), row("b", 0, 2, 1)]);
    plan.parameters.as_mut().unwrap().quality = 70;
    plan
}

/// What an extract command does: claims, does what is missing, sweeps where it replaced.
async fn extract(cache: &Cache, plan: &Plan, replace: Option<Replace>) -> Result<()> {
    let profile: Profile = cache.profile("t", "default")?;
    let plan = profile.claim_plan(plan, replace).await?.plan;
    let states = profile.span_states(&plan, &all_rows(&plan)).await?;
    for (row, state) in plan.digested().zip(states) {
        if matches!(state, SpanState::Missing(_)) {
            extract_row(&profile, row).await?;
        }
    }
    if replace.is_some() {
        profile.sweep_stale().await?;
    }
    Ok(())
}

enum Step {
    Extract,
    Replace,
    Clear(ClearRequest),
}

async fn run(cache: &Cache, step: &Step) -> Result<()> {
    match step {
        Step::Extract => extract(cache, &plan(), None).await,
        Step::Replace => {
            let overlays = Some(OverlayPolicy::Delete);
            extract(cache, &smaller_plan(), Some(Replace { overlays })).await
        }
        Step::Clear(request) => cache.clear("t", None, *request).await.map(drop),
    }
}

/// A store that went through these steps undisturbed.
async fn after(before: &[Step], legacy: bool) -> Arc<MemoryStore> {
    let store = Arc::new(MemoryStore::new());
    if legacy {
        for seq in 0..9 {
            let key = format!("cache/timelines/t/frames/{seq}.jpg");
            store
                .put(&key, jpeg(seq), PutOptions::durable("image/jpeg"))
                .await
                .unwrap();
        }
    }
    let cache = cache_over(store.clone());
    for step in before {
        run(&cache, step).await.unwrap();
    }
    if matches!(before, [Step::Extract]) {
        let png = PutOptions::durable("image/png");
        store
            .put("cache/timelines/t/overlays/j/s/0_a.png", tiny_png(), png)
            .await
            .unwrap();
    }
    store
}

/// Dies at each write of `step` in turn; answers how many there were.
async fn dies_everywhere(before: &[Step], step: Step, legacy: bool) -> u64 {
    let undisturbed = after(before, legacy).await;
    run(&cache_over(undisturbed.clone()), &step).await.unwrap();
    let expected = listing(&*undisturbed).await;
    for writes in 0.. {
        let inner = after(before, legacy).await;
        let dying = Arc::new(DyingStore::new(inner.clone(), writes));
        let result = run(&cache_over(dying.clone()), &step).await;
        if !dying.died() {
            result.unwrap();
            assert_eq!(listing(&*inner).await, expected);
            return writes;
        }
        never_looks_legacy(&inner, legacy).await;
        run(&cache_over(inner.clone()), &step).await.unwrap();
        assert_eq!(listing(&*inner).await, expected, "died at write {writes}");
    }
    unreachable!("a step ends");
}

/// Nothing half-written or half-cleared is taken for a legacy cache, and every
/// frame that is served is whole.
async fn never_looks_legacy(store: &Arc<MemoryStore>, was_legacy: bool) {
    let profile = cache_over(store.clone()).profile("t", "default").unwrap();
    let state = profile.status().await.unwrap().state;
    if !was_legacy {
        assert_ne!(state, crate::cache::status::State::Legacy);
    }
}

#[tokio::test]
async fn extraction_that_dies_at_any_write_goes_on_to_the_same_listing() {
    let writes = dies_everywhere(&[], Step::Extract, false).await;
    assert_eq!(writes, 1 + 7 + 3);
}

#[tokio::test]
async fn a_replacement_that_dies_at_any_write_goes_on_to_the_same_listing() {
    let writes = dies_everywhere(&[Step::Extract], Step::Replace, false).await;
    // Overlay, plan, 3 frames, 2 records; then 2 stale records and 4 stale frames.
    assert_eq!(writes, 1 + 1 + 5 + 6);
}

#[tokio::test]
async fn replacing_a_legacy_cache_that_dies_at_any_write_goes_on_to_the_same_listing() {
    let writes = dies_everywhere(&[], Step::Replace, true).await;
    assert_eq!(writes, 1 + 5 + 6);
}

#[tokio::test]
async fn clearing_that_dies_at_any_write_goes_on_to_the_same_listing() {
    let frames_only = ClearRequest::default();
    let everything = ClearRequest {
        overlays: true,
        plan: true,
        ..frames_only
    };
    let writes = dies_everywhere(&[Step::Extract], Step::Clear(frames_only), false).await;
    assert_eq!(writes, 3 + 7);
    let writes = dies_everywhere(&[Step::Extract], Step::Clear(everything), false).await;
    assert_eq!(writes, 3 + 7 + 1 + 1);
}

#[tokio::test]
async fn a_cleared_timeline_is_rebuilt_as_it_was() {
    let store = after(&[Step::Extract], false).await;
    let cache = cache_over(store.clone());
    let before = listing(&*store).await;
    run(&cache, &Step::Clear(ClearRequest::default()))
        .await
        .unwrap();
    run(&cache, &Step::Extract).await.unwrap();
    assert_eq!(listing(&*store).await, before);
}
