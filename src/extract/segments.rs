//! Which access units a set of wanted pictures needs. Pure.
//!
//! A picture can be decoded from the last cut point that is shown at or before it
//! and stands before it in decode order: leading pictures of a cut point hang on
//! the one before. From there every unit that something may depend on is fed, up
//! to the picture itself; then nothing, until the next wanted picture's cut point.

use std::cmp::Reverse;

use crate::demux::Cut;
use crate::timeline::index::Shown;

/// A run of units fed to one decoder without a gap.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Segment {
    /// A cut point.
    pub from: u32,
    /// The last unit needed, inclusive.
    pub until: u32,
    /// Units of wanted pictures, ascending.
    pub wanted: Vec<u32>,
}

impl Segment {
    pub fn units(&self) -> u64 {
        u64::from(self.until - self.from) + 1
    }

    pub fn wants(&self, unit: u32) -> bool {
        self.wanted.binary_search(&unit).is_ok()
    }
}

/// Segments that one decoder takes one after the other.
pub type Task = Vec<Segment>;

/// The segments for `wanted`, ascending. Two that overlap are one: the pictures in
/// between are decoded once.
pub fn segments(cuts: &[Cut], wanted: impl IntoIterator<Item = Shown>) -> Vec<Segment> {
    let mut each: Vec<(u32, u32)> = wanted
        .into_iter()
        .map(|shown| (start(cuts, &shown), shown.unit))
        .collect();
    each.sort_unstable();
    let mut merged: Vec<Segment> = Vec::new();
    for (from, unit) in each {
        match merged.last_mut() {
            Some(last) if from <= last.until => {
                last.until = last.until.max(unit);
                last.wanted.push(unit);
            }
            _ => merged.push(Segment {
                from,
                until: unit,
                wanted: vec![unit],
            }),
        }
    }
    for segment in &mut merged {
        segment.wanted.sort_unstable();
        segment.wanted.dedup();
    }
    merged
}

/// Where decoding for a picture starts. One with the very pts of a cut point may be a leading
/// picture of it.
pub fn start(cuts: &[Cut], shown: &Shown) -> u32 {
    let behind = cuts.partition_point(|cut| cut.unit <= shown.unit);
    let begins = |cut: &&Cut| cut.time < shown.pts || cut.unit == shown.unit;
    let own = cuts[..behind].iter().rev().find(begins);
    own.or(cuts.first()).map_or(0, |cut| cut.unit)
}

/// Deals segments into tasks for `workers` decoders: enough of them, and the longest first, so
/// that the decoders end together, and none so short that starting it would cost more than it decodes.
/// A single decoder takes them as they come: who lends one waits for pictures in their order.
pub fn tasks(segments: Vec<Segment>, workers: usize) -> Vec<Task> {
    const SHORTEST: u64 = 8;
    const TASKS_PER_WORKER: u64 = 16;
    let total: u64 = segments.iter().map(Segment::units).sum();
    let share = (total / (workers as u64 * TASKS_PER_WORKER).max(1)).max(SHORTEST);
    let mut tasks: Vec<Task> = Vec::new();
    let mut filled = share;
    for segment in segments {
        let length = segment.units();
        if filled >= share {
            tasks.push(Vec::new());
            filled = 0;
        }
        if let Some(task) = tasks.last_mut() {
            append(task, segment);
        }
        filled += length;
    }
    if workers > 1 {
        tasks.sort_by_key(|task| Reverse(task.iter().map(Segment::units).sum::<u64>()));
    }
    tasks
}

/// As many frame threads as a task of so many units has of the `total` work; a quarter more than
/// one worker's share is left to it alone, since threads cost a little.
pub fn frame_threads(units: u64, total: u64, workers: usize) -> usize {
    let workers = workers as u64;
    let total = total.max(1);
    let share = (4 * units * workers + 3 * total - 1) / (4 * total);
    share.clamp(1, workers.max(1)) as usize
}

