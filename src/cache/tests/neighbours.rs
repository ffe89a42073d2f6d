//! Two callers of one profile, each in a process of its own: the one does all that it does before any
//! one call of the other. What was answered as done is done.

use std::sync::Arc;

use crate::cache::Profile;
use crate::cache::clear::ClearRequest;
use crate::cache::commit::Committed;
use crate::cache::keys::SpanId;
use crate::cache::plans::Replace;
use crate::cache::put::PutFrame;
use crate::cache::read::View;
use crate::cache::status::State;
use crate::cache::testing::*;
use crate::cache::tests::stores::{DyingStore, VisitedStore};
use crate::error::Reason;
use crate::media::facts::FrameFacts;
use crate::store::Store;
use crate::store::memory::MemoryStore;
use crate::timeline::plan::{FrameLayout, Plan};

fn plan() -> Plan {
    plan_of(vec![row("0", 0, 0, 3), row("0", 1, 3, 2)])
}

fn span(span: u32) -> SpanId {
    SpanId {
        chunk_id: "0".to_owned(),
        span,
    }
}

fn clear(plan: bool) -> ClearRequest {
    ClearRequest {
        plan,
        ..ClearRequest::default()
    }
}

/// The profile as another process has it.
fn other(store: &Arc<MemoryStore>) -> Profile {
    through(store.clone())
}

fn through(store: Arc<dyn Store>) -> Profile {
    cache_over(store).profile("t", "default").unwrap()
}

/// A store of which this plan's spans are extracted.
async fn extracted() -> Arc<MemoryStore> {
    extracted_as(FrameLayout::Frames).await
}

async fn extracted_as(layout: FrameLayout) -> Arc<MemoryStore> {
    let store = Arc::new(MemoryStore::new());
    let profile = other(&store);
    let plan = plan().laid_out(layout);
    let plan = profile.claim_plan(&plan, None).await.unwrap().plan;
    for row in plan.in_sequence() {
        extract_row(&profile, row).await.unwrap();
    }
    store
}

async fn is_whole(store: &Arc<MemoryStore>, spans: &[usize]) -> bool {
    let profile = other(store);
    let plan = profile.load_plan().await.unwrap().unwrap();
    let states = profile.reusable_states(&plan, spans).await.unwrap();
    states
        .iter()
        .all(|state| matches!(state, crate::cache::status::SpanState::Complete(_)))
}

#[tokio::test]
async fn a_span_that_stands_has_its_frames_whenever_the_profile_was_cleared_meanwhile() {
    stands_though_cleared(FrameLayout::Frames).await;
    stands_though_cleared(FrameLayout::Packed).await;
}

async fn stands_though_cleared(layout: FrameLayout) {
    for calls in 0.. {
        let store = extracted_as(layout).await;
        let cleaner = other(&store);
        let visited = VisitedStore::new(store.clone(), calls, async move {
            cleaner.clear(clear(false)).await.unwrap();
        });
        let worker = through(visited.clone());
        let committed = extract_until_it_stands(&worker, &span(0)).await.unwrap();
        assert_eq!(committed, Committed::Yes);
        if visited.is_waiting() {
            assert!(calls > 5, "{calls}");
            return;
        }
        assert!(is_whole(&store, &[0]).await, "cleared before call {calls}");
    }
}

#[tokio::test]
async fn a_clear_leaves_no_record_whose_frames_it_took_whenever_a_span_was_committed() {
    for (keeps_plan, layout) in [
        (true, FrameLayout::Frames),
        (false, FrameLayout::Frames),
        (true, FrameLayout::Packed),
        (false, FrameLayout::Packed),
    ] {
        for calls in 0.. {
            let store = extracted_as(layout).await;
            let worker = other(&store);
            let visited = VisitedStore::new(store.clone(), calls, async move {
                extract_until_it_stands(&worker, &span(0)).await.unwrap();
            });
            let cleaner = through(visited.clone());
            cleaner.clear(clear(!keeps_plan)).await.unwrap();
            if visited.is_waiting() {
                assert!(calls > 6, "{calls}");
                break;
            }
            assert_eq!(lost_frames(&other(&store)).await, [], "before call {calls}");
            let state = other(&store).status().await.unwrap().state;
            assert_ne!(state, State::Legacy, "before call {calls}");
        }
    }
}

#[tokio::test]
async fn a_worker_whose_plan_is_cleared_or_replaced_at_any_call_leaves_nothing_that_is_taken_for_another()
 {
    leaves_nothing_behind(FrameLayout::Frames).await;
    leaves_nothing_behind(FrameLayout::Packed).await;
}

