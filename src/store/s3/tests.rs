use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;

use super::S3Store;
use crate::aws::fake::{End, Fake, Reply, Request};
use crate::aws::{Endpoint, Lazy};
use crate::error::{Error, Reason, Result};
use crate::store::{
    Condition, ListRequest, PutOptions, Store, Written, conformance, probe_conditional,
};

mod listing;

use listing::rows;

fn on(endpoint: Endpoint, bucket: &str, prefix: &str) -> S3Store {
    S3Store::with(
        // The keys of tests/support: some servers check them.
        Lazy::with_credentials(endpoint, "AKTESTTESTTEST", "test-secret"),
        bucket,
        prefix,
    )
}

async fn scripted(script: impl Fn(&Request) -> Reply + Send + Sync + 'static) -> (Fake, S3Store) {
    let fake = Fake::start(script).await;
    let store = on(fake.endpoint(), "bucket", "pre/fix");
    (fake, store)
}

async fn put(store: &S3Store, when: Condition) -> Result<Written> {
    let options = PutOptions::durable("image/jpeg").when(when);
    store
        .put("a/0.jpg", Bytes::from_static(b"mine"), options)
        .await
}

/// FRAMECACHE_TEST_S3=http://host:port names a server (`moto_server`, say) to
/// prove the promises on; without it these tests say so and prove nothing.
fn server() -> Option<Endpoint> {
    let url = std::env::var("FRAMECACHE_TEST_S3").ok();
    if url.is_none() {
        eprintln!("not run: FRAMECACHE_TEST_S3 names no S3 server");
    }
    url.map(|url| Endpoint {
        url: Some(url),
        ..Endpoint::default()
    })
}

/// A store on a bucket of its own.
async fn on_server(endpoint: Endpoint, prefix: &str) -> S3Store {
    let now = std::time::UNIX_EPOCH.elapsed().unwrap().as_nanos();
    let store = on(endpoint, &format!("framecache-{now}"), prefix);
    let client = store.aws.client().await.unwrap();
    client
        .create_bucket()
        .bucket(&store.bucket)
        .send()
        .await
        .unwrap();
    store
}

#[tokio::test]
async fn the_s3_store_keeps_the_traits_promises_on_a_server() {
    let Some(endpoint) = server() else { return };
    for prefix in ["", "some/prefix"] {
        let store = Arc::new(on_server(endpoint.clone(), prefix).await);
        conformance::prove(Arc::clone(&store) as Arc<dyn Store>).await;
    }
}

#[tokio::test]
async fn on_a_server_content_types_are_set_and_buckets_that_lack_are_not_found() {
    let Some(endpoint) = server() else { return };
    let store = on_server(endpoint.clone(), "x").await;
    put(&store, Condition::Always).await.unwrap();
    let client = store.aws.client().await.unwrap();
    let head = client.head_object().bucket(&store.bucket).key("x/a/0.jpg");
    assert_eq!(
        head.send().await.unwrap().content_type(),
        Some("image/jpeg")
    );
    assert!(probe_conditional(&store, "a/").await.unwrap());
    let missing = on(endpoint, "framecache-no-such-bucket", "");
    let get = missing.get("a").await.unwrap_err();
    let list = missing.list(ListRequest::default()).await.unwrap_err();
    let delete = missing.delete(&["a".into(), "b".into()]).await.unwrap_err();
    let put = put(&missing, Condition::Always).await.unwrap_err();
    for error in [get, list, delete, put] {
        assert_eq!(error.reason(), Reason::StoreNotFound);
    }
}

#[tokio::test]
async fn passing_errors_are_tried_again() {
    let (fake, store) = scripted(|request| match request.number {
        0 => Reply::error(503, "SlowDown"),
        1 => Reply::error(500, "InternalError"),
        2 => Reply::reset(),
        3 => Reply::error(429, "TooManyRequests"),
        4 => Reply::new(200, "ten bytes!").cut(5, End::Close),
        _ => Reply::new(200, "ten bytes!").header("etag: \"v\""),
    })
    .await;
    let object = store.get("a").await.unwrap().unwrap();
    assert_eq!(&object.data[..], b"ten bytes!");
    assert_eq!(object.etag().0, "\"v\"");
    assert_eq!(fake.requests().len(), 6);
    assert!(fake.requests()[0].target.starts_with("/bucket/pre/fix/a"));
}

