use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use crate::aws::fake::{End, Fake, Reply, Request};
use crate::aws::{Endpoint, Lazy};
use crate::cancel::Stop;
use crate::error::{Reason, Result};
use crate::source::tests::{anything, noise, whole};
use crate::source::{ByteSource, SourcePolicy, open, read_full};

const OBJECT_BYTES: usize = 20_000_000;
const PATIENCE: Duration = Duration::from_secs(120);

/// Answers HEAD and ranges of an object as S3 does.
fn serve(data: &[u8], etag: &str, request: &Request) -> Reply {
    let etag_line = format!("etag: \"{etag}\"");
    if request.method == "HEAD" {
        // The head alone, with the object's length.
        return Reply::new(200, data).cut(0, End::Close).header(&etag_line);
    }
    if request
        .header("if-match")
        .is_some_and(|wanted| wanted != format!("\"{etag}\""))
    {
        return Reply::error(412, "PreconditionFailed");
    }
    let range = request
        .header("range")
        .and_then(|range| range.strip_prefix("bytes="));
    let (first, last) = range.and_then(|range| range.split_once('-')).unwrap();
    let (first, last): (usize, usize) = (first.parse().unwrap(), last.parse().unwrap());
    Reply::new(206, &data[first..=last]).header(&etag_line)
}

/// An object whose reads fail within seconds.
fn object(script: impl Fn(&Request) -> Reply + Send + Sync + 'static) -> Server {
    served(script, Duration::from_millis(500), Duration::from_secs(3))
}

/// One whose reads succeed, and which is asked once however busy the machine is.
fn patient(script: impl Fn(&Request) -> Reply + Send + Sync + 'static) -> Server {
    served(script, PATIENCE, PATIENCE)
}

/// The server runs on a runtime of its own: sources block the thread that reads them.
fn served(
    script: impl Fn(&Request) -> Reply + Send + Sync + 'static,
    stall: Duration,
    deadline: Duration,
) -> Server {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build();
    let runtime = runtime.unwrap();
    let fake = runtime.block_on(Fake::start(script));
    let endpoint = Endpoint {
        stall,
        deadline,
        ..fake.endpoint()
    };
    let aws = Lazy::with_credentials(endpoint, "user", "secret");
    Server {
        fake,
        policy: anything().with_aws(aws),
        _runtime: runtime,
    }
}

struct Server {
    fake: Fake,
    policy: SourcePolicy,
    _runtime: tokio::runtime::Runtime,
}

impl Server {
    fn open(&self) -> Result<Box<dyn ByteSource>> {
        open("s3://bucket/folder/a.mp4", &self.policy)
    }
}

#[test]
fn an_object_is_read_by_ranges_once_each_when_read_forward() {
    let data = noise(OBJECT_BYTES);
    let served = data.clone();
    let server = patient(move |request| serve(&served, "v1", request));
    let mut source = server.open().unwrap();
    assert_eq!(source.bytes(), OBJECT_BYTES as u64);
    let mut read = Vec::new();
    let mut buffer = vec![0; 256 << 10];
    loop {
        let count = source.read_at(read.len() as u64, &mut buffer).unwrap();
        if count == 0 {
            break;
        }
        read.extend_from_slice(&buffer[..count]);
    }
    assert!(read == data);
    let ranges = server.fake.requests().len() - 1;
    assert_eq!(ranges, OBJECT_BYTES.div_ceil(1 << 20));
}

#[test]
fn an_object_that_is_opened_again_is_fetched_once() {
    let data = noise(OBJECT_BYTES);
    let served = data.clone();
    let server = patient(move |request| serve(&served, "v1", request));
    std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| assert!(whole(&mut *server.open().unwrap()) == data));
        }
    });
    assert!(whole(&mut *server.open().unwrap()) == data);
    let requests = server.fake.requests();
    let ranges = requests.iter().filter(|r| r.method == "GET").count();
    assert_eq!(ranges, OBJECT_BYTES.div_ceil(1 << 20));
}

#[test]
fn another_version_of_an_object_is_read_as_it_is() {
    let versions = [noise(3_000_000), vec![7; 3_000_000]];
    let served = versions.clone();
    let now = Arc::new(AtomicUsize::new(0));
    let version = now.clone();
    let server = patient(move |request| {
        let version = version.load(Ordering::Relaxed);
        serve(&served[version], ["v1", "v2"][version], request)
    });
    for (place, data) in versions.iter().enumerate() {
        now.store(place, Ordering::Relaxed);
        assert!(whole(&mut *server.open().unwrap()) == *data);
    }
}

#[test]
fn an_object_whose_versions_nothing_tells_apart_is_fetched_each_time() {
    let versions = [noise(3_000_000), vec![7; 3_000_000]];
    let served = versions.clone();
    let now = Arc::new(AtomicUsize::new(0));
    let version = now.clone();
    let server =
        object(move |request| serve(&served[version.load(Ordering::Relaxed)], "", request));
    for (place, data) in versions.iter().enumerate() {
        now.store(place, Ordering::Relaxed);
        assert!(whole(&mut *server.open().unwrap()) == *data);
    }
}

#[test]
fn an_object_read_here_and_there_gives_the_right_bytes_from_few_ranges() {
    let data = noise(OBJECT_BYTES);
    let served = data.clone();
    let server = patient(move |request| serve(&served, "v1", request));
    let mut source = server.open().unwrap();
    for offset in [19_999_000, 5, 10_000_000, 7, 19_999_500, 10_000_100] {
        let mut buffer = [0; 400];
        let count = read_full(&mut *source, offset, &mut buffer).unwrap();
        assert_eq!(
            buffer[..count],
            data[offset as usize..offset as usize + count]
        );
        assert_eq!(count, 400);
    }
    assert_eq!(server.fake.requests().len() - 1, 3);
}

