//! Spans of clips: what is fed to a decoder, and what comes of it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use super::deal::Mode;
use super::decoding::{Decoding, Found};
use super::parts::DecodeTask;
use super::queues::{Shared, Work};
use super::segments::Segment;
use super::span::{Placed, SpanRun};
use super::{Caller, Engine, Output, SpanEvent, SpanJob, SpanMedia, Turn};
use crate::av::Packet;
use crate::cancel::Stop;
use crate::decode::conformance::{AOM, Clip, SVT, clip, nobody};
use crate::decode::{Backend, Decode, Event};
use crate::demux::{Opener, UnitReader, read_track};
use crate::error::{Reason, Result};
use crate::media::time::Exact;
use crate::timeline::limits::Limits;
use crate::timeline::plan::{ChunkSpec, Parameters, Sampling};
use crate::timeline::planner::Planner;

fn span_job(clip: &Clip, parameters: Parameters) -> SpanJob {
    let mut planner = Planner::new(parameters, Limits::default()).unwrap();
    let chunk = ChunkSpec::of("clip");
    planner.push(chunk, Ok(&clip.track.index)).unwrap();
    let plan = planner.finish().unwrap();
    SpanJob {
        chunk: plan.chunks[0].spec.clone(),
        row: plan.spans[0].clone(),
        parameters: plan.parameters.unwrap(),
        output: Output::Rgb,
        only: None,
        backend: Backend::Cpu,
        recipe: None,
        turn: Turn::default(),
        fed: Arc::default(),
    }
}

fn media(clip: &Clip) -> SpanMedia {
    SpanMedia {
        track: clip.track.clone(),
        opener: clip.opener(),
    }
}

/// RGB by pts, and the units that were fed for it.
fn extracted(clip: &Clip, every: u64, workers: usize) -> (BTreeMap<i64, Vec<u8>>, u64) {
    let parameters = Parameters::new(Sampling::Every(every));
    let (job, media) = (span_job(clip, parameters), media(clip));
    let (events, mut receiver) = tokio::sync::mpsc::channel(8);
    let engine = Engine::new(workers, Arc::default()).unwrap();
    engine.submit(job, media, events);
    let mut pictures = BTreeMap::new();
    loop {
        match receiver.blocking_recv().unwrap() {
            SpanEvent::Made(made) => pictures.insert(made.facts[0].pts.unwrap(), made.data),
            SpanEvent::Restarted => panic!("a sound clip is decoded once"),
            SpanEvent::Ended(end) => return (pictures, end.unwrap().decoded_units),
        };
    }
}

#[test]
fn pictures_that_nothing_depends_on_are_not_decoded_and_the_wanted_ones_are_the_same() {
    let x264 = [
        "-c:v", "libx264", "-pix_fmt", "yuv420p", "-bf", "3", "-g", "20",
    ];
    let grain = ["-svtav1-params", "film-grain=10"];
    let resilient = ["-error-resilience", "1"];
    let clips = [
        ("leaves.mp4", x264.to_vec()),
        ("av1-leaves.mp4", SVT.to_vec()),
        ("av1-grain.mp4", [&SVT[..], &grain].concat()),
        ("av1-resilient.mkv", [&AOM[..], &resilient].concat()),
    ];
    for (name, encoder) in clips {
        let source = ["testsrc2=size=160x120:rate=25:duration=2"];
        let clip = Clip::open(&clip(name, &[&source, &encoder[..]].concat()));
        let (all, units) = extracted(&clip, 1, 1);
        assert_eq!(units, clip.track.units.len() as u64, "{name}");
        // With more workers than runs of units, decoders have several threads.
        for (every, workers) in [(2, 1), (3, 4), (7, 1), (19, 4)] {
            let (some, fed) = extracted(&clip, every, workers);
            assert_eq!(some.len(), 50usize.div_ceil(every as usize), "{name}");
            for (pts, picture) in some {
                assert!(picture == all[&pts], "{name}, every {every}, pts {pts}");
            }
            assert!(fed < units, "{name}, every {every}");
        }
    }
}

