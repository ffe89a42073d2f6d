//! What packed frames cost to read, over a store that takes 25 ms a request as S3 does, and from a directory.
//!
//! ```text
//! cargo bench --bench packs            everything: some 15 s and 600 MB
//! ```
//!
//! Prints a line a measurement: frames a second, requests a frame, bytes held for each byte of payload.

#![allow(clippy::unwrap_used, clippy::panic)] // a panic is a failed measurement

use std::alloc::{GlobalAlloc, Layout as Shape};
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::ops::Range;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use bytes::Bytes;
use framecache::cache::keys::Layout;
use framecache::cache::memory::Memory;
use framecache::cache::places::{Placing, Puts};
use framecache::cache::planned::{Planned, Row};
use framecache::cache::read::{Reader, View, With};
use framecache::cache::record::Outcome;
use framecache::cache::{Cache, Profile};
use framecache::error::Result;
use framecache::media::facts::FrameFacts;
use framecache::media::time::{Exact, Rational};
use framecache::store::dir::DirStore;
use framecache::store::memory::MemoryStore;
use framecache::store::{ETag, ListRequest, Object, Page, PutOptions, Store, Written};
use framecache::timeline::index::{ClockFacts, Identity, Unshown};
use framecache::timeline::plan::{
    ChunkSpec, FrameLayout, Kind, Parameters, Plan, PlannedChunk, READING, SCHEMA, Sampling,
    SpanRow,
};
use futures::{StreamExt, TryStreamExt, stream};
use mimalloc::MiMalloc;
use tokio::sync::oneshot;

/// An hour at 2 frames a second, in spans of a minute.
const SPANS: u64 = 60;
const SPAN_FRAMES: u64 = 120;
const FRAMES: u64 = SPANS * SPAN_FRAMES;
/// About a 540p JPEG.
const FRAME_BYTES: usize = 40_000;
const REQUEST: Duration = Duration::from_millis(25);
const IN_FLIGHT: usize = 64;
const RUN: u64 = 32;

fn main() {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let stored: Arc<dyn Store> = Arc::new(MemoryStore::new());
        write(&stored, FrameLayout::Packed).await;
        single(&stored).await;
        in_runs(&stored).await;
        for layout in [FrameLayout::Frames, FrameLayout::Packed] {
            from_directory(layout).await;
        }
    });
}

/// Frames in no order, so that none is read with another.
async fn single(stored: &Arc<dyn Store>) {
    let slow = Slow::over(stored);
    let reader = reader(slow.clone()).await;
    let plan = view(&reader).await;
    for row in plan.in_sequence() {
        // What is read first of a span reads its record, which the next ones find in memory.
        reader.record(row).await.unwrap().unwrap();
    }
    let records = slow.requests.swap(0, Relaxed);
    // 4001 has no divisor in common with the frames: each comes once, none beside the next.
    let order = (0..FRAMES).map(|n| n * 4001 % FRAMES);
    let begun = Instant::now();
    let reads = order.map(|seq| reader.read_frame(seq));
    let mut reads = stream::iter(reads).buffer_unordered(IN_FLIGHT);
    while let Some(frame) = reads.next().await {
        frame.unwrap().unwrap();
    }
    let rate = FRAMES as f64 / begun.elapsed().as_secs_f64();
    let requests = slow.requests.load(Relaxed) + records;
    let ceiling = IN_FLIGHT as f64 / REQUEST.as_secs_f64();
    println!(
        "single frames, {IN_FLIGHT} in flight: {rate:.0} frames/s of {ceiling:.0} that {} ms allow; {:.3} requests a frame",
        REQUEST.as_millis(),
        requests as f64 / FRAMES as f64
    );
}

/// All frames, 32 after the other, two runs at a time; they are held until all are there.
async fn in_runs(stored: &Arc<dyn Store>) {
    let slow = Slow::over(stored);
    let reader = reader(slow.clone()).await;
    let plan = view(&reader).await;
    let (reader, plan) = (&reader, &plan);
    let before = HELD.load(Relaxed);
    PEAK.store(before, Relaxed);
    let begun = Instant::now();
    let runs = (0..FRAMES).step_by(RUN as usize).map(|first| async move {
        let mut frames = Vec::new();
        let mut next = first;
        while next < (first + RUN).min(FRAMES) {
            let row = plan.row_of(next).unwrap();
            let end = row.sequences().end.min(first + RUN);
            frames.extend(run(reader, row, next..end).await);
            next = end;
        }
        frames
    });
    let mut runs = stream::iter(runs).buffered(2);
    let mut held = Vec::new();
    while let Some(frames) = runs.next().await {
        held.extend(frames);
    }
    let rate = FRAMES as f64 / begun.elapsed().as_secs_f64();
    let payload: usize = held.iter().map(Bytes::len).sum();
    println!(
        "runs of {RUN}: {rate:.0} frames/s; {:.3} requests a frame; {:.2} bytes held for each byte of payload",
        slow.requests.load(Relaxed) as f64 / FRAMES as f64,
        (PEAK.load(Relaxed) - before) as f64 / payload as f64
    );
}