#[tokio::test]
async fn a_stalled_body_or_answer_is_cut_and_tried_again() {
    let (fake, _) = scripted(|request| match request.number {
        0 => Reply::new(200, "ten bytes!").cut(5, End::Hang),
        1 => Reply::silence(),
        _ => Reply::new(200, "ten bytes!"),
    })
    .await;
    let stall = Duration::from_millis(300);
    let store = on(
        Endpoint {
            stall,
            ..fake.endpoint()
        },
        "bucket",
        "",
    );
    let object = store.get("a").await.unwrap().unwrap();
    assert_eq!(&object.data[..], b"ten bytes!");
    assert_eq!(fake.requests().len(), 3);
}

#[tokio::test]
async fn a_service_that_only_fails_is_unavailable_at_the_deadline() {
    let (fake, _) = scripted(|_| Reply::error(503, "SlowDown")).await;
    let (silent, _) = scripted(|_| Reply::silence()).await;
    let nobody = Endpoint {
        url: Some("http://127.0.0.1:9".into()),
        ..Endpoint::default()
    };
    for endpoint in [fake.endpoint(), silent.endpoint(), nobody] {
        let deadline = Duration::from_millis(1500);
        let store = on(
            Endpoint {
                deadline,
                ..endpoint
            },
            "bucket",
            "",
        );
        let begin = Instant::now();
        let error = store.get("a").await.unwrap_err();
        assert_eq!(error.reason(), Reason::StoreUnavailable);
        assert!(
            begin.elapsed() < Duration::from_secs(2),
            "{:?}",
            begin.elapsed()
        );
    }
    assert!(fake.requests().len() >= 3);
}

#[tokio::test]
async fn a_create_whose_answer_was_lost_is_found_to_be_done() {
    for (there, expected) in [("mine", Written::Yes), ("theirs", Written::ConditionFailed)] {
        let (_fake, store) = scripted(move |request| match request.method.as_str() {
            "PUT" if request.number == 0 => Reply::reset(),
            "PUT" => Reply::error(412, "PreconditionFailed"),
            _ => Reply::new(200, there),
        })
        .await;
        assert_eq!(put(&store, Condition::IfAbsent).await.unwrap(), expected);
    }
    let (fake, store) = scripted(|_| Reply::error(412, "PreconditionFailed")).await;
    assert_eq!(
        put(&store, Condition::IfAbsent).await.unwrap(),
        Written::ConditionFailed
    );
    assert_eq!(
        fake.requests().len(),
        1,
        "nothing was lost, nothing is to be compared"
    );
}

#[tokio::test]
async fn a_conflict_of_conditional_writes_is_tried_again() {
    let (fake, store) = scripted(|request| match request.number {
        0 => Reply::error(409, "ConditionalRequestConflict"),
        _ => Reply::new(200, ""),
    })
    .await;
    assert_eq!(
        put(&store, Condition::IfAbsent).await.unwrap(),
        Written::Yes
    );
    let requests = fake.requests();
    assert_eq!(requests.len(), 2);
    assert_eq!(requests[1].header("if-none-match"), Some("*"));
    assert_eq!(requests[1].header("content-type"), Some("image/jpeg"));
    assert_eq!(requests[1].body, b"mine");
}

