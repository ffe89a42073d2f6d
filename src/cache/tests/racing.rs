//! Writers at once: on a directory, and on threads over a store in memory.

use std::sync::Arc;

use crate::cache::Profile;
use crate::cache::clear::ClearRequest;
use crate::cache::commit::Committed;
use crate::cache::keys::SpanId;
use crate::cache::plans::Replace;
use crate::cache::put::PutFrame;
use crate::cache::status::State;
use crate::cache::testing::*;
use crate::media::facts::FrameFacts;
use crate::store::dir::DirStore;
use crate::store::memory::MemoryStore;
use crate::store::{ListRequest, Store};
use crate::timeline::plan::{FrameLayout, Plan};

const SPANS: u32 = 40;
const FRAMES: u64 = 5;

fn plan() -> Plan {
    let rows = (0..SPANS).map(|n| row("0", n, u64::from(n) * FRAMES, FRAMES));
    plan_of(rows.collect())
}

/// Claims and extracts every span, beginning somewhere of its own.
async fn work(store: Arc<DirStore>, from: usize) {
    let profile = cache_over(store).profile("t", "default").unwrap();
    let plan = profile.claim_plan(&plan(), None).await.unwrap().plan;
    let rows: Vec<_> = plan.in_sequence().collect();
    for place in 0..rows.len() {
        let row = rows[(from + place) % rows.len()];
        assert_eq!(extract_row(&profile, row).await.unwrap(), Committed::Yes);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn eight_writers_at_once_leave_one_sound_cache() {
    let folder = tempfile::tempdir().unwrap();
    let open = || Arc::new(DirStore::open(folder.path()).unwrap());
    let workers: Vec<_> = (0..8).map(|n| tokio::spawn(work(open(), n * 5))).collect();
    let reader = cache_over(open()).profile("t", "default").unwrap().reader();
    for seq in 0..u64::from(SPANS) * FRAMES {
        // While they write, a frame is there whole or not at all.
        if let Ok(frame) = reader.read_frame(seq).await.unwrap() {
            assert_eq!(frame.facts, frame_facts(seq, &frame.jpeg));
        }
    }
    for worker in workers {
        worker.await.unwrap();
    }
    let store = open();
    let profile = cache_over(store.clone()).profile("t", "default").unwrap();
    assert_eq!(profile.status().await.unwrap().state, State::Complete);
    let report = profile.verify(true).await.unwrap();
    assert_eq!(
        (
            report.faults,
            report.frames_checked,
            report.temporary_removed
        ),
        (0, 200, 0)
    );
    let page = store.list(ListRequest::default()).await.unwrap();
    assert_eq!(page.entries.len(), 1 + 40 + 200);
}

/// One process's handle on the profile.
fn handle(store: &Arc<MemoryStore>) -> Profile {
    let store: Arc<dyn Store> = store.clone();
    cache_over(store).profile("t", "default").unwrap()
}

async fn all_of(tasks: Vec<tokio::task::JoinHandle<()>>) {
    for task in tasks {
        task.await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn whatever_is_cleared_and_replaced_beside_extractions_no_record_outlives_its_frames() {
    cleared_and_replaced(FrameLayout::Frames).await;
    cleared_and_replaced(FrameLayout::Packed).await;
}

async fn cleared_and_replaced(layout: FrameLayout) {
    let plan = move || plan().laid_out(layout);
    let store = Arc::new(MemoryStore::new());
    handle(&store).claim_plan(&plan(), None).await.unwrap();
    let mut tasks = Vec::new();
    for worker in 0..6u32 {
        let profile = handle(&store);
        tasks.push(tokio::spawn(async move {
            for round in 0..4 * SPANS {
                let id = SpanId {
                    chunk_id: "0".to_owned(),
                    span: (worker * 7 + round) % SPANS,
                };
                let committed = extract_until_it_stands(&profile, &id).await.unwrap();
                assert_eq!(committed, Committed::Yes);
                tokio::task::yield_now().await;
            }
        }));
    }
    for n in 0..2 {
        let profile = handle(&store);
        tasks.push(tokio::spawn(async move {
            for round in 0..20 {
                if (n + round) % 3 == 0 {
                    let replace = Some(Replace::default());
                    profile.claim_plan(&plan(), replace).await.unwrap();
                } else {
                    profile.clear(ClearRequest::default()).await.unwrap();
                }
                tokio::task::yield_now().await;
            }
        }));
    }
    all_of(tasks).await;
    let profile = handle(&store);
    assert_eq!(lost_frames(&profile).await, []);
    for span in 0..SPANS {
        let chunk_id = "0".to_owned();
        let committed = extract_until_it_stands(&profile, &SpanId { chunk_id, span }).await;
        assert_eq!(committed.unwrap(), Committed::Yes);
    }
    assert_eq!(profile.status().await.unwrap().state, State::Complete);
    assert_eq!(lost_frames(&profile).await, []);
}

/// A put of three sequences, and which it was.
fn put_of(writer: u64, round: u64) -> Vec<PutFrame> {
    let gray = writer * 40 + round;
    let frame = |n| PutFrame {
        seq: (writer + round + n) % 5,
        jpeg: jpeg(gray as u8),
        facts: FrameFacts {
            timestamp: Some(gray as f64),
            ..FrameFacts::default()
        },
    };
    (0..3).map(frame).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_puts_on_many_threads_the_highest_record_of_each_sequence_is_served() {
    let store = Arc::new(MemoryStore::new());
    let mut tasks = Vec::new();
    for writer in 0..5 {
        let profile = handle(&store);
        tasks.push(tokio::spawn(async move {
            let mut told = Vec::new();
            for round in 0..30 {
                let put = put_of(writer, round);
                let done = profile.put_frames(put).await.unwrap();
                told.extend(done.frames.into_iter().map(|facts| (done.record, facts)));
                tokio::task::yield_now().await;
            }
            told
        }));
    }
    let mut told = Vec::new();
    for task in tasks {
        told.extend(task.await.unwrap());
    }
    let reader = handle(&store).reader();
    for seq in 0..5 {
        let of_seq = told.iter().filter(|(_, facts)| facts.seq == seq);
        let (_, latest) = of_seq.max_by_key(|(record, _)| *record).unwrap();
        let frame = reader.read_frame(seq).await.unwrap().unwrap();
        assert_eq!(frame.facts.timestamp, latest.timestamp, "seq={seq}");
        assert_eq!(frame.facts.sha256, frame_facts(seq, &frame.jpeg).sha256);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn puts_beside_clears_end_served_or_cleared_whole() {
    let store = Arc::new(MemoryStore::new());
    let mut tasks = Vec::new();
    for writer in 0..4 {
        let profile = handle(&store);
        tasks.push(tokio::spawn(async move {
            for round in 0..20 {
                // One that is cleared each time is told to put again.
                let _ = profile.put_frames(put_of(writer, round)).await;
                tokio::task::yield_now().await;
            }
        }));
    }
    let cleaner = handle(&store);
    tasks.push(tokio::spawn(async move {
        for _ in 0..15 {
            cleaner.clear(ClearRequest::default()).await.unwrap();
            tokio::task::yield_now().await;
        }
    }));
    all_of(tasks).await;
    let profile = handle(&store);
    assert_ne!(profile.status().await.unwrap().state, State::Legacy);
    assert_eq!(lost_frames(&profile).await, []);
    profile.put_frames(put_of(0, 0)).await.unwrap();
    for seq in 0..3 {
        let frame = handle(&store).reader().read_frame(seq).await.unwrap();
        assert_eq!(frame.unwrap().jpeg, jpeg(0));
    }
}
