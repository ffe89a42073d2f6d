//! Serves small JPEGs from memory, over gRPC on loopback, beside what gRPC itself gives with a
//! handler that does nothing: `cargo bench --bench serving [-- part of a name]`.
//!
//! The last rows are the same frames by plain HTTP; what gRPC gives for a call beside them is the ceiling there.
//!
//! Server and client share the machine, as they did when the target was set. Rounds alternate;
//! the ratio is of medians. CPU time is the server's own: it says what a noisy machine hides.

#![allow(clippy::unwrap_used)] // a panic is a failed measurement

mod address;
mod ceiling;
mod running;

use std::time::{Duration, Instant};

use framecache::api::v1;
use framecache::api::v1::frame_service_client::FrameServiceClient;
use prost::Message;
use tonic::transport::{Channel, Endpoint};

use running::Running;

const CEILING: &str = "--ceiling";
const SERVING: &str = "framecache: serving on ";
const HTTP: &str = "framecache: http on ";
const FRAMES: usize = 600;
const CLIENTS: [usize; 3] = [1, 8, 64];
const ROUNDS: usize = 5;
const ROUND: Duration = Duration::from_secs(1);

fn main() {
    let arguments: Vec<String> = std::env::args()
        .skip(1)
        .filter(|a| a != "--bench")
        .collect();
    match &arguments[..] {
        [flag, bytes] if flag == CEILING => ceiling::serve(bytes.parse().unwrap()),
        [] => measure(""),
        [part, ..] => measure(part),
    }
}

/// What a client does over and over.
#[derive(Clone, Copy, PartialEq)]
enum Work {
    /// One frame a call.
    Call,
    /// All frames in one stream.
    Stream,
    /// One frame by its address, over a connection that stays.
    Address,
}

struct Case {
    name: &'static str,
    work: Work,
    payload: v1::Payload,
}

const CASES: [Case; 5] = [
    Case {
        name: "one frame a call, jpeg",
        work: Work::Call,
        payload: v1::Payload::Jpeg,
    },
    Case {
        name: "one frame a call, base64",
        work: Work::Call,
        payload: v1::Payload::Base64,
    },
    Case {
        name: "one stream, jpeg",
        work: Work::Stream,
        payload: v1::Payload::Jpeg,
    },
    Case {
        name: "one stream, base64",
        work: Work::Stream,
        payload: v1::Payload::Base64,
    },
    Case {
        name: "one frame by HTTP",
        work: Work::Address,
        payload: v1::Payload::Jpeg,
    },
];

fn measure(part: &str) {
    let folder = tempfile::tempdir().unwrap();
    running::fill(folder.path());
    let ours = Running::server(folder.path());
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    println!(
        "frames of {}x{}, {} rounds of {:?}, frames/s by median",
        running::WIDTH,
        running::HEIGHT,
        ROUNDS,
        ROUND
    );
    println!(
        "{:26} {:>7} {:>8} {:>9} {:>9} {:>6} {:>10} {:>10} {:>8} {:>8}",
        "what", "clients", "bytes", "ours", "empty", "ratio", "ours cpu", "empty cpu", "p50", "p99"
    );
    for case in CASES.iter().filter(|case| case.name.contains(part)) {
        let bytes = runtime.block_on(message_bytes(&ours, case.payload));
        let empty = Running::ceiling(bytes);
        for clients in CLIENTS {
            let (mut mine, mut bare) = (Vec::new(), Vec::new());
            for _ in 0..ROUNDS {
                mine.push(runtime.block_on(round(&ours, case, clients)));
                bare.push(runtime.block_on(round(&empty, case, clients)));
            }
            let rates = [median(&mine, |r| r.rate()), median(&bare, |r| r.rate())];
            let [ours, empty] = rates;
            let cpu = [&mine, &bare].map(|rounds| median(rounds, |r| r.cpu_micros()));
            let shown = |share: usize| format!("{:.0} us", percentile(&mine, share) * 1e6);
            println!(
                "{:26} {clients:7} {bytes:8} {ours:9.0} {empty:9.0} {:6.2} {:7.1} us {:7.1} us {:>8} {:>8}",
                case.name,
                ours / empty,
                cpu[0],
                cpu[1],
                shown(50),
                shown(99)
            );
        }
    }
}

/// What one round came to.
struct Round {
    frames: usize,
    took: Duration,
    cpu: Duration,
    /// Seconds of each call.
    calls: Vec<f64>,
}

impl Round {
    fn rate(&self) -> f64 {
        self.frames as f64 / self.took.as_secs_f64()
    }

    /// Of the server, a frame.
    fn cpu_micros(&self) -> f64 {
        self.cpu.as_secs_f64() * 1e6 / self.frames as f64
    }
}

