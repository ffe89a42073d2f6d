//! Real processes, of this very test binary, that die in every way.

use std::io::Write;
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use super::{Apart, Patience, Program};
use crate::cancel::Stop;
use crate::decode::Backend;
use crate::demux::Opener;
use crate::error::{Reason, Result};
use crate::extract::{Caller, Output, Turn};
use crate::foundry::conformance::{
    PICTURES, conforms, developed, developed_as, film, indexed, job, source, told,
};
use crate::foundry::inside::{self, Shop};
use crate::foundry::protocol::{Answer, Request, Walls};
use crate::foundry::{Foundry, Here};
use crate::media::facts::FrameFacts;
use crate::metrics::Metrics;
use crate::sandbox::Report;
use crate::source::{ByteSource, BytesSource};
use crate::wire::{Channel, receive_descriptors};

const NAME: &str = "foundry::apart::tests::as_a_media_process";
const LIAR: &str = "foundry::apart::tests::as_a_process_that_answers_anything";

fn program() -> Program {
    Program::with(&[NAME, "--exact", "--ignored", "--nocapture"])
}

#[test]
#[ignore = "the process that other tests start"]
fn as_a_media_process() {
    if std::env::args().any(|argument| argument == NAME) {
        inside::run();
    }
}

/// What a test has a media process do instead of its span.
pub(in crate::foundry) fn planted(request: &Request, shop: &Shop) {
    let (Request::Develop(_, job, _) | Request::Footage(_, job, _)) = request else {
        return;
    };
    match job.chunk.chunk_id.as_str() {
        "abort" => std::process::abort(),
        "abort among others" if shop.workers > 1 => std::process::abort(),
        "overflow" => drop(deeper(1)),
        "exit" => std::process::exit(3),
        "allocate" => drop(std::hint::black_box(vec![1u8; 64 << 30])),
        "endless" => loop {
            std::hint::spin_loop();
        },
        "panic" => panic!("as planted"),
        "gpu" => crate::gpu::spend(),
        _ => {}
    }
}

#[allow(unconditional_recursion)]
fn deeper(depth: u64) -> u64 {
    let page = std::hint::black_box([depth; 512]);
    page[0] + deeper(depth + 1)
}

#[test]
#[ignore = "the process that other tests start"]
fn as_a_process_that_answers_anything() {
    if !std::env::args().any(|argument| argument == LIAR) {
        return;
    }
    let control = std::io::stdin().as_fd().try_clone_to_owned().unwrap();
    let control = UnixStream::from(control);
    let call = || {
        let descriptors = receive_descriptors(&control).unwrap()?;
        descriptors.into_iter().next().map(UnixStream::from)
    };
    let first = Channel::new(call().unwrap()).unwrap();
    first
        .send(&Answer::Started(Report::default()), &[])
        .unwrap();
    let kind = std::env::args().find_map(|argument| argument.strip_prefix("lie-")?.parse().ok());
    let bulk: Vec<u8> = (0..500u32)
        .map(|n| (n.wrapping_mul(2_654_435_761) >> 11) as u8)
        .collect();
    while let Some(call) = call() {
        let channel = Channel::new(call.try_clone().unwrap()).unwrap();
        // Who asked may have had enough.
        let _ = match kind.unwrap_or(0) {
            0 => channel.send(&Answer::Picture(usize::MAX, 3), &bulk),
            1 => channel.send(&Answer::Checked, &bulk),
            2 => channel.send(&Answer::Made(vec![FrameFacts::default()], false), &bulk),
            3 => channel.send(&"words", &bulk),
            4 => Ok(()),
            _ => (&call).write_all(&bulk).map_err(Into::into),
        };
    }
}

#[test]
fn whatever_a_process_answers_is_an_error_and_no_picture() {
    let truthful = Apart::new(program(), (1, Walls::default()), Arc::default()).unwrap();
    let media = indexed(&truthful, &film());
    for kind in 0..6 {
        let lie = format!("lie-{kind}");
        let lies = Program::with(&[LIAR, &lie, "--exact", "--ignored", "--nocapture"]);
        let apart = Apart::new(lies, (1, Walls::default()), Arc::default()).unwrap();
        assert!(apart.jpeg(b"a file").is_err(), "{kind}");
        assert!(apart.probe(&media, &Stop::never()).is_err(), "{kind}");
        let index = apart.index(source(film().opener()), &Stop::never());
        assert!(index.is_err(), "{kind}");
        // The film has a frame 0, and is not of 500 bytes.
        let made = developed(&apart, &media);
        assert!(made.is_err(), "{kind}");
    }
}

