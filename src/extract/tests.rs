//! Spans of clips: what is fed to a decoder, and what comes of it.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::{Engine, Output, SpanEvent, SpanJob, SpanMedia};
use crate::decode::Backend;
use crate::decode::conformance::{AOM, Clip, SVT, clip};
use crate::timeline::limits::Limits;
use crate::timeline::plan::{ChunkSpec, Parameters, Sampling};
use crate::timeline::planner::Planner;

/// RGB by pts, and the units that were fed for it.
fn extracted(clip: &Clip, every: u64, workers: usize) -> (BTreeMap<i64, Vec<u8>>, u64) {
    let parameters = Parameters::new(Sampling::Every(every));
    let mut planner = Planner::new(parameters, Limits::default()).unwrap();
    let chunk = ChunkSpec::of("clip");
    planner.push(chunk, Ok(&clip.track.index)).unwrap();
    let plan = planner.finish().unwrap();
    let job = SpanJob {
        chunk: plan.chunks[0].spec.clone(),
        row: plan.spans[0].clone(),
        parameters: plan.parameters.unwrap(),
        output: Output::Rgb,
        only: None,
        backend: Backend::Cpu,
        recipe: None,
    };
    let media = SpanMedia {
        track: clip.track.clone(),
        opener: clip.opener(),
    };
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