async fn run(reader: &Reader, row: Row<'_>, seqs: Range<u64>) -> Vec<Bytes> {
    let wanted: Vec<_> = seqs.clone().map(|seq| (seq, Some(seq))).collect();
    let ahead = reader.ahead(row, wanted.into_iter()).await.unwrap();
    let with = |index| ahead.as_ref().map(|ahead| With { ahead, index });
    let reads = seqs.map(|seq| reader.read_with(seq, with(seq)));
    let frames = stream::iter(reads).buffered(RUN as usize);
    frames
        .map(|frame| frame.unwrap().unwrap().jpeg)
        .collect()
        .await
}

/// Every frame once, 32 at a time, as an answer reads them, from files that are in the page cache.
async fn from_directory(layout: FrameLayout) {
    let folder = tempfile::tempdir().unwrap();
    let stored: Arc<dyn Store> = Arc::new(DirStore::open(folder.path()).unwrap());
    write(&stored, layout).await;
    let mut best = 0f64;
    for _ in 0..5 {
        let reader = reader(stored.clone()).await;
        let plan = view(&reader).await;
        let begun = Instant::now();
        for row in plan.in_sequence() {
            run(&reader, row, row.sequences()).await;
        }
        best = best.max(FRAMES as f64 / begun.elapsed().as_secs_f64());
    }
    println!("from a directory, {}: {best:.0} frames/s", layout.name());
}

/// A reader that remembers no frame of another.
async fn reader(store: Arc<dyn Store>) -> Reader {
    profile(store).reader()
}

fn profile(store: Arc<dyn Store>) -> Profile {
    // 2/16 of it is for what is read; frames are kept in as little as that leaves.
    let memory = Memory::new(256 << 20);
    let cache = Cache::new(store, Layout::new("cache").unwrap(), memory);
    cache.profile("t", "default").unwrap()
}

async fn view(reader: &Reader) -> Arc<Planned> {
    match reader.view().await.unwrap() {
        View::Extracted(plan) => plan,
        _ => panic!("it was not extracted"),
    }
}

async fn write(store: &Arc<dyn Store>, layout: FrameLayout) {
    let profile = profile(store.clone());
    let plan = profile.claim_plan(&plan(layout), None).await.unwrap().plan;
    for row in plan.in_sequence() {
        let mut puts = Puts::new();
        let mut placing = Placing::new(&profile, row, layout);
        for seq in row.sequences() {
            let jpeg = picture(seq);
            let facts = FrameFacts {
                seq,
                bytes: Some(jpeg.len() as u64),
                sha256: Some(ETag::of(&jpeg).0),
                ..FrameFacts::default()
            };
            placing.take(facts, Some(jpeg), &mut puts).unwrap();
            while puts.len() >= placing.at_once() {
                puts.try_next().await.unwrap();
            }
        }
        placing.end(&mut puts).unwrap();
        while puts.try_next().await.unwrap().is_some() {}
        let placed = placing.placed();
        let outcome = Outcome::Frames(placed.facts);
        profile
            .commit_span(row, outcome, placed.packs)
            .await
            .unwrap();
    }
}

fn picture(seq: u64) -> Bytes {
    // Of each another: what has the bytes of another is found in memory.
    let mut state = (2 * seq + 1) as u32;
    let mut next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 24) as u8
    };
    (0..FRAME_BYTES).map(|_| next()).collect()
}

fn seconds(n: u64) -> Exact {
    Exact(Rational::from_integer(i128::from(n)))
}

fn plan(layout: FrameLayout) -> Plan {
    let identity = Identity {
        bytes: 1,
        head_sha256: "0".repeat(64),
        tail_sha256: "0".repeat(64),
    };
    let span = |n: u64| SpanRow {
        chunk_id: "0".to_owned(),
        span: n as u32,
        start: seconds(n * 60),
        end: seconds(n * 60 + 60),
        first_frame: n * SPAN_FRAMES,
        frames: SPAN_FRAMES,
        pts_offset: seconds(0),
        ordinal: None,
        first: n * SPAN_FRAMES,
        count: SPAN_FRAMES,
        stream: 0,
        source: identity.clone(),
        init: None,
        revision: 0,
    };
    let plan = Plan {
        schema: SCHEMA,
        reader: None,
        kind: Kind::Extract,
        layout: FrameLayout::Frames,
        nonce: None,
        reading: READING,
        parameters: Some(Parameters::new(Sampling::All)),
        chunks: vec![PlannedChunk {
            spec: ChunkSpec {
                chunk_id: "0".to_owned(),
                uri: "0.mp4".to_owned(),
                init_uri: None,
                source_start: None,
                source_end: None,
                start: None,
                stream: None,
            },
            begin: seconds(0),
            end: seconds(SPANS * 60),
            frames: FRAMES,
            unshown: Unshown::default(),
            clock: ClockFacts::default(),
            error: None,
        }],
        spans: (0..SPANS).map(span).collect(),
    };
    plan.laid_out(layout)
}

