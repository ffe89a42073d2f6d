//! The promises of `Store`, as one suite that every implementation passes.

use std::sync::Arc;

use bytes::Bytes;
use futures::future::join_all;

use crate::error::Reason;
use crate::store::{Condition, ETag, ListRequest, PutOptions, Store, Written};

/// Proves every promise of the trait on an empty store, and leaves it empty.
/// Panics where one does not hold.
pub(crate) async fn prove(store: Arc<dyn Store>) {
    what_was_put_is_read_back(&*store).await;
    a_range_is_read_as_far_as_the_object_reaches(&*store).await;
    absence_is_none_and_deleting_it_succeeds(&*store).await;
    bad_keys_are_refused(&*store).await;
    a_listing_gives_the_version_that_is_read(&*store).await;
    conditions_hold(&*store).await;
    listing_is_in_byte_order_of_whole_keys(&*store).await;
    pages_join_without_gap_or_repeat(&*store).await;
    readers_see_whole_objects_while_they_are_replaced(Arc::clone(&store)).await;
    many_keys_are_deleted_at_once(&*store).await;
    store.sync().await.unwrap();
    assert_eq!(store.sweep().await.unwrap(), 0);
    assert_eq!(keys(&*store, "").await, Vec::<String>::new());
}

async fn put(store: &dyn Store, key: &str, data: &[u8], when: Condition) -> Written {
    let options = PutOptions::durable("application/octet-stream").when(when);
    let data = Bytes::copy_from_slice(data);
    store.put(key, data, options).await.unwrap()
}

async fn read(store: &dyn Store, key: &str) -> Option<Vec<u8>> {
    let object = store.get(key).await.unwrap();
    object.map(|object| object.data.to_vec())
}

/// All keys under the prefix, by as many pages as it takes.
pub(crate) async fn keys(store: &dyn Store, prefix: &str) -> Vec<String> {
    pages(store, prefix, false, None).await.0
}

async fn pages(
    store: &dyn Store,
    prefix: &str,
    delimited: bool,
    limit: Option<usize>,
) -> (Vec<String>, Vec<String>) {
    let (mut keys, mut prefixes, mut token) = (vec![], vec![], None);
    loop {
        let request = ListRequest {
            prefix,
            delimited,
            token,
            limit,
        };
        let page = store.list(request).await.unwrap();
        let rows = page.entries.len() + page.prefixes.len();
        assert!(limit.is_none_or(|limit| rows <= limit), "{rows} rows");
        keys.extend(page.entries.into_iter().map(|entry| entry.key));
        prefixes.extend(page.prefixes);
        token = page.next;
        if token.is_none() {
            return (keys, prefixes);
        }
    }
}

async fn delete(store: &dyn Store, keys: &[&str]) {
    let keys: Vec<String> = keys.iter().map(|key| (*key).to_owned()).collect();
    store.delete(&keys).await.unwrap();
}

async fn what_was_put_is_read_back(store: &dyn Store) {
    let large: Vec<u8> = (0..3_000_000_u32).map(|i| (i % 251) as u8).collect();
    let odd = "overlays/job/st age/7_ä+ö %2F%25\\ \"x\"&<>'.png";
    for (key, data) in [("a/0.jpg", &large[..]), ("a/1.jpg", b""), (odd, b"odd")] {
        assert_eq!(put(store, key, data, Condition::Always).await, Written::Yes);
        assert_eq!(read(store, key).await.as_deref(), Some(data), "{key}");
        let page = store
            .list(ListRequest {
                prefix: key,
                ..Default::default()
            })
            .await
            .unwrap();
        assert_eq!(page.entries.len(), 1, "{key}");
        assert_eq!(page.entries[0].key, key);
        assert_eq!(page.entries[0].bytes, data.len() as u64);
    }
    put(store, "a/0.jpg", b"shorter", Condition::Always).await;
    assert_eq!(
        read(store, "a/0.jpg").await.as_deref(),
        Some(&b"shorter"[..])
    );
    delete(store, &["a/0.jpg", "a/1.jpg", odd]).await;
}