async fn leaves_nothing_behind(layout: FrameLayout) {
    for calls in 0.. {
        let store = extracted_as(layout).await;
        let cleaner = other(&store);
        let visited = VisitedStore::new(store.clone(), calls, async move {
            cleaner.clear(clear(true)).await.unwrap();
        });
        let worker = through(visited.clone());
        let committed = extract_until_it_stands(&worker, &span(0)).await.unwrap();
        if visited.is_waiting() {
            assert_eq!(committed, Committed::Yes);
            return;
        }
        assert_eq!(committed, Committed::Superseded, "before call {calls}");
        assert!(listing(&*store).await.is_empty(), "before call {calls}");
    }
}

#[tokio::test]
async fn a_replacement_by_the_same_plan_starts_the_spans_again_that_are_under_way() {
    let store = extracted().await;
    let (slow, quick) = (other(&store), other(&store));
    let before = slow.load_plan().await.unwrap().unwrap();
    let replace = Some(Replace::default());
    quick.claim_plan(&plan(), replace).await.unwrap();
    let row = before.row(0).unwrap();
    assert_eq!(extract_row(&slow, row).await.unwrap(), Committed::Outdated);
    // Appending changes nothing for them.
    let now = slow.load_plan().await.unwrap().unwrap();
    let longer = plan_of(vec![
        row_of(0, 0, 3),
        row_of(1, 3, 2),
        crate::cache::testing::row("1", 0, 5, 1),
    ]);
    quick.claim_plan(&longer, None).await.unwrap();
    let row = now.row(0).unwrap();
    assert_eq!(extract_row(&slow, row).await.unwrap(), Committed::Yes);
}

fn row_of(span: u32, first: u64, count: u64) -> crate::timeline::plan::SpanRow {
    row("0", span, first, count)
}

#[tokio::test]
async fn a_repair_starts_the_spans_again_that_are_under_way() {
    let store = extracted().await;
    let slow = other(&store);
    let before = slow.load_plan().await.unwrap().unwrap();
    let frame = slow.keys().frame(1);
    store.delete(&[frame]).await.unwrap();
    other(&store).verify(true).await.unwrap();
    let committed = extract_row(&slow, before.row(0).unwrap()).await.unwrap();
    assert_eq!(committed, Committed::Outdated);
    // A look that finds nothing to repair leaves them alone.
    let before = slow.load_plan().await.unwrap().unwrap();
    other(&store).verify(true).await.unwrap();
    let committed = extract_row(&slow, before.row(0).unwrap()).await.unwrap();
    assert_eq!(committed, Committed::Yes);
}

#[tokio::test]
async fn a_repair_and_an_extraction_at_any_call_of_each_other_end_whole_after_one_more_look() {
    for calls in 0.. {
        let store = extracted().await;
        store
            .delete(&[other(&store).keys().frame(1)])
            .await
            .unwrap();
        let worker = other(&store);
        let visited = VisitedStore::new(store.clone(), calls, async move {
            extract_until_it_stands(&worker, &span(0)).await.unwrap();
        });
        through(visited.clone()).verify(true).await.unwrap();
        if visited.is_waiting() {
            return;
        }
        if !is_whole(&store, &[0, 1]).await {
            let again = extract_until_it_stands(&other(&store), &span(0)).await;
            assert_eq!(again.unwrap(), Committed::Yes);
        }
        assert!(is_whole(&store, &[0, 1]).await, "before call {calls}");
    }
}

fn frames(seqs: &[u64], gray: u8) -> Vec<PutFrame> {
    let frame = |&seq| PutFrame {
        seq,
        jpeg: jpeg(gray),
        facts: FrameFacts {
            timestamp: Some(f64::from(gray)),
            ..FrameFacts::default()
        },
    };
    seqs.iter().map(frame).collect()
}

/// What is served of a sequence: both by its bytes and by its facts alone.
async fn served(store: &Arc<MemoryStore>, seq: u64) -> f64 {
    let reader = other(store).reader();
    let facts = reader.read_facts(seq).await.unwrap().unwrap();
    let frame = reader.read_frame(seq).await.unwrap().unwrap();
    assert_eq!(frame.facts, facts);
    let gray = facts.timestamp.unwrap();
    assert_eq!(frame.jpeg, jpeg(gray as u8));
    gray
}

#[tokio::test]
async fn of_two_puts_at_once_the_higher_record_is_served_with_its_own_facts() {
    for there in [&[][..], &[1], &[0, 1, 2]] {
        for calls in 0.. {
            let store = Arc::new(MemoryStore::new());
            if !there.is_empty() {
                other(&store).put_frames(frames(there, 9)).await.unwrap();
            }
            let (writer, heard) = (other(&store), Arc::new(std::sync::Mutex::new(None)));
            let said = heard.clone();
            let visited = VisitedStore::new(store.clone(), calls, async move {
                let done = writer.put_frames(frames(&[0, 1], 20)).await.unwrap();
                *said.lock().unwrap() = Some(done.record);
            });
            let done = through(visited.clone())
                .put_frames(frames(&[1, 2], 30))
                .await
                .unwrap();
            if visited.is_waiting() {
                assert!(calls > 8, "{calls}");
                break;
            }
            let first = heard.lock().unwrap().unwrap();
            let latest = if first > done.record { 20.0 } else { 30.0 };
            assert_eq!(served(&store, 0).await, 20.0, "before call {calls}");
            assert_eq!(served(&store, 1).await, latest, "before call {calls}");
            assert_eq!(served(&store, 2).await, 30.0, "before call {calls}");
        }
    }
}