#[test]
fn whatever_a_process_is_asked_it_goes_on() {
    let apart = Apart::new(program(), (2, Walls::default()), Arc::default()).unwrap();
    let media = indexed(&apart, &film());
    let process = apart.process().unwrap();
    let request = serde_json::to_vec(&Request::Jpeg).unwrap();
    for n in 0..200u32 {
        let mut call = process.raw();
        let noise: Vec<u8> = (0..n % 90)
            .map(|k| (k.wrapping_mul(n).wrapping_mul(2_654_435_761) >> 11) as u8)
            .collect();
        let lengths = [request.len() as u32, noise.len() as u32]
            .map(u32::to_le_bytes)
            .concat();
        let bytes = match n % 3 {
            0 => noise,
            1 => [&lengths[..], &request, &noise].concat(),
            _ => [&lengths[..], &request[..3]].concat(),
        };
        // It may have hung up.
        let _ = call.write_all(&bytes);
    }
    assert_eq!(developed(&apart, &media).unwrap().len(), PICTURES);
    assert_eq!(
        apart.process().unwrap().id(),
        process.id(),
        "the same process"
    );
}

#[test]
fn media_in_processes_of_their_own_keeps_what_a_foundry_promises() {
    conforms(&Apart::new(program(), (2, Walls::default()), Arc::default()).unwrap());
}

#[test]
fn a_process_that_decodes_is_held() {
    let apart = Apart::new(program(), (2, Walls::default()), Arc::default()).unwrap();
    let report = apart.report().unwrap();
    assert_eq!(report.holds(), crate::sandbox::is_there(), "{report}");
}

#[test]
fn bytes_and_facts_are_those_of_one_process() {
    let apart = Apart::new(program(), (2, Walls::default()), Arc::default()).unwrap();
    let here = Here::new(2);
    let of = |foundry: &dyn Foundry| developed(foundry, &indexed(foundry, &film())).unwrap();
    let (one, other) = (of(&here), of(&apart));
    assert_eq!(one.len(), PICTURES);
    for (one, other) in one.values().zip(other.values()) {
        assert_eq!((&one.facts, &one.data), (&other.facts, &other.data));
    }
}

#[test]
fn what_crashes_the_decoder_fails_by_name_and_its_neighbours_do_not() {
    let metrics = Arc::<Metrics>::default();
    let apart = Apart::new(program(), (2, Walls::default()), metrics.clone()).unwrap();
    let media = indexed(&apart, &film());
    for (way, how) in [
        ("abort", "signal=6"),
        ("overflow", "signal=6"),
        ("exit", "status=3"),
        ("allocate", "signal=6"),
    ] {
        std::thread::scope(|scope| {
            let beside = [0; 3].map(|_| scope.spawn(|| developed(&apart, &media)));
            let error = developed_as(&apart, &media, way).unwrap_err();
            assert_eq!(error.reason(), Reason::MediaCorrupt, "{way}");
            let words = format!("the media crashes the decoder: {how}");
            assert_eq!(error.message(), words);
            for neighbour in beside {
                assert_eq!(neighbour.join().unwrap().unwrap().len(), PICTURES, "{way}");
            }
        });
    }
    assert_eq!(developed(&apart, &media).unwrap().len(), PICTURES);
    // Nobody waits longer for each crash before.
    assert_eq!(apart.running().fallen, 0);
    // Of each way the one that all had, and the one of its own: however many calls they took along.
    let deaths = "framecache_media_process_deaths_total{cause=\"crash\"} 8";
    let told = metrics.text().unwrap();
    assert!(told.contains(deaths), "{told}");
}