#[test]
fn a_task_gets_the_workers_that_no_other_span_waits_for() {
    let x264 = [
        "testsrc2=size=160x120:rate=25:duration=2",
        "-c:v",
        "libx264",
        "-g",
        "20",
    ];
    let clip = Clip::open(&clip("two-groups.mp4", &x264));
    // The last picture of a group and the first of the next: a long task and a short one.
    let times = [39, 41].map(|n| Exact::ratio(n, 50).unwrap());
    let parameters = Parameters::new(Sampling::Timestamps(times.to_vec()));
    let shared = Arc::new(Shared::new(2));
    let (events, _receiver) = tokio::sync::mpsc::channel(8);
    let begin = || {
        let job = span_job(&clip, parameters.clone());
        let run = SpanRun::new((job, media(&clip)), events.clone(), shared.workers());
        let run = run.unwrap_or_else(|_| panic!("the span cannot be begun"));
        shared.add(DecodeTask::of(&run, run.begin(Placed::Workers(None), 0)));
    };
    let threads = || match shared.next(|| ()) {
        Some(Work::Decode(task)) => match task.mode {
            Mode::Sparse { threads } => threads,
            mode => panic!("{mode:?}"),
        },
        _ => panic!("no task came"),
    };
    begin();
    assert_eq!(
        threads(),
        2,
        "its own short task keeps no worker from the long one"
    );
    threads();
    shared.decoded();
    shared.decoded();
    begin();
    begin();
    assert_eq!(threads(), 1, "another span waits");
}

/// Shows each unit with the one after it, as a reordering decoder, and writes down what is asked of it.
struct Recorder {
    held: Option<u32>,
    said: Vec<String>,
    damaged: bool,
}

impl Decode for Recorder {
    type Picture = ();

    fn submit(
        &mut self,
        unit: u32,
        _: &mut Packet,
        out: &mut dyn FnMut(Event<()>) -> Result<()>,
    ) -> Result<()> {
        self.said.push(format!("submit {unit}"));
        self.show(Some(unit), out)
    }

    fn finish(&mut self, out: &mut dyn FnMut(Event<()>) -> Result<()>) -> Result<()> {
        self.said.push("finish".to_owned());
        self.show(None, out)
    }

    fn settle(&mut self) -> Result<bool> {
        self.said.push("settle".to_owned());
        Ok(std::mem::take(&mut self.damaged))
    }

    fn take_complaint(&mut self) -> bool {
        false
    }
}

impl Recorder {
    fn show(
        &mut self,
        next: Option<u32>,
        out: &mut dyn FnMut(Event<()>) -> Result<()>,
    ) -> Result<()> {
        match std::mem::replace(&mut self.held, next) {
            Some(unit) => out(Event::Picture {
                unit,
                picture: (),
                damaged: false,
            }),
            None => Ok(()),
        }
    }
}

/// The units of pictures that two segments of one task deliver on a card, and what the decoder was asked.
fn two_segments(damaged: bool) -> (Vec<u32>, Vec<String>) {
    let intra = ["testsrc2=size=96x64:rate=25:duration=0.4", "-c:v", "mjpeg"];
    let clip = Clip::open(&clip("intra.mov", &intra));
    let job = span_job(&clip, Parameters::new(Sampling::All));
    let (events, _receiver) = tokio::sync::mpsc::channel(8);
    let run = SpanRun::new((job, media(&clip)), events, 1);
    let span = run.unwrap_or_else(|_| panic!("the span cannot be begun"));
    let segment = |from| Segment {
        from,
        until: from + 1,
        wanted: vec![from, from + 1],
    };
    let task = DecodeTask {
        span: span.clone(),
        task: vec![segment(0), segment(4)],
        mode: Mode::Device,
    };
    let mut recorder = Recorder {
        held: None,
        said: Vec::new(),
        damaged,
    };
    let mut reader = UnitReader::open(clip.track.clone(), clip.opener(), Stop::never()).unwrap();
    let mut delivered = Vec::new();
    let mut decoding = Decoding::new(&task, &mut reader, &mut recorder).unwrap();
    let mut deliver = |found: Found<()>| {
        delivered.push(clip.track.index.shown[span.wanted[found.place].shown].unit);
        Ok(())
    };
    decoding.run(&mut deliver).unwrap();
    (delivered, recorder.said)
}

#[test]
fn a_segment_is_waited_for_once_the_next_one_has_pictures_to_deliver() {
    let (delivered, said) = two_segments(false);
    assert_eq!(delivered, [0, 1, 4, 5]);
    let said: Vec<&str> = said.iter().map(String::as_str).collect();
    let first = ["submit 0", "submit 1", "finish"];
    let second = ["submit 4", "submit 5", "settle", "finish", "settle"];
    assert_eq!(said, [&first[..], &second[..]].concat());
}

#[test]
fn damage_met_late_in_a_segment_counts_before_the_next_ones_pictures() {
    let (delivered, said) = two_segments(true);
    assert_eq!(delivered, [0, 1]);
    assert_eq!(said.last().map(String::as_str), Some("settle"));
}

/// The calls whose tasks come, in their order.
fn callers(shared: &Shared, count: usize) -> Vec<Caller> {
    let next = || match shared.next(|| ()) {
        Some(Work::Decode(task)) => {
            shared.decoded();
            task.span.job.turn.caller()
        }
        _ => panic!("no task came"),
    };
    (0..count).map(|_| next()).collect()
}

