//! What holds for every timeline.

use proptest::prelude::*;

use super::make::*;
use super::model;
use crate::error::Reason;
use crate::media::facts::FrameFacts;
use crate::media::time::{Exact, tolerance};
use crate::timeline::compare::{Relation, appended, extends};
use crate::timeline::digest::digest_of;
use crate::timeline::plan::{Parameters, Plan, Sampling};
use crate::timeline::samples::{Sample, of_span};
use crate::timeline::select::{row_of_sequence, rows_shown_at, shown_among};
use model::Expected;

/// What workers make of the plan, each from its row and its source's index alone.
fn extracted(plan: &Plan, chunks: &[Made]) -> Vec<Expected> {
    let parameters = plan.parameters.as_ref().unwrap();
    let mut all = Vec::new();
    for row in &plan.spans {
        let number = chunks
            .iter()
            .position(|made| made.spec.chunk_id == row.chunk_id)
            .unwrap();
        let index = chunks[number].index.as_ref().unwrap();
        let samples = of_span(parameters, row, index).unwrap();
        assert_eq!(samples.len() as u64, row.count);
        for (sample, seq) in samples.iter().zip(row.first..) {
            assert_eq!(sample.seq, seq);
            all.push(Expected {
                chunk: number,
                span: row.span,
                shown: sample.shown,
                seq,
                timestamp: sample.timestamp,
            });
        }
    }
    all
}

/// Sequence, pts and time of each sample: what a viewer sees.
fn viewed(plan: &Plan, chunks: &[Made]) -> Vec<(u64, i64, Exact)> {
    let view = |e: &Expected| {
        let index = chunks[e.chunk].index.as_ref().unwrap();
        (e.seq, index.shown[e.shown].pts, e.timestamp)
    };
    extracted(plan, chunks).iter().map(view).collect()
}