#[test]
fn what_dies_among_others_and_not_alone_is_whole() {
    let apart = Apart::new(program(), (2, Walls::default()), Arc::default()).unwrap();
    let media = indexed(&apart, &film());
    let made = developed_as(&apart, &media, "abort among others").unwrap();
    assert_eq!(made.len(), PICTURES);
}

#[test]
fn a_panic_is_an_error_and_ends_no_process() {
    let apart = Apart::new(program(), (2, Walls::default()), Arc::default()).unwrap();
    let media = indexed(&apart, &film());
    let before = apart.process().unwrap().id();
    let error = developed_as(&apart, &media, "panic").unwrap_err();
    assert_eq!(error.reason(), Reason::Internal);
    assert_eq!(apart.process().unwrap().id(), before);
}

#[test]
fn a_process_whose_gpu_failed_for_good_answers_and_another_takes_its_place() {
    let metrics = Arc::<Metrics>::default();
    let apart = Apart::new(program(), (2, Walls::default()), metrics.clone()).unwrap();
    let media = indexed(&apart, &film());
    let first = apart.process().unwrap();
    assert_eq!(developed_as(&apart, &media, "gpu").unwrap().len(), PICTURES);
    assert_ne!(apart.process().unwrap().id(), first.id());
    assert_eq!(developed(&apart, &media).unwrap().len(), PICTURES);
    let told = metrics.text().unwrap();
    let deaths = |cause: &str, count: u32| {
        let name = "framecache_media_process_deaths_total";
        told.contains(&format!("{name}{{cause=\"{cause}\"}} {count}"))
    };
    assert!(
        deaths("gpu", 1) && deaths("killed", 0) && deaths("crash", 0),
        "{told}"
    );
}

#[test]
fn what_stops_the_decoder_is_ended_and_said() {
    let mut apart = Apart::new(program(), (2, Walls::default()), Arc::default()).unwrap();
    let media = indexed(&apart, &film());
    Arc::get_mut(&mut apart.0).unwrap().patience.still = Duration::from_secs(1);
    let error = developed_as(&apart, &media, "endless").unwrap_err();
    assert_eq!(error.reason(), Reason::MediaCorrupt);
    assert_eq!(error.message(), "the media stops the decoder");
}

/// A source of which the first read comes once it may.
struct Late {
    bytes: BytesSource,
    may: Arc<dyn Fn() -> bool + Send + Sync>,
}

impl ByteSource for Late {
    fn bytes(&self) -> u64 {
        self.bytes.bytes()
    }

    fn read_at(&mut self, offset: u64, buf: &mut [u8]) -> Result<usize> {
        while !(self.may)() {
            std::thread::sleep(Duration::from_millis(10));
        }
        self.bytes.read_at(offset, buf)
    }
}

fn late(may: impl Fn() -> bool + Send + Sync + 'static) -> Opener {
    let may: Arc<dyn Fn() -> bool + Send + Sync> = Arc::new(may);
    Arc::new(move || {
        let bytes =
            std::fs::read(crate::decode::conformance::clip("foundry_280.mp4", &[])).unwrap();
        let source: Box<dyn ByteSource> = Box::new(Late {
            bytes: BytesSource(bytes.into()),
            may: may.clone(),
        });
        Ok(source)
    })
}

fn impatient(still: u64, behind: u64) -> Apart {
    let mut apart = Apart::new(program(), (2, Walls::default()), Arc::default()).unwrap();
    Arc::get_mut(&mut apart.0).unwrap().patience = Patience {
        still: Duration::from_secs(still),
        behind: Duration::from_secs(behind),
    };
    apart
}

#[test]
fn bytes_that_come_later_than_a_decoder_may_stand_still_are_no_fault_of_the_media() {
    film();
    let apart = impatient(1, 600);
    let before = apart.process().unwrap().id();
    let begun = std::time::Instant::now();
    let opener = late(move || begun.elapsed() > Duration::from_secs(4));
    let media = apart.index(source(opener), &Stop::never()).unwrap();
    assert_eq!(developed(&apart, &media).unwrap().len(), PICTURES);
    assert_eq!(apart.process().unwrap().id(), before);
}

