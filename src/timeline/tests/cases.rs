//! The rules by hand: small timelines, one sentence each.

use super::make::*;
use crate::error::Reason;
use crate::media::time::Exact;
use crate::timeline::limits::Limits;
use crate::timeline::plan::{Parameters, Plan, Sampling, Window};
use crate::timeline::planner::Planner;
use crate::timeline::samples::{check_source, of_span};

const SIXTY: Exact = Exact::whole(60);

fn fps(text: &str) -> Parameters {
    Parameters::new(Sampling::Fps(exact(text)))
}

/// (seq, place in `shown`) of all samples of one source's plan.
fn samples(parameters: &Parameters, chunks: &[Made]) -> Vec<(u64, usize)> {
    let plan = plan(parameters, chunks, SIXTY).unwrap();
    let mut all = Vec::new();
    for row in &plan.spans {
        let made = chunks
            .iter()
            .find(|made| made.spec.chunk_id == row.chunk_id);
        let index = made.unwrap().index.as_ref().unwrap();
        let found = of_span(plan.parameters.as_ref().unwrap(), row, index).unwrap();
        all.extend(found.iter().map(|sample| (sample.seq, sample.shown)));
    }
    all
}

fn spans(plan: &Plan) -> Vec<(String, u32, u64, u64)> {
    let rows = plan.spans.iter();
    rows.map(|r| (r.chunk_id.clone(), r.span, r.first, r.count))
        .collect()
}

fn failure(parameters: &Parameters, chunks: &[Made]) -> Reason {
    let error = plan(parameters, chunks, SIXTY).unwrap_err();
    assert!(
        error.hint_text().is_some_and(|hint| !hint.is_empty()),
        "{error}"
    );
    error.reason()
}

#[test]
fn a_rate_of_29_97_is_not_30000_over_1001() {
    let hour = Exact::whole(3600);
    let first_after_an_hour = |rate: &str| {
        let mut parameters = fps(rate);
        parameters.window.from = Some(hour);
        let pts: Vec<i64> = (0..=3700).collect();
        let chunks = [made("0", source((1, 1), &pts, &[0], 1))];
        samples(&parameters, &chunks)[0].0
    };
    assert_eq!(first_after_an_hour("29.97"), 107_892);
    assert_eq!(first_after_an_hour("30000/1001"), 107_893);
}

#[test]
fn millisecond_clocks_show_the_frame_that_they_round_up() {
    // 30 frames a second in a Matroska clock: 33, 67, 100 ms for 33.3, 66.7, 100 ms.
    let pts: Vec<i64> = (0..30).map(|k| (k * 1000 + 15) / 30).collect();
    let chunks = [made("0", source((1, 1000), &pts, &[0], 33))];
    let expected: Vec<(u64, usize)> = (0..30).map(|k| (k, k as usize)).collect();
    assert_eq!(samples(&fps("30"), &chunks), expected);
}

#[test]
fn coarse_clocks_get_half_a_millisecond_and_not_half_a_frame() {
    let chunks = [made("0", steady(4, 2, 1))];
    // At 0.4 s the frame of 0 s is shown, not the one of 0.5 s.
    assert_eq!(samples(&fps("5/2"), &chunks)[1], (1, 0));
}

#[test]
fn a_rate_above_the_sources_gives_a_frame_each_of_its_numbers() {
    let chunks = [made("0", steady(2, 2, 1))];
    assert_eq!(
        samples(&fps("4"), &chunks),
        [(0, 0), (1, 0), (2, 1), (3, 1)]
    );
}

#[test]
fn of_frames_with_one_pts_the_last_is_shown_and_all_are_counted() {
    let chunks = [made("0", source((1, 2), &[0, 1, 1, 2], &[0], 1))];
    assert_eq!(samples(&fps("2"), &chunks), [(0, 0), (1, 2), (2, 3)]);
    let all = samples(&Parameters::new(Sampling::All), &chunks);
    assert_eq!(all, [(0, 0), (1, 1), (2, 2), (3, 3)]);
}

