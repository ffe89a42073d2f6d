//! `plan.json` and digests are stored: a change of either is a new schema.

use super::make::*;
use crate::timeline::digest::digest_of;
use crate::timeline::plan::{HashKind, Parameters, Plan, Sampling};

const PLAN: &str = include_str!("plan.golden.json");

fn golden() -> Plan {
    let mut parameters = Parameters::new(Sampling::Every(3));
    parameters.hashes = vec![HashKind::Phash, HashKind::AverageHash];
    parameters.window.to = Some(exact("4.5"));
    parameters.max_side = Some(640);
    parameters.dedup = Some(4);
    let pts: Vec<i64> = (0..50).map(|k| 1000 + k * 3003).collect();
    let mut first = made("intro", source((1, 90000), &pts, &[0, 25], 3003));
    first.spec.init_uri = Some("init.mp4".to_owned());
    first.spec.source_start = Some(exact("0.1"));
    let index = first.index.as_mut().unwrap();
    index.init = Some(identity(7));
    index.unshown.discarded = 2;
    let lost = Made {
        spec: chunk(""),
        index: None,
    };
    let mut last = made("outro", steady(50, 25, 25));
    last.spec.start = Some(exact("2.997"));
    plan(&parameters, &[first, lost, last], exact("0.5")).unwrap()
}

#[test]
fn plan_json_is_as_it_was_stored() {
    let written = serde_json::to_string_pretty(&golden()).unwrap();
    assert_eq!(written.trim(), PLAN.trim());
    assert_eq!(serde_json::from_str::<Plan>(PLAN).unwrap(), golden());
}

#[test]
fn sampling_is_written_as_it_was() {
    let written = [
        (Sampling::Fps(exact("29.97")), r#"{"fps":"2997/100"}"#),
        (Sampling::Every(3), r#"{"every":3}"#),
        (Sampling::All, r#""all""#),
        (Sampling::Keyframes, r#""keyframes""#),
        (
            Sampling::Timestamps(vec![exact("1"), exact("1.5")]),
            r#"{"timestamps":["1","3/2"]}"#,
        ),
        (Sampling::Count(9), r#"{"count":9}"#),
    ];
    for (sampling, json) in written {
        assert_eq!(serde_json::to_string(&sampling).unwrap(), json);
        assert_eq!(serde_json::from_str::<Sampling>(json).unwrap(), sampling);
    }
}

// Checked with tests/oracles/plan_digest.py: Python's json and hashlib over the golden file.
#[test]
fn digests_are_as_they_were_stored() {
    let plan = golden();
    let digests: Vec<String> = plan
        .spans
        .iter()
        .map(|row| digest_of(plan.parameters.as_ref().unwrap(), row).unwrap())
        .collect();
    assert_eq!(
        digests,
        include_str!("digests.golden.txt")
            .lines()
            .collect::<Vec<_>>()
    );
}

#[test]
fn every_parameter_and_every_field_of_a_row_changes_the_digest() {
    let plan = golden();
    let parameters = serde_json::to_value(plan.parameters.unwrap()).unwrap();
    let row = serde_json::to_value(&plan.spans[0]).unwrap();
    let digest = |parameters: &serde_json::Value, row: &serde_json::Value| {
        let parameters = serde_json::from_value(parameters.clone()).unwrap();
        digest_of(&parameters, &serde_json::from_value(row.clone()).unwrap()).unwrap()
    };
    let before = digest(&parameters, &row);
    let parameter_changes = [
        ("sampling", r#""all""#),
        ("window", "{}"),
        ("quality", "84"),
        ("encoder", r#""x""#),
        ("colour", r#""bt709""#),
        ("hashes", "[]"),
        ("dedup", "null"),
        ("max_side", "639"),
        ("pixel_revision", "2"),
    ];
    assert_eq!(
        parameters.as_object().unwrap().len(),
        parameter_changes.len()
    );
    for (field, value) in parameter_changes {
        let mut changed = parameters.clone();
        changed[field] = serde_json::from_str(value).unwrap();
        assert_ne!(digest(&changed, &row), before, "{field}");
    }
    let row_changes = [
        ("chunk_id", r#""x""#),
        ("span", "9"),
        ("start", r#""1/7""#),
        ("end", r#""9""#),
        ("first_frame", "9"),
        ("frames", "9"),
        ("pts_offset", r#""9""#),
        ("ordinal", "9"),
        ("first", "9"),
        ("count", "9"),
        ("stream", "9"),
        ("init", "null"),
        ("source", r#"{"bytes":1,"head_sha256":"","tail_sha256":""}"#),
    ];
    assert_eq!(row.as_object().unwrap().len(), row_changes.len());
    for (field, value) in row_changes {
        let mut changed = row.clone();
        changed[field] = serde_json::from_str(value).unwrap();
        assert_ne!(digest(&parameters, &changed), before, "{field}");
    }
}