#[test]
fn a_source_that_never_answers_is_unavailable_and_the_media_is_not_blamed() {
    film();
    let apart = impatient(1, 2);
    let over = Arc::new(AtomicBool::new(false));
    let may = over.clone();
    let opener = late(move || may.load(Ordering::Relaxed));
    let outcome = apart.index(source(opener), &Stop::never());
    over.store(true, Ordering::Relaxed);
    assert_eq!(outcome.err().unwrap().reason(), Reason::SourceUnavailable);
    let media = indexed(&apart, &film());
    assert_eq!(developed(&apart, &media).unwrap().len(), PICTURES);
}

#[test]
#[ignore = "takes longer than a minute"]
fn who_takes_nothing_for_over_a_minute_has_it_all_the_same() {
    let apart = Apart::new(program(), (2, Walls::default()), Arc::default()).unwrap();
    let media = indexed(&apart, &film());
    let before = apart.process().unwrap().id();
    let (sender, events) = tokio::sync::mpsc::channel(1);
    let _lent = apart.footage(job(&media, Output::Rgb), &media, sender);
    std::thread::sleep(Duration::from_secs(70));
    assert_eq!(told(events).unwrap().len(), PICTURES);
    assert_eq!(apart.process().unwrap().id(), before);
}

#[test]
fn a_process_that_is_killed_costs_nobody_anything() {
    let apart = Apart::new(program(), (2, Walls::default()), Arc::default()).unwrap();
    let media = indexed(&apart, &film());
    for _ in 0..3 {
        std::thread::scope(|scope| {
            let beside = [0; 2].map(|_| scope.spawn(|| developed(&apart, &media)));
            apart.process().unwrap().kill();
            for span in beside {
                assert_eq!(span.join().unwrap().unwrap().len(), PICTURES);
            }
        });
    }
}

#[test]
fn a_program_that_is_none_is_an_error_that_says_so_and_no_loop() {
    let fails = Program::with(&["--list", "--no-such-flag"]);
    let apart = Apart::new(fails, (1, Walls::default()), Arc::default()).unwrap();
    let outcome = apart.index(source(film().opener()), &Stop::never());
    let error = outcome.err().unwrap();
    assert_eq!(error.reason(), Reason::Internal, "{error}");
    assert!(error.message().contains("cannot be started"), "{error}");
}

#[test]
fn files_are_read_by_descriptor_and_all_else_is_read_for_the_process() {
    let apart = Apart::new(program(), (2, Walls::default()), Arc::default()).unwrap();
    let here = Here::new(2);
    let path = crate::decode::conformance::clip("foundry_280.mp4", &[]);
    let file: Opener = Arc::new(move || {
        let policy = crate::source::SourcePolicy::anything(crate::aws::Endpoint::default());
        crate::source::open(path.to_str().unwrap(), &policy)
    });
    assert!(file().unwrap().files().is_some());
    let halves: Opener = Arc::new(|| {
        let bytes =
            std::fs::read(crate::decode::conformance::clip("foundry_280.mp4", &[])).unwrap();
        let (init, body) = bytes.split_at(1000);
        let part = |bytes: &[u8]| Box::new(BytesSource(bytes.to_vec().into()));
        let whole: Box<dyn ByteSource> = crate::source::concat(part(init), part(body));
        Ok(whole)
    });
    let expected = developed(&here, &indexed(&here, &film())).unwrap();
    for opener in [file, halves] {
        let media = apart.index(source(opener), &Stop::never()).unwrap();
        let made = developed(&apart, &media).unwrap();
        assert_eq!(made.len(), expected.len());
        let same = made.values().zip(expected.values());
        assert!(same.into_iter().all(|(one, other)| one.data == other.data));
    }
}

#[test]
fn a_reader_who_comes_later_is_told_to_the_process() {
    let apart = Apart::new(program(), (1, Walls::default()), Arc::default()).unwrap();
    let media = indexed(&apart, &film());
    let turn = Turn::of(Caller::new());
    let mut asked = job(&media, Output::Jpeg);
    asked.turn = turn.clone();
    asked.backend = Backend::Cpu;
    let (sender, events) = tokio::sync::mpsc::channel(4);
    apart.develop(asked, &media, sender);
    turn.raise();
    assert_eq!(told(events).unwrap().len(), PICTURES);
}
