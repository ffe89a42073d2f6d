//! Sources, chunks and plans for tests, by hand and at random.

use proptest::prelude::*;

use crate::error::Result;
use crate::media::time::{Exact, TimeBase};
use crate::timeline::index::{ClockFacts, Identity, Shown, SourceIndex, Unshown};
use crate::timeline::limits::Limits;
use crate::timeline::plan::{ChunkError, ChunkSpec, Parameters, Plan, Sampling, Window};
use crate::timeline::planner::Planner;

pub fn exact(text: &str) -> Exact {
    text.parse().unwrap()
}

/// A source of these pts; `cuts` are places. The last frame lasts `last` ticks.
pub fn source(time_base: (i32, i32), pts: &[i64], cuts: &[usize], last: i64) -> SourceIndex {
    let shown = pts.iter().enumerate().map(|(place, &pts_here)| Shown {
        pts: pts_here,
        duration: pts.get(place + 1).map_or(last, |next| next - pts_here),
        unit: place as u32,
        cut: cuts.contains(&place),
    });
    SourceIndex {
        stream: 0,
        time_base: TimeBase {
            num: time_base.0,
            den: time_base.1,
        },
        shown: shown.collect(),
        unshown: Unshown::default(),
        clock: ClockFacts::default(),
        source: identity(pts.len() as u64),
        init: None,
        revision: 0,
    }
}

/// `frames` at `rate` frames a second from pts 0, a cut at each `gop`-th.
pub fn steady(frames: i64, rate: i32, gop: usize) -> SourceIndex {
    let pts: Vec<i64> = (0..frames).collect();
    let cuts: Vec<usize> = (0..pts.len()).step_by(gop).collect();
    source((1, rate), &pts, &cuts, 1)
}

pub fn identity(bytes: u64) -> Identity {
    Identity {
        bytes,
        head_sha256: format!("{bytes:064x}"),
        tail_sha256: format!("{:064x}", bytes + 1),
    }
}

pub fn chunk(id: &str) -> ChunkSpec {
    ChunkSpec {
        chunk_id: id.to_owned(),
        uri: format!("{id}.mp4"),
        init_uri: None,
        source_start: None,
        source_end: None,
        start: None,
        stream: None,
    }
}

/// A chunk of a timeline as tests make it; without an index it is a bad one.
#[derive(Debug, Clone)]
pub struct Made {
    pub spec: ChunkSpec,
    pub index: Option<SourceIndex>,
}

pub fn made(id: &str, index: SourceIndex) -> Made {
    Made {
        spec: chunk(id),
        index: Some(index),
    }
}

pub fn bad() -> ChunkError {
    ChunkError {
        reason: "MEDIA_CORRUPT".to_owned(),
        message: "no moov".to_owned(),
    }
}

pub fn plan(parameters: &Parameters, chunks: &[Made], span: Exact) -> Result<Plan> {
    let limits = Limits::default();
    let mut planner = Planner::new(parameters.clone(), limits)?.span_length(span);
    for made in chunks {
        planner.push(made.spec.clone(), made.index.as_ref().ok_or_else(bad))?;
    }
    planner.finish()
}

/// Frame distances in ticks that are 0 to 400 ms, with duplicates, the odd one tick, and a rare pause of 12 s.
fn gaps(ticks_a_second: i64) -> impl Strategy<Value = i64> {
    let steady = (ticks_a_second / 25).max(1);
    prop_oneof![
        40 => Just(0),
        20 => Just(1),
        120 => Just(steady),
        60 => 0..=(ticks_a_second * 2 / 5).max(2),
        // A pause.
        1 => Just(ticks_a_second * 12),
    ]
}

pub fn any_source() -> impl Strategy<Value = SourceIndex> {
    let time_base = prop_oneof![
        Just((1, 1000)),
        Just((1, 90000)),
        Just((1, 12800)),
        Just((1, 25)),
        Just((1001, 30000)),
        Just((1, 3)),
    ];
    time_base.prop_flat_map(|(num, den)| {
        let ticks_a_second = i64::from(den / num).max(1);
        let frames =
            proptest::collection::vec((gaps(ticks_a_second), prop::bool::weighted(0.3)), 1..30);
        (frames, -500i64..500, gaps(ticks_a_second)).prop_map(move |(frames, first, last)| {
            let mut pts = Vec::new();
            let mut cuts = Vec::new();
            let mut at = first;
            for (place, (gap, cut)) in frames.into_iter().enumerate() {
                at += if place == 0 { 0 } else { gap };
                pts.push(at);
                if cut {
                    cuts.push(place);
                }
            }
            source((num, den), &pts, &cuts, last)
        })
    })
}

/// Seconds in steps that meet frames, half ticks and tolerances, or miss them.
pub fn any_time(most: i128) -> impl Strategy<Value = Exact> {
    prop_oneof![
        Just(1000i128),
        Just(2000),
        Just(25),
        Just(90000),
        Just(30000)
    ]
    .prop_flat_map(move |den| (0..=most * den).prop_map(move |num| Exact::ratio(num, den).unwrap()))
}