async fn a_range_is_read_as_far_as_the_object_reaches(store: &dyn Store) {
    // Begins like a page: what lies in the middle of an object may.
    let data: Vec<u8> = (0..200_000_u32).map(|i| b'<' + (i % 97) as u8).collect();
    put(store, "p/0.tar", &data, Condition::Always).await;
    put(store, "p/1.tar", b"", Condition::Always).await;
    for (range, wanted) in [
        (0..1, &data[..1]),
        (97..131_072, &data[97..131_072]),
        (199_999..200_000, &data[199_999..]),
        (199_000..300_000, &data[199_000..]),
        (0..200_000, &data[..]),
        (200_000..200_001, &[][..]),
        (1 << 40..(1 << 40) + 9, &[]),
    ] {
        let read = store.get_range("p/0.tar", range.clone()).await.unwrap();
        assert_eq!(read.as_deref(), Some(wanted), "{range:?}");
    }
    let read = store.get_range("p/1.tar", 0..5).await.unwrap();
    assert_eq!(read.as_deref(), Some(&[][..]));
    assert!(store.get_range("p/2.tar", 0..5).await.unwrap().is_none());
    for refused in [5..5, 0..u64::MAX] {
        let error = store.get_range("p/0.tar", refused).await.unwrap_err();
        assert_eq!(error.reason(), Reason::Internal);
    }
    delete(store, &["p/0.tar", "p/1.tar"]).await;
}

async fn absence_is_none_and_deleting_it_succeeds(store: &dyn Store) {
    assert!(read(store, "none/at/all").await.is_none());
    delete(store, &["none/at/all", "none"]).await;
    store.delete(&[]).await.unwrap();
    put(store, "gone", b"x", Condition::Always).await;
    delete(store, &["gone", "never"]).await;
    assert!(read(store, "gone").await.is_none());
    let page = store
        .list(ListRequest {
            prefix: "none/",
            ..Default::default()
        })
        .await
        .unwrap();
    assert!(page.entries.is_empty() && page.next.is_none());
}

async fn a_listing_gives_the_version_that_is_read(store: &dyn Store) {
    let version = async || {
        let request = ListRequest {
            prefix: "v/",
            ..ListRequest::default()
        };
        let page = store.list(request).await.unwrap();
        let read = store.get("v/0.jpg").await.unwrap().unwrap();
        assert_eq!(page.entries[0].version.as_ref(), read.version());
        read.version().cloned()
    };
    put(store, "v/0.jpg", b"one", Condition::Always).await;
    let one = version().await;
    put(store, "v/0.jpg", b"two", Condition::Always).await;
    let two = version().await;
    assert!(
        one.is_none() && two.is_none() || one != two,
        "{one:?} {two:?}"
    );
    delete(store, &["v/0.jpg"]).await;
}

async fn bad_keys_are_refused(store: &dyn Store) {
    for key in [
        "",
        "/etc/passwd",
        "../x",
        "a/../../x",
        "a//b",
        "a/",
        "a\0b",
        ".tmp/x",
    ] {
        let options = PutOptions::unsynced("text/plain");
        let put = store.put(key, Bytes::new(), options).await.unwrap_err();
        let get = store.get(key).await.unwrap_err();
        let get_range = store.get_range(key, 0..1).await.unwrap_err();
        let delete = store.delete(&[key.to_owned()]).await.unwrap_err();
        for error in [put, get, get_range, delete] {
            assert_eq!(error.reason(), Reason::FieldInvalid, "{key:?}");
        }
    }
    for prefix in ["../", "a/../", "/"] {
        let request = ListRequest {
            prefix,
            ..Default::default()
        };
        let error = store.list(request).await.unwrap_err();
        assert_eq!(error.reason(), Reason::FieldInvalid, "{prefix:?}");
    }
    assert_eq!(keys(store, "").await, Vec::<String>::new());
}

async fn conditions_hold(store: &dyn Store) {
    let key = "c/plan.json";
    let unknown = Condition::IfMatch(ETag("\"0123456789abcdef0123456789abcdef\"".into()));
    assert_eq!(
        put(store, key, b"0", unknown.clone()).await,
        Written::ConditionFailed
    );
    assert_eq!(
        put(store, key, b"1", Condition::IfAbsent).await,
        Written::Yes
    );
    assert_eq!(
        put(store, key, b"2", Condition::IfAbsent).await,
        Written::ConditionFailed
    );
    assert_eq!(
        put(store, key, b"2", unknown).await,
        Written::ConditionFailed
    );
    let first = store.get(key).await.unwrap().unwrap();
    assert_eq!(&first.data[..], b"1");
    let held = Condition::IfMatch(first.etag());
    assert_eq!(put(store, key, b"3", held.clone()).await, Written::Yes);
    assert_eq!(put(store, key, b"4", held).await, Written::ConditionFailed);
    assert_eq!(read(store, key).await.as_deref(), Some(&b"3"[..]));
    assert_ne!(store.get(key).await.unwrap().unwrap().etag(), first.etag());
    delete(store, &[key]).await;
    assert_eq!(
        put(store, key, b"5", Condition::IfAbsent).await,
        Written::Yes
    );
    delete(store, &[key]).await;
}

