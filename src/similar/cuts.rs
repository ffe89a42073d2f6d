//! How much changes from one frame to the next, and where scenes end.

use std::collections::VecDeque;

use crate::hash::hamming;
use crate::media::facts::FrameFacts;
use crate::similar::tones::{is_flat, moved, spread};
use crate::timeline::plan::HashKind;

/// A scene ends where by so much more changes than around it, unless it is said otherwise. This and the three below
/// were chosen by 21 clips of known cuts, of 2 to 25 frames a second; `tests/test_similar.py` has others.
pub const THRESHOLD: f64 = 0.15;
/// Of changes within so many seconds of each other only the largest ends a scene …
const WINDOW_SECS: f64 = 0.61;
/// … and only where it is more than so many times what the others there are on average …
const STANDS_OUT: f64 = 2.0;
/// … among which one of so much is counted, for frames that are too far apart to have others.
const AROUND: f64 = 0.125;
/// Frames on either side that are looked at, however close they are.
const MAX_WINDOW: usize = 64;
/// What is found of a frame hangs on no frame that is more than so many before it.
pub const REACH: usize = MAX_WINDOW + 1;
/// Parts of a whole change.
const SCALE: u32 = 1024;
/// So many bits of two hashes differ where their pictures have nothing in common.
const ALL_BITS: u32 = 32;

/// What of a frame its change is told by.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Look {
    luma: [u8; 16],
    hash: (HashKind, u64),
    flat: bool,
}

impl Look {
    /// None where the facts do not say how luma is spread, or have no hash.
    pub fn of(facts: &FrameFacts) -> Option<Look> {
        Some(Look {
            luma: spread(facts.luma.as_deref()?)?,
            hash: first_hash(facts)?,
            flat: is_flat(facts),
        })
    }

    /// What changed since a frame, in 1024ths: half of it tones, half of it bits of the hash. None where
    /// the two have no hash of one kind.
    fn change_since(&self, before: &Look) -> Option<u32> {
        let ((kind, hash), (earlier_kind, earlier)) = (self.hash, before.hash);
        let bits = match self.flat && before.flat {
            // Of noise.
            true => 0,
            false => hamming(hash, earlier).min(ALL_BITS),
        };
        let change = moved(&self.luma, &before.luma) + bits * (SCALE / 2 / ALL_BITS);
        (kind == earlier_kind).then_some(change)
    }
}

/// `phash`, or else the first hash that a frame has.
pub fn first_hash(facts: &FrameFacts) -> Option<(HashKind, u64)> {
    let kinds = [HashKind::Phash, HashKind::Dhash, HashKind::AverageHash];
    let mut known = kinds.into_iter();
    known.find_map(|kind| Some((kind, hash_of(facts, kind)?)))
}

/// A frame's hash of one kind.
pub fn hash_of(facts: &FrameFacts, kind: HashKind) -> Option<u64> {
    let text = match kind {
        HashKind::Phash => &facts.phash,
        HashKind::Dhash => &facts.dhash,
        HashKind::AverageHash => &facts.average_hash,
    };
    u64::from_str_radix(text.as_deref()?, 16).ok()
}

/// A frame, and how much changed with it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Scored {
    pub seq: u64,
    pub timestamp: Option<f64>,
    /// Since the frame before it, 0 to 1; none where that is not known.
    pub change: Option<f64>,
    /// A scene begins with it.
    pub cut: bool,
}

/// Takes frames in order, and gives them back with what changed, a few frames later.
pub struct Finder {
    threshold: f64,
    before: Option<Look>,
    /// Those that are to be decided, and those before them that still matter.
    frames: VecDeque<Scored>,
    /// Place of the first that is to be decided.
    next: usize,
}

impl Finder {
    pub fn new(threshold: f64) -> Self {
        Finder {
            threshold,
            before: None,
            frames: VecDeque::new(),
            next: 0,
        }
    }

    /// Frames are missing here: what comes next is compared with none before.
    pub fn gap(&mut self) {
        self.before = None;
    }

    /// The next frame; `out` gets those that are decided.
    pub fn add(&mut self, facts: &FrameFacts, out: &mut Vec<Scored>) {
        let look = Look::of(facts);
        let change = look.zip(self.before);
        let change = change.and_then(|(look, before)| look.change_since(&before));
        // One that the decoder did not deliver is passed over.
        if !facts.missing {
            self.before = look;
        }
        self.frames.push_back(Scored {
            seq: facts.seq,
            timestamp: facts.timestamp,
            change: change.map(|parts| f64::from(parts) / f64::from(SCALE)),
            cut: false,
        });
        while self.is_closed() {
            self.decide(out);
        }
    }

    /// No frame follows.
    pub fn end(mut self, out: &mut Vec<Scored>) {
        while self.next < self.frames.len() {
            self.decide(out);
        }
    }

    /// Whether no later frame matters to the next one.
    fn is_closed(&self) -> bool {
        let (Some(next), Some(last)) = (self.frames.get(self.next), self.frames.back()) else {
            return false;
        };
        let behind = self.frames.len() - self.next - 1;
        behind > 0 && (!is_near(next, last) || behind >= MAX_WINDOW)
    }

