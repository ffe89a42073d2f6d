//! Some of the frames that are selected: of each scene a few, or those that are unlike the last one kept.

use std::collections::VecDeque;
use std::sync::Arc;

use futures::StreamExt;

use crate::error::{Error, Result};
use crate::frames::select::Selected;
use crate::frames::serve::{OnMiss, Serving};
use crate::hash::hamming;
use crate::media::facts::FrameFacts;
use crate::similar::cuts::{Finder, Look, Scored, THRESHOLD, first_hash};
use crate::similar::tones::is_flat;
use crate::timeline::plan::HashKind;
use crate::verdict::Verdict;

/// Which of the frames selected are kept; by default all.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Pick {
    /// So many of each scene, spread evenly; first.
    pub per_scene: Option<u64>,
    /// Those whose hash is more than so many bits from that of the last one kept.
    pub distinct: Option<u32>,
}

impl Pick {
    pub fn is_all(&self) -> bool {
        *self == Pick::default()
    }

    /// Bytes that picking some of so many frames takes at most: what is kept, and as a selection; and where scenes
    /// matter each frame of one that lasts from the first to the last.
    pub(super) fn bytes(&self, frames: u64) -> u64 {
        let kept = 3 * size_of::<u64>() as u64;
        let waiting = self
            .per_scene
            .map_or(0, |_| 2 * size_of::<Waiting>() as u64);
        frames.saturating_mul(kept + waiting)
    }

    /// Field, value and limits of what is asked for.
    ///
    /// # Errors
    /// FIELD_INVALID for numbers that mean nothing.
    pub fn check(&self) -> Result<()> {
        if self.per_scene == Some(0) {
            return Err(Error::field("per_scene must be at least 1: per_scene=0")
                .hint("leave it out for all of them")
                .in_field("per_scene"));
        }
        match self.distinct {
            Some(bits) if bits > 63 => {
                let message = format!("distinct is a number of bits from 0 to 63: distinct={bits}");
                Err(Error::field(message)
                    .hint("hashes have 64 bits; 8 tells near duplicates from others")
                    .in_field("distinct"))
            }
            _ => Ok(()),
        }
    }
}

impl Serving {
    /// The sequences that are kept, `most` of them at most.
    ///
    /// # Errors
    /// FIELD_INVALID where no frame has what it is picked by; those of the frames, but for such as cannot be
    /// decoded: these are left out.
    pub(super) async fn pick(
        self: &Arc<Self>,
        selected: Selected,
        (pick, most): (Pick, usize),
        on_miss: OnMiss,
    ) -> Result<Vec<u64>> {
        pick.check()?;
        let mut answers = std::pin::pin!(self.clone().facts_of(selected, on_miss).await?);
        let mut picker = Picker::new(pick);
        while let Some(answer) = answers.next().await {
            match answer.result {
                Ok(Some(facts)) => picker.add(&facts),
                Ok(None) => {}
                Err(error) if error.reason().verdict() == Verdict::Record => {}
                Err(error) => return Err(error),
            }
            if picker.kept.len() >= most {
                break;
            }
        }
        let mut kept = picker.end()?;
        kept.truncate(most);
        Ok(kept)
    }
}

/// What a frame is told from others by.
type Hash = (HashKind, u64);

struct Picker {
    scenes: Option<Scenes>,
    distinct: Option<Distinct>,
    kept: Vec<u64>,
    /// Frames that came, and those that could be told from others.
    came: u64,
    told: u64,
}

/// A frame that waits for its scene's end.
#[derive(Clone, Copy)]
struct Waiting {
    seq: u64,
    hash: Option<Hash>,
    flat: bool,
}

impl Picker {
    fn new(pick: Pick) -> Picker {
        Picker {
            scenes: pick.per_scene.map(Scenes::new),
            distinct: pick.distinct.map(Distinct::new),
            kept: Vec::new(),
            came: 0,
            told: 0,
        }
    }

    fn add(&mut self, facts: &FrameFacts) {
        let frame = Waiting {
            seq: facts.seq,
            hash: first_hash(facts),
            flat: is_flat(facts),
        };
        self.came += 1;
        let is_told = match self.scenes {
            Some(_) => Look::of(facts).is_some(),
            None => frame.hash.is_some(),
        };
        self.told += u64::from(is_told);
        let Some(scenes) = &mut self.scenes else {
            return self.keep(frame);
        };
        if facts.missing {
            return;
        }
        for frame in scenes.add(facts, frame) {
            self.keep(frame);
        }
    }

    fn keep(&mut self, frame: Waiting) {
        let keeps = match &mut self.distinct {
            None => true,
            Some(distinct) => distinct.keeps(&frame),
        };
        if keeps {
            self.kept.push(frame.seq);
        }
    }

    fn end(mut self) -> Result<Vec<u64>> {
        if let Some(scenes) = self.scenes.take() {
            for frame in scenes.end() {
                self.keep(frame);
            }
        }
        if self.told == 0 && self.came > 0 {
            return Err(Error::field(
                "these frames have no hashes, or no facts of their tones, to be told from each other by",
            )
            .hint("extract them again (--replace): older releases kept no tones, and --hash none makes neither"));
        }
        Ok(self.kept)
    }
}

/// Keeps what is unlike the last one kept.
struct Distinct {
    bits: u32,
    last: Option<Waiting>,
}

impl Distinct {
    fn new(bits: u32) -> Distinct {
        Distinct { bits, last: None }
    }

    fn keeps(&mut self, frame: &Waiting) -> bool {
        let Some((kind, hash)) = frame.hash else {
            return false;
        };
        let is_alike = |last: &Waiting| match (last.flat, frame.flat) {
            (true, true) => true,
            (false, false) => last
                .hash
                .is_some_and(|(k, h)| k == kind && hamming(h, hash) <= self.bits),
            _ => false,
        };
        let keeps = !self.last.as_ref().is_some_and(is_alike);
        if keeps {
            self.last = Some(*frame);
        }
        keeps
    }
}

