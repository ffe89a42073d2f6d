//! Writers at once, on a directory.

use std::sync::Arc;

use crate::cache::commit::Committed;
use crate::cache::status::State;
use crate::cache::testing::*;
use crate::store::dir::DirStore;
use crate::store::{ListRequest, Store};
use crate::timeline::plan::Plan;

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
