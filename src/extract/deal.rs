//! A span's wanted pictures, and the tasks that decode them. Pure.

use crate::demux::{Track, Unit};
use crate::error::Result;
use crate::extract::job::SpanJob;
use crate::extract::segments::{Segment, Task, frame_threads, segments, start, tasks};
use crate::timeline::samples::{Sample, check_source, of_span};

/// A wanted picture and the numbers it has.
pub(super) struct Wanted {
    /// Place in the index's `shown`.
    pub shown: usize,
    /// Consecutive samples that show it.
    pub samples: Vec<Sample>,
}

/// How a task decodes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mode {
    /// On a card, only what the wanted pictures need.
    Device,
    /// Only what the wanted pictures need, on so many frame threads.
    Sparse { threads: usize },
    /// Everything, in order; damage is marked. The way of damaged spans.
    Whole { threads: usize },
}

impl Mode {
    /// The decoding whose damage is a fact.
    pub const SINGLE: Mode = Mode::Whole { threads: 1 };

    /// The same on no more frame threads than so many.
    pub fn at_most(self, most: usize) -> Mode {
        match self {
            Mode::Device => self,
            Mode::Sparse { threads } => Mode::Sparse {
                threads: threads.min(most),
            },
            Mode::Whole { threads } => Mode::Whole {
                threads: threads.min(most),
            },
        }
    }
}

/// The pictures that the job's row samples, each once.
pub(super) fn wanted_pictures(job: &SpanJob, track: &Track) -> Result<Vec<Wanted>> {
    check_source(&job.row, &track.index)?;
    let mut wanted: Vec<Wanted> = Vec::new();
    let asked = |sample: &Sample| {
        job.only
            .as_ref()
            .is_none_or(|only| only.binary_search(&sample.seq).is_ok())
    };
    for sample in of_span(&job.parameters, &job.row, &track.index)?
        .into_iter()
        .filter(asked)
    {
        match wanted.last_mut() {
            Some(last) if last.shown == sample.shown => last.samples.push(sample),
            _ => wanted.push(Wanted {
                shown: sample.shown,
                samples: vec![sample],
            }),
        }
    }
    Ok(wanted)
}

/// Tasks for a card with so many sessions. Under dedup pictures must not overtake each other: one task.
pub(super) fn for_device(
    job: &SpanJob,
    track: &Track,
    wanted: &[Wanted],
    sessions: usize,
) -> Vec<(Task, Mode)> {
    let needed = needed(track, wanted);
    let dealt = match job.parameters.dedup {
        Some(_) => vec![needed],
        None => tasks(needed, sessions),
    };
    dealt.into_iter().map(|task| (task, Mode::Device)).collect()
}

/// Tasks for so many CPU workers.
pub(super) fn for_workers(
    job: &SpanJob,
    track: &Track,
    wanted: &[Wanted],
    workers: usize,
) -> Vec<(Task, Mode)> {
    if track.gradual {
        return vec![whole(job, track, 1)];
    }
    if job.parameters.dedup.is_some() {
        return vec![whole(job, track, workers)];
    }
    let dealt = tasks(needed(track, wanted), workers);
    let open = |segment: &Segment| {
        let unit = track.units.get(segment.from as usize);
        unit.is_some_and(Unit::open)
    };
    // To develop a picture takes about as long as to decode one (BENCHMARKS.md), and workers who have
    // nothing to decode do that.
    let total = dealt.iter().map(units).sum::<u64>() + wanted.len() as u64;
    let with_mode = |task: Task| {
        // On several threads an error cannot be told to be one of an open start (`Decoding::take`).
        let threads = if task.iter().any(open) {
            1
        } else {
            frame_threads(units(&task), total, workers)
        };
        (task, Mode::Sparse { threads })
    };
    dealt.into_iter().map(with_mode).collect()
}

fn units(task: &Task) -> u64 {
    task.iter().map(Segment::units).sum()
}

fn needed(track: &Track, wanted: &[Wanted]) -> Vec<Segment> {
    let shown = wanted.iter().map(|w| track.index.shown[w.shown]);
    let mut needed = segments(&track.cuts, shown);
    for segment in &mut needed {
        segment.until = with_second_field(&track.units, segment.until);
    }
    needed
}

/// All units of the span, in order.
pub(super) fn whole(job: &SpanJob, track: &Track, threads: usize) -> (Task, Mode) {
    let first = usize::try_from(job.row.first_frame).unwrap_or(usize::MAX);
    let count = usize::try_from(job.row.frames).unwrap_or(usize::MAX);
    let own = track.index.shown.get(first..).unwrap_or(&[]);
    let own = &own[..count.min(own.len())];
    let from = own.iter().map(|shown| start(&track.cuts, shown)).min();
    let from = from.unwrap_or(0);
    let last = own.iter().map(|shown| shown.unit).max();
    let until = with_second_field(&track.units, last.unwrap_or(0));
    let all = Segment {
        from,
        until,
        wanted: (from..=until).collect(),
    };
    (vec![all], Mode::Whole { threads })
}

/// The unit, or the one after it where that belongs to the same picture.
fn with_second_field(units: &[Unit], unit: u32) -> u32 {
    let next = unit.saturating_add(1);
    let pair = units.get(next as usize).is_some_and(Unit::second_field);
    if pair { next } else { unit }
}