#[test]
fn holes_leave_numbers_out_under_fps_and_none_under_every() {
    let mut late = made("b", steady(4, 4, 4));
    late.spec.start = Some(exact("3"));
    let chunks = [made("a", steady(4, 4, 4)), late];
    assert_eq!(
        samples(&fps("2"), &chunks),
        [(0, 0), (1, 2), (6, 0), (7, 2)]
    );
    let every = Parameters::new(Sampling::Every(3));
    assert_eq!(samples(&every, &chunks), [(0, 0), (1, 3), (2, 2)]);
}

#[test]
fn a_window_that_holds_no_sample_is_refused_unless_a_chunk_could_not_be_read() {
    let chunks = || vec![made("0", steady(10, 10, 10))];
    for (from, to) in [("1", None), ("50", Some("60")), ("0.05", Some("0.1"))] {
        let mut parameters = fps("2");
        parameters.window = Window {
            from: Some(exact(from)),
            to: to.map(exact),
        };
        assert_eq!(failure(&parameters, &chunks()), Reason::TimePastEnd);
        let bad = Made {
            spec: chunk("1"),
            index: None,
        };
        let unknown = [chunks(), vec![bad]].concat();
        assert!(samples(&parameters, &unknown).is_empty());
    }
}

#[test]
fn a_window_takes_from_and_leaves_to() {
    let chunks = [made("0", steady(8, 4, 8))];
    let window = Window {
        from: Some(exact("0.5")),
        to: Some(exact("1.5")),
    };
    let mut parameters = fps("4");
    parameters.window = window;
    assert_eq!(
        samples(&parameters, &chunks),
        [(2, 2), (3, 3), (4, 4), (5, 5)]
    );
    parameters.sampling = Sampling::Every(3);
    // The timeline's third, sixth, ...: numbers are consecutive from 0.
    assert_eq!(samples(&parameters, &chunks), [(0, 3)]);
}

#[test]
fn keyframes_are_the_cut_points_that_are_shown() {
    let chunks = [made("0", source((1, 25), &[0, 1, 2, 3, 4], &[1, 4], 1))];
    let keyframes = Parameters::new(Sampling::Keyframes);
    assert_eq!(samples(&keyframes, &chunks), [(0, 1), (1, 4)]);
}

#[test]
fn a_stretch_begins_with_the_frame_that_is_shown_at_its_start_under_fps() {
    let mut part = made("0", steady(4, 1, 1));
    part.spec.source_start = Some(exact("1.5"));
    let chunks = [part];
    assert_eq!(samples(&fps("1"), &chunks), [(0, 1), (1, 2), (2, 3)]);
    let all = Parameters::new(Sampling::All);
    assert_eq!(samples(&all, &chunks), [(0, 2), (1, 3)]);
    let row = &plan(&fps("1"), &chunks, SIXTY).unwrap().spans[0];
    let index = chunks[0].index.as_ref().unwrap();
    // Its own pts: half a second before the timeline's zero.
    let sample = of_span(&fps("1"), row, index).unwrap()[0];
    assert_eq!(sample.timestamp, exact("-0.5"));
}

#[test]
fn a_stretch_within_the_tolerance_before_a_frame_shows_the_frame_before_that() {
    let mut sliver = made("0", source((1, 1000), &[0, 40, 80], &[0], 40));
    sliver.spec.source_start = Some(exact("0.0397"));
    sliver.spec.source_end = Some(exact("0.0399"));
    let chunks = [sliver];
    let count = Parameters::new(Sampling::Count(2));
    assert_eq!(samples(&count, &chunks), [(0, 0), (1, 0)]);
}

#[test]
fn count_takes_the_midpoints_of_equal_parts_and_puts_the_footages_ends_into_the_window() {
    let chunks = [made("0", steady(100, 10, 100))];
    let count = Parameters::new(Sampling::Count(4));
    // 1.25, 3.75, 6.25 and 8.75 s
    assert_eq!(
        samples(&count, &chunks),
        [(0, 12), (1, 37), (2, 62), (3, 87)]
    );
    let window = plan(&count, &chunks, SIXTY)
        .unwrap()
        .parameters
        .unwrap()
        .window;
    assert_eq!(
        (window.from, window.to),
        (Some(Exact::ZERO), Some(exact("10")))
    );
}

