//! Counts and times what is asked of a store.

use std::ops::Range;
use std::sync::Arc;
use std::time::Instant;

use async_trait::async_trait;
use bytes::Bytes;

use crate::error::{Reason, Result};
use crate::metrics::Metrics;
use crate::store::{ListRequest, Object, Page, PutOptions, Store, Written};

/// A store whose every request is counted, with how it ended and how long it took.
pub struct Metered {
    store: Arc<dyn Store>,
    metrics: Arc<Metrics>,
}

/// `store`, counted in `metrics`.
pub fn metered(store: Arc<dyn Store>, metrics: Arc<Metrics>) -> Arc<dyn Store> {
    for (operation, good) in OPERATIONS {
        let outcomes: Vec<_> = good.iter().chain(&FAILURES).copied().collect();
        metrics.expect_store_requests(operation, &outcomes);
    }
    Arc::new(Metered { store, metrics })
}

/// What is counted, and how it may go well.
const OPERATIONS: [(&str, &[&str]); 7] = [
    ("get", &["ok", "absent"]),
    ("get_range", &["ok", "absent"]),
    ("put", &["ok", "condition_failed"]),
    ("sync", &["ok"]),
    ("list", &["ok"]),
    ("delete", &["ok"]),
    ("sweep", &["ok"]),
];
/// As [`failure`] has them.
const FAILURES: [&str; 6] = [
    "not_found",
    "denied",
    "unavailable",
    "full",
    "corrupt",
    "failed",
];

impl Metered {
    async fn count<T>(
        &self,
        operation: &'static str,
        done: impl Future<Output = Result<T>>,
        outcome: impl FnOnce(&T) -> &'static str,
    ) -> Result<T> {
        let started = Instant::now();
        let result = done.await;
        let outcome = match &result {
            Ok(value) => outcome(value),
            Err(e) => failure(e.reason()),
        };
        self.metrics
            .store_request(operation, outcome, started.elapsed());
        result
    }
}

/// Why a request failed, in one word.
fn failure(reason: Reason) -> &'static str {
    match reason {
        Reason::StoreNotFound => "not_found",
        Reason::StoreDenied => "denied",
        Reason::StoreUnavailable => "unavailable",
        Reason::DiskFull => "full",
        Reason::ObjectCorrupt => "corrupt",
        _ => "failed",
    }
}

#[async_trait]
impl Store for Metered {
    fn describe(&self) -> String {
        self.store.describe()
    }

    async fn get(&self, key: &str) -> Result<Option<Object>> {
        let found = |object: &Option<Object>| object.as_ref().map_or("absent", |_| "ok");
        self.count("get", self.store.get(key), found).await
    }

    async fn get_range(&self, key: &str, range: Range<u64>) -> Result<Option<Bytes>> {
        let found = |data: &Option<Bytes>| data.as_ref().map_or("absent", |_| "ok");
        let get = self.store.get_range(key, range);
        self.count("get_range", get, found).await
    }

    async fn put(&self, key: &str, data: Bytes, options: PutOptions<'_>) -> Result<Written> {
        let written = |written: &Written| match written {
            Written::Yes => "ok",
            Written::ConditionFailed => "condition_failed",
        };
        let put = self.store.put(key, data, options);
        self.count("put", put, written).await
    }

    async fn sync(&self) -> Result<()> {
        self.count("sync", self.store.sync(), |()| "ok").await
    }

    async fn list(&self, request: ListRequest<'_>) -> Result<Page> {
        self.count("list", self.store.list(request), |_| "ok").await
    }

    async fn delete(&self, keys: &[String]) -> Result<()> {
        self.count("delete", self.store.delete(keys), |()| "ok")
            .await
    }

    async fn sweep(&self) -> Result<u64> {
        self.count("sweep", self.store.sweep(), |_| "ok").await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::conformance;
    use crate::store::memory::MemoryStore;

    #[tokio::test]
    async fn no_series_comes_up_that_was_not_there_at_zero() {
        let series = |metrics: &Metrics| -> Vec<String> {
            let text = metrics.text().unwrap();
            let of_store = text.lines().filter(|l| l.contains("store_requests_total{"));
            let names = of_store.filter_map(|line| line.rsplit_once(' '));
            let mut names: Vec<_> = names.map(|(name, _)| name.to_owned()).collect();
            names.sort();
            names
        };
        let metrics = Arc::new(Metrics::new());
        let store = metered(Arc::new(MemoryStore::new()), metrics.clone());
        let before = series(&metrics);
        conformance::prove(store).await;
        assert_eq!(series(&metrics), before);
        for reason in [Reason::StoreDenied, Reason::DiskFull, Reason::Internal] {
            assert!(FAILURES.contains(&failure(reason)));
        }
    }

    #[tokio::test]
    async fn a_metered_store_is_a_store_and_counts() {
        let metrics = Arc::new(Metrics::new());
        let store = metered(Arc::new(MemoryStore::new()), metrics.clone());
        conformance::prove(store).await;
        let metrics = Arc::new(Metrics::new());
        let store = metered(Arc::new(MemoryStore::new()), metrics.clone());
        store.get("a").await.unwrap();
        let text = metrics.text().unwrap();
        let line = "framecache_store_requests_total{operation=\"get\",outcome=\"absent\"} 1";
        assert!(text.contains(line), "{text}");
        let put = PutOptions::durable("text/plain");
        store.put("a", Bytes::from_static(b"x"), put).await.unwrap();
        assert!(store.get("../a").await.is_err());
        let text = metrics.text().unwrap();
        assert!(
            text.contains("{operation=\"put\",outcome=\"ok\"} 1"),
            "{text}"
        );
        assert!(
            text.contains("{operation=\"get\",outcome=\"failed\"} 1"),
            "{text}"
        );
    }
}
