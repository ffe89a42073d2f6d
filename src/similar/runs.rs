//! Runs of frames that two timelines have in common at one offset, held against all their frames.

use crate::hash::hamming;
use crate::similar::reel::{Likeness, Reel, Sample, VOTES};

/// A run ends where frames that both have are unlike for longer than so many seconds, or steps.
const PAUSE_SECS: f64 = 2.0;
const PAUSE_STEPS: f64 = 4.0;
/// Frames shown at the same time are no further apart than this, in seconds, or half a step and a little.
const LEAST_APART: f64 = 0.1;
const STEPS_APART: f64 = 0.55;

/// A stretch of one timeline that another shows, too.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Run {
    /// What is added to the one's times to have the other's, in seconds.
    pub offset: f64,
    /// Of the one's first frame and its last that the other shows, in its seconds.
    pub from: f64,
    pub to: f64,
    /// The one's frames in it that the other shows, and those of which it has a frame at that time.
    pub frames: u64,
    pub compared: u64,
    pub mirrored: bool,
}

impl Run {
    /// Whether both show more than half of the same frames, each at about the same time.
    pub fn repeats(&self, kept: &Run) -> bool {
        let shared = |a: f64, b: f64| {
            let both = (self.to + a).min(kept.to + b) - (self.from + a).max(kept.from + b);
            2.0 * both >= self.to - self.from
        };
        shared(0.0, 0.0) && shared(self.offset, kept.offset)
    }
}

/// Those of one timeline pair, longest first, each stretch once.
pub fn told_once(mut runs: Vec<Run>) -> Vec<Run> {
    runs.sort_by(|a, b| {
        let share = |run: &Run| run.frames as f64 / run.compared.max(1) as f64;
        let order = b.frames.cmp(&a.frames).then(share(b).total_cmp(&share(a)));
        order.then(a.from.total_cmp(&b.from))
    });
    let mut kept: Vec<Run> = Vec::new();
    for run in runs {
        if !kept.iter().any(|other| run.repeats(other)) {
            kept.push(run);
        }
    }
    kept
}

/// Two timelines, and who voted.
pub struct Verifier<'f> {
    pub one: &'f Reel,
    pub other: &'f Reel,
    pub likeness: Likeness,
    pub samples: &'f [Sample],
}

impl Verifier<'_> {
    /// The offset that the samples mean, within so many seconds of one: the weighted median of where each finds what
    /// it is like most.
    pub fn offset_near(&self, about: f64, reach: f64) -> Option<f64> {
        let mut told: Vec<(f64, f32)> = Vec::new();
        for sample in self.samples.iter().filter(|sample| sample.weight > 0.0) {
            let time = self.one.times.get(sample.place)?;
            let hash = self.likeness.turned(*self.one.hashes.get(sample.place)?);
            if let Some(shown) = self.most_like(hash, time + about - reach, time + about + reach) {
                told.push((shown - time, sample.weight));
            }
        }
        told.sort_by(|a, b| a.0.total_cmp(&b.0));
        let half = told.iter().map(|(_, weight)| weight).sum::<f32>() / 2.0;
        let mut passed = 0.0;
        let median = told.iter().find(|(_, weight)| {
            passed += weight;
            passed >= half
        });
        median.map(|(offset, _)| *offset)
    }

    /// When it is shown, between two times: the middle of the frames that it is like most.
    fn most_like(&self, hash: u64, from: f64, to: f64) -> Option<f64> {
        let (mut least, mut sum, mut count) = (self.likeness.distance, 0.0, 0.0);
        let start = self.other.times.partition_point(|time| *time < from);
        let frames = self.other.times.iter().zip(&self.other.hashes).skip(start);
        for (time, own) in frames.take_while(|(time, _)| **time <= to) {
            let apart = hamming(*own, hash);
            if apart < least {
                (least, sum, count) = (apart, 0.0, 0.0);
            }
            if apart == least {
                (sum, count) = (sum + time, count + 1.0);
            }
        }
        (count > 0.0).then(|| sum / count)
    }

    pub fn runs_at(&self, offset: f64) -> Vec<Run> {
        let step = self.one.step().max(self.other.step());
        let apart = LEAST_APART.max(STEPS_APART * step);
        let mut runs = Runs::new(PAUSE_SECS.max(PAUSE_STEPS * step));
        let (mut low, mut voters) = (0, self.samples.iter().peekable());
        for (place, (time, hash)) in self.one.times.iter().zip(&self.one.hashes).enumerate() {
            let (from, to) = (time + offset - apart, time + offset + apart);
            while self.other.times.get(low).is_some_and(|time| *time < from) {
                low += 1;
            }
            let voter = voters.next_if(|sample| sample.place == place);
            let votes = voter.map_or(0.0, |sample| sample.weight);
            match self.shows(self.likeness.turned(*hash), (low, to)) {
                None => {}
                Some(true) => runs.matched(*time, votes),
                Some(false) => runs.unlike(*time),
            }
        }
        let told = runs.end().into_iter();
        let run = |run: Open| run.told(offset, self.likeness.mirrored.is_some());
        told.filter_map(run).collect()
    }

    /// Whether a frame from that place and up to that time is like it; none where there is no frame.
    fn shows(&self, hash: u64, (low, to): (usize, f64)) -> Option<bool> {
        let frames = self.other.times.iter().zip(&self.other.hashes).skip(low);
        let mut frames = frames.take_while(|(time, _)| **time <= to).peekable();
        frames.peek()?;
        Some(frames.any(|(_, own)| hamming(*own, hash) <= self.likeness.distance))
    }
}

