//! How plans are compared, in the words a person reads.

use super::make::*;
use crate::timeline::compare::{Relation, diff, extends};
use crate::timeline::plan::{HashKind, Parameters, Plan, Sampling};

fn planned(parameters: &Parameters, chunks: &[Made]) -> Plan {
    plan(parameters, chunks, exact("60")).unwrap()
}

fn fps(rate: &str) -> Parameters {
    Parameters::new(Sampling::Fps(exact(rate)))
}

fn two() -> Vec<Made> {
    vec![made("a", steady(50, 25, 25)), made("b", steady(50, 25, 25))]
}

#[test]
fn a_parameter_that_differs_is_named_with_both_values() {
    let cached = planned(&fps("5"), &two());
    let mut asked = fps("2");
    asked.quality = 90;
    asked.dedup = Some(3);
    asked.hashes = vec![HashKind::Phash, HashKind::Dhash];
    asked.window.from = Some(exact("0.5"));
    let words = [
        "sampling: fps 2 here, fps 5 in the cache",
        "window: [1/2, open) here, [open, open) in the cache",
        "quality: 90 here, 85 in the cache",
        "hashes: [phash,dhash] here, [phash] in the cache",
        "dedup: 3 here, none in the cache",
    ];
    let new = planned(&asked, &two());
    assert_eq!(
        extends(&cached, &new),
        Relation::Differs(words.map(str::to_owned).to_vec())
    );
    assert_eq!(diff(&new, &cached)[..5], words);
    assert_eq!(diff(&cached, &cached), Vec::<String>::new());
}

#[test]
fn a_source_that_moved_is_the_same_plan() {
    let cached = planned(&fps("5"), &two());
    let mut moved = two();
    moved[0].spec.uri = "s3://elsewhere/a.mp4".to_owned();
    // Saying the start that it has anyway is no difference either.
    moved[1].spec.start = Some(exact("2"));
    assert_eq!(
        extends(&cached, &planned(&fps("5"), &moved)),
        Relation::Same
    );
}

#[test]
fn a_changed_source_is_named_even_where_it_moves_all_that_follows() {
    for sampling in [Sampling::All, Sampling::Fps(exact("5")), Sampling::Count(3)] {
        let parameters = Parameters::new(sampling);
        let cached = planned(&parameters, &two());
        let mut changed = two();
        changed[0] = made("a", steady(75, 25, 25));
        let relation = extends(&cached, &planned(&parameters, &changed));
        let chunk_id = "a".to_owned();
        assert_eq!(relation, Relation::SourceChanged { chunk_id });
    }
}

#[test]
fn another_stretch_id_or_start_is_another_plan() {
    let cached = planned(&fps("5"), &two());
    let said = |change: fn(&mut Vec<Made>)| {
        let mut chunks = two();
        change(&mut chunks);
        match extends(&cached, &planned(&fps("5"), &chunks)) {
            Relation::Differs(words) => words.join("; "),
            other => panic!("{other:?}"),
        }
    };
    let stretch = said(|chunks| chunks[0].spec.source_start = Some(exact("0.5")));
    assert_eq!(
        stretch,
        "chunk a: source_start: 1/2 here, none in the cache"
    );
    let id = said(|chunks| chunks[1].spec.chunk_id = "z".to_owned());
    assert_eq!(id, "chunks: z here where the cache has b");
    let start = said(|chunks| chunks[1].spec.start = Some(exact("3")));
    assert_eq!(
        start,
        "chunk b: begin: 3 here, 2 in the cache; chunk b: end: 5 here, 4 in the cache"
    );
    let lost = said(|chunks| chunks[1].index = None);
    assert!(lost.starts_with("chunk b: source: empty, for an error here, readable in the cache"));
}

#[test]
fn chunks_are_appended_and_a_shorter_list_appends_nothing() {
    let cached = planned(&fps("5"), &two()[..1]);
    let longer = planned(&fps("5"), &two());
    let appends = Relation::Appends {
        chunks_from: 1,
        rows_from: 1,
    };
    assert_eq!(extends(&cached, &longer), appends);
    assert_eq!(extends(&longer, &cached), Relation::IsPrefix);
}

#[test]
fn an_appended_chunk_that_starts_before_the_last_ones_end_is_refused() {
    let cached = planned(&fps("5"), &two()[..1]);
    let mut early = two();
    early[1].spec.start = Some(exact("1.5"));
    let words = "chunks: b starts at 3/2, before chunk a of the cache ends at 2; what is appended must start there or later";
    let refused = Relation::Differs(vec![words.to_owned()]);
    assert_eq!(extends(&cached, &planned(&fps("5"), &early)), refused);
}

#[test]
fn nothing_is_appended_under_count_and_timestamps() {
    for (sampling, name) in [
        (Sampling::Count(3), "count 3"),
        (Sampling::Timestamps(vec![exact("1")]), "1 timestamps"),
    ] {
        let parameters = Parameters::new(sampling);
        let (short, long) = (
            planned(&parameters, &two()[..1]),
            planned(&parameters, &two()),
        );
        let refused = |here, cached| {
            Relation::Differs(vec![format!(
                "chunks: {here} here, {cached} in the cache, and none can be appended under {name}"
            )])
        };
        assert_eq!(extends(&short, &long), refused(2, 1));
        assert_eq!(extends(&long, &short), refused(1, 2));
    }
}

#[test]
fn a_long_list_of_differences_is_cut_short() {
    let chunks: Vec<Made> = (0..30)
        .map(|n| made(&n.to_string(), steady(1, 1, 1)))
        .collect();
    let mut renamed = chunks.clone();
    renamed
        .iter_mut()
        .for_each(|made| made.spec.chunk_id.push('x'));
    let words = diff(&planned(&fps("1"), &renamed), &planned(&fps("1"), &chunks));
    assert_eq!(words.len(), 11);
    assert!(words[10].starts_with("and ") && words[10].ends_with(" more"));
}
