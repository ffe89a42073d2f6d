//! Weights of one direction: computed in f64, normalised, rounded to 22 fraction
//! bits, in the order of operations that Pillow's resampler has.
//!
//! The sine is our own, of correctly rounded operations only, since that of the
//! C library differs between machines in the last bit. Against Pillow's that
//! last bit vanishes in the rounding to 22 bits.

use crate::pixel::resample::Filter;

const FRACTION_BITS: u32 = 22;

/// For each target sample: where its source samples begin, and their weights.
#[derive(Debug, Clone)]
pub struct Axis {
    /// First source sample of each target sample.
    pub starts: Vec<usize>,
    /// Weights a target sample has room for; the ones past its own are 0.
    pub taps: usize,
    /// `starts.len() x taps`, 22 fraction bits. Under 2 in size, since half of
    /// the filter's main lobe always lies inside the picture.
    pub weights: Vec<i32>,
    pub(crate) words: Words,
    /// How many of the taps are the target sample's own.
    pub counts: Vec<usize>,
}

impl Axis {
    /// From the stretch (from, to) of `source` samples to `target` samples.
    pub(crate) fn new(
        source: usize,
        (from, to): (f32, f32),
        target: usize,
        filter: Filter,
    ) -> Axis {
        let scale = f64::from(to - from) / target as f64;
        let widening = scale.max(1.0);
        let support = filter.support() * widening;
        let mut axis = Axis {
            starts: Vec::with_capacity(target),
            taps: padded(support.ceil() as usize * 2 + 1),
            weights: Vec::new(),
            words: Words::default(),
            counts: Vec::with_capacity(target),
        };
        let mut raw = Vec::new();
        for index in 0..target {
            let centre = f64::from(from) + (index as f64 + 0.5) * scale;
            // Casts cut towards zero and stop at 0, as Pillow's int and clamp do.
            let start = (centre - support + 0.5) as usize;
            let end = ((centre + support + 0.5) as usize).min(source);
            let inverse = 1.0 / widening;
            raw.clear();
            raw.extend(
                (start..end).map(|x| {
                    filter.at(((x - start) as f64 + start as f64 - centre + 0.5) * inverse)
                }),
            );
            axis.push(start, &raw);
        }
        axis.words = Words::of(&axis.weights, axis.taps);
        axis
    }

    fn push(&mut self, start: usize, raw: &[f64]) {
        let sum: f64 = raw.iter().fold(0.0, |sum, weight| sum + weight);
        let normalised = raw
            .iter()
            .map(|&weight| if sum == 0.0 { weight } else { weight / sum });
        self.starts.push(start);
        self.counts.push(raw.len());
        self.weights.extend(normalised.map(to_fixed));
        self.weights.resize(self.starts.len() * self.taps, 0);
    }

    /// Source samples that any target sample needs.
    pub(crate) fn span(&self) -> std::ops::Range<usize> {
        let first = self.starts.first().copied().unwrap_or(0);
        let last = self.starts.last().copied().unwrap_or(0);
        first..last + self.counts.last().copied().unwrap_or(0)
    }

    /// As the kernels read it: every target's start, every target's count of taps, then for each
    /// tap the weights of all targets, so that neighbouring threads read neighbours.
    pub(crate) fn table(&self) -> Vec<i32> {
        let mut table = self.sides();
        for tap in 0..self.most_taps() {
            table.extend(self.weights.iter().skip(tap).step_by(self.taps));
        }
        table
    }

    /// As [`Axis::table`], but for each target its [`Axis::most_taps`] weights, for threads that
    /// share a target.
    pub(crate) fn table_by_target(&self) -> Vec<i32> {
        let mut table = self.sides();
        for weights in self.weights.chunks(self.taps) {
            table.extend(&weights[..self.most_taps()]);
        }
        table
    }

    fn sides(&self) -> Vec<i32> {
        // Starts and counts are at most 65,535.
        let sides = self.starts.iter().chain(&self.counts);
        sides.map(|&side| side as i32).collect()
    }

    pub(crate) fn most_taps(&self) -> usize {
        self.counts.iter().copied().max().unwrap_or(0)
    }

    /// Start and own weights of target sample `index`.
    #[inline(always)]
    pub(crate) fn at(&self, index: usize) -> (usize, &[i32]) {
        let weights = &self.weights[index * self.taps..][..self.counts[index]];
        (self.starts[index], weights)
    }
}