#[test]
fn an_object_that_changes_is_noticed_even_where_if_match_is_ignored() {
    for ignores in [false, true] {
        let gets = AtomicU64::new(0);
        let data = noise(3_000_000);
        let server = patient(move |request| {
            let later = request.method == "GET" && gets.fetch_add(1, Ordering::Relaxed) > 0;
            let etag = if later { "v2" } else { "v1" };
            let mut request = request.clone();
            if ignores {
                request.head = request.head.replace("if-match", "x-ignored");
            }
            serve(&data, etag, &request)
        });
        let mut source = server.open().unwrap();
        source.read_at(0, &mut [0; 10]).unwrap();
        let error = source.read_at(2_500_000, &mut [0; 10]).unwrap_err();
        assert_eq!(error.reason(), Reason::SourceChanged, "{ignores}");
    }
}

#[test]
fn passing_errors_and_stalls_of_an_object_are_tried_again() {
    let data = noise(3_000_000);
    let object = data.clone();
    let script = move |request: &Request| match request.number % 4 {
        0 => Reply::error(503, "SlowDown"),
        1 => serve(&object, "v1", request).cut(0, End::Hang),
        2 => Reply::reset(),
        _ => serve(&object, "v1", request),
    };
    let server = served(script, Duration::from_millis(500), PATIENCE);
    let mut source = server.open().unwrap();
    assert!(whole(&mut *source) == data);
}

#[test]
fn an_object_that_cannot_be_had_says_why() {
    let cases = [
        (404, "NoSuchKey", Reason::SourceNotFound),
        (404, "NoSuchBucket", Reason::SourceNotFound),
        (403, "AccessDenied", Reason::SourceDenied),
        (400, "InvalidRequest", Reason::SourceUnavailable),
    ];
    for (status, code, reason) in cases {
        let server = object(move |_| Reply::error(status, code).cut(0, End::Close));
        let error = server.open().err().unwrap();
        assert_eq!(error.reason(), reason, "{code}");
        assert!(error.hint_text().is_some());
    }
    let server = object(|_| Reply::silence());
    let begin = Instant::now();
    let error = server.open().err().unwrap();
    assert_eq!(error.reason(), Reason::SourceUnavailable);
    assert!(
        begin.elapsed() < Duration::from_secs(4),
        "{:?}",
        begin.elapsed()
    );
}

#[tokio::test]
async fn an_object_can_be_read_from_an_async_thread_too() {
    let data = noise(100_000);
    let served = data.clone();
    let fake = std::thread::spawn(move || object(move |request| serve(&served, "v1", request)));
    let server = fake.join().unwrap();
    assert!(whole(&mut *server.open().unwrap()) == data);
    std::thread::spawn(move || drop(server)).join().unwrap();
}

#[test]
fn a_range_other_than_the_one_asked_for_is_refused() {
    let wrong = [
        "bytes 5-1048580/3000000",
        "bytes 0-1048575/3000001",
        "bytes 0-1048574/3000000",
        "bytes */3000000",
        "items 0-1048575/3000000",
        "",
    ];
    let data = noise(3_000_000);
    for said in wrong {
        let served = data.clone();
        let line = format!("content-range: {said}");
        let server = object(move |request| serve(&served, "v1", request).header(&line));
        let error = server.open().unwrap().read_at(0, &mut [0; 10]).unwrap_err();
        assert_eq!(error.reason(), Reason::SourceUnavailable, "{said}");
    }
    for total in ["3000000", "*"] {
        let served = data.clone();
        let server = patient(move |request| {
            let range = request
                .header("range")
                .unwrap_or_default()
                .replace('=', " ");
            serve(&served, "v1", request).header(&format!("content-range: {range}/{total}"))
        });
        assert!(whole(&mut *server.open().unwrap()) == data, "{total}");
    }
}

#[test]
fn a_login_page_in_place_of_an_object_is_a_source_that_cannot_be_had() {
    const PAGE: &str = "<html><body>Please log in</body></html>";
    let page = |status| Reply::new(status, PAGE).header("content-type: text/html");
    for status in [200, 302, 307, 403] {
        let data = noise(3_000_000);
        let server = object(move |request| match request.method.as_str() {
            "HEAD" => serve(&data, "v1", request),
            _ => page(status),
        });
        let error = server.open().unwrap().read_at(0, &mut [0; 10]).unwrap_err();
        assert_eq!(error.reason(), Reason::SourceUnavailable, "{status}");
    }
    // One that answers HEAD too: as long as it says, and no video.
    for status in [200, 302, 307] {
        let server = object(move |request| match request.method.as_str() {
            "HEAD" => page(status).cut(0, End::Close),
            _ => page(status),
        });
        let error = server.open().err().unwrap();
        assert_eq!(error.reason(), Reason::SourceUnavailable, "{status}");
    }
}

#[test]
fn a_read_of_a_silent_server_ends_with_who_waited_for_it() {
    let asked = Arc::new(AtomicUsize::new(0));
    let count = asked.clone();
    let server = object(move |request| match request.method.as_str() {
        "HEAD" => serve(&[1; 3_000_000], "v1", request),
        _ => {
            count.fetch_add(1, Ordering::SeqCst);
            Reply::silence()
        }
    });
    let mut source = server.open().unwrap();
    // Called off as soon as the server was asked; it would be asked again until the deadline.
    source.follow(&Stop::when(move || asked.load(Ordering::SeqCst) > 0));
    let error = source.read_at(0, &mut [0; 100]).unwrap_err();
    assert_eq!(error.reason(), Reason::Cancelled);
}