/// A store whose every request takes 25 ms, and is counted.
struct Slow {
    store: Arc<dyn Store>,
    clock: Arc<Clock>,
    requests: AtomicUsize,
}

impl Slow {
    fn over(store: &Arc<dyn Store>) -> Arc<Slow> {
        Arc::new(Slow {
            store: store.clone(),
            clock: Clock::start(),
            requests: AtomicUsize::new(0),
        })
    }

    async fn wait(&self) {
        self.requests.fetch_add(1, Relaxed);
        self.clock.after(REQUEST).await;
    }
}

#[async_trait]
impl Store for Slow {
    fn describe(&self) -> String {
        self.store.describe()
    }
    async fn get(&self, key: &str) -> Result<Option<Object>> {
        self.wait().await;
        self.store.get(key).await
    }
    async fn get_range(&self, key: &str, range: Range<u64>) -> Result<Option<Bytes>> {
        self.wait().await;
        // Bytes of its own, as they come from a network.
        let part = self.store.get_range(key, range).await?;
        Ok(part.map(|part| Bytes::copy_from_slice(&part)))
    }
    async fn put(&self, key: &str, data: Bytes, options: PutOptions<'_>) -> Result<Written> {
        self.wait().await;
        self.store.put(key, data, options).await
    }
    async fn sync(&self) -> Result<()> {
        self.store.sync().await
    }
    async fn list(&self, request: ListRequest<'_>) -> Result<Page> {
        self.wait().await;
        self.store.list(request).await
    }
    async fn delete(&self, keys: &[String]) -> Result<()> {
        self.wait().await;
        self.store.delete(keys).await
    }
    async fn sweep(&self) -> Result<u64> {
        self.store.sweep().await
    }
}

/// Wakes at the moment, where tokio's own timers wake at the next millisecond.
struct Clock {
    due: Mutex<BinaryHeap<Reverse<Due>>>,
    changed: Condvar,
}

struct Due(Instant, Option<oneshot::Sender<()>>);

impl PartialEq for Due {
    fn eq(&self, other: &Due) -> bool {
        self.0 == other.0
    }
}
impl Eq for Due {}
impl PartialOrd for Due {
    fn partial_cmp(&self, other: &Due) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}
impl Ord for Due {
    fn cmp(&self, other: &Due) -> std::cmp::Ordering {
        self.0.cmp(&other.0)
    }
}

impl Clock {
    fn start() -> Arc<Clock> {
        let clock = Arc::new(Clock {
            due: Mutex::default(),
            changed: Condvar::new(),
        });
        let ticking = clock.clone();
        std::thread::spawn(move || ticking.tick());
        clock
    }

    async fn after(&self, time: Duration) {
        let (sender, woken) = oneshot::channel();
        let due = Due(Instant::now() + time, Some(sender));
        self.due.lock().unwrap().push(Reverse(due));
        self.changed.notify_one();
        woken.await.unwrap();
    }

    fn tick(&self) {
        let mut due = self.due.lock().unwrap();
        loop {
            let now = Instant::now();
            while due.peek().is_some_and(|Reverse(next)| next.0 <= now) {
                let Reverse(Due(_, sender)) = due.pop().unwrap();
                let _ = sender.unwrap().send(());
            }
            let next = due.peek().map(|Reverse(next)| next.0 - now);
            due = self
                .changed
                .wait_timeout(due, next.unwrap_or(REQUEST))
                .unwrap()
                .0;
        }
    }
}

/// Bytes that are held now, and the most that were.
struct Counting;
static HELD: AtomicUsize = AtomicUsize::new(0);
static PEAK: AtomicUsize = AtomicUsize::new(0);

#[global_allocator]
static HEAP: Counting = Counting;

// SAFETY: every call is the allocator's own, which is that of the command.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, shape: Shape) -> *mut u8 {
        let held = HELD.fetch_add(shape.size(), Relaxed) + shape.size();
        PEAK.fetch_max(held, Relaxed);
        // SAFETY: the caller's promise.
        unsafe { MiMalloc.alloc(shape) }
    }
    unsafe fn dealloc(&self, at: *mut u8, shape: Shape) {
        HELD.fetch_sub(shape.size(), Relaxed);
        // SAFETY: the caller's promise.
        unsafe { MiMalloc.dealloc(at, shape) }
    }
}