#[test]
fn in_a_hole_count_takes_the_last_frame_before_it() {
    let mut late = made("b", steady(10, 10, 10));
    late.spec.start = Some(exact("3"));
    let chunks = [made("a", steady(10, 10, 10)), late];
    // 0.5, 1.5 (hole), 2.5 (hole) and 3.5 s
    let count = Parameters::new(Sampling::Count(4));
    assert_eq!(samples(&count, &chunks), [(0, 5), (1, 9), (2, 9), (3, 5)]);
}

#[test]
fn a_timestamp_outside_the_footage_or_in_a_hole_fails() {
    let mut late = made("b", steady(10, 10, 10));
    late.spec.start = Some(exact("3"));
    let chunks = [made("a", steady(10, 10, 10)), late];
    let at = |time: &str| Parameters::new(Sampling::Timestamps(vec![exact("0.5"), exact(time)]));
    assert_eq!(samples(&at("3"), &chunks), [(0, 5), (1, 0)]);
    for time in ["1", "2.9999", "4", "100"] {
        assert_eq!(failure(&at(time), &chunks), Reason::TimePastEnd, "{time}");
    }
}

#[test]
fn count_beyond_the_footage_or_without_any_fails() {
    let mut parameters = Parameters::new(Sampling::Count(3));
    let bad = Made {
        spec: chunk("0"),
        index: None,
    };
    assert_eq!(failure(&parameters, &[bad]), Reason::TimePastEnd);
    assert_eq!(failure(&parameters, &[]), Reason::TimePastEnd);
    parameters.window.to = Some(exact("100"));
    let chunks = [made("0", steady(10, 10, 10))];
    assert_eq!(failure(&parameters, &chunks), Reason::TimePastEnd);
    parameters.window.from = Some(exact("50"));
    assert_eq!(failure(&parameters, &chunks), Reason::TimePastEnd);
}

#[test]
fn the_next_chunks_start_ends_what_a_chunk_owns() {
    let mut over = made("b", steady(4, 4, 4));
    over.spec.start = Some(exact("0.5"));
    let chunks = [made("a", steady(8, 4, 8)), over];
    let all = Parameters::new(Sampling::All);
    assert_eq!(
        samples(&all, &chunks),
        [(0, 0), (1, 1), (2, 0), (3, 1), (4, 2), (5, 3)]
    );
    let plan = plan(&all, &chunks, SIXTY).unwrap();
    assert_eq!(plan.chunks[0].end, exact("2"));
    assert_eq!(plan.spans[0].end, exact("0.5"));
}

#[test]
fn a_last_frame_without_duration_is_counted() {
    let chunks = [
        made("a", source((1, 25), &[7, 8, 8], &[0], 0)),
        made("b", steady(1, 25, 1)),
    ];
    let all = Parameters::new(Sampling::All);
    assert_eq!(samples(&all, &chunks), [(0, 0), (1, 1), (2, 2), (3, 0)]);
}

#[test]
fn a_span_ends_at_the_first_cut_point_at_least_60_seconds_later() {
    // Cuts at 0, 40, 80, 120, 160, 200 s: spans from 0, 80, 160.
    let chunks = [made("0", steady(240, 1, 40))];
    let all = Parameters::new(Sampling::All);
    let long = plan(&all, &chunks, SIXTY).unwrap();
    let expected = [("0", 0, 0, 80), ("0", 1, 80, 80), ("0", 2, 160, 80)];
    assert_eq!(
        spans(&long),
        expected.map(|(id, span, first, count)| (id.to_owned(), span, first, count))
    );
    let exactly = plan(&all, &[made("0", steady(120, 1, 60))], SIXTY).unwrap();
    assert_eq!(exactly.spans.len(), 2);
}

