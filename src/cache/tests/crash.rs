//! A process that dies at any write or sync, killed or with the machine's power, then the same
//! command again: the final listing is that of an undisturbed run, and at no moment has a record
//! outlived its frames.

use std::sync::Arc;

use crate::cache::clear::ClearRequest;
use crate::cache::plans::{OverlayPolicy, Replace};
use crate::cache::put::PutFrame;
use crate::cache::status::SpanState;
use crate::cache::testing::*;
use crate::cache::tests::stores::{DyingStore, LEFT, Left};
use crate::cache::{Cache, Profile};
use crate::error::Result;
use crate::media::facts::FrameFacts;
use crate::store::memory::MemoryStore;
use crate::store::{PutOptions, Store};
use crate::timeline::plan::{FrameLayout, Plan};

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
    let states = profile.reusable_states(&plan, &all_rows(&plan)).await?;
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
    ExtractPacked,
    Repack(FrameLayout),
    Replace,
    Clear(ClearRequest),
    /// Some frames that are new, and some over others.
    Put(u8),
    Repair,
}

async fn run(cache: &Cache, step: &Step) -> Result<()> {
    match step {
        Step::Extract => extract(cache, &plan(), None).await,
        Step::ExtractPacked => {
            let plan = plan().laid_out(FrameLayout::Packed);
            extract(cache, &plan, None).await
        }
        Step::Repack(layout) => {
            let profile = cache.profile("t", "default")?;
            profile.repack(*layout, &|_, _| ()).await.map(drop)
        }
        Step::Replace => {
            let overlays = Some(OverlayPolicy::Delete);
            extract(cache, &smaller_plan(), Some(Replace { overlays })).await
        }
        Step::Clear(request) => cache.clear("t", None, *request).await.map(drop),
        Step::Put(gray) => put(cache, *gray).await,
        Step::Repair => repair(cache).await,
    }
}

async fn put(cache: &Cache, gray: u8) -> Result<()> {
    let frame = |seq| PutFrame {
        seq,
        jpeg: jpeg(gray),
        facts: FrameFacts::default(),
    };
    let seqs = u64::from(gray)..u64::from(gray) + 3;
    let profile = cache.profile("t", "default")?;
    profile.put_frames(seqs.map(frame).collect()).await?;
    Ok(())
}

/// What `verify --repair` does: what is damaged is removed, then made again.
async fn repair(cache: &Cache) -> Result<()> {
    cache.profile("t", "default")?.verify(true).await?;
    extract(cache, &plan(), None).await
}

/// One frame of many is cut, and one is gone.
async fn damage(store: &MemoryStore) {
    let frame = |seq| format!("cache/timelines/t/frames/{seq}.jpg");
    let cut = PutOptions::durable("image/jpeg");
    store
        .put(&frame(1), b"cut".as_slice().into(), cut)
        .await
        .unwrap();
    store.delete(&[frame(6)]).await.unwrap();
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
    if matches!(before, [Step::Extract]) && !legacy {
        let png = PutOptions::durable("image/png");
        store
            .put("cache/timelines/t/overlays/j/s/0_a.png", tiny_png(), png)
            .await
            .unwrap();
    }
    store
}

/// Dies at each write and sync of `step` in turn, and leaves on the disk what it may; answers how
/// many there were.
async fn dies_everywhere(before: &[Step], step: Step, legacy: bool) -> u64 {
    let is_repair = matches!(step, Step::Repair);
    let prepared = async || {
        let store = after(before, legacy).await;
        if is_repair {
            damage(&store).await;
        }
        store
    };
    let undisturbed = prepared().await;
    run(&cache_over(undisturbed.clone()), &step).await.unwrap();
    let expected = listing(&*undisturbed).await;
    for steps in 0.. {
        for left in LEFT {
            let inner = prepared().await;
            let dying = Arc::new(DyingStore::new(inner.clone(), steps));
            let result = run(&cache_over(dying.clone()), &step).await;
            dying.leave(left).await;
            if !dying.died() {
                result.unwrap();
                if left == Left::All {
                    assert_eq!(listing(&*inner).await, expected);
                    continue;
                }
                return steps;
            }
            never_looks_legacy(&inner, legacy).await;
            if !is_repair {
                nothing_outlives_its_frames(&inner, (steps, left)).await;
            }
            run(&cache_over(inner.clone()), &step).await.unwrap();
            assert_eq!(
                listing(&*inner).await,
                expected,
                "died at step {steps}, left {left:?}"
            );
        }
    }
    unreachable!("a step ends");
}