    fn decide(&mut self, out: &mut Vec<Scored>) {
        let cut = self.is_cut();
        if let Some(frame) = self.frames.get(self.next) {
            out.push(Scored { cut, ..*frame });
        }
        self.next += 1;
        while let (Some(first), Some(next)) = (self.frames.front(), self.frames.get(self.next))
            && (self.next > MAX_WINDOW || !is_near(first, next))
            && self.next > 0
        {
            self.frames.pop_front();
            self.next -= 1;
        }
    }

    fn is_cut(&self) -> bool {
        let Some(frame) = self.frames.get(self.next) else {
            return false;
        };
        let Some(change) = frame.change.filter(|change| *change >= self.threshold) else {
            return false;
        };
        let (mut sum, mut count) = (AROUND, 1.0);
        for (place, other) in self.frames.iter().enumerate() {
            let Some(theirs) = other.change.filter(|_| is_near(frame, other)) else {
                continue;
            };
            if place == self.next {
                continue;
            }
            if theirs > change || theirs == change && place < self.next {
                return false;
            }
            sum += theirs;
            count += 1.0;
        }
        change >= self.threshold + STANDS_OUT * sum / count
    }
}

fn is_near(a: &Scored, b: &Scored) -> bool {
    let times = a.timestamp.zip(b.timestamp);
    times.is_some_and(|(a, b)| (a - b).abs() <= WINDOW_SECS)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A frame of one tone's step, at so many frames a second.
    fn frame(seq: u64, rate: f64, step: usize, hash: u64) -> FrameFacts {
        let mut luma = [0u8; 16];
        luma[step] = 255;
        FrameFacts {
            seq,
            timestamp: Some(seq as f64 / rate),
            phash: Some(format!("{hash:016x}")),
            flatness: Some(0.5),
            luma: Some(crate::hex::hex(&luma)),
            ..FrameFacts::default()
        }
    }

    fn scored(frames: &[FrameFacts], threshold: f64) -> Vec<Scored> {
        let (mut finder, mut out) = (Finder::new(threshold), Vec::new());
        frames.iter().for_each(|facts| finder.add(facts, &mut out));
        finder.end(&mut out);
        out
    }

    fn cuts(frames: &[FrameFacts]) -> Vec<u64> {
        let scored = scored(frames, THRESHOLD);
        assert_eq!(scored.len(), frames.len());
        let cuts = scored.iter().filter(|frame| frame.cut);
        cuts.map(|frame| frame.seq).collect()
    }

    const A: (usize, u64) = (2, 0x0000_0000_ffff_ffff);
    const B: (usize, u64) = (9, 0xffff_ffff_0000_0000);

    #[test]
    fn a_scene_ends_where_tones_and_hash_change_and_nowhere_else() {
        let looks = [(A, 15), (B, 12), (A, 14)];
        let looks = looks.map(|(look, count)| std::iter::repeat_n(look, count));
        let looks: Vec<_> = looks.into_iter().flatten().collect();
        let of = |rate| -> Vec<FrameFacts> {
            let looks = (0..).zip(looks.iter());
            looks
                .map(|(seq, (step, hash))| frame(seq, rate, *step, *hash))
                .collect()
        };
        assert_eq!(cuts(&of(15.0)), [15, 27]);
        assert_eq!(cuts(&of(0.5)), [15, 27]);
        let scored = scored(&of(15.0), 2.0);
        assert!(scored.iter().all(|frame| !frame.cut));
        let changes: Vec<_> = scored.iter().map(|frame| frame.change).collect();
        assert_eq!((changes[0], changes[1]), (None, Some(0.0)));
        assert!(changes[15] > Some(0.99), "{changes:?}");
    }

    #[test]
    fn of_changes_that_are_close_the_first_largest_is_the_cut_and_flicker_is_none() {
        let looks = [A, A, B, A, A, A, A, A];
        let flash: Vec<_> = (0..)
            .zip(looks)
            .map(|(n, l)| frame(n, 25.0, l.0, l.1))
            .collect();
        assert_eq!(cuts(&flash), [2]);
        let flicker = (0..40).map(|n| (n, if n % 2 == 0 { A } else { B }));
        let flicker: Vec<_> = flicker.map(|(n, l)| frame(n, 25.0, l.0, l.1)).collect();
        assert!(cuts(&flicker).len() <= 1, "{:?}", cuts(&flicker));
    }

    #[test]
    fn what_is_not_known_is_not_scored_and_frames_that_are_missing_are_passed_over() {
        let mut frames: Vec<_> = (0..6).map(|n| frame(n, 1.0, A.0, A.1)).collect();
        frames[2] = FrameFacts {
            seq: 2,
            missing: true,
            ..FrameFacts::default()
        };
        frames[4].luma = None;
        let scored = scored(&frames, THRESHOLD);
        let changes: Vec<_> = scored.iter().map(|frame| frame.change).collect();
        assert_eq!(changes, [None, Some(0.0), None, Some(0.0), None, None]);
    }

    #[test]
    fn no_more_than_two_windows_of_frames_are_held() {
        let mut finder = Finder::new(THRESHOLD);
        let mut out = Vec::new();
        for seq in 0..10_000 {
            finder.add(&frame(seq, 1e6, A.0, A.1), &mut out);
            assert!(finder.frames.len() <= 2 * MAX_WINDOW + 2);
        }
        finder.end(&mut out);
        assert_eq!(out.len(), 10_000);
    }
}