#[test]
fn a_chunk_that_could_not_be_indexed_is_empty_and_ends_where_it_begins() {
    let lost = Made {
        spec: chunk(""),
        index: None,
    };
    let chunks = [made("a", steady(4, 4, 4)), lost, made("c", steady(4, 4, 4))];
    let plan = plan(&Parameters::new(Sampling::All), &chunks, SIXTY).unwrap();
    let lost = &plan.chunks[1];
    assert_eq!((lost.spec.chunk_id.as_str(), lost.frames), ("1", 0));
    assert_eq!((lost.begin, lost.end), (exact("1"), exact("1")));
    assert_eq!(lost.error, Some(bad()));
    assert_eq!(
        spans(&plan),
        [("a".to_owned(), 0, 0, 4), ("c".to_owned(), 0, 4, 4)]
    );
}

#[test]
fn chunks_out_of_order_with_one_id_or_past_their_sources_end_are_refused() {
    let all = Parameters::new(Sampling::All);
    let first = || {
        let mut first = made("a", steady(4, 4, 4));
        first.spec.start = Some(exact("5"));
        first
    };
    let mut early = made("b", steady(4, 4, 4));
    early.spec.start = Some(exact("4"));
    assert_eq!(failure(&all, &[first(), early]), Reason::FieldInvalid);
    assert_eq!(failure(&all, &[first(), first()]), Reason::FieldInvalid);
    let mut past = made("b", steady(4, 4, 4));
    past.spec.source_start = Some(exact("1"));
    assert_eq!(failure(&all, &[past]), Reason::TimePastEnd);
}

#[test]
fn after_a_refused_chunk_the_planner_goes_on_as_if_it_had_not_been_asked() {
    let index = steady(4, 4, 4);
    let limits = Limits::default();
    let mut planner = Planner::new(Parameters::new(Sampling::All), limits).unwrap();
    planner.push(chunk("a"), Ok(&index)).unwrap();
    let mut past = chunk("b");
    past.source_start = Some(exact("9"));
    planner.push(past, Ok(&index)).unwrap_err();
    let mut empty = steady(4, 4, 4);
    empty.shown.clear();
    let internal = planner.push(chunk("b"), Ok(&empty)).unwrap_err();
    assert_eq!(internal.reason(), Reason::Internal);
    planner.push(chunk("b"), Ok(&index)).unwrap();
    let plain = [made("a", steady(4, 4, 4)), made("b", steady(4, 4, 4))];
    let expected = plan(&Parameters::new(Sampling::All), &plain, SIXTY).unwrap();
    assert_eq!(planner.finish().unwrap(), expected);
}

#[test]
fn limits_on_chunks_and_frames_are_said_with_their_values() {
    let limits = Limits {
        chunks: 1,
        frames: 5,
    };
    let index = steady(10, 10, 10);
    let run = |sampling: Sampling| {
        let mut planner = Planner::new(Parameters::new(sampling), limits).unwrap();
        planner.push(chunk("a"), Ok(&index)).unwrap();
        let second = planner.push(chunk("b"), Ok(&index)).unwrap_err();
        assert_eq!(second.reason(), Reason::RequestLimit);
        planner.finish()
    };
    for sampling in [
        Sampling::All,
        Sampling::Fps(exact("6")),
        Sampling::Fps(exact("99999999999999999999999999999")),
    ] {
        let error = run(sampling).unwrap_err();
        assert_eq!(error.reason(), Reason::RequestLimit);
        assert!(error.message().contains("limit=5"));
    }
    assert!(run(Sampling::Fps(exact("5"))).is_ok());
}

