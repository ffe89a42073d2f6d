//! Selections, as requests word them.

use crate::api::convert::{choice, exacts, window};
use crate::api::v1;
use crate::error::{Error, Reason, Result};
use crate::frames::{OnMiss, Pick, Selection, Which};

/// Sequences or times that a request may name; a range names any number of frames.
pub const MAX_NAMED: usize = 100_000;

/// The request's selection, which is taken from it.
///
/// # Errors
/// FIELD_INVALID unless it names exactly one way to select, with good numbers; LIMIT_EXCEEDED for
/// more than [`MAX_NAMED`].
pub fn selection(asked: Option<v1::Selection>) -> Result<Selection> {
    let given = asked.ok_or_else(|| nothing().in_field("selection"))?;
    parse(given).map_err(|e| e.below_field("selection"))
}

/// # Errors
/// LIMIT_EXCEEDED for more than [`MAX_NAMED`].
pub fn check_named(field: &str, count: usize) -> Result<()> {
    if count <= MAX_NAMED {
        return Ok(());
    }
    let message = format!("a request names too many {field}: count={count} limit={MAX_NAMED}");
    Err(Error::new(Reason::RequestLimit, message)
        .hint("name a range, or make several requests")
        .in_field(field))
}

fn parse(asked: v1::Selection) -> Result<Selection> {
    let mut found = Vec::new();
    check_named("sequences", asked.sequences.len())?;
    check_named("times", asked.times.len())?;
    if !asked.sequences.is_empty() {
        found.push(Which::Sequences(asked.sequences));
    }
    if let Some(range) = asked.range {
        if range.first > range.last {
            let message = format!(
                "the range is empty: first={} last={}",
                range.first, range.last
            );
            return Err(Error::field(message)
                .hint("both ends are included: let first be at most last")
                .in_field("range"));
        }
        found.push(Which::Range(range.first..=range.last));
    }
    if !asked.times.is_empty() {
        found.push(Which::Times(exacts("times", &asked.times)?));
    }
    if let Some(asked) = &asked.window {
        let window = window(asked).and_then(|window| window.check().map(|()| window));
        found.push(Which::Window(window.map_err(|e| e.below_field("window"))?));
    }
    if asked.all {
        found.push(Which::All);
    }
    if found.len() > 1 {
        return Err(
            Error::field("the selection names frames in two ways at once")
                .hint("give exactly one of sequences, range, times, window and all"),
        );
    }
    let pick = Pick {
        per_scene: asked.per_scene,
        distinct: asked.distinct,
    };
    pick.check()?;
    Ok(Selection {
        which: found.pop().ok_or_else(nothing)?,
        pick,
        step: above_zero("step", asked.step)?.unwrap_or(1),
        limit: above_zero("limit", asked.limit)?,
    })
}

fn nothing() -> Error {
    Error::field("the selection names no frames")
        .hint("give one of sequences, range, times, window and all")
}

fn above_zero(field: &str, value: Option<u64>) -> Result<Option<u64>> {
    match value {
        Some(0) => Err(
            Error::field(format!("{field} must be at least 1: {field}=0"))
                .hint("leave it out for all of them")
                .in_field(field),
        ),
        value => Ok(value),
    }
}

/// # Errors
/// FIELD_INVALID for a number that names no choice.
pub fn on_miss(asked: i32) -> Result<OnMiss> {
    Ok(match choice("on_miss", asked)? {
        v1::OnMiss::Unspecified | v1::OnMiss::Extract => OnMiss::Extract,
        v1::OnMiss::Skip => OnMiss::Skip,
        v1::OnMiss::Fail => OnMiss::Fail,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_selection_is_exactly_one_way_to_name_frames() {
        let refused = |asked: v1::Selection| selection(Some(asked)).unwrap_err();
        assert_eq!(selection(None).unwrap_err().field_path(), Some("selection"));
        assert_eq!(
            refused(v1::Selection::default()).field_path(),
            Some("selection")
        );
        let both = v1::Selection {
            all: true,
            sequences: vec![1],
            ..Default::default()
        };
        assert!(refused(both).message().contains("two ways"));
        let range = v1::SequenceRange { first: 3, last: 2 };
        let empty = v1::Selection {
            range: Some(range),
            ..Default::default()
        };
        assert_eq!(refused(empty).field_path(), Some("selection.range"));
        let step = v1::Selection {
            all: true,
            step: Some(0),
            ..Default::default()
        };
        assert_eq!(refused(step).field_path(), Some("selection.step"));
        let times = v1::Selection {
            times: vec!["noon".into()],
            ..Default::default()
        };
        assert_eq!(refused(times).field_path(), Some("selection.times[0]"));
        let window = v1::Window {
            from: Some("x".into()),
            to: None,
        };
        let window = v1::Selection {
            window: Some(window),
            ..Default::default()
        };
        assert_eq!(refused(window).field_path(), Some("selection.window.from"));
        let backwards = v1::Window {
            from: Some("5".into()),
            to: Some("2".into()),
        };
        let backwards = v1::Selection {
            window: Some(backwards),
            ..Default::default()
        };
        assert_eq!(refused(backwards).field_path(), Some("selection.window.to"));
        for named in [
            v1::Selection {
                sequences: vec![7; MAX_NAMED + 1],
                ..Default::default()
            },
            v1::Selection {
                times: vec!["1".into(); MAX_NAMED + 1],
                ..Default::default()
            },
        ] {
            let error = refused(named);
            assert_eq!(error.reason(), Reason::RequestLimit);
            assert!(error.message().ends_with("limit=100000"), "{error}");
        }
        assert_eq!(on_miss(9).unwrap_err().field_path(), Some("on_miss"));
    }
}