/// Weights rounded to words, for the 16-bit multiply-and-add that processors have:
/// `weight = (word << shift) + rest`.
#[derive(Debug, Clone, Default)]
pub(crate) struct Words {
    /// Of `taps` each. Targets beside each other often have the same, which then stand here once,
    /// and stay in the cache.
    rows: Vec<i16>,
    taps: usize,
    /// The row of each target sample.
    row_of: Vec<usize>,
    pub shift: u32,
    /// Of each row.
    rests: Vec<Rests>,
}

/// What the rests add to a sum: with samples of 128 - 128 to 128 + 127, `middle` and at most `away`
/// more or less.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Rests {
    pub middle: i32,
    pub away: i32,
}

impl Words {
    fn of(weights: &[i32], taps: usize) -> Words {
        let fit = |shift: &u32| {
            let mut words = weights.iter().map(|&weight| to_word(weight, *shift));
            words.all(|word| i16::try_from(word).is_ok())
        };
        let mut words = Words {
            taps,
            // Weights are under 2^23 in size.
            shift: (0..9).find(fit).unwrap_or(9),
            ..Words::default()
        };
        let mut before: &[i32] = &[];
        for weights in weights.chunks_exact(taps) {
            if weights != before {
                words.push(weights);
            }
            words.row_of.push(words.rests.len() - 1);
            before = weights;
        }
        words
    }

    fn push(&mut self, weights: &[i32]) {
        let shift = self.shift;
        let words = weights.iter().map(|&weight| to_word(weight, shift));
        let rests = weights.iter().zip(words.clone());
        let rests = rests.map(|(weight, word)| weight - (word << shift));
        let (sum, sizes) = rests.fold((0, 0), |(sum, sizes), rest| {
            (sum + rest, sizes + rest.abs())
        });
        self.rests.push(Rests {
            middle: 128 * sum,
            away: 128 * sizes,
        });
        self.rows.extend(words.map(|word| word as i16));
    }

    /// Of each target sample.
    #[inline(always)]
    pub fn targets(&self) -> impl Iterator<Item = (&[i16], Rests)> {
        let rows = |&row: &usize| (&self.rows[row * self.taps..][..self.taps], self.rests[row]);
        self.row_of.iter().map(rows)
    }
}

fn to_word(weight: i32, shift: u32) -> i32 {
    (weight + (1 << shift >> 1)) >> shift
}

/// Room for `taps` weights in the widths that the passes are unrolled for.
fn padded(taps: usize) -> usize {
    match taps {
        ..=4 => 4,
        5..=8 => 8,
        _ => taps.next_multiple_of(16),
    }
}

fn to_fixed(weight: f64) -> i32 {
    let scaled = weight * f64::from(1 << FRACTION_BITS);
    (if weight < 0.0 {
        scaled - 0.5
    } else {
        scaled + 0.5
    }) as i32
}

impl Filter {
    fn support(self) -> f64 {
        match self {
            Filter::Box => 0.5,
            Filter::Bilinear => 1.0,
            Filter::Bicubic => 2.0,
            Filter::Lanczos => 3.0,
        }
    }

    fn at(self, x: f64) -> f64 {
        match self {
            Filter::Box => f64::from(u8::from(x > -0.5 && x <= 0.5)),
            Filter::Bilinear => (1.0 - x.abs()).max(0.0),
            Filter::Bicubic => bicubic(x.abs()),
            Filter::Lanczos if (-3.0..3.0).contains(&x) => sinc(x) * sinc(x / 3.0),
            Filter::Lanczos => 0.0,
        }
    }
}

/// Keys' cubic with a = -1/2.
fn bicubic(x: f64) -> f64 {
    const A: f64 = -0.5;
    if x < 1.0 {
        ((A + 2.0) * x - (A + 3.0)) * x * x + 1.0
    } else if x < 2.0 {
        (((x - 5.0) * x + 8.0) * x - 4.0) * A
    } else {
        0.0
    }
}

fn sinc(x: f64) -> f64 {
    if x == 0.0 {
        1.0
    } else {
        sine_of_pi(x) / (x * std::f64::consts::PI)
    }
}

/// sin(pi x) for small |x|: the Taylor series around the nearest integer; its
/// first term left out is under 2e-17.
fn sine_of_pi(x: f64) -> f64 {
    let nearest = x.round();
    let angle = (x - nearest) * std::f64::consts::PI;
    let square = angle * angle;
    let mut sum = 0.0;
    // 1 - x^2/(2*3) (1 - x^2/(4*5) (1 - ...)), innermost first.
    for k in (1..=10).rev() {
        let divisor = f64::from(2 * k * (2 * k + 1));
        sum = (1.0 - sum) * square / divisor;
    }
    let sine = angle * (1.0 - sum);
    if nearest as i64 % 2 == 0 { sine } else { -sine }
}
