//! The rules of sampling as a brute-force model: every sentence once, in the
//! order of the notes, with no regard to cost.

use super::make::Made;
use crate::media::time::{Exact, Rational};
use crate::timeline::index::SourceIndex;
use crate::timeline::plan::{Parameters, Sampling, Window};

/// A sample: chunk, span, place in its source's `shown`, sequence, time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Expected {
    pub chunk: usize,
    pub span: u32,
    pub shown: usize,
    pub seq: u64,
    pub timestamp: Exact,
}

struct Chunk {
    begin: Rational,
    end: Rational,
    owned_end: Rational,
    tolerance: Rational,
    /// Timeline times of all of the source's frames.
    times: Vec<Rational>,
    cuts: Vec<bool>,
    /// Places that the chunk counts.
    counted: Vec<usize>,
    /// Those, and the one shown at source_start under the modes that look at times.
    candidates: Vec<usize>,
}

fn ratio(num: i128, den: i128) -> Rational {
    Rational::new(num, den)
}

/// All samples in order of sequence; none where the request fails.
pub fn samples(parameters: &Parameters, chunks: &[Made], span: Exact) -> Option<Vec<Expected>> {
    let timed = matches!(
        parameters.sampling,
        Sampling::Fps(_) | Sampling::Timestamps(_) | Sampling::Count(_)
    );
    let laid = lay(chunks, timed);
    let window = parameters.window;
    let inside = |t: Rational| {
        window.from.is_none_or(|from| from.0 <= t) && window.to.is_none_or(|to| t < to.0)
    };
    // (chunk, place, seq)
    let picked: Vec<(usize, usize, u64)> = match &parameters.sampling {
        Sampling::Fps(fps) => {
            let end = laid.iter().map(|c| c.end).max().unwrap_or_default();
            let mut found = Vec::new();
            let mut k = 0;
            while ratio(k, 1) / fps.0 < end {
                let t = ratio(k, 1) / fps.0;
                if let Some((chunk, place)) = shown_at(&laid, t).filter(|_| inside(t)) {
                    found.push((chunk, place, k as u64));
                }
                k += 1;
            }
            found
        }
        Sampling::Timestamps(times) => {
            let mut sorted: Vec<Rational> = times.iter().map(|t| t.0).collect();
            sorted.sort();
            sorted.dedup();
            if sorted.iter().any(|t| !inside(*t)) {
                return None;
            }
            number(
                sorted
                    .into_iter()
                    .map(|t| shown_at(&laid, t))
                    .collect::<Option<Vec<_>>>()?,
            )
        }
        Sampling::Count(n) => {
            let with_frames = || laid.iter().filter(|c| !c.candidates.is_empty());
            let from = window
                .from
                .map(|t| t.0)
                .or(with_frames().next().map(|c| c.begin))?;
            let to = window
                .to
                .map(|t| t.0)
                .or(with_frames().next_back().map(|c| c.owned_end))?;
            if from >= to {
                return None;
            }
            let footage_end = with_frames().next_back()?.owned_end;
            let part = (to - from) / ratio(i128::from(*n), 1);
            let midpoint = |i: u64| from + part * (ratio(i128::from(i), 1) + ratio(1, 2));
            let times: Vec<Rational> = (0..*n).map(midpoint).collect();
            if times.iter().any(|t| *t >= footage_end) {
                return None;
            }
            let found = times
                .into_iter()
                .map(|t| shown_at(&laid, t).or_else(|| last_before(&laid, t)));
            number(found.collect::<Option<Vec<_>>>()?)
        }
        taking_frames => number(frames(taking_frames, &laid, inside)),
    };
    let all_read = chunks.iter().all(|made| made.index.is_some());
    if picked.is_empty() && window != Window::default() && all_read {
        return None;
    }
    let expected = |(chunk, place, seq): (usize, usize, u64)| Expected {
        chunk,
        span: span_of(&laid[chunk], place, span.0),
        shown: place,
        seq,
        timestamp: Exact(laid[chunk].times[place]),
    };
    Some(picked.into_iter().map(expected).collect())
}

fn number(found: Vec<(usize, usize)>) -> Vec<(usize, usize, u64)> {
    let numbered = found.into_iter().zip(0..);
    numbered
        .map(|((chunk, place), seq)| (chunk, place, seq))
        .collect()
}

fn frames(
    sampling: &Sampling,
    laid: &[Chunk],
    inside: impl Fn(Rational) -> bool,
) -> Vec<(usize, usize)> {
    let mut found = Vec::new();
    let mut ordinal = 0;
    for (number, chunk) in laid.iter().enumerate() {
        for &place in &chunk.counted {
            let wanted = match sampling {
                Sampling::Every(n) => ordinal % n == 0,
                Sampling::Keyframes => chunk.cuts[place],
                _ => true,
            };
            ordinal += 1;
            if wanted && inside(chunk.times[place]) {
                found.push((number, place));
            }
        }
    }
    found
}