#[test]
fn a_jump_of_the_clock_that_gives_a_picture_over_100_000_numbers_is_named() {
    let jump = |seconds: i64| {
        let pts = [0, 40, 80, 80 + 1000 * seconds, 120 + 1000 * seconds];
        [made("b", source((1, 1000), &pts, &[0], 40))]
    };
    let refused = |parameters: &Parameters, seconds| {
        let error = plan(parameters, &jump(seconds), SIXTY).unwrap_err();
        assert_eq!(error.reason(), Reason::MediaLimit);
        error.message().to_owned()
    };
    // Fewer than the frames of a profile, and more.
    for seconds in [190_800, 1_000_000] {
        let message = refused(&fps("20"), seconds);
        let numbers = format!("numbers={} limit=100000", 20 * seconds);
        assert!(message.contains(&numbers), "{message}");
        assert!(message.contains("chunk_id=b shown_at=0.0795"), "{message}");
    }
    refused(&Parameters::new(Sampling::Count(200_000)), 5000);
    // A pause of an hour is one, and so is a jump that no number lies in.
    assert_eq!(samples(&fps("20"), &jump(3600)).len(), 72_004);
    let mut before = fps("20");
    before.window.to = Some(exact("0.1"));
    assert_eq!(samples(&before, &jump(190_800)).len(), 2);
    assert_eq!(
        samples(&Parameters::new(Sampling::All), &jump(190_800)).len(),
        5
    );
}

#[test]
fn hostile_pts_and_time_bases_end_in_an_error_and_never_in_a_panic() {
    let edges = [i64::MIN, -1, 0, 1, i64::MAX];
    let bases = [(1, i32::MAX), (i32::MAX, 1), (0, 1), (1, 0), (-1, -1)];
    for base in bases {
        let mut index = source(base, &[0, 0, 0, 0, 0], &[0, 2, 4], i64::MAX);
        index
            .shown
            .iter_mut()
            .zip(edges)
            .for_each(|(shown, pts)| shown.pts = pts);
        for sampling in [
            Sampling::All,
            Sampling::Fps(exact("29.97")),
            Sampling::Count(7),
        ] {
            let mut second = made("b", index.clone());
            second.spec.source_start = Some(exact("999999999999999999.999999999999999999"));
            let chunks = [made("a", index.clone()), second];
            let _ = plan(&Parameters::new(sampling), &chunks, SIXTY);
        }
    }
}

#[test]
fn twenty_thousand_chunks_of_odd_time_bases_do_not_panic() {
    let limits = Limits::default();
    let mut planner = Planner::new(fps("29.97"), limits).unwrap();
    let pushed = (1..=20_000).try_for_each(|number| {
        let index = source((1, 2 * number + 1), &[0, 1, 2], &[0], 1);
        planner.push(chunk(""), Ok(&index))
    });
    // The common denominator grows beyond what can be computed exactly.
    assert_eq!(pushed.unwrap_err().reason(), Reason::MediaLimit);
}

#[test]
fn a_row_that_disagrees_with_the_index_is_an_internal_error() {
    let index = steady(10, 10, 5);
    for parameters in [Parameters::new(Sampling::All), fps("10")] {
        let plan = plan(&parameters, &[made("0", index.clone())], SIXTY).unwrap();
        let row = &plan.spans[0];
        let shorter = steady(4, 10, 4);
        let error = of_span(&parameters, row, &shorter).unwrap_err();
        assert_eq!(error.reason(), Reason::Internal);
        assert!(check_source(row, &index).is_ok());
        let changed = check_source(row, &shorter).unwrap_err();
        assert_eq!(changed.reason(), Reason::SourceChanged);
    }
    let mut row = plan(&fps("10"), &[made("0", index.clone())], SIXTY)
        .unwrap()
        .spans[0]
        .clone();
    row.count = u64::MAX;
    row.first = 2;
    assert_eq!(
        of_span(&fps("10"), &row, &index).unwrap_err().reason(),
        Reason::Internal
    );
}

#[test]
fn a_ten_hour_source_is_planned_whole() {
    let index = steady(1_080_000, 30, 250);
    let ten_hours = [made("0", index)];
    for (sampling, count) in [
        (Sampling::All, 1_080_000),
        (Sampling::Every(3), 360_000),
        (Sampling::Keyframes, 4_320),
        (Sampling::Fps(exact("2")), 72_000),
        (Sampling::Count(1_000), 1_000),
    ] {
        let plan = plan(&Parameters::new(sampling), &ten_hours, SIXTY).unwrap();
        assert_eq!(plan.spans.iter().map(|r| r.count).sum::<u64>(), count);
        assert_eq!(plan.spans.len(), 540);
    }
}
