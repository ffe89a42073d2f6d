//! Stores that misbehave: whose process dies or loses its power at a call, and that let somebody
//! else in before one.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use bytes::Bytes;
use futures::future::BoxFuture;

use crate::error::{Error, Reason, Result};
use crate::store::memory::MemoryStore;
use crate::store::{Durability, ListRequest, Object, Page, PutOptions, Store, Written};

/// What is left of the writes that were not synced when a process dies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Left {
    /// All: it was killed, the machine goes on.
    All,
    /// The power was cut, and the disk had none of them yet.
    None,
    /// The power was cut, and the disk had some: in no order is one before the other.
    Puts,
    Deletes,
    EveryOther,
}

pub const LEFT: [Left; 5] = [
    Left::All,
    Left::None,
    Left::Puts,
    Left::Deletes,
    Left::EveryOther,
];

/// A write that is not synced: a put's bytes, or none of a delete.
struct Unsynced {
    key: String,
    data: Option<Bytes>,
}

/// A store whose process dies at a write or sync: the first `steps` of them happen, nothing after
/// does. A delete of many keys is many writes.
pub struct DyingStore {
    pub inner: Arc<MemoryStore>,
    steps_left: AtomicU64,
    unsynced: Mutex<Vec<Unsynced>>,
    /// What the disk has of keys that have unsynced writes.
    on_disk: Mutex<BTreeMap<String, Option<Bytes>>>,
}

impl DyingStore {
    pub fn new(inner: Arc<MemoryStore>, steps: u64) -> Self {
        DyingStore {
            inner,
            steps_left: AtomicU64::new(steps),
            unsynced: Mutex::default(),
            on_disk: Mutex::default(),
        }
    }

    pub fn died(&self) -> bool {
        self.steps_left.load(Ordering::SeqCst) == u64::MAX
    }

    /// After the death: `inner` holds what is left.
    pub async fn leave(&self, left: Left) {
        let unsynced: Vec<_> = self.unsynced.lock().unwrap().drain(..).collect();
        let on_disk = std::mem::take(&mut *self.on_disk.lock().unwrap());
        if left == Left::All {
            return;
        }
        for (key, data) in on_disk {
            self.set(&key, data).await;
        }
        for (place, write) in unsynced.into_iter().enumerate() {
            let is_left = match left {
                Left::All => true,
                Left::None => false,
                Left::Puts => write.data.is_some(),
                Left::Deletes => write.data.is_none(),
                Left::EveryOther => place % 2 == 0,
            };
            if is_left {
                self.set(&write.key, write.data).await;
            }
        }
    }

    async fn set(&self, key: &str, data: Option<Bytes>) {
        match data {
            Some(data) => {
                let options = PutOptions::durable("x/y");
                self.inner.put(key, data, options).await.unwrap();
            }
            None => self.inner.delete(&[key.to_owned()]).await.unwrap(),
        }
    }

    fn step(&self) -> Result<()> {
        let spend = |left: u64| match left {
            u64::MAX => None,
            0 => Some(u64::MAX),
            left => Some(left - 1),
        };
        let before = self
            .steps_left
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, spend);
        match before {
            Ok(left) if left > 0 => Ok(()),
            _ => Err(dead()),
        }
    }

    fn read(&self) -> Result<()> {
        if self.died() { Err(dead()) } else { Ok(()) }
    }

    async fn remember(&self, key: &str, data: Option<Bytes>) -> Result<()> {
        let before = self.inner.get(key).await?.map(|object| object.data);
        let mut on_disk = self.on_disk.lock().unwrap();
        on_disk.entry(key.to_owned()).or_insert(before);
        let key = key.to_owned();
        self.unsynced.lock().unwrap().push(Unsynced { key, data });
        Ok(())
    }

    fn is_on_disk(&self, key: &str) {
        self.on_disk.lock().unwrap().remove(key);
        self.unsynced
            .lock()
            .unwrap()
            .retain(|write| write.key != key);
    }
}

