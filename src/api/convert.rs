//! Messages of what the services have in common, to and from our own types.

use crate::api::status::chunk_status;
use crate::api::v1;
use crate::cache::Tally;
use crate::error::{Error, Result};
use crate::frames::ChunkResult;
use crate::media::time::Exact;
use crate::timeline::index::{ClockBreak, ClockFacts, Pause, Unshown};
use crate::timeline::request::check_id;

mod facts;
mod timeline;

pub use facts::{facts, facts_message};
pub use timeline::{
    chunk, chunk_message, chunks, colour_rule, colour_rule_name, hash_message, hashes, sampling,
    sampling_message, window, window_message,
};

/// The profile of a request that names none.
const DEFAULT_PROFILE: &str = "default";
/// Rows of a page that names no size, and the most there are.
pub const MAX_PAGE: usize = 1000;

/// The profile named, or `default`.
pub fn profile_name(asked: &str) -> &str {
    if asked.is_empty() {
        DEFAULT_PROFILE
    } else {
        asked
    }
}

/// # Errors
/// FIELD_INVALID unless both are ids.
pub fn check_names(timeline: &str, profile: &str) -> Result<()> {
    check_id("timeline", timeline)?;
    check_id("profile", profile_name(profile))
}

/// Rows a page.
pub fn page_size(asked: u32) -> usize {
    match asked as usize {
        0 => MAX_PAGE,
        size => size.min(MAX_PAGE),
    }
}

/// # Errors
/// FIELD_INVALID, naming the field.
pub fn exact(field: &str, text: &str) -> Result<Exact> {
    text.parse().map_err(|e: Error| e.in_field(field))
}

/// The same of a list, each by its place.
///
/// # Errors
/// FIELD_INVALID, naming the field and the place.
pub fn exacts(field: &str, texts: &[String]) -> Result<Vec<Exact>> {
    let numbered = texts.iter().enumerate();
    numbered
        .map(|(n, text)| exact(&format!("{field}[{n}]"), text))
        .collect()
}

fn optional_exact(field: &str, text: Option<&String>) -> Result<Option<Exact>> {
    text.map(|text| exact(field, text)).transpose()
}

fn named(text: &str) -> Option<String> {
    (!text.is_empty()).then(|| text.to_owned())
}

/// A number that no value of the field's enum has.
pub fn unknown(field: &str, value: i32) -> Error {
    Error::field(format!("{field} has no such value: {field}={value}"))
        .hint("take one of the values that the API's enum names")
        .in_field(field)
}

/// The value of an enum's field.
///
/// # Errors
/// FIELD_INVALID for a number that names none.
pub fn choice<E: TryFrom<i32>>(field: &str, value: i32) -> Result<E> {
    E::try_from(value).map_err(|_| unknown(field, value))
}

pub fn unshown_message(unshown: Unshown) -> v1::Unshown {
    v1::Unshown {
        discarded: unshown.discarded,
        invisible: unshown.invisible,
        before_first_cut: unshown.before_first_cut,
        undecodable_leading: unshown.undecodable_leading,
    }
}

pub fn unshown(message: Option<&v1::Unshown>) -> Unshown {
    let message = message.copied().unwrap_or_default();
    Unshown {
        discarded: message.discarded,
        invisible: message.invisible,
        before_first_cut: message.before_first_cut,
        undecodable_leading: message.undecodable_leading,
    }
}

pub fn clock_message(clock: &ClockFacts) -> (Vec<v1::ClockBreak>, Vec<v1::Pause>) {
    let breaks = clock.clock_breaks.iter().map(|at| v1::ClockBreak {
        at: at.at,
        pts_before: at.pts_before,
        pts_behind: at.pts_behind,
    });
    let pauses = clock.pauses.iter().map(|pause| v1::Pause {
        from: pause.from,
        to: pause.to,
    });
    (breaks.collect(), pauses.collect())
}

/// What three messages say alike of a clock.
pub fn clock(
    (breaks, pauses): (&[v1::ClockBreak], &[v1::Pause]),
    (untimed, times_counted): (u64, bool),
) -> ClockFacts {
    let breaks = breaks.iter().map(|told| ClockBreak {
        at: told.at,
        pts_before: told.pts_before,
        pts_behind: told.pts_behind,
    });
    let pauses = pauses.iter().map(|told| Pause {
        from: told.from,
        to: told.to,
    });
    ClockFacts {
        clock_breaks: breaks.collect(),
        pauses: pauses.collect(),
        untimed,
        times_counted,
    }
}

pub fn tally(message: Option<v1::Tally>) -> Tally {
    let message = message.unwrap_or_default();
    Tally {
        objects: message.objects,
        bytes: message.bytes,
    }
}

pub fn tally_message(tally: Tally) -> v1::Tally {
    v1::Tally {
        objects: tally.objects,
        bytes: tally.bytes,
    }
}

/// `index`: the chunk's place in the timeline.
pub fn chunk_result_message(index: usize, chunk: &ChunkResult) -> v1::ChunkResult {
    let (clock_breaks, pauses) = clock_message(&chunk.clock);
    v1::ChunkResult {
        index: index as u64,
        chunk_id: chunk.chunk_id.clone(),
        frames: chunk.frames,
        backend: chunk.backend.clone(),
        fallback_reason: chunk.fallback_reason.clone(),
        damaged: chunk.damaged,
        missing: chunk.missing,
        unshown: Some(unshown_message(chunk.unshown)),
        error: chunk.error.as_ref().map(chunk_status),
        clock_breaks,
        pauses,
        untimed: chunk.clock.untimed,
        times_counted: chunk.clock.times_counted,
    }
}