/// The tolerances of the clocks here, a little more, a little less, and nothing.
pub fn any_nudge() -> impl Strategy<Value = Exact> {
    let tolerances = [(1, 2000), (1, 180_000), (1, 25_600), (0, 1)];
    (0..tolerances.len(), -1i128..=1).prop_map(move |(which, more)| {
        let (num, den) = tolerances[which];
        let little = Exact::ratio(more, 1_000_000).unwrap();
        Exact::ratio(-num, den).unwrap().plus(little).unwrap()
    })
}

/// How a chunk lies to the one before: on its end, after a hole, over it, or at its begin.
#[derive(Debug, Clone)]
enum Place {
    End,
    Hole(Exact),
    Over(Exact),
}

fn any_place() -> impl Strategy<Value = Place> {
    prop_oneof![
        3 => Just(Place::End),
        1 => any_time(2).prop_map(Place::Hole),
        1 => any_time(1).prop_map(Place::Over),
    ]
}

type Stretch = (Option<Exact>, Option<Exact>);

fn any_stretch() -> impl Strategy<Value = Stretch> {
    let time = || proptest::option::weighted(0.4, any_time(2));
    let sliver = proptest::option::weighted(0.2, 1i128..2000);
    (time(), time(), sliver).prop_map(|(start, end, sliver)| {
        let start_or_zero = start.unwrap_or(Exact::ZERO);
        let end = end.filter(|end| *end > start_or_zero);
        // Shorter than the tolerance: less than half a millisecond.
        let sliver = sliver.map(|part| Exact::ratio(part, 4_000_000).unwrap());
        let sliver_end = sliver.map(|length| start_or_zero.plus(length).unwrap());
        (start, sliver_end.or(end))
    })
}

/// Up to five chunks. Those whose stretch begins past the media's end lose it,
/// since that is refused.
pub fn any_timeline() -> impl Strategy<Value = Vec<Made>> {
    let one = (
        proptest::option::weighted(0.9, any_source()),
        any_stretch(),
        any_place(),
    );
    proptest::collection::vec(one, 1..6).prop_map(|drawn| {
        let mut chunks: Vec<Made> = Vec::new();
        let (mut begin, mut end) = (Exact::ZERO, Exact::ZERO);
        for (place, (index, (from, to), lies)) in drawn.into_iter().enumerate() {
            let mut spec = chunk(&format!("c{place}"));
            spec.start = match lies {
                Place::End => None,
                Place::Hole(hole) => Some(end.plus(hole).unwrap()),
                Place::Over(after_begin) => Some(begin.plus(after_begin).unwrap()),
            };
            let media = index.as_ref().map_or(Exact::ZERO, media_seconds);
            if from.is_none_or(|from| from < media) {
                (spec.source_start, spec.source_end) = (from, to);
            }
            begin = spec.start.unwrap_or(end);
            let stretch_end = spec.source_end.map_or(media, |to| to.min(media));
            let length = stretch_end
                .minus(spec.source_start.unwrap_or(Exact::ZERO))
                .unwrap();
            end = begin.plus(length).unwrap();
            chunks.push(Made { spec, index });
        }
        chunks
    })
}

pub fn media_seconds(index: &SourceIndex) -> Exact {
    let (first, last) = (index.shown[0], index.shown[index.shown.len() - 1]);
    let ticks = i128::from(last.pts + last.duration - first.pts);
    Exact::ratio(
        ticks * i128::from(index.time_base.num),
        i128::from(index.time_base.den),
    )
    .unwrap()
}

pub fn any_window() -> impl Strategy<Value = Window> {
    let time = || proptest::option::weighted(0.3, any_time(4));
    (time(), time()).prop_map(|(from, to)| Window {
        from,
        to: to.filter(|to| *to > from.unwrap_or(Exact::ZERO)),
    })
}

pub fn any_fps() -> impl Strategy<Value = Exact> {
    prop_oneof![
        Just(exact("2")),
        Just(exact("25")),
        Just(exact("30000/1001")),
        Just(exact("29.97")),
        Just(exact("1/3")),
        Just(exact("240")),
        Just(exact("1000")),
        Just(exact("2000")),
    ]
}

pub fn any_parameters() -> impl Strategy<Value = Parameters> {
    let sampling = prop_oneof![
        any_fps().prop_map(Sampling::Fps),
        (1u64..6).prop_map(Sampling::Every),
        Just(Sampling::All),
        Just(Sampling::Keyframes),
        proptest::collection::vec(any_time(3), 1..8).prop_map(Sampling::Timestamps),
        (1u64..40).prop_map(Sampling::Count),
    ];
    (sampling, any_window()).prop_map(|(sampling, window)| Parameters {
        window,
        ..Parameters::new(sampling)
    })
}

/// Spans short enough that sources of a second have several.
pub fn any_span() -> impl Strategy<Value = Exact> {
    prop_oneof![
        Just(exact("60")),
        Just(exact("0.5")),
        Just(exact("0.2")),
        Just(exact("0.04")),
        Just(exact("1/2000")),
    ]
}