/// A run that may go on.
#[derive(Debug, Clone, Copy)]
struct Open {
    from: f64,
    to: f64,
    frames: u64,
    compared: u64,
    /// Compared since the last that matched.
    since: u64,
    votes: f32,
}

impl Open {
    /// None where too few voted for it, or less than half of it is alike.
    fn told(self, offset: f64, mirrored: bool) -> Option<Run> {
        let is_one = self.votes >= VOTES && 2 * self.frames >= self.compared;
        is_one.then_some(Run {
            offset,
            from: self.from,
            to: self.to,
            frames: self.frames,
            compared: self.compared,
            mirrored,
        })
    }
}

struct Runs {
    pause: f64,
    open: Option<Open>,
    closed: Vec<Open>,
}

impl Runs {
    fn new(pause: f64) -> Runs {
        Runs {
            pause,
            open: None,
            closed: Vec::new(),
        }
    }

    fn matched(&mut self, time: f64, votes: f32) {
        let open = self.open.get_or_insert(Open {
            from: time,
            to: time,
            frames: 0,
            compared: 0,
            since: 0,
            votes: 0.0,
        });
        open.to = time;
        open.frames += 1;
        open.compared += 1 + std::mem::take(&mut open.since);
        open.votes += votes;
    }

    fn unlike(&mut self, time: f64) {
        let Some(open) = &mut self.open else { return };
        open.since += 1;
        if time - open.to > self.pause {
            self.closed.extend(self.open.take());
        }
    }