async fn nothing_outlives_its_frames(store: &Arc<MemoryStore>, died: (u64, Left)) {
    let profile = cache_over(store.clone()).profile("t", "default").unwrap();
    assert_eq!(lost_frames(&profile).await, [], "died at {died:?}");
}

/// Nothing half-written or half-cleared is taken for a legacy cache.
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
    // The plan, 7 frames, and for each of 3 spans a sync and a record.
    assert_eq!(writes, 1 + 7 + 3 * 2);
}

#[tokio::test]
async fn a_packed_extraction_that_dies_at_any_write_goes_on_to_the_same_listing() {
    let writes = dies_everywhere(&[], Step::ExtractPacked, false).await;
    // The plan, and for each of 3 spans a pack, a sync and a record.
    assert_eq!(writes, 1 + 3 * 3);
}

#[tokio::test]
async fn a_repacking_that_dies_at_any_write_goes_on_to_the_same_listing() {
    let packs = Step::Repack(FrameLayout::Packed);
    let writes = dies_everywhere(&[Step::Extract], packs, false).await;
    // The plan, for each span a pack, a sync and a record, then the 7 frames that lay loose.
    assert_eq!(writes, 1 + 3 * 3 + 7);
    let unpacks = Step::Repack(FrameLayout::Frames);
    let writes = dies_everywhere(&[Step::ExtractPacked], unpacks, false).await;
    assert_eq!(writes, 1 + 7 + 3 * 2 + 3);
}

#[tokio::test]
async fn packs_that_are_cleared_or_replaced_at_any_write_outlive_no_record() {
    let frames_only = Step::Clear(ClearRequest::default());
    let writes = dies_everywhere(&[Step::ExtractPacked], frames_only, false).await;
    assert_eq!(writes, 3 + 1 + 3 + 1 + 1 + 1);
    let writes = dies_everywhere(&[Step::ExtractPacked], Step::Replace, false).await;
    // Plan, 3 frames, 2 syncs, 2 records; then 2 stale records, 3 stale packs and another nonce.
    assert_eq!(writes, 1 + 3 + 2 * 2 + 2 + 3 + 1);
}

#[tokio::test]
async fn a_replacement_that_dies_at_any_write_goes_on_to_the_same_listing() {
    let writes = dies_everywhere(&[Step::Extract], Step::Replace, false).await;
    // Plan, overlay, 3 frames, 2 syncs, 2 records; then 2 stale records and 4 stale frames.
    assert_eq!(writes, 1 + 1 + 3 + 2 * 2 + 6);
}

#[tokio::test]
async fn replacing_a_legacy_cache_that_dies_at_any_write_goes_on_to_the_same_listing() {
    let writes = dies_everywhere(&[], Step::Replace, true).await;
    assert_eq!(writes, 1 + 3 + 2 * 2 + 6);
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
    // Records and a sync, frames and a sync, the plan's new nonce, the sync behind late records.
    assert_eq!(writes, 3 + 1 + 7 + 1 + 1 + 1);
    let writes = dies_everywhere(&[Step::Extract], Step::Clear(everything), false).await;
    // Overlays and the plan instead of its nonce, and a sync each behind late records and frames.
    assert_eq!(writes, 3 + 1 + 7 + 1 + 1 + 1 + 3);
}

#[tokio::test]
async fn a_put_that_dies_at_any_write_goes_on_to_frames_that_are_served() {
    for steps in 0.. {
        for left in LEFT {
            let inner = after(&[Step::Put(0), Step::Put(1)], false).await;
            let dying = Arc::new(DyingStore::new(inner.clone(), steps));
            let result = run(&cache_over(dying.clone()), &Step::Put(3)).await;
            dying.leave(left).await;
            if !dying.died() {
                result.unwrap();
                // Two new frames and a sync, the record, one frame over another and a sync.
                assert_eq!(steps, 2 + 1 + 1 + 1 + 1);
                return;
            }
            nothing_outlives_its_frames(&inner, (steps, left)).await;
            run(&cache_over(inner.clone()), &Step::Put(3))
                .await
                .unwrap();
            nothing_outlives_its_frames(&inner, (steps, left)).await;
            let profile = cache_over(inner).profile("t", "default").unwrap();
            for (seq, gray) in [(0, 0), (1, 1), (2, 1), (3, 3), (4, 3), (5, 3)] {
                let frame = profile.reader().read_frame(seq).await.unwrap().unwrap();
                assert_eq!(frame.jpeg, jpeg(gray), "seq={seq} died at {steps} {left:?}");
            }
        }
    }
}

#[tokio::test]
async fn a_repair_that_dies_at_any_write_goes_on_to_the_same_listing() {
    let writes = dies_everywhere(&[Step::Extract], Step::Repair, false).await;
    assert!(writes > 2, "{writes}");
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