#[tokio::test]
async fn refusals_have_the_reason_that_says_what_to_do_and_are_not_tried_again() {
    let cases = [
        (404, "NoSuchBucket", Reason::StoreNotFound),
        (403, "AccessDenied", Reason::StoreDenied),
        (403, "SignatureDoesNotMatch", Reason::StoreDenied),
        (400, "ExpiredToken", Reason::StoreDenied),
        (403, "RequestTimeTooSkewed", Reason::StoreDenied),
        (301, "PermanentRedirect", Reason::StoreNotFound),
        (507, "XMinioStorageFull", Reason::DiskFull),
        (400, "InvalidRequest", Reason::StoreUnavailable),
    ];
    for (status, code, reason) in cases {
        let (fake, store) = scripted(move |_| Reply::error(status, code)).await;
        let get = store.get("a").await.unwrap_err();
        let put = put(&store, Condition::Always).await.unwrap_err();
        for error in [get, put] {
            assert_eq!(error.reason(), reason, "{code}");
            assert!(error.hint_text().is_some());
            assert!(!error.message().contains(code), "{}", error.message());
            assert!(causes(&error).contains(code), "{}", causes(&error));
        }
        assert_eq!(fake.requests().len(), 2, "{code}");
    }
    let (_fake, store) = scripted(|_| Reply::error(404, "NoSuchKey")).await;
    assert!(store.get("a").await.unwrap().is_none());
}

fn causes(error: &Error) -> String {
    std::error::Error::source(error).unwrap().to_string()
}

const REFUSED: &str =
    "<DeleteResult><Error><Key>pre/fix/b</Key><Code>AccessDenied</Code></Error></DeleteResult>";
const SLOW: &str =
    "<DeleteResult><Error><Key>pre/fix/b</Key><Code>SlowDown</Code></Error></DeleteResult>";
const DONE: &str = "<DeleteResult></DeleteResult>";

#[tokio::test]
async fn a_key_that_cannot_be_deleted_fails_the_call_and_a_slow_one_is_asked_again_alone() {
    let keys = ["a".to_owned(), "b".to_owned()];
    let (_fake, store) = scripted(|_| Reply::new(200, REFUSED)).await;
    let error = store.delete(&keys).await.unwrap_err();
    assert_eq!(error.reason(), Reason::StoreDenied);
    assert!(error.message().contains("left=1"), "{}", error.message());
    let (fake, store) = scripted(|request| match request.number {
        0 => Reply::new(200, SLOW),
        _ => Reply::new(200, DONE),
    })
    .await;
    store.delete(&keys).await.unwrap();
    let second = String::from_utf8(fake.requests()[1].body.clone()).unwrap();
    assert!(
        second.contains("pre/fix/b") && !second.contains("pre/fix/a"),
        "{second}"
    );
}

#[tokio::test]
async fn where_deletes_of_many_are_refused_each_key_is_deleted_alone() {
    let refusals = [
        (501, "NotImplemented"),
        (405, "MethodNotAllowed"),
        (400, "MissingContentMD5"),
        (400, "InvalidRequest"),
        (400, "InvalidArgument"),
        (400, "InvalidDigest"),
        (400, "XAmzContentSHA256Mismatch"),
        (400, "UnsupportedOperation"),
        (404, "NoSuchRoute"),
        (411, "MissingContentLength"),
    ];
    for (status, code) in refusals {
        let (fake, store) = scripted(move |request| match request.method.as_str() {
            "POST" => Reply::error(status, code),
            _ => Reply::new(204, ""),
        })
        .await;
        let keys: Vec<String> = (0..40).map(|i| format!("k/{i}")).collect();
        store.delete(&keys).await.unwrap();
        store.delete(&keys[..2]).await.unwrap();
        let methods: Vec<String> = fake.requests().into_iter().map(|r| r.method).collect();
        let singles = methods.iter().filter(|m| *m == "DELETE").count();
        assert_eq!(singles, 42, "{code}");
        let bulk = methods.iter().filter(|m| *m == "POST").count();
        assert_eq!(bulk, 1, "{code}");
    }
}

#[tokio::test]
async fn a_delete_of_many_that_access_is_lacking_for_is_not_tried_singly() {
    let refusals = [
        (403, "AccessDenied", Reason::StoreDenied),
        (400, "ExpiredToken", Reason::StoreDenied),
        (404, "NoSuchBucket", Reason::StoreNotFound),
    ];
    for (status, code, reason) in refusals {
        let (fake, store) = scripted(move |_| Reply::error(status, code)).await;
        let error = store.delete(&["a".into(), "b".into()]).await.unwrap_err();
        assert_eq!(error.reason(), reason, "{code}");
        assert_eq!(fake.requests().len(), 1, "{code}");
    }
}

