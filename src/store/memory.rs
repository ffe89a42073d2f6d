//! A store in memory, for tests: what is put is gone with it, and failures can
//! be ordered.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use bytes::Bytes;

use crate::error::{Error, Reason, Result};
use crate::store::{
    Condition, ETag, Entry, ListRequest, Object, Page, PutOptions, Store, Written, check_key,
    check_prefix, check_range, slice_of,
};

/// What a call is, for faults and counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Operation {
    Get,
    GetRange,
    Put,
    Sync,
    List,
    Delete,
}

/// A failure that is to happen.
#[derive(Debug, Clone)]
pub struct Fault {
    pub operation: Operation,
    /// Only for keys (or prefixes, or the first key of a delete) that contain this.
    pub containing: String,
    /// How many such calls succeed first.
    pub after: u64,
    /// How many fail then.
    pub times: u64,
    pub reason: Reason,
    /// The call fails but did its work, as when a connection is reset after a PUT.
    pub applied: bool,
}

impl Fault {
    /// The next call of this operation fails, once, before it does anything.
    pub fn next(operation: Operation, reason: Reason) -> Fault {
        Fault {
            operation,
            containing: String::new(),
            after: 0,
            times: 1,
            reason,
            applied: false,
        }
    }
}

/// For tests.
#[derive(Default)]
pub struct MemoryStore {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    objects: BTreeMap<String, Bytes>,
    faults: Vec<Fault>,
    calls: Vec<(Operation, String)>,
}

impl MemoryStore {
    pub fn new() -> MemoryStore {
        MemoryStore::default()
    }

    pub fn inject(&self, fault: Fault) {
        self.state().faults.push(fault);
    }

    /// Every call so far, with its key (or prefix, or first key), in order.
    pub fn calls(&self) -> Vec<(Operation, String)> {
        self.state().calls.clone()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts a call and runs it, or fails it where that was ordered.
    fn call<T>(
        &self,
        operation: Operation,
        key: &str,
        work: impl FnOnce(&mut BTreeMap<String, Bytes>) -> T,
    ) -> Result<T> {
        let mut state = self.state();
        state.calls.push((operation, key.to_owned()));
        match state.due(operation, key) {
            None => Ok(work(&mut state.objects)),
            Some(fault) => {
                if fault.applied {
                    work(&mut state.objects);
                }
                Err(Error::new(
                    fault.reason,
                    format!("the store was told to fail: operation={operation:?} key={key}"),
                ))
            }
        }
    }
}

impl State {
    fn due(&mut self, operation: Operation, key: &str) -> Option<Fault> {
        let matching = |fault: &&mut Fault| {
            fault.operation == operation && fault.times > 0 && key.contains(&fault.containing)
        };
        let fault = self.faults.iter_mut().find(matching)?;
        if fault.after > 0 {
            fault.after -= 1;
            return None;
        }
        fault.times -= 1;
        Some(fault.clone())
    }
}

#[async_trait]
impl Store for MemoryStore {
    fn describe(&self) -> String {
        "memory".to_owned()
    }

    async fn get(&self, key: &str) -> Result<Option<Object>> {
        check_key(key)?;
        self.call(Operation::Get, key, |objects| {
            let data = objects.get(key).cloned()?;
            let etag = ETag::of(&data);
            Some(Object::versioned(data, etag))
        })
    }

    async fn get_range(&self, key: &str, range: Range<u64>) -> Result<Option<Bytes>> {
        check_key(key)?;
        check_range(&range)?;
        self.call(Operation::GetRange, key, |objects| {
            objects.get(key).map(|data| slice_of(data, &range))
        })
    }

    async fn put(&self, key: &str, data: Bytes, options: PutOptions<'_>) -> Result<Written> {
        check_key(key)?;
        self.call(Operation::Put, key, |objects| {
            let there = objects.get(key);
            let holds = match &options.when {
                Condition::Always => true,
                Condition::IfAbsent => there.is_none(),
                Condition::IfMatch(etag) => there.is_some_and(|data| ETag::of(data) == *etag),
            };
            if !holds {
                return Written::ConditionFailed;
            }
            objects.insert(key.to_owned(), data);
            Written::Yes
        })
    }

    async fn sync(&self) -> Result<()> {
        self.call(Operation::Sync, "", |_| ())
    }

    async fn list(&self, request: ListRequest<'_>) -> Result<Page> {
        check_prefix(request.prefix)?;
        self.call(Operation::List, request.prefix, |objects| {
            list(objects, &request)
        })
    }

    async fn delete(&self, keys: &[String]) -> Result<()> {
        keys.iter().try_for_each(|key| check_key(key))?;
        let first = keys.first().map_or("", String::as_str);
        self.call(Operation::Delete, first, |objects| {
            for key in keys {
                objects.remove(key);
            }
        })
    }

    async fn sweep(&self) -> Result<u64> {
        Ok(0)
    }
}

fn list(objects: &BTreeMap<String, Bytes>, request: &ListRequest<'_>) -> Page {
    let after = request.token.as_deref().unwrap_or_default();
    let limit = request.limit.unwrap_or(1000).max(1);
    let mut page = Page::default();
    let mut last = String::new();
    let from = objects.range(request.prefix.to_owned()..);
    for (key, data) in from.take_while(|(key, _)| key.starts_with(request.prefix)) {
        let rest = key.get(request.prefix.len()..).unwrap_or_default();
        let slash = rest.find('/').filter(|_| request.delimited);
        let row = match slash {
            Some(at) => key.get(..=request.prefix.len() + at).unwrap_or(key),
            None => key,
        };
        if row <= after || row == last {
            continue;
        }
        if page.entries.len() + page.prefixes.len() == limit {
            page.next = Some(last);
            return page;
        }
        last = row.to_owned();
        match slash {
            Some(_) => page.prefixes.push(last.clone()),
            None => page.entries.push(Entry {
                key: last.clone(),
                bytes: data.len() as u64,
                modified: None,
                version: Some(ETag::of(data)),
            }),
        }
    }
    page
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::store::{conformance, probe_conditional};

    #[tokio::test]
    async fn the_memory_store_keeps_the_traits_promises() {
        conformance::prove(Arc::new(MemoryStore::new())).await;
    }

    #[tokio::test]
    async fn a_probe_finds_out_whether_conditions_are_kept_and_leaves_nothing() {
        let store = MemoryStore::new();
        assert!(probe_conditional(&store, "").await.unwrap());
        assert!(conformance::keys(&store, "").await.is_empty());
        store.inject(Fault::next(Operation::Put, Reason::StoreDenied));
        let error = probe_conditional(&store, "").await.unwrap_err();
        assert_eq!(error.reason(), Reason::StoreDenied);
    }

    #[tokio::test]
    async fn an_ordered_fault_hits_the_call_it_names_and_no_other() {
        let store = MemoryStore::new();
        store.inject(Fault {
            containing: "b".into(),
            after: 1,
            applied: true,
            ..Fault::next(Operation::Put, Reason::StoreUnavailable)
        });
        let put = async |key| {
            let options = PutOptions::unsynced("text/plain");
            store.put(key, Bytes::from_static(b"x"), options).await
        };
        assert!(put("a").await.is_ok());
        assert!(put("b1").await.is_ok());
        let error = put("b2").await.unwrap_err();
        assert_eq!(error.reason(), Reason::StoreUnavailable);
        assert!(store.get("b2").await.unwrap().is_some());
        assert!(put("b3").await.is_ok());
        assert_eq!(store.calls().len(), 5);
    }
}