#[test]
fn calls_take_turns_and_what_a_reader_waits_for_goes_first() {
    let clip = Clip::open(&clip("turns.mp4", &TURNS));
    let shared = Arc::new(Shared::new(2));
    let (events, _receiver) = tokio::sync::mpsc::channel(8);
    let begin = |turn: &Turn| {
        let job = SpanJob {
            turn: turn.clone(),
            ..span_job(&clip, Parameters::new(Sampling::All))
        };
        let run = SpanRun::new((job, media(&clip)), events.clone(), shared.workers());
        let run = run.unwrap_or_else(|_| panic!("the span cannot be begun"));
        let tasks = DecodeTask::of(&run, run.begin(Placed::Workers(None), 0));
        let count = tasks.len();
        shared.add(tasks);
        count
    };
    let [a, b, c, d] = [(); 4].map(|()| Caller::new());
    let (turn_a, turn_b) = (Turn::of(a), Turn::of(b));
    let tasks = begin(&turn_a);
    assert!(tasks >= 4, "{tasks}");
    begin(&turn_b);
    assert_eq!(callers(&shared, 4), [a, b, a, b], "calls take turns");
    // Whatever waits for longer: six tasks of two readers.
    begin(&Turn::awaited(c));
    begin(&Turn::awaited(d));
    assert_eq!(
        callers(&shared, 4),
        [c, d, c, d],
        "readers go first, in turn"
    );
    let readers = callers(&shared, 2 * tasks - 4);
    assert!(!readers.contains(&a) && !readers.contains(&b));
    // One that somebody begins to wait for overtakes while it is in the queue.
    turn_b.raise();
    assert_eq!(callers(&shared, tasks - 2), vec![b; tasks - 2]);
    assert_eq!(callers(&shared, tasks - 2), vec![a; tasks - 2]);
}

const TURNS: [&str; 5] = [
    "testsrc2=size=64x64:rate=25:duration=4",
    "-c:v",
    "libx264",
    "-g",
    "10",
];

#[test]
fn what_a_panic_left_half_used_is_used_no_more() {
    let clip = Clip::open(&clip("turns.mp4", &TURNS));
    let engine = Engine::new(1, Arc::default()).unwrap();
    let opened = Arc::new(AtomicUsize::new(0));
    let (count, open) = (opened.clone(), clip.opener());
    let opener: Opener = Arc::new(move || match count.fetch_add(1, Ordering::SeqCst) {
        1 => panic!("the source cannot be opened a second time"),
        _ => open(),
    });
    // No seek is proven by packets at places that the index does not know: the source is opened anew.
    let source = clip.opener();
    let mut track = read_track(&*source, None, (nobody(), None), &Stop::never()).unwrap();
    track.units.iter_mut().for_each(|unit| unit.position += 1);
    let media = SpanMedia {
        track: Arc::new(track),
        opener,
    };
    let end = |only: &[u64]| {
        let job = SpanJob {
            only: Some(only.to_vec()),
            ..span_job(&clip, Parameters::new(Sampling::All))
        };
        let (events, mut receiver) = tokio::sync::mpsc::channel(64);
        engine.submit(job, media.clone(), events);
        loop {
            if let Some(SpanEvent::Ended(end)) = receiver.blocking_recv() {
                return end.map(|_| ()).map_err(|error| error.reason());
            }
        }
    };
    assert_eq!(end(&[45]), Ok(()), "from its first opening on");
    assert_eq!(
        end(&[5]),
        Err(Reason::Internal),
        "a panic, back at the start"
    );
    assert_eq!(end(&[97]), Ok(()), "from a new opening on");
}

#[test]
fn a_thousand_cancelled_spans_leave_no_task_and_no_busy_worker() {
    let clip = Clip::open(&clip("turns.mp4", &TURNS));
    let engine = Engine::new(2, Arc::default()).unwrap();
    let whole = || span_job(&clip, Parameters::new(Sampling::All));
    // Any spread will do, as long as it is the same each time.
    for n in 0..1000_usize {
        let (events, mut receiver) = tokio::sync::mpsc::channel(4);
        engine.submit(whole(), media(&clip), events);
        for _ in 0..(n * 7919) % 11 {
            receiver.blocking_recv().unwrap();
        }
    }
    let begun = Instant::now();
    while !engine.is_idle() {
        assert!(
            begun.elapsed() < Duration::from_secs(30),
            "workers are busy"
        );
        std::thread::yield_now();
    }
    let (events, mut receiver) = tokio::sync::mpsc::channel(200);
    engine.submit(whole(), media(&clip), events);
    let mut made = 0;
    while let Some(event) = receiver.blocking_recv() {
        made += usize::from(matches!(event, SpanEvent::Made(_)));
    }
    assert_eq!(made, 100, "those that follow are whole");
}