/// The last frame, of the chunk that owns t, with pts - h <= t.
fn shown_at(laid: &[Chunk], t: Rational) -> Option<(usize, usize)> {
    let owner = laid.iter().position(|c| c.begin <= t && t < c.owned_end)?;
    let chunk = &laid[owner];
    let is_begun = |place: &&usize| chunk.times[**place] - chunk.tolerance <= t;
    Some((owner, *chunk.candidates.iter().rfind(is_begun)?))
}

/// In a hole: the last frame before it.
fn last_before(laid: &[Chunk], t: Rational) -> Option<(usize, usize)> {
    let is_before = |c: &Chunk| c.begin <= t && !c.candidates.is_empty();
    let number = laid.iter().rposition(is_before)?;
    let chunk = &laid[number];
    Some((number, *chunk.candidates.last()?))
}

/// From the chunk's first frame on, a span ends at the first cut point at least `span` later.
fn span_of(chunk: &Chunk, place: usize, span: Rational) -> u32 {
    let mut number = 0;
    let mut start = chunk.times[chunk.candidates[0]];
    for &candidate in &chunk.candidates {
        if chunk.cuts[candidate] && chunk.times[candidate] >= start + span {
            number += 1;
            start = chunk.times[candidate];
        }
        if candidate == place {
            return number;
        }
    }
    panic!("the frame is not the chunk's");
}

fn lay(chunks: &[Made], timed: bool) -> Vec<Chunk> {
    let mut laid: Vec<Chunk> = Vec::new();
    for made in chunks {
        let default = laid.last().map_or(ratio(0, 1), |before| before.end);
        let begin = made.spec.start.map_or(default, |start| start.0);
        laid.push(match &made.index {
            Some(index) => lay_source(made, index, begin),
            None => Chunk {
                begin,
                end: begin,
                owned_end: begin,
                tolerance: ratio(0, 1),
                times: vec![],
                cuts: vec![],
                counted: vec![],
                candidates: vec![],
            },
        });
    }
    let begins: Vec<Rational> = laid.iter().map(|c| c.begin).collect();
    for (number, chunk) in laid.iter_mut().enumerate() {
        let next = begins.get(number + 1).copied().unwrap_or(chunk.end);
        chunk.owned_end = next.min(chunk.end);
        if next < chunk.end {
            chunk.counted.retain(|&place| chunk.times[place] < next);
        }
        chunk.candidates = chunk.counted.clone();
        if timed && chunk.begin < chunk.owned_end {
            add_lead(chunk, &chunks[number]);
        }
    }
    laid
}

/// Under the modes that look at times, the frame shown at source_start is the chunk's too.
fn add_lead(chunk: &mut Chunk, made: &Made) {
    let stretch_end = made
        .spec
        .source_end
        .map(|end| chunk.begin + end.0 - made.spec.source_start.map_or(ratio(0, 1), |s| s.0));
    let beyond = |t: Rational| {
        stretch_end.is_some_and(|end| t >= end)
            || (chunk.owned_end < chunk.end && t >= chunk.owned_end)
    };
    let is_shown = |&place: &usize| {
        chunk.times[place] - chunk.tolerance <= chunk.begin && !beyond(chunk.times[place])
    };
    let lead = (0..chunk.times.len())
        .rfind(is_shown)
        .expect("the first frame is at source time zero");
    if !chunk.candidates.contains(&lead) {
        chunk.candidates.insert(0, lead);
    }
}

fn lay_source(made: &Made, index: &SourceIndex, begin: Rational) -> Chunk {
    let tick = ratio(
        i128::from(index.time_base.num),
        i128::from(index.time_base.den),
    );
    let seconds = |ticks: i64| ratio(i128::from(ticks), 1) * tick;
    let zero = index.shown[0].pts;
    let source: Vec<Rational> = index.shown.iter().map(|s| seconds(s.pts - zero)).collect();
    let last = index.shown.last().unwrap();
    let media_end = seconds(last.pts + last.duration - zero);
    let start = made.spec.source_start.map_or(ratio(0, 1), |t| t.0);
    let end = made
        .spec
        .source_end
        .map_or(media_end, |t| t.0.min(media_end));
    let counted = (0..source.len()).filter(|&place| {
        start <= source[place] && made.spec.source_end.is_none_or(|t| source[place] < t.0)
    });
    Chunk {
        begin,
        end: (begin + end - start).max(begin),
        owned_end: begin,
        tolerance: (tick / ratio(2, 1)).min(ratio(1, 2000)),
        counted: counted.collect(),
        candidates: vec![],
        cuts: index.shown.iter().map(|s| s.cut).collect(),
        times: source.into_iter().map(|t| begin + t - start).collect(),
    }
}
