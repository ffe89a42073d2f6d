//! By how much one timeline's clock is before another's where both show the same footage: frames that look alike
//! vote for the offset between their times. A frame has one vote, shared among all offsets that it speaks for, so
//! that a still scene, which is like itself wherever it is, has two at most however long it lasts.

use std::sync::Arc;

use crate::cancel::Stop;
use crate::error::Result;
use crate::similar::mirror::mirrored;
use crate::similar::runs::{Run, Verifier};
use crate::similar::scan::near;
use crate::timeline::plan::HashKind;

/// Frames of a timeline that are looked at; of a longer one each second, fourth, … one.
const MAX_FRAMES: usize = 1 << 20;
/// Frames that vote: one for each stretch of so many of the whole.
const MAX_SAMPLES: f64 = 4096.0;
/// Offsets are told apart from so many seconds on.
const LEAST_STEP: f64 = 0.2;
/// Offsets that are told apart at most.
const MAX_OFFSETS: f64 = (1u32 << 22) as f64;
/// A frame that is like so much of the other timeline says nothing of where it belongs.
const MAX_PLACES: usize = 1 << 14;
/// Votes that an offset needs: more than one still scene has.
pub const VOTES: f32 = 3.0;
/// Offsets that are looked at closely, those with the most votes.
const MAX_CANDIDATES: usize = 32;

/// Times and hashes of one timeline's frames, in the order of their times.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Reel {
    pub times: Vec<f64>,
    pub hashes: Vec<u64>,
}

impl Reel {
    /// Typical seconds from one frame to the next; 0 where there is no other.
    pub fn step(&self) -> f64 {
        let pairs = self.times.iter().zip(self.times.iter().skip(1));
        let mut steps: Vec<f64> = pairs.map(|(a, b)| b - a).collect();
        if steps.is_empty() {
            return 0.0;
        }
        let middle = steps.len() / 2;
        *steps.select_nth_unstable_by(middle, f64::total_cmp).1
    }

    fn span(&self) -> (f64, f64) {
        let ends = self.times.first().zip(self.times.last());
        ends.map_or((0.0, 0.0), |(first, last)| (*first, last - first))
    }
}

/// Gathers footage of frames in any order, no more than is looked at.
#[derive(Debug, Default)]
pub struct Gathered {
    frames: Vec<(f64, u64)>,
    came: u64,
    /// Each so many-th is kept, as a power of two.
    thinned: u32,
}

impl Gathered {
    /// One without a time is left out.
    pub fn add(&mut self, time: f64, hash: u64) {
        if !time.is_finite() {
            return;
        }
        if self.came.trailing_zeros() >= self.thinned {
            self.frames.push((time, hash));
        }
        self.came += 1;
        if self.frames.len() > MAX_FRAMES {
            let mut keep = false;
            self.frames.retain(|_| {
                keep = !keep;
                keep
            });
            self.thinned += 1;
        }
    }

    pub fn end(mut self) -> Reel {
        self.frames.sort_by(|a, b| a.0.total_cmp(&b.0));
        let (times, hashes) = self.frames.into_iter().unzip();
        Reel { times, hashes }
    }
}

/// What of a picture may differ where it is the same.
#[derive(Debug, Clone, Copy)]
pub struct Likeness {
    /// Bits of the hash.
    pub distance: u32,
    /// Of this kind, mirrored left to right.
    pub mirrored: Option<HashKind>,
}

impl Likeness {
    pub fn turned(&self, hash: u64) -> u64 {
        self.mirrored.map_or(hash, |kind| mirrored(kind, hash))
    }
}

/// A frame that votes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Sample {
    /// Place in its footage.
    pub place: usize,
    /// The vote that it had at each offset, twice: of two that are next to each other, which one is meant depends on
    /// where seconds are cut.
    pub weight: f32,
}

/// An election that is under way.
pub struct Votes {
    one: Arc<Reel>,
    other: Arc<Reel>,
    likeness: Likeness,
    /// Seconds of an offset.
    width: f64,
    samples: Vec<Sample>,
    /// Samples that have voted.
    voted: usize,
    /// Of each offset, from the first frame of `other` at the last of `one` on.
    votes: Vec<f32>,
}

