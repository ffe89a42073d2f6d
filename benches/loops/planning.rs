//! Plans of one long source, and the samples of its spans.

use std::hint::black_box;
use std::rc::Rc;

use framecache::media::time::{Exact, TimeBase};
use framecache::timeline::index::{Identity, Shown, SourceIndex, Unshown};
use framecache::timeline::limits::Limits;
use framecache::timeline::plan::{ChunkSpec, Parameters, Plan, Sampling};
use framecache::timeline::planner::Planner;
use framecache::timeline::samples::of_span;

use crate::run::{Loop, Size};

const RATE: i32 = 30;
const GOP: usize = 250;

pub fn loops(size: Size) -> Vec<Loop> {
    let index = Rc::new(source(size.pick(108_000, 6_000)));
    let of = [
        ("all", Sampling::All),
        ("every 15", Sampling::Every(15)),
        ("fps 2", Sampling::Fps(Exact::whole(2))),
        ("count 1000", Sampling::Count(1000)),
    ];
    let mut loops: Vec<Loop> = of
        .into_iter()
        .map(|(what, sampling)| {
            let (index, parameters) = (index.clone(), Parameters::new(sampling));
            let amount = (index.shown.len(), "frame");
            Loop::new(format!("plan {what}"), amount, move || {
                black_box(plan(&parameters, &index));
            })
        })
        .collect();
    for (what, sampling) in [
        ("all", Sampling::All),
        ("fps 2", Sampling::Fps(Exact::whole(2))),
    ] {
        loops.push(samples(what, sampling, index.clone()));
    }
    loops
}

fn samples(what: &str, sampling: Sampling, index: Rc<SourceIndex>) -> Loop {
    let plan = plan(&Parameters::new(sampling), &index);
    let amount = (index.shown.len(), "frame");
    Loop::new(format!("samples {what}"), amount, move || {
        for row in &plan.spans {
            black_box(of_span(plan.parameters.as_ref().unwrap(), row, &index).unwrap());
        }
    })
}

fn plan(parameters: &Parameters, index: &SourceIndex) -> Plan {
    let mut planner = Planner::new(parameters.clone(), Limits::default()).unwrap();
    planner.push(ChunkSpec::of("a.mp4"), Ok(index)).unwrap();
    planner.finish().unwrap()
}

fn source(frames: usize) -> SourceIndex {
    let shown = (0..frames).map(|at| Shown {
        pts: at as i64 * 512,
        duration: 512,
        unit: at as u32,
        cut: at.is_multiple_of(GOP),
    });
    SourceIndex {
        stream: 0,
        time_base: TimeBase {
            num: 1,
            den: 512 * RATE,
        },
        shown: shown.collect(),
        unshown: Unshown::default(),
        clock: Default::default(),
        source: Identity {
            bytes: 1,
            head_sha256: "a".repeat(64),
            tail_sha256: "b".repeat(64),
        },
        init: None,
        revision: 0,
    }
}