#[tokio::test]
async fn single_deletes_that_fail_in_place_of_one_of_many_fail_the_call_and_are_not_remembered() {
    let (fake, store) = scripted(|request| match request.method.as_str() {
        "POST" => Reply::error(400, "InvalidRequest"),
        _ if request.target.contains("/b") => Reply::error(400, "InvalidRequest"),
        _ => Reply::new(204, ""),
    })
    .await;
    let keys = ["a".to_owned(), "b".to_owned()];
    for call in 1..3 {
        let error = store.delete(&keys).await.unwrap_err();
        assert!(error.message().contains("key="), "{error}");
        let bulk = fake
            .requests()
            .iter()
            .filter(|r| r.method == "POST")
            .count();
        assert_eq!(bulk, call);
    }
}

#[tokio::test]
async fn folder_markers_and_other_prefixes_are_not_listed() {
    let listing = "<ListBucketResult><IsTruncated>true</IsTruncated><NextContinuationToken>t+1</NextContinuationToken>\
        <EncodingType>url</EncodingType>\
        <Contents><Key>pre/fix/f/</Key><Size>0</Size></Contents>\
        <Contents><Key>pre/fix/f/0%2B+1.jpg</Key><Size>7</Size></Contents>\
        <CommonPrefixes><Prefix>pre/fix/f/a%20b/</Prefix></CommonPrefixes></ListBucketResult>";
    let (fake, store) = scripted(move |request| match request.number {
        0 => Reply::new(200, listing),
        _ => Reply::new(200, rows(&["pre/fix/f/z"], None)),
    })
    .await;
    let request = |token| ListRequest {
        prefix: "f/",
        delimited: true,
        token,
        ..Default::default()
    };
    let page = store.list(request(None)).await.unwrap();
    assert_eq!(page.entries.len(), 1);
    assert_eq!(page.entries[0].key, "f/0+ 1.jpg");
    assert_eq!(page.entries[0].bytes, 7);
    assert_eq!(page.prefixes, ["f/a b/"]);
    let last = store.list(request(page.next)).await.unwrap();
    assert_eq!(last.next, None);
    let targets: Vec<String> = fake.requests().into_iter().map(|r| r.target).collect();
    assert!(targets[0].contains("prefix=pre%2Ffix%2Ff%2F"));
    assert!(
        targets[1].contains("continuation-token=t%2B1"),
        "{}",
        targets[1]
    );
}

#[tokio::test]
async fn an_etag_that_says_nothing_is_no_version() {
    for (etag, says) in [("", false), ("v1", true)] {
        let listing = format!(
            "<ListBucketResult><Contents><Key>pre/fix/a</Key><Size>1</Size><ETag>&quot;{etag}&quot;</ETag>\
             </Contents></ListBucketResult>"
        );
        let line = format!("etag: \"{etag}\"");
        let (_fake, store) = scripted(move |request| match request.target.contains("list-type") {
            true => Reply::new(200, listing.clone()),
            false => Reply::new(200, "x").header(&line),
        })
        .await;
        let page = store.list(ListRequest::default()).await.unwrap();
        assert_eq!(page.entries[0].version.is_some(), says);
        let object = store.get("a").await.unwrap().unwrap();
        assert_eq!(object.version(), page.entries[0].version.as_ref());
        // A condition is the service's to understand.
        assert_eq!(object.etag().0, format!("\"{etag}\""));
    }
}

const PAGE: &str = "<!DOCTYPE html><html><body>Please log in</body></html>";

#[tokio::test]
async fn a_login_page_is_no_answer_whatever_its_status() {
    for status in [200, 302, 307, 400, 403, 404] {
        let answer = move |_: &Request| Reply::new(status, PAGE).header("content-type: text/html");
        let (fake, store) = scripted(answer).await;
        let get = store.get("a").await.unwrap_err();
        let list = store.list(ListRequest::default()).await.unwrap_err();
        let put = put(&store, Condition::Always).await.unwrap_err();
        let delete = store.delete(&["a".into()]).await.unwrap_err();
        let bulk = store.delete(&["a".into(), "b".into()]).await.unwrap_err();
        for error in [get, list, put, delete, bulk] {
            assert_eq!(
                error.reason(),
                Reason::StoreUnavailable,
                "{status}: {error}"
            );
            let hint = error.hint_text().unwrap();
            assert!(hint.contains("login page"), "{status}: {hint}");
        }
        // Of the last call one more for each key; none is tried again.
        assert!(fake.requests().len() <= 7, "{}", fake.requests().len());
    }
}