    fn end(mut self) -> Vec<Open> {
        self.closed.extend(self.open.take());
        self.closed
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::cancel::Stop;
    use crate::similar::mirror::mirrored;
    use crate::similar::reel::{Gathered, Votes};
    use crate::timeline::plan::HashKind;

    /// Splitmix64: hashes that have nothing to do with each other.
    fn look(n: u64) -> u64 {
        let mut z = n.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Frames of these looks at so many a second, from a time on.
    fn reel(looks: impl IntoIterator<Item = u64>, rate: f64, begin: f64) -> Reel {
        let mut gathered = Gathered::default();
        for (n, hash) in looks.into_iter().enumerate() {
            gathered.add(begin + n as f64 / rate, hash);
        }
        gathered.end()
    }

    fn found(one: &Reel, other: &Reel) -> Vec<Run> {
        let likeness = Likeness {
            distance: 8,
            mirrored: None,
        };
        found_by(one, other, likeness)
    }

    fn found_by(one: &Reel, other: &Reel, likeness: Likeness) -> Vec<Run> {
        let mut votes = Votes::new(&Arc::new(one.clone()), &Arc::new(other.clone()), likeness);
        while votes.go_on(1000) {}
        told_once(votes.runs(&Stop::never()).unwrap())
    }

    /// A still of so many frames.
    fn still(hash: u64, frames: usize) -> impl Iterator<Item = u64> {
        std::iter::repeat_n(hash, frames)
    }

    #[test]
    fn a_part_that_another_timeline_shows_is_found_with_its_offset_and_its_ends() {
        let one = reel((0..500).map(look), 25.0, 0.0);
        // Its frames 100 to 299, with a few bits wrong, behind 40 others.
        let part = (100..300).map(|n| look(n) ^ (1 << (n % 60)) ^ (1 << (n % 7)));
        let looks = (9000..9040)
            .map(look)
            .chain(part)
            .chain((8000..8200).map(look));
        let other = reel(looks, 25.0, 3.0);
        let runs = found(&one, &other);
        assert_eq!(runs.len(), 1, "{runs:?}");
        let run = runs[0];
        assert!((run.offset - (3.0 + 1.6 - 4.0)).abs() < 0.02, "{run:?}");
        assert_eq!((run.from, run.to), (4.0, 299.0 / 25.0));
        assert_eq!((run.frames, run.mirrored), (200, false));
        assert!(run.compared >= 200 && run.compared < 204, "{run:?}");
        let back = found(&other, &one);
        assert!(
            (back[0].offset + run.offset).abs() < 0.02 && back[0].frames == 200,
            "{back:?}"
        );
    }

    #[test]
    fn parts_at_other_offsets_are_runs_of_their_own_and_so_are_repetitions() {
        let one = reel((0..300).map(look), 10.0, 0.0);
        let looks = (200..280).chain(5000..5100).chain(20..100).chain(200..280);
        let other = reel(looks.map(look), 10.0, 0.0);
        let mut runs = found(&one, &other);
        runs.sort_by(|a, b| a.offset.total_cmp(&b.offset));
        let told: Vec<_> = runs
            .iter()
            .map(|run| (run.from, run.to, run.frames))
            .collect();
        assert_eq!(told, [(20.0, 27.9, 80), (20.0, 27.9, 80), (2.0, 9.9, 80)]);
        let offsets: Vec<_> = runs.iter().map(|run| (run.offset * 10.0).round()).collect();
        assert_eq!(offsets, [-200.0, 60.0, 160.0]);
    }

    #[test]
    fn unrelated_footage_and_one_still_that_both_show_are_no_run_however_long_it_lasts() {
        for (own, theirs) in [(10, 10), (500, 500), (500, 3), (3, 500)] {
            let one = (0..400)
                .map(look)
                .chain(still(7, own))
                .chain((400..500).map(look));
            let other = (7000..7300)
                .map(look)
                .chain(still(7, theirs))
                .chain((6000..6400).map(look));
            let (one, other) = (reel(one, 25.0, 0.0), reel(other, 25.0, 0.0));
            assert_eq!(found(&one, &other), [], "{own} {theirs}");
        }
        // A logo that comes again and again in both.
        let with_logos = |from: u64| {
            let scenes = (0..8).flat_map(move |n| {
                let scene = (from + 100 * n..from + 100 * n + 100).map(look);
                still(77, 50).chain(scene)
            });
            reel(scenes, 25.0, 0.0)
        };
        assert_eq!(found(&with_logos(10_000), &with_logos(50_000)), []);
    }

    #[test]
    fn slides_that_each_stand_for_long_are_found_by_where_they_change() {
        let slides =
            |first: u64, count: u64| (first..first + count).flat_map(|n| still(look(n), 60));
        let one = reel(slides(0, 20), 1.0, 0.0);
        let other = reel(slides(9000, 3).chain(slides(5, 10)), 1.0, 0.0);
        let runs = found(&one, &other);
        assert_eq!(runs.len(), 1, "{runs:?}");
        assert!((runs[0].offset - (180.0 - 300.0)).abs() <= 2.0, "{runs:?}");
        assert!(
            runs[0].frames >= 580 && runs[0].from >= 298.0 && runs[0].to <= 902.0,
            "{runs:?}"
        );
    }

    #[test]
    fn mirrored_footage_is_found_where_it_is_asked_for() {
        let one = reel((0..200).map(look), 25.0, 0.0);
        let turned = (50..150).map(|n| mirrored(HashKind::Phash, look(n)));
        let other = reel(turned, 25.0, 0.0);
        assert_eq!(found(&one, &other), []);
        let likeness = Likeness {
            distance: 8,
            mirrored: Some(HashKind::Phash),
        };
        let runs = found_by(&one, &other, likeness);
        assert_eq!(
            (runs.len(), runs[0].frames, runs[0].mirrored),
            (1, 100, true)
        );
    }

    #[test]
    fn other_rates_and_times_that_say_nothing_are_taken_as_they_are() {
        let one = reel((0..100).flat_map(|n| still(look(n), 5)), 25.0, 0.0);
        let other = reel((20..80).map(look), 5.0, 1000.0);
        let runs = found(&one, &other);
        assert_eq!(runs.len(), 1, "{runs:?}");
        assert!((runs[0].offset - (1000.0 - 4.0)).abs() < 0.2, "{runs:?}");
        for nothing in [
            reel([], 1.0, 0.0),
            reel([5], 1.0, 0.0),
            reel(still(5, 9), f64::INFINITY, 2.0),
        ] {
            assert_eq!(found(&one, &nothing), []);
            assert_eq!(found(&nothing, &one), []);
            assert_eq!(found(&nothing, &nothing), []);
        }
        let mut wild = Gathered::default();
        for (n, time) in [f64::NAN, f64::INFINITY, -1e300, 0.0, 1e300]
            .into_iter()
            .enumerate()
        {
            wild.add(time, look(n as u64));
        }
        assert_eq!(found(&wild.end(), &one), []);
    }

    #[test]
    fn of_footage_longer_than_is_looked_at_each_second_frame_is() {
        let looks = (0..(1 << 20) + 500_000).map(look);
        let long = reel(looks, 25.0, 0.0);
        assert!(long.times.len() <= 1 << 20 && (long.step() - 0.08).abs() < 1e-6);
        let part = reel((1_000_000..1_000_200).map(look), 25.0, 0.0);
        let runs = found(&part, &long);
        assert_eq!(runs.len(), 1, "{runs:?}");
        assert!((runs[0].offset - 40_000.0).abs() < 0.05, "{runs:?}");
    }
}