/// Segments that follow on each other without a gap need no new start.
fn append(task: &mut Task, segment: Segment) {
    match task.last_mut() {
        Some(last) if last.until + 1 == segment.from => {
            last.until = segment.until;
            last.wanted.extend(segment.wanted);
        }
        _ => task.push(segment),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn shown(pts: i64, unit: u32) -> Shown {
        Shown {
            pts,
            duration: 1,
            unit,
            cut: false,
        }
    }

    const CUTS: [Cut; 3] = [
        Cut { unit: 0, time: 0 },
        Cut { unit: 10, time: 12 },
        Cut { unit: 20, time: 22 },
    ];

    #[test]
    fn a_task_has_the_frame_threads_of_its_share_of_the_work() {
        // A group that is most of the work would hold one worker up while the other has nothing to do.
        assert_eq!(
            [frame_threads(250, 300, 2), frame_threads(50, 300, 2)],
            [2, 1]
        );
        assert_eq!(
            [frame_threads(180, 300, 2), frame_threads(120, 300, 2)],
            [1, 1]
        );
        assert_eq!(frame_threads(40, 40, 16), 16);
        assert_eq!(frame_threads(100, 500, 16), 3);
        assert_eq!(frame_threads(1, 500, 16), 1);
        assert_eq!(frame_threads(100, 300, 4), 2);
        assert_eq!(frame_threads(9, 9, 1), 1);
    }

    #[test]
    fn one_decoder_takes_groups_in_their_order_and_several_the_longest_first() {
        let run = |from: u32, until: u32| Segment {
            from,
            until,
            wanted: vec![until],
        };
        let runs = [run(0, 9), run(20, 119), run(200, 219)];
        let first = |workers| tasks(runs.to_vec(), workers)[0][0].from;
        assert_eq!((first(1), first(2)), (0, 20));
    }

    #[test]
    fn only_the_groups_that_hold_wanted_pictures_are_decoded_and_only_as_far_as_needed() {
        let plan = segments(&CUTS, [shown(3, 4), shown(25, 23)]);
        assert_eq!(
            plan,
            [
                Segment {
                    from: 0,
                    until: 4,
                    wanted: vec![4]
                },
                Segment {
                    from: 20,
                    until: 23,
                    wanted: vec![23]
                },
            ]
        );
    }

    #[test]
    fn a_leading_picture_is_decoded_from_the_cut_point_before_and_shares_that_run() {
        // Unit 11 is shown before the cut point of unit 10.
        let leading = Segment {
            from: 0,
            until: 11,
            wanted: vec![11],
        };
        assert_eq!(segments(&CUTS, [shown(11, 11)]), [leading]);
        // What is wanted after that cut point starts within the run, and is decoded in it.
        let both = Segment {
            from: 0,
            until: 13,
            wanted: vec![11, 13],
        };
        assert_eq!(segments(&CUTS, [shown(11, 11), shown(14, 13)]), [both]);
    }

    #[test]
    fn a_picture_with_the_pts_of_a_cut_point_is_decoded_from_the_one_before() {
        assert_eq!(start(&CUTS, &shown(12, 10)), 10);
        assert_eq!(start(&CUTS, &shown(12, 11)), 0);
    }

    #[test]
    fn contiguous_groups_join_to_tasks_without_a_restart() {
        let all: Vec<Shown> = (0..30)
            .map(|n| shown(n + i64::from(n >= 10) * 2, n as u32))
            .collect();
        let dealt = tasks(segments(&CUTS, all), 1);
        assert!(dealt.iter().all(|task| task.len() == 1), "{dealt:?}");
        let units: u32 = dealt.iter().flatten().map(|s| s.until - s.from + 1).sum();
        assert_eq!(units, 30);
    }

    #[test]
    fn lone_pictures_of_several_groups_are_a_task_each_and_the_longest_comes_first() {
        let cuts: Vec<Cut> = (0..4)
            .map(|n| Cut {
                unit: 30 * n,
                time: 30 * i64::from(n),
            })
            .collect();
        let picks = [10, 40, 89, 100].map(|n| shown(i64::from(n), n));
        let dealt = tasks(segments(&cuts, picks), 2);
        let lengths: Vec<u64> = dealt.iter().map(|task| task[0].units()).collect();
        assert!(dealt.iter().all(|task| task.len() == 1), "{dealt:?}");
        assert_eq!(lengths, [30, 11, 11, 11]);
    }

    proptest! {
        #[test]
        fn every_wanted_unit_is_in_one_segment_that_starts_at_a_cut_point(
            cut_gaps in proptest::collection::vec(1u32..40, 1..12),
            picks in proptest::collection::vec(0u32..400, 1..60),
            workers in 1usize..9,
        ) {
            let mut cuts = vec![Cut { unit: 0, time: 0 }];
            for gap in cut_gaps {
                let unit = cuts[cuts.len() - 1].unit + gap;
                cuts.push(Cut { unit, time: i64::from(unit) });
            }
            let wanted: Vec<Shown> = picks.iter().map(|u| shown(i64::from(*u), *u)).collect();
            let plan = segments(&cuts, wanted.clone());
            for pair in plan.windows(2) {
                prop_assert!(pair[0].until < pair[1].from);
            }
            for segment in &plan {
                prop_assert!(cuts.iter().any(|cut| cut.unit == segment.from));
            }
            let dealt: Vec<Segment> = tasks(plan, workers).into_iter().flatten().collect();
            for picture in &wanted {
                let holders = dealt.iter().filter(|s| s.wants(picture.unit)).count();
                prop_assert_eq!(holders, 1);
            }
        }
    }
}