fn dead() -> Error {
    Error::new(Reason::StoreUnavailable, "the process died here")
}

#[async_trait]
impl Store for DyingStore {
    fn describe(&self) -> String {
        "dying".to_owned()
    }

    async fn get(&self, key: &str) -> Result<Option<Object>> {
        self.read()?;
        self.inner.get(key).await
    }

    async fn get_range(&self, key: &str, range: Range<u64>) -> Result<Option<Bytes>> {
        self.read()?;
        self.inner.get_range(key, range).await
    }

    async fn put(&self, key: &str, data: Bytes, options: PutOptions<'_>) -> Result<Written> {
        self.step()?;
        match options.durability {
            Durability::AtSync => self.remember(key, Some(data.clone())).await?,
            Durability::Now => self.is_on_disk(key),
        }
        self.inner.put(key, data, options).await
    }

    async fn sync(&self) -> Result<()> {
        self.step()?;
        self.unsynced.lock().unwrap().clear();
        self.on_disk.lock().unwrap().clear();
        Ok(())
    }

    async fn list(&self, request: ListRequest<'_>) -> Result<Page> {
        self.read()?;
        self.inner.list(request).await
    }

    async fn delete(&self, keys: &[String]) -> Result<()> {
        for key in keys {
            self.step()?;
            self.remember(key, None).await?;
            self.inner.delete(std::slice::from_ref(key)).await?;
        }
        Ok(())
    }

    async fn sweep(&self) -> Result<u64> {
        self.read()?;
        self.inner.sweep().await
    }
}

type Visit = BoxFuture<'static, ()>;

/// A store that lets somebody else do something, whole, before its `n`-th call.
pub struct VisitedStore {
    inner: Arc<dyn Store>,
    calls_left: AtomicU64,
    visit: Mutex<Option<Visit>>,
}

impl VisitedStore {
    pub fn new(
        inner: Arc<dyn Store>,
        calls: u64,
        visit: impl Future<Output = ()> + Send + 'static,
    ) -> Arc<Self> {
        Arc::new(VisitedStore {
            inner,
            calls_left: AtomicU64::new(calls),
            visit: Mutex::new(Some(Box::pin(visit))),
        })
    }

    /// Whether nobody came: there were fewer calls.
    pub fn is_waiting(&self) -> bool {
        self.visit.lock().unwrap().is_some()
    }

    async fn call(&self) {
        if self.calls_left.fetch_sub(1, Ordering::SeqCst) == 0 {
            let visit = self.visit.lock().unwrap().take();
            visit.unwrap().await;
        }
    }
}

#[async_trait]
impl Store for VisitedStore {
    fn describe(&self) -> String {
        "visited".to_owned()
    }

    async fn get(&self, key: &str) -> Result<Option<Object>> {
        self.call().await;
        self.inner.get(key).await
    }

    async fn get_range(&self, key: &str, range: Range<u64>) -> Result<Option<Bytes>> {
        self.call().await;
        self.inner.get_range(key, range).await
    }

    async fn put(&self, key: &str, data: Bytes, options: PutOptions<'_>) -> Result<Written> {
        self.call().await;
        self.inner.put(key, data, options).await
    }

    async fn sync(&self) -> Result<()> {
        self.call().await;
        self.inner.sync().await
    }

    async fn list(&self, request: ListRequest<'_>) -> Result<Page> {
        self.call().await;
        self.inner.list(request).await
    }

    async fn delete(&self, keys: &[String]) -> Result<()> {
        for key in keys {
            self.call().await;
            self.inner.delete(std::slice::from_ref(key)).await?;
        }
        Ok(())
    }

    /// Never possible here.
    async fn sweep(&self) -> Result<u64> {
        let message = "this store cannot be swept";
        Err(Error::new(Reason::StoreUnavailable, message))
    }
}