async fn round(server: &Running, case: &Case, clients: usize) -> Round {
    let (cpu, begun) = (server.cpu(), Instant::now());
    let until = begun + ROUND;
    let each = (0..clients).map(|n| {
        let (address, work, payload) = (server.address.clone(), case.work, case.payload);
        let http = server.http.clone().filter(|_| work == Work::Address);
        tokio::spawn(async move {
            match http {
                Some(http) => address::client(&http, (n, until)).await,
                None => client(&address, (work, payload), (n, until)).await,
            }
        })
    });
    let mut calls = Vec::new();
    for each in each.collect::<Vec<_>>() {
        calls.extend(each.await.unwrap());
    }
    let frames = match case.work {
        Work::Call | Work::Address => calls.len(),
        Work::Stream => calls.len() * FRAMES,
    };
    let (took, cpu) = (begun.elapsed(), server.cpu() - cpu);
    Round {
        frames,
        took,
        cpu,
        calls,
    }
}

async fn connect(address: &str) -> FrameServiceClient<Channel> {
    let endpoint = Endpoint::from_shared(format!("http://{address}")).unwrap();
    FrameServiceClient::new(endpoint.tcp_nodelay(true).connect().await.unwrap())
}

/// Calls until the time is up; seconds of each.
async fn client(
    address: &str,
    (work, payload): (Work, v1::Payload),
    (mut n, until): (usize, Instant),
) -> Vec<f64> {
    let mut client = connect(address).await;
    let mut calls = Vec::new();
    while Instant::now() < until {
        let (request, expected) = match work {
            Work::Call | Work::Address => (one(n % FRAMES, payload), 1),
            Work::Stream => (all(payload), FRAMES),
        };
        n += 1;
        let begun = Instant::now();
        assert_eq!(received(&mut client, request).await.0, expected);
        calls.push(begun.elapsed().as_secs_f64());
    }
    calls
}

/// Frames of an answer, and the bytes of the last one's message.
async fn received(
    client: &mut FrameServiceClient<Channel>,
    request: v1::GetFramesRequest,
) -> (usize, usize) {
    let mut answer = client.get_frames(request).await.unwrap().into_inner();
    let (mut frames, mut bytes) = (0, 0);
    while let Some(message) = answer.message().await.unwrap() {
        if let Some(v1::get_frames_response::Event::Frame(item)) = &message.event {
            assert!(
                matches!(item.result, Some(v1::frame_item::Result::Data(_))),
                "{item:?}"
            );
            (frames, bytes) = (frames + 1, message.encoded_len());
        }
    }
    (frames, bytes)
}

/// Of the middle frame's message.
async fn message_bytes(server: &Running, payload: v1::Payload) -> usize {
    let mut client = connect(&server.address).await;
    // Everything is in memory from here on.
    assert_eq!(received(&mut client, all(payload)).await.0, FRAMES);
    received(&mut client, one(FRAMES / 2, payload)).await.1
}

fn request(selection: v1::Selection, payload: v1::Payload) -> v1::GetFramesRequest {
    v1::GetFramesRequest {
        timeline: running::TIMELINE.to_owned(),
        selection: Some(selection),
        payload: payload.into(),
        ..v1::GetFramesRequest::default()
    }
}

fn one(seq: usize, payload: v1::Payload) -> v1::GetFramesRequest {
    let sequences = vec![seq as u64];
    request(
        v1::Selection {
            sequences,
            ..v1::Selection::default()
        },
        payload,
    )
}

fn all(payload: v1::Payload) -> v1::GetFramesRequest {
    request(
        v1::Selection {
            all: true,
            ..v1::Selection::default()
        },
        payload,
    )
}

/// How many frames such a request asks for.
fn frames_asked(request: &v1::GetFramesRequest) -> usize {
    match &request.selection {
        Some(selection) if selection.all => FRAMES,
        Some(selection) => selection.sequences.len(),
        None => 0,
    }
}

fn summary() -> v1::GetFramesResponse {
    let summary = v1::GetSummary::default();
    v1::GetFramesResponse {
        event: Some(v1::get_frames_response::Event::Summary(summary)),
    }
}

fn median(rounds: &[Round], of: impl Fn(&Round) -> f64) -> f64 {
    let mut values: Vec<f64> = rounds.iter().map(of).collect();
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// Seconds that so many in a hundred calls took at most.
fn percentile(rounds: &[Round], share: usize) -> f64 {
    let mut calls: Vec<f64> = rounds
        .iter()
        .flat_map(|r| r.calls.iter().copied())
        .collect();
    calls.sort_by(f64::total_cmp);
    calls[(calls.len() * share / 100).min(calls.len() - 1)]
}
