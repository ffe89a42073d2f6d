//! Objects that no record names go; what lives stays, whoever comes in between and whoever dies.

use std::collections::HashSet;
use std::ops::Range;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use bytes::Bytes;

use crate::cache::Profile;
use crate::cache::keys::SpanId;
use crate::cache::retention::Ages;
use crate::cache::testing::*;
use crate::cache::tests::stores::{DyingStore, VisitedStore};
use crate::error::Result;
use crate::store::memory::MemoryStore;
use crate::store::{ListRequest, Object, Page, PutOptions, Store, Written};
use crate::timeline::plan::FrameLayout;

const NOW: i64 = 1_000_000_000;
const BASE: &str = "cache/timelines/t/";

/// A store in memory whose objects are of now, but for those that were there when it was aged.
struct DatedStore {
    inner: Arc<dyn Store>,
    old: Mutex<HashSet<String>>,
}

impl DatedStore {
    fn over(inner: Arc<dyn Store>) -> Arc<DatedStore> {
        Arc::new(DatedStore {
            inner,
            old: Mutex::default(),
        })
    }

    async fn age(&self) {
        let page = self.inner.list(ListRequest::default()).await.unwrap();
        let keys = page.entries.into_iter().map(|entry| entry.key);
        self.old.lock().unwrap().extend(keys);
    }
}

#[async_trait]
impl Store for DatedStore {
    fn describe(&self) -> String {
        "dated".to_owned()
    }
    async fn get(&self, key: &str) -> Result<Option<Object>> {
        self.inner.get(key).await
    }
    async fn get_range(&self, key: &str, range: Range<u64>) -> Result<Option<Bytes>> {
        self.inner.get_range(key, range).await
    }
    async fn put(&self, key: &str, data: Bytes, options: PutOptions<'_>) -> Result<Written> {
        let written = self.inner.put(key, data, options).await?;
        self.old.lock().unwrap().remove(key);
        Ok(written)
    }
    async fn sync(&self) -> Result<()> {
        self.inner.sync().await
    }
    async fn list(&self, request: ListRequest<'_>) -> Result<Page> {
        let mut page = self.inner.list(request).await?;
        let old = self.old.lock().unwrap();
        for entry in &mut page.entries {
            entry.modified = Some(if old.contains(&entry.key) { 1 } else { NOW });
        }
        Ok(page)
    }
    async fn delete(&self, keys: &[String]) -> Result<()> {
        self.inner.delete(keys).await
    }
    async fn sweep(&self) -> Result<u64> {
        self.inner.sweep().await
    }
}

fn handle(store: Arc<dyn Store>) -> Profile {
    cache_over(store).profile("t", "default").unwrap()
}

fn ages() -> Ages {
    Ages::new(NOW, i64::MIN)
}

/// Two spans: one committed, with a pack beside it that lost a race; of the other the record is gone.
/// All of it is old.
async fn with_leftovers(layout: FrameLayout) -> (Arc<MemoryStore>, Arc<DatedStore>) {
    let memory = Arc::new(MemoryStore::new());
    let store = DatedStore::over(memory.clone());
    let profile = handle(store.clone());
    let plan = plan_of(vec![row("0", 0, 0, 4), row("0", 1, 4, 3)]);
    let claim = profile.claim_plan(&plan.laid_out(layout), None).await;
    let plan = claim.unwrap().plan;
    for row in plan.digested() {
        extract_row(&profile, row).await.unwrap();
    }
    let lost = format!("{BASE}chunks/0/1.json");
    store.delete(&[lost]).await.unwrap();
    for key in ["packs/0/0-01234567.tar", "frames/99.jpg"] {
        let options = PutOptions::durable("x/y");
        let key = format!("{BASE}{key}");
        store.put(&key, "x".into(), options).await.unwrap();
    }
    store.age().await;
    (memory, store)
}

async fn keys(store: &MemoryStore) -> HashSet<String> {
    listing(store)
        .await
        .into_iter()
        .map(|(key, _)| key)
        .collect()
}

#[tokio::test]
async fn a_dry_run_counts_what_goes_and_what_is_named_stays() {
    for (layout, expected) in [(FrameLayout::Frames, 5), (FrameLayout::Packed, 3)] {
        let (memory, store) = with_leftovers(layout).await;
        let before = keys(&memory).await;
        let profile = handle(store);
        let would = profile.collect_leftovers(&ages(), true).await.unwrap();
        assert_eq!(
            (would.objects, keys(&memory).await),
            (expected, before.clone())
        );
        assert_eq!(
            profile.collect_leftovers(&ages(), false).await.unwrap(),
            would
        );
        let after = keys(&memory).await;
        assert_eq!(before.len() - after.len(), expected as usize);
        assert!(lost_frames(&profile).await.is_empty());
        let again = profile.collect_leftovers(&ages(), false).await.unwrap();
        assert_eq!(again.objects, 0);
    }
}

/// Somebody extracts the span whose old frames go, whole, at each moment of the collection.
#[tokio::test]
async fn whoever_extracts_meanwhile_never_has_a_record_without_its_frames() {
    for layout in [FrameLayout::Frames, FrameLayout::Packed] {
        for calls in 0.. {
            let (_, store) = with_leftovers(layout).await;
            let worker = handle(store.clone());
            let visit = async move {
                let id = SpanId {
                    chunk_id: "0".to_owned(),
                    span: 1,
                };
                extract_until_it_stands(&worker, &id).await.unwrap();
            };
            let visited = VisitedStore::new(store.clone(), calls, visit);
            let collecting = handle(visited.clone());
            collecting.collect_leftovers(&ages(), false).await.unwrap();
            let after = handle(store.clone());
            assert!(lost_frames(&after).await.is_empty(), "{layout:?} {calls}");
            if visited.is_waiting() {
                assert!(calls > 10);
                break;
            }
        }
    }
}

#[tokio::test]
async fn a_collection_that_dies_anywhere_has_lost_nothing_and_the_next_one_ends_it() {
    for steps in 0.. {
        let (memory, dated) = with_leftovers(FrameLayout::Packed).await;
        let dying = Arc::new(DyingStore::new(memory.clone(), steps));
        let over_dying = DatedStore::over(dying.clone());
        over_dying.age().await;
        let outcome = handle(over_dying).collect_leftovers(&ages(), false).await;
        let profile = handle(dated.clone());
        assert!(lost_frames(&profile).await.is_empty(), "{steps}");
        profile.collect_leftovers(&ages(), false).await.unwrap();
        assert_eq!(keys(&memory).await.len(), 3, "{steps}");
        if outcome.is_ok() {
            assert!(steps > 3);
            break;
        }
    }
}