fn is_timed(parameters: &Parameters) -> bool {
    matches!(
        parameters.sampling,
        Sampling::Fps(_) | Sampling::Timestamps(_) | Sampling::Count(_)
    )
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn workers_extract_exactly_what_the_rules_say(parameters in any_parameters(), chunks in any_timeline(), span in any_span()) {
        let expected = model::samples(&parameters, &chunks, span);
        match plan(&parameters, &chunks, span) {
            Ok(plan) => prop_assert_eq!(Some(extracted(&plan, &chunks)), expected),
            Err(error) => prop_assert_eq!(expected, None, "{}", error),
        }
    }

    #[test]
    fn rows_are_in_order_tile_their_chunk_and_hold_each_frame_once(parameters in any_parameters(), chunks in any_timeline(), span in any_span()) {
        let Ok(plan) = plan(&parameters, &chunks, span) else { return Ok(()) };
        let (mut next_seq, mut frames) = (0, 0);
        for row in &plan.spans {
            prop_assert!(row.first >= next_seq && row.start <= row.end);
            next_seq = row.first + row.count;
            frames += row.frames;
        }
        prop_assert_eq!(frames, plan.chunks.iter().map(|c| c.frames).sum::<u64>());
        for (number, chunk) in plan.chunks.iter().enumerate() {
            let rows: Vec<_> = plan.spans.iter().filter(|r| r.chunk_id == chunk.spec.chunk_id).collect();
            prop_assert_eq!(rows.is_empty(), chunk.frames == 0);
            let Some(first) = rows.first() else { continue };
            let next = plan.chunks.get(number + 1).map_or(chunk.end, |next| next.begin);
            prop_assert_eq!(first.start, chunk.begin);
            prop_assert_eq!(rows[rows.len() - 1].end, next.min(chunk.end));
            for (span, pair) in rows.windows(2).enumerate() {
                prop_assert_eq!(pair[0].span as usize, span);
                prop_assert_eq!(pair[0].end, pair[1].start);
                prop_assert_eq!(pair[0].first_frame + pair[0].frames, pair[1].first_frame);
            }
        }
    }

    #[test]
    fn the_length_of_spans_changes_no_sample(parameters in any_parameters(), chunks in any_timeline()) {
        let whole = plan(&parameters, &chunks, exact("60")).map(|p| viewed(&p, &chunks)).ok();
        let cut = plan(&parameters, &chunks, exact("0.1")).map(|p| viewed(&p, &chunks)).ok();
        prop_assert_eq!(whole, cut);
    }

    #[test]
    fn a_window_leaves_out_samples_and_under_fps_shifts_no_number(parameters in any_parameters(), chunks in any_timeline(), fps in any_fps()) {
        let mut parameters = parameters;
        if matches!(parameters.sampling, Sampling::Timestamps(_) | Sampling::Count(_)) {
            parameters.sampling = Sampling::Fps(fps);
        }
        let open = Parameters { window: Default::default(), ..parameters.clone() };
        let whole = viewed(&plan(&open, &chunks, exact("0.1")).unwrap(), &chunks);
        let part = match plan(&parameters, &chunks, exact("0.1")) {
            Ok(part) => viewed(&part, &chunks),
            // It holds none of them.
            Err(error) => {
                prop_assert_eq!(error.reason(), Reason::TimePastEnd);
                Vec::new()
            }
        };
        let inside = |t: Exact| parameters.window.from.is_none_or(|from| from <= t) && parameters.window.to.is_none_or(|to| t < to);
        if let Sampling::Fps(fps) = parameters.sampling {
            let at = |seq: u64| Exact::whole(seq as i64).over(fps).unwrap();
            let expected: Vec<_> = whole.into_iter().filter(|(seq, ..)| inside(at(*seq))).collect();
            prop_assert_eq!(part, expected);
        } else {
            let kept = whole.into_iter().filter(|(_, _, t)| inside(*t));
            let expected: Vec<_> = kept.zip(0..).map(|((_, pts, t), seq)| (seq, pts, t)).collect();
            prop_assert_eq!(part, expected);
        }
    }

    // Ownership has no tolerance, so under fps the law holds where no sample
    // falls into the tolerance before a seam; splitting at sample times avoids it.
    #[test]
    fn stretches_of_one_video_give_the_samples_of_the_whole(index in any_source(), seams in proptest::collection::vec(1u64..60, 1..4), every in 1u64..5) {
        for (sampling, step) in [
            (Sampling::Fps(exact("25")), exact("0.04")),
            (Sampling::Every(every), exact("0.037")),
            (Sampling::All, exact("0.041")),
            (Sampling::Keyframes, exact("0.04")),
        ] {
            let parameters = Parameters::new(sampling);
            let end = media_seconds(&index);
            let mut seams: Vec<Exact> = seams.iter().map(|s| step.times(Exact::whole(*s as i64)).unwrap()).filter(|s| *s < end).collect();
            seams.sort();
            seams.dedup();
            let whole = [made("whole", index.clone())];
            let starts = [None].into_iter().chain(seams.iter().copied().map(Some));
            let ends = seams.iter().copied().map(Some).chain([None]);
            let parts: Vec<Made> = starts.zip(ends).enumerate().map(|(number, (from, to))| {
                let mut part = made(&number.to_string(), index.clone());
                (part.spec.source_start, part.spec.source_end) = (from, to);
                part
            }).collect();
            let expected = viewed(&plan(&parameters, &whole, exact("60")).unwrap(), &whole);
            let found = viewed(&plan(&parameters, &parts, exact("0.1")).unwrap(), &parts);
            prop_assert_eq!(found, expected, "{:?}", parameters.sampling);
        }
    }

    #[test]
    fn appending_keeps_old_rows_and_numbers(parameters in any_parameters(), chunks in any_timeline(), more in 0usize..5, span in any_span()) {
        let shorter = &chunks[..chunks.len().saturating_sub(more).max(1)];
        let (Ok(old), Ok(new)) = (plan(&parameters, shorter, span), plan(&parameters, &chunks, span)) else { return Ok(()) };
        let grows = chunks.len() > shorter.len();
        let fits = !grows || new.chunks[shorter.len()].begin >= old.chunks[shorter.len() - 1].end;
        let fixed = matches!(parameters.sampling, Sampling::Timestamps(_) | Sampling::Count(_));
        match extends(&old, &new) {
            Relation::Same => prop_assert!(!grows && old == new),
            Relation::Appends { chunks_from, rows_from } => {
                prop_assert!(grows && fits && !fixed);
                prop_assert_eq!(&new.chunks[..chunks_from], &old.chunks[..]);
                prop_assert_eq!(&new.spans[..rows_from], &old.spans[..]);
                prop_assert_eq!(extends(&new, &old), Relation::IsPrefix);
                prop_assert_eq!(appended(&old, &new), new);
            }
            Relation::Differs(words) => prop_assert!(grows && (fixed || !fits), "{:?}", words),
            other => prop_assert!(false, "{:?}", other),
        }
    }

    #[test]
    fn a_plan_survives_json_and_its_digests_with_it(parameters in any_parameters(), chunks in any_timeline(), span in any_span()) {
        let Ok(plan) = plan(&parameters, &chunks, span) else { return Ok(()) };
        let read: Plan = serde_json::from_slice(&serde_json::to_vec(&plan).unwrap()).unwrap();
        prop_assert_eq!(&read, &plan);
        for (row, again) in plan.spans.iter().zip(&read.spans) {
            let digest = digest_of(plan.parameters.as_ref().unwrap(), row).unwrap();
            prop_assert_eq!(digest_of(read.parameters.as_ref().unwrap(), again).unwrap(), digest);
        }
    }

    // A record is reused where its digest is the row's: equal digests must mean equal samples.
    #[test]
    fn rows_with_equal_digests_have_equal_samples(parameters in any_parameters(), index in any_source(), (one, other) in (any_timeline(), any_timeline())) {
        let alike = |mut chunks: Vec<Made>| {
            chunks.iter_mut().for_each(|made| {
                let from = made.spec.source_start.filter(|from| *from < media_seconds(&index));
                made.spec.source_end = made.spec.source_end.filter(|_| from.is_some());
                made.spec.source_start = from;
                made.spec.start = None;
                made.index = Some(index.clone());
            });
            chunks
        };
        let (one, other) = (alike(one), alike(other));
        let (Ok(first), Ok(second)) = (plan(&parameters, &one, exact("0.2")), plan(&parameters, &other, exact("0.2"))) else { return Ok(()) };
        let of = |plan: &Plan, row| -> (String, Vec<Sample>) {
            let parameters = plan.parameters.as_ref().unwrap();
            (digest_of(parameters, row).unwrap(), of_span(parameters, row, &index).unwrap())
        };
        for row in &first.spans {
            for twin in &second.spans {
                let (digest, samples) = of(&first, row);
                let (twin_digest, twin_samples) = of(&second, twin);
                prop_assert!(digest != twin_digest || samples == twin_samples);
            }
        }
    }

    #[test]
    fn selecting_by_time_finds_the_planned_frame_shown_then(parameters in any_parameters(), chunks in any_timeline(), span in any_span(), time in any_time(5), again in 0usize..40, near in proptest::option::weighted(0.7, (any::<prop::sample::Index>(), any_nudge()))) {
        let Ok(plan) = plan(&parameters, &chunks, span) else { return Ok(()) };
        let all = extracted(&plan, &chunks);
        for sample in &all {
            let row = &plan.spans[row_of_sequence(&plan, sample.seq).unwrap()];
            prop_assert_eq!((&row.chunk_id, row.span), (&chunks[sample.chunk].spec.chunk_id, sample.span));
        }
        // Most often a time around the moment from which a frame counts as shown.
        let time = match near.filter(|_| !all.is_empty()) {
            Some((index, nudge)) => index.get(&all).timestamp.plus(nudge).unwrap(),
            None => time,
        };
        let mut found = None;
        for place in rows_shown_at(&plan, time).unwrap_or_default() {
            let row = &plan.spans[place];
            let index = chunks.iter().find(|made| made.spec.chunk_id == row.chunk_id).unwrap().index.as_ref().unwrap();
            let facts: Vec<FrameFacts> = of_span(plan.parameters.as_ref().unwrap(), row, index).unwrap().iter().map(|sample| FrameFacts {
                seq: sample.seq,
                // From some frame on the container's clock is another one.
                pts: Some(index.shown[sample.shown].pts - if sample.shown < again { 0 } else { 7777 }),
                timestamp: Some(sample.timestamp.to_f64()),
                time_base: Some(index.time_base.to_string()),
                ..FrameFacts::default()
            }).collect();
            found = shown_among(row, &facts, time).map(|place| facts[place].seq);
            if found.is_some() { break }
        }
        let owner = plan.chunks.iter().enumerate().position(|(number, chunk)| {
            let next = plan.chunks.get(number + 1).map_or(chunk.end, |next| next.begin);
            chunk.begin <= time && time < chunk.end.min(next)
        });
        let expected = all.iter().rfind(|sample| {
            let h = chunks[sample.chunk].index.as_ref().map(|i| tolerance(i.time_base.seconds().unwrap()).unwrap());
            Some(sample.chunk) == owner && sample.timestamp.minus(h.unwrap()).unwrap() <= time
        });
        prop_assert_eq!(found, expected.map(|sample| sample.seq));
    }

    #[test]
    fn where_a_mode_looks_at_times_a_sample_is_within_the_tolerance_of_its_time(fps in any_fps(), chunks in any_timeline()) {
        let parameters = Parameters::new(Sampling::Fps(fps));
        prop_assert!(is_timed(&parameters));
        let plan = plan(&parameters, &chunks, exact("0.3")).unwrap();
        for sample in extracted(&plan, &chunks) {
            let time = Exact::whole(sample.seq as i64).over(fps).unwrap();
            prop_assert!(sample.timestamp.minus(exact("1/2000")).unwrap() <= time);
        }
    }
}
