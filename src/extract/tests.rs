//! Spans of clips: what is fed to a decoder, and what comes of it.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::deal::Mode;
use super::queues::{Shared, Work};
use super::span::{Placed, SpanRun};
use super::{Engine, Output, SpanEvent, SpanJob, SpanMedia};
use crate::decode::Backend;
use crate::decode::conformance::{AOM, Clip, SVT, clip};
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
        let run = SpanRun::new((job, media(&clip)), events.clone(), shared.clone());
        let run = run.unwrap_or_else(|_| panic!("the span cannot be begun"));
        shared.add(run.begin(Placed::Workers(None), 0));
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