#[tokio::test]
async fn an_answer_of_404_that_names_no_key_is_not_taken_for_an_absent_object() {
    let (_fake, store) = scripted(|_| Reply::new(404, "")).await;
    let error = store.get("a").await.unwrap_err();
    assert_eq!(error.reason(), Reason::StoreUnavailable);
}

#[tokio::test]
async fn an_empty_answer_of_any_type_to_a_put_or_delete_is_fine() {
    let (_fake, store) = scripted(|_| Reply::new(200, "").header("content-type: text/html")).await;
    assert_eq!(put(&store, Condition::Always).await.unwrap(), Written::Yes);
    store.delete(&["a".into()]).await.unwrap();
}

/// Test 3 of the reliability list, on a smaller scale.
#[tokio::test]
async fn with_30_percent_errors_every_put_succeeds_within_three_calls_each_on_average() {
    let (fake, store) = scripted(|request| match request.number * 7919 % 100 {
        0..10 => Reply::error(503, "SlowDown"),
        10..20 => Reply::error(500, "InternalError"),
        20..30 => Reply::reset(),
        _ => Reply::new(200, ""),
    })
    .await;
    let puts = (0..300).map(|_| put(&store, Condition::Always));
    for written in futures::future::join_all(puts).await {
        assert_eq!(written.unwrap(), Written::Yes);
    }
    let calls = fake.requests().len();
    assert!((400..900).contains(&calls), "{calls}");
}

#[tokio::test]
async fn a_range_is_what_was_asked_for_or_refused_and_cut_where_ranges_are_unknown() {
    let of = |line: &'static str| move |_: &Request| Reply::new(206, "4567").header(line);
    let (fake, store) = scripted(of("content-range: bytes 4-7/9")).await;
    let read = store.get_range("a", 4..8).await.unwrap().unwrap();
    assert_eq!(&read[..], b"4567");
    assert_eq!(fake.requests()[0].header("range"), Some("bytes=4-7"));
    for wrong in [
        "content-range: bytes 3-6/9",
        "content-range: bytes 4-8/9",
        "content-range: bytes 4-6/9",
        "content-range: bytes 4-7/6",
        "content-range: pages 4-7/9",
    ] {
        let (_, store) = scripted(of(wrong)).await;
        let error = store.get_range("a", 4..8).await.unwrap_err();
        assert_eq!(error.reason(), Reason::StoreUnavailable, "{wrong}");
    }
    let (_, store) = scripted(|_| Reply::new(200, "0123456789")).await;
    let read = store.get_range("a", 4..8).await.unwrap().unwrap();
    assert_eq!(&read[..], b"4567");
    let (_, store) = scripted(|_| Reply::new(200, "<html>Who are you?</html>")).await;
    let error = store.get_range("a", 4..8).await.unwrap_err();
    assert_eq!(error.reason(), Reason::StoreUnavailable);
    let (_, store) = scripted(|_| Reply::error(416, "InvalidRange")).await;
    assert_eq!(
        store.get_range("a", 4..8).await.unwrap(),
        Some(Bytes::new())
    );
    let (_, store) = scripted(|_| Reply::error(404, "NoSuchKey")).await;
    assert_eq!(store.get_range("a", 4..8).await.unwrap(), None);
}

#[tokio::test]
async fn a_service_that_ignores_conditions_is_found_out() {
    let (fake, store) = scripted(|_| Reply::new(200, "")).await;
    assert!(!probe_conditional(&store, "a/").await.unwrap());
    let requests = fake.requests();
    assert_eq!(requests.len(), 3);
    assert_eq!(requests[2].method, "DELETE");
}