/// `.` sorts before `/`, which sorts before digits: a walk folder by folder gets this wrong.
const UNSORTED: [&str; 12] = [
    "l/frames/2.jpg",
    "l/frames/10.jpg",
    "l/frames/1.jpg",
    "l/frames/0.jpg",
    "l/a/b",
    "l/a.b",
    "l/a0",
    "l/a-/x",
    "l/a/0/z",
    "l/B",
    "l/é",
    "m",
];

async fn listing_is_in_byte_order_of_whole_keys(store: &dyn Store) {
    for key in UNSORTED {
        put(store, key, b"x", Condition::Always).await;
    }
    let mut sorted = UNSORTED.map(str::to_owned).to_vec();
    sorted.sort();
    assert_eq!(keys(store, "").await, sorted);
    let under = |prefix: &str| -> Vec<String> {
        sorted
            .iter()
            .filter(|key| key.starts_with(prefix))
            .cloned()
            .collect()
    };
    for prefix in [
        "l",
        "l/",
        "l/a",
        "l/a/",
        "l/frames/1",
        "l/frames/1.jpg",
        "l/z",
        "z/",
        "m/",
    ] {
        assert_eq!(keys(store, prefix).await, under(prefix), "{prefix}");
    }
    let (files, folders) = pages(store, "l/", true, None).await;
    assert_eq!(files, ["l/B", "l/a.b", "l/a0", "l/é"]);
    assert_eq!(folders, ["l/a-/", "l/a/", "l/frames/"]);
    let (files, folders) = pages(store, "l/a", true, None).await;
    assert_eq!(files, ["l/a.b", "l/a0"]);
    assert_eq!(folders, ["l/a-/", "l/a/"]);
    assert_eq!(
        pages(store, "", true, None).await,
        (vec!["m".into()], vec!["l/".into()])
    );
}

/// On the objects of the test before, which it deletes.
async fn pages_join_without_gap_or_repeat(store: &dyn Store) {
    for delimited in [false, true] {
        for prefix in ["", "l/", "l/a"] {
            let whole = pages(store, prefix, delimited, None).await;
            for limit in 1..=4 {
                let joined = pages(store, prefix, delimited, Some(limit)).await;
                assert_eq!(joined, whole, "{prefix:?} {delimited} {limit}");
            }
        }
    }
    delete(store, &UNSORTED).await;
}

async fn readers_see_whole_objects_while_they_are_replaced(store: Arc<dyn Store>) {
    let body = |round: u8| vec![round; 40_000 + usize::from(round) * 1000];
    put(&*store, "r/0.jpg", &body(0), Condition::Always).await;
    let writer = async {
        for round in 1..30 {
            put(&*store, "r/0.jpg", &body(round), Condition::Always).await;
        }
    };
    let reader = async || {
        for _ in 0..30 {
            let seen = read(&*store, "r/0.jpg").await.expect("never absent");
            assert_eq!(seen, body(seen[0]));
        }
    };
    tokio::join!(writer, reader(), reader());
    delete(&*store, &["r/0.jpg"]).await;
}

async fn many_keys_are_deleted_at_once(store: &dyn Store) {
    let keys_put: Vec<String> = (0..1100).map(|seq| format!("d/frames/{seq}.jpg")).collect();
    for some in keys_put.chunks(50) {
        join_all(
            some.iter()
                .map(|key| put(store, key, b"x", Condition::Always)),
        )
        .await;
    }
    let mut sorted = keys_put.clone();
    sorted.sort();
    assert_eq!(keys(store, "d/").await, sorted);
    let (last, rest) = keys_put.split_last().unwrap();
    store.delete(rest).await.unwrap();
    assert_eq!(keys(store, "d/").await, std::slice::from_ref(last));
    delete(store, &[last]).await;
}

/// For stores that promise it (a directory, AWS; not every imitation of S3).
pub(crate) async fn one_of_many_claims_wins(store: Arc<dyn Store>) {
    for round in 0..20 {
        let key = format!("race/{round}/plan.json");
        let claim = |writer: u8| {
            let (store, key) = (Arc::clone(&store), key.clone());
            tokio::spawn(async move { put(&*store, &key, &[writer], Condition::IfAbsent).await })
        };
        let claims = join_all((0..32).map(claim)).await;
        let won = |claim: &Result<Written, _>| matches!(claim, Ok(Written::Yes));
        let winners: Vec<usize> = (0..32).filter(|i| won(&claims[*i])).collect();
        assert_eq!(winners.len(), 1, "round {round}");
        assert_eq!(read(&*store, &key).await, Some(vec![winners[0] as u8]));
        delete(&*store, &[&key]).await;
    }
}
