//! Source time of streams of which everything is known, told as containers tell it.

use proptest::prelude::*;

use super::*;

const STEP: i64 = 40;

/// A recording between two starts of a clock.
#[derive(Debug, Clone)]
struct Recording {
    frames: usize,
    /// Bidirectional pictures between two others.
    between: usize,
    /// Frames from a cut point to the next.
    group: usize,
    /// Ticks by which the clock starts before the end of the recording before; forward where negative.
    back: i64,
}

/// A unit as it is, and as its container tells it.
#[derive(Debug, Clone, Copy)]
struct Made {
    /// Place in the order of showing.
    place: usize,
    cut: bool,
    pts: Option<i64>,
    dts: Option<i64>,
}

/// Places of a recording's frames in the order of decoding: each other picture before those between.
fn decoded(recording: &Recording) -> Vec<usize> {
    let mut order = vec![];
    let mut next = 0;
    while next < recording.frames {
        // What is between stays within its group: closed ones.
        let left = recording.group - next % recording.group;
        let ahead = (recording.between + 1).min(recording.frames - next);
        let ahead = if next % recording.group == 0 {
            1
        } else {
            ahead.min(left)
        };
        order.push(next + ahead - 1);
        order.extend(next..next + ahead - 1);
        next += ahead;
    }
    order
}

/// The units of recordings put end to end, and the source time of each place.
fn made(recordings: &[Recording]) -> (Vec<Made>, Vec<i64>) {
    let (mut units, mut times) = (Vec::new(), Vec::new());
    let (mut clock, mut time) = (1000, 1000);
    for (n, recording) in recordings.iter().enumerate() {
        if n > 0 {
            clock -= recording.back;
            // A jump forward is a pause.
            time -= recording.back.min(0);
        }
        let first = times.len();
        for (nth, own) in decoded(recording).into_iter().enumerate() {
            units.push(Made {
                place: first + own,
                cut: own % recording.group == 0,
                pts: Some(clock + own as i64 * STEP),
                dts: Some(clock + (nth as i64 - 1) * STEP),
            });
        }
        let count = recording.frames as i64;
        times.extend((0..count).map(|own| time + own * STEP));
        (clock, time) = (clock + count * STEP, time + count * STEP);
    }
    (units, times)
}

fn units(made: &[Made]) -> (Vec<Unit>, Vec<i64>, Vec<u32>) {
    let unit = |made: &Made| Unit {
        stated: made.pts.unwrap_or(UNKNOWN),
        time: UNKNOWN,
        position: 0,
        size: 1,
        flags: NUMBERED | if made.cut { CUT } else { 0 },
    };
    let dts = made.iter().map(|made| made.dts.unwrap_or(UNKNOWN));
    let ranks = made.iter().map(|made| made.place as u32);
    (
        made.iter().map(unit).collect(),
        dts.collect(),
        ranks.collect(),
    )
}

/// Times of the frames in the order of showing, and the breaks.
fn read(made: &[Made], with_order: bool, wrap_bits: u32) -> (Vec<i64>, usize) {
    let (mut units, dts, ranks) = units(made);
    let source = Source {
        dts: &dts,
        ranks: with_order.then_some(&ranks),
        rules: Rules {
            depth: 1,
            wrap_bits,
        },
        frames: &|k| k as i64 * STEP,
    };
    let outcome = by_timestamps(&mut units, &source);
    let mut times = vec![0; made.len()];
    for (made, unit) in made.iter().zip(&units) {
        times[made.place] = unit.time;
    }
    (times, outcome.breaks.len())
}

fn recording() -> impl Strategy<Value = Recording> {
    // Back by a few frames, by whole recordings, or forward.
    let back = prop_oneof![3i64..8, 8i64..200, -500i64..=0];
    (8usize..40, 0usize..3, 5usize..12, back).prop_map(|(frames, between, group, back)| Recording {
        frames,
        between,
        group,
        back: back * STEP,
    })
}

fn recordings() -> impl Strategy<Value = Vec<Recording>> {
    proptest::collection::vec(recording(), 1..5)
}