#[tokio::test]
async fn a_put_that_dies_beside_another_takes_no_frame_from_it() {
    for calls in 0.. {
        let mut came = false;
        for steps in 0.. {
            let store = Arc::new(MemoryStore::new());
            other(&store).put_frames(frames(&[2], 9)).await.unwrap();
            let writer = other(&store);
            let dying = Arc::new(DyingStore::new(store.clone(), steps));
            let visited = VisitedStore::new(dying.clone(), calls, async move {
                writer.put_frames(frames(&[0, 1], 20)).await.unwrap();
            });
            let worker = through(visited.clone());
            let put = worker.put_frames(frames(&[1, 2], 30)).await;
            if visited.is_waiting() && !dying.died() {
                break;
            }
            if !visited.is_waiting() {
                came = true;
                let gray = served(&store, 1).await;
                assert!(gray == 20.0 || gray == 30.0, "{gray} {calls} {steps}");
                assert_eq!(served(&store, 0).await, 20.0);
            }
            let gray = served(&store, 2).await;
            assert!(gray == 9.0 || gray == 30.0, "{gray} {calls} {steps}");
            if !dying.died() {
                put.unwrap();
                break;
            }
        }
        if !came {
            assert!(calls > 8, "{calls}");
            return;
        }
    }
}

#[tokio::test]
async fn a_put_that_is_answered_is_served_whenever_the_profile_was_cleared_meanwhile() {
    for calls in 0.. {
        let store = Arc::new(MemoryStore::new());
        other(&store).put_frames(frames(&[1, 7], 9)).await.unwrap();
        let cleaner = other(&store);
        let visited = VisitedStore::new(store.clone(), calls, async move {
            cleaner.clear(clear(false)).await.unwrap();
        });
        let put = through(visited.clone())
            .put_frames(frames(&[1, 2], 30))
            .await;
        put.unwrap();
        for seq in [1, 2] {
            assert_eq!(served(&store, seq).await, 30.0, "before call {calls}");
        }
        if visited.is_waiting() {
            assert!(calls > 8, "{calls}");
            return;
        }
    }
}

#[tokio::test]
async fn a_clear_leaves_nothing_that_cannot_be_served_whenever_frames_were_put() {
    for calls in 0.. {
        let store = Arc::new(MemoryStore::new());
        other(&store).put_frames(frames(&[1, 7], 9)).await.unwrap();
        let writer = other(&store);
        let visited = VisitedStore::new(store.clone(), calls, async move {
            writer.put_frames(frames(&[1, 2], 30)).await.unwrap();
        });
        through(visited.clone()).clear(clear(false)).await.unwrap();
        if visited.is_waiting() {
            assert!(calls > 6, "{calls}");
            return;
        }
        match other(&store).view().await.unwrap() {
            View::Absent => {}
            View::Put(_) => assert_eq!(lost_frames(&other(&store)).await, []),
            seen => panic!("before call {calls}: {seen:?}"),
        }
    }
}

#[tokio::test]
async fn a_read_beside_a_replacement_gets_the_old_frame_or_the_new_one_with_its_own_facts() {
    let mut other_plan = plan();
    other_plan.parameters.as_mut().unwrap().quality = 70;
    for row in &mut other_plan.spans {
        row.source = identity("another film");
    }
    for calls in 0.. {
        let store = extracted().await;
        let replacer = other(&store);
        let asked = other_plan.clone();
        let visited = VisitedStore::new(store.clone(), calls, async move {
            let replace = Some(Replace::default());
            let plan = replacer.claim_plan(&asked, replace).await.unwrap().plan;
            for row in plan.in_sequence() {
                extract_row(&replacer, row).await.unwrap();
            }
        });
        let reader = through(visited.clone()).reader();
        let frame = reader.read_frame(1).await.unwrap().unwrap();
        assert_eq!(frame.facts, frame_facts(1, &frame.jpeg));
        if visited.is_waiting() {
            assert!(calls > 2, "{calls}");
            return;
        }
    }
}

#[tokio::test]
async fn a_store_that_cannot_be_swept_is_verified_and_repaired_all_the_same() {
    let store = extracted().await;
    store
        .delete(&[other(&store).keys().frame(1)])
        .await
        .unwrap();
    let unswept = VisitedStore::new(store.clone(), u64::MAX, async {});
    let report = through(unswept.clone()).verify(true).await.unwrap();
    assert_eq!((report.faults, report.temporary_removed), (1, 0));
    let error = unswept.sweep().await.unwrap_err();
    assert_eq!(error.reason(), Reason::StoreUnavailable);
}