/// Gathers each scene's frames until it ends.
struct Scenes {
    of_each: u64,
    finder: Finder,
    /// Frames that the finder has not decided.
    waiting: VecDeque<Waiting>,
    scene: Vec<Waiting>,
}

impl Scenes {
    fn new(of_each: u64) -> Scenes {
        Scenes {
            of_each,
            finder: Finder::new(THRESHOLD),
            waiting: VecDeque::new(),
            scene: Vec::new(),
        }
    }

    /// What is picked of scenes that ended.
    fn add(&mut self, facts: &FrameFacts, frame: Waiting) -> Vec<Waiting> {
        self.waiting.push_back(frame);
        let mut decided = Vec::new();
        self.finder.add(facts, &mut decided);
        self.sort(&decided)
    }

    fn sort(&mut self, decided: &[Scored]) -> Vec<Waiting> {
        let mut picked = Vec::new();
        for scored in decided {
            if scored.cut {
                picked.extend(spread(&std::mem::take(&mut self.scene), self.of_each));
            }
            self.scene.extend(self.waiting.pop_front());
        }
        picked
    }

    fn end(mut self) -> Vec<Waiting> {
        let mut decided = Vec::new();
        let finder = std::mem::replace(&mut self.finder, Finder::new(THRESHOLD));
        finder.end(&mut decided);
        let mut picked = self.sort(&decided);
        picked.extend(spread(&self.scene, self.of_each));
        picked
    }
}

/// The middles of `count` even parts; all where there are no more.
fn spread<T: Copy>(all: &[T], count: u64) -> Vec<T> {
    let count = usize::try_from(count).unwrap_or(usize::MAX);
    if all.len() <= count {
        return all.to_vec();
    }
    let places = (0..count).map(|part| (2 * part + 1) * all.len() / (2 * count));
    places.filter_map(|place| all.get(place).copied()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(seq: u64, step: usize, hash: u64) -> FrameFacts {
        let mut luma = [0u8; 16];
        luma[step] = 255;
        FrameFacts {
            seq,
            timestamp: Some(seq as f64),
            phash: Some(format!("{hash:016x}")),
            flatness: Some(0.5),
            luma: Some(crate::hex::hex(&luma)),
            ..FrameFacts::default()
        }
    }

    fn picked(pick: Pick, frames: &[FrameFacts]) -> Result<Vec<u64>> {
        let mut picker = Picker::new(pick);
        frames.iter().for_each(|facts| picker.add(facts));
        picker.end()
    }

    #[test]
    fn distinct_frames_are_those_further_than_that_from_the_last_one_kept() {
        let frames: Vec<_> = (0..)
            .zip([0u64, 1, 3, 7, 0xff, 0, 0xf])
            .map(|(n, h)| frame(n, 2, h))
            .collect();
        let distinct = |bits| {
            picked(
                Pick {
                    distinct: Some(bits),
                    per_scene: None,
                },
                &frames,
            )
            .unwrap()
        };
        assert_eq!(distinct(0), [0, 1, 2, 3, 4, 5, 6]);
        assert_eq!(distinct(1), [0, 2, 4, 5, 6]);
        assert_eq!(distinct(7), [0, 4, 5]);
        assert_eq!(distinct(63), [0]);
    }

    #[test]
    fn flat_frames_are_one_until_another_is_not() {
        let mut frames: Vec<_> = (0..6).map(|n| frame(n, 2, n * 0x1234_5678_9abc)).collect();
        for flat in [1, 2, 3, 5] {
            frames[flat].flatness = Some(1.0);
        }
        let kept = picked(
            Pick {
                distinct: Some(0),
                per_scene: None,
            },
            &frames,
        );
        assert_eq!(kept.unwrap(), [0, 1, 4, 5]);
    }

    #[test]
    fn of_each_scene_as_many_are_taken_as_are_asked_for_from_its_middle_on() {
        let (a, b) = ((2, 0xffff_ffff), (9, 0xffff_ffff_0000_0000));
        let looks = [a, a, a, a, a, b, b, b, a];
        let frames: Vec<_> = (0..)
            .zip(looks)
            .map(|(n, (step, hash))| frame(n, step, hash))
            .collect();
        let of = |count| {
            picked(
                Pick {
                    per_scene: Some(count),
                    distinct: None,
                },
                &frames,
            )
            .unwrap()
        };
        assert_eq!(of(1), [2, 6, 8]);
        assert_eq!(of(2), [1, 3, 5, 7, 8]);
        assert_eq!(of(9), [0, 1, 2, 3, 4, 5, 6, 7, 8]);
    }

    #[test]
    fn frames_that_cannot_be_told_apart_are_refused_and_not_passed_off_as_alike() {
        let unhashed: Vec<_> = (0..3)
            .map(|seq| FrameFacts {
                seq,
                ..FrameFacts::default()
            })
            .collect();
        for pick in [
            Pick {
                distinct: Some(8),
                per_scene: None,
            },
            Pick {
                distinct: None,
                per_scene: Some(1),
            },
        ] {
            assert!(picked(pick, &unhashed).is_err());
            assert!(picked(pick, &[]).unwrap().is_empty());
        }
        let mut old = frame(0, 2, 5);
        old.luma = None;
        assert!(
            picked(
                Pick {
                    distinct: None,
                    per_scene: Some(1)
                },
                &[old.clone()]
            )
            .is_err()
        );
        assert!(
            picked(
                Pick {
                    distinct: Some(1),
                    per_scene: None
                },
                &[old]
            )
            .is_ok()
        );
    }
}