fn breaks(recordings: &[Recording]) -> usize {
    recordings.iter().skip(1).filter(|r| r.back > 0).count()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_clock_that_starts_again_goes_on_where_the_last_frame_ends(recordings in recordings()) {
        let (made, times) = made(&recordings);
        prop_assert_eq!(read(&made, false, 64), (times, breaks(&recordings)));
    }

    #[test]
    fn without_dts_the_clock_is_told_by_pts(recordings in recordings()) {
        let (mut made, times) = made(&recordings);
        made.iter_mut().for_each(|made| made.dts = None);
        prop_assert_eq!(read(&made, false, 64), (times, breaks(&recordings)));
    }

    #[test]
    fn a_clock_that_wraps_runs_on(recordings in recordings(), turn in 0i64..20_000) {
        let (mut made, times) = made(&recordings);
        const BITS: u32 = 20;
        let wrapped = |ticks: i64| (ticks + turn + (1 << BITS) - 20_000).rem_euclid(1 << BITS);
        for made in &mut made {
            (made.pts, made.dts) = (made.pts.map(wrapped), made.dts.map(wrapped));
        }
        let (read, found) = read(&made, false, BITS);
        let moved = read[0] - times[0];
        let moved: Vec<i64> = times.iter().map(|time| time + moved).collect();
        prop_assert_eq!((read, found), (moved, breaks(&recordings)));
    }

    #[test]
    fn frames_without_pts_are_placed_evenly_in_the_order_of_showing(recordings in recordings(), missing in proptest::collection::vec(prop::bool::weighted(0.4), 160)) {
        let (mut made, times) = made(&recordings);
        for (made, missing) in made.iter_mut().zip(&missing) {
            made.pts = made.pts.filter(|_| !missing);
        }
        let (read, _) = read(&made, true, 64);
        prop_assert!(read.is_sorted_by(|a, b| a < b), "{:?}", read);
        // Where it is one recording, what is placed lies where it was.
        if recordings.len() == 1 && made.iter().any(|made| made.pts.is_some()) {
            prop_assert_eq!(read, times);
        }
    }

    #[test]
    fn dts_that_jitter_break_no_clock(recording in recording(), jitter in proptest::collection::vec(-60i64..60, 40)) {
        let (mut made, times) = made(&[recording]);
        for (made, jitter) in made.iter_mut().zip(&jitter) {
            made.dts = made.dts.map(|dts| dts + jitter);
        }
        prop_assert_eq!(read(&made, false, 64), (times, 0));
    }
}

#[test]
fn a_clock_set_back_between_cut_points_starts_again_there() {
    let recording = |frames, back| Recording {
        frames,
        between: 0,
        group: 1000,
        back,
    };
    let (mut made, times) = made(&[recording(30, 0), recording(30, 25 * STEP)]);
    made[30].cut = false;
    assert_eq!(read(&made, false, 64), (times, 1));
}

#[test]
fn far_ahead_is_a_jump_but_for_more_than_the_bits_hold() {
    const BITS: u32 = 20;
    let recording = |back| Recording {
        frames: 30,
        between: 0,
        group: 10,
        back,
    };
    // Ahead by three quarters of what the bits count.
    let jump = 3 << (BITS - 2);
    let (made_ahead, times) = made(&[recording(0), recording(-jump)]);
    assert_eq!(read(&made_ahead, false, BITS), (times, 0));
    // A turn was added to a clock that starts again.
    let (mut made_again, times) = made(&[recording(0), recording(25 * STEP)]);
    for made in &mut made_again[30..] {
        made.pts = made.pts.map(|pts| pts + (1 << BITS));
        made.dts = made.dts.map(|dts| dts + (1 << BITS));
    }
    assert_eq!(read(&made_again, false, BITS), (times, 1));
}

#[test]
fn a_time_that_contradicts_the_order_of_showing_is_set_aside() {
    let mut times = [Some(0), Some(40), Some(400), Some(120), None, Some(200)];
    keep_rising(&mut times);
    assert_eq!(times, [Some(0), Some(40), None, Some(120), None, Some(200)]);
    assert_eq!(spread(&times, 1), [0, 40, 80, 120, 160, 200]);
}

#[test]
fn at_an_end_the_gap_beside_tells_and_where_nothing_is_told_the_rate() {
    assert_eq!(
        spread(&[None, Some(100), Some(140), None], 1),
        [60, 100, 140, 180]
    );
    assert_eq!(spread(&[None, Some(100), None], 7), [93, 100, 107]);
    assert_eq!(spread(&[None, None], 7), [0, 7]);
}

#[test]
fn counted_times_are_the_smallest_dts_in_the_order_of_showing() {
    let recording = Recording {
        frames: 8,
        between: 2,
        group: 8,
        back: 0,
    };
    let (made, _) = made(&[recording]);
    let (mut units, dts, ranks) = units(&made);
    let source = Source {
        dts: &dts,
        ranks: Some(&ranks),
        rules: Rules {
            depth: 1,
            wrap_bits: 64,
        },
        frames: &|k| k as i64,
    };
    assert_eq!(by_counting(&mut units, &source).revision(), 1);
    let mut sorted = dts.clone();
    sorted.sort();
    for (unit, rank) in units.iter().zip(&ranks) {
        assert_eq!(unit.time, sorted[*rank as usize]);
    }
}