impl Votes {
    pub fn new(one: &Arc<Reel>, other: &Arc<Reel>, likeness: Likeness) -> Votes {
        let (seconds, others) = (one.span().1, other.span().1);
        let steps = LEAST_STEP.max(one.step()).max(other.step());
        let width = steps
            .max(seconds / MAX_SAMPLES)
            .max((seconds + others) / MAX_OFFSETS);
        let mut votes = Votes {
            one: one.clone(),
            other: other.clone(),
            likeness,
            width,
            samples: Vec::new(),
            voted: 0,
            votes: Vec::new(),
        };
        votes.samples = votes.electorate();
        votes.votes = vec![0.0; votes.part(seconds) + votes.part(others) + 2];
        votes
    }

    /// The first frame of each part of `one`.
    fn electorate(&self) -> Vec<Sample> {
        let begin = self.one.span().0;
        let mut last = None;
        let places = self.one.times.iter().enumerate().filter(|(_, time)| {
            let part = self.part(*time - begin);
            last.replace(part) != Some(part)
        });
        let sample = |(place, _)| Sample { place, weight: 0.0 };
        places.map(sample).collect()
    }

    /// Of seconds from the footage's beginning on.
    fn part(&self, seconds: f64) -> usize {
        (seconds / self.width) as usize
    }

    /// Has the next samples vote, as many as so many comparisons allow, and at least one; whether more are to come.
    pub fn go_on(&mut self, comparisons: usize) -> bool {
        let count = (comparisons / self.other.times.len().max(1)).max(1);
        let end = self.samples.len().min(self.voted.saturating_add(count));
        for at in self.voted..end {
            self.vote(at);
        }
        self.voted = end;
        end < self.samples.len()
    }

    fn vote(&mut self, at: usize) {
        let Some(place) = self.samples.get(at).map(|sample| sample.place) else {
            return;
        };
        let (Some(&hash), Some(&time)) = (self.one.hashes.get(place), self.one.times.get(place))
        else {
            return;
        };
        let parts = self.parts_like(self.likeness.turned(hash));
        if parts.is_empty() || parts.len() > MAX_PLACES {
            return;
        }
        let own = self.part(time - self.one.span().0);
        let last = self.part(self.one.span().1);
        let share = 1.0 / parts.len() as f32;
        for part in parts {
            if let Some(votes) = self.votes.get_mut(part + last - own) {
                *votes += share;
            }
        }
        if let Some(sample) = self.samples.get_mut(at) {
            sample.weight = (2.0 * share).min(1.0);
        }
    }

    /// Parts of the other footage that hold a frame like it; not many more than say something.
    fn parts_like(&self, hash: u64) -> Vec<usize> {
        let (other, begin) = (&self.other, self.other.span().0);
        let mut parts: Vec<usize> = Vec::new();
        near(&other.hashes, hash, self.likeness.distance, &mut |at, _| {
            let Some(time) = other.times.get(at) else {
                return;
            };
            let part = self.part(time - begin);
            if parts.last() != Some(&part) && parts.len() <= MAX_PLACES {
                parts.push(part);
            }
        });
        parts
    }

    /// The runs of frames that agree on one offset.
    ///
    /// # Errors
    /// That of who calls it off.
    pub fn runs(self, stop: &Stop) -> Result<Vec<Run>> {
        let candidates = self.candidates();
        let verifier = Verifier {
            one: &self.one,
            other: &self.other,
            likeness: self.likeness,
            samples: &self.samples,
        };
        let reach = 1.5 * self.width;
        let mut runs = Vec::new();
        for about in candidates {
            stop.check()?;
            if let Some(offset) = verifier.offset_near(about, reach) {
                runs.extend(verifier.runs_at(offset));
            }
        }
        Ok(runs)
    }

    /// Offsets with enough votes and more than those around them, in seconds: those with the most.
    fn candidates(&self) -> Vec<f64> {
        // Times that are that far apart lie in two parts.
        let pairs = self.votes.iter().zip(self.votes.iter().skip(1));
        let sums: Vec<f32> = pairs.map(|(a, b)| a + b).collect();
        let sum = |at: Option<usize>| at.and_then(|at| sums.get(at)).copied().unwrap_or(0.0);
        let mut peaks: Vec<(f32, usize)> = Vec::new();
        for (at, own) in sums.iter().enumerate() {
            let is_peak = *own > sum(at.checked_sub(1)) && *own >= sum(at.checked_add(1));
            if *own >= VOTES && is_peak {
                peaks.push((*own, at));
            }
        }
        peaks.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
        peaks.truncate(MAX_CANDIDATES);
        let last = self.part(self.one.span().1);
        let begins = self.other.span().0 - self.one.span().0;
        let offset = |(_, at): (f32, usize)| {
            let parts = at as f64 - last as f64 + 0.5;
            begins + parts * self.width
        };
        peaks.into_iter().map(offset).collect()
    }
}
