//! Compares a plan with the one in the cache: same, longer, or what differs.

use std::ops::Range;

use crate::timeline::differences::{asked_differences, differs, sampling_words, window_difference};
use crate::timeline::plan::{Plan, PlannedChunk, Sampling, SpanRow};

/// How a new plan stands to the existing one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Relation {
    Same,
    /// The new one goes on from these places; what is before is the same.
    Appends {
        chunks_from: usize,
        rows_from: usize,
    },
    /// The existing one goes on after the new one's end: nothing is to be appended.
    IsPrefix,
    /// In plain words, what differs (`PLAN_DIFFERS`).
    Differs(Vec<String>),
    /// Asked for is the same, but this chunk's source is another one (`SOURCE_CHANGED`).
    SourceChanged {
        chunk_id: String,
    },
}

/// More of these explain nothing.
const MAX_DIFFERENCES: usize = 10;

/// Compares what was asked for first, then the sources, then what was planned,
/// so that a changed source is not reported as another plan.
pub fn extends(existing: &Plan, new: &Plan) -> Relation {
    let mut asked = asked_differences(new, existing);
    asked.extend(growth_differences(new, existing));
    if !asked.is_empty() {
        return Relation::Differs(shortened(asked));
    }
    if let Some(chunk_id) = changed_source(new, existing) {
        return Relation::SourceChanged { chunk_id };
    }
    let planned = planned_differences(new, existing);
    if !planned.is_empty() {
        return Relation::Differs(shortened(planned));
    }
    match new.chunks.len().cmp(&existing.chunks.len()) {
        std::cmp::Ordering::Equal => Relation::Same,
        std::cmp::Ordering::Less => Relation::IsPrefix,
        std::cmp::Ordering::Greater => Relation::Appends {
            chunks_from: existing.chunks.len(),
            rows_from: existing.spans.len(),
        },
    }
}

/// All that differs, in plain words, "here" being `new` and "in the cache"
/// `existing`. Uris are no difference: a source may move.
pub fn diff(new: &Plan, existing: &Plan) -> Vec<String> {
    let mut found = asked_differences(new, existing);
    let (here, cached) = (new.chunks.len(), existing.chunks.len());
    found.extend(differs("chunks", &here, &cached));
    if let Some(chunk_id) = changed_source(new, existing) {
        found.push(format!("chunk {chunk_id}: its source is another one here"));
    }
    found.extend(planned_differences(new, existing));
    shortened(found)
}

/// `existing` with what `new` appends. Old chunks and rows stay as they are.
pub fn appended(existing: &Plan, new: &Plan) -> Plan {
    let mut plan = existing.clone();
    // The new one was compared with all of it.
    plan.reading = new.reading.max(existing.reading);
    let chunks = new.chunks.iter().skip(existing.chunks.len());
    plan.chunks.extend(chunks.cloned());
    let rows = new.spans.iter().skip(existing.spans.len());
    plan.spans.extend(rows.cloned());
    plan
}

/// Why chunks may not be appended, where the lists are not equally long.
fn growth_differences(new: &Plan, existing: &Plan) -> Vec<String> {
    let (here, cached) = (new.chunks.len(), existing.chunks.len());
    let sampling = new.parameters.as_ref().map(|p| &p.sampling);
    if here == cached {
        return Vec::new();
    }
    if let Some(sampling @ (Sampling::Timestamps(_) | Sampling::Count(_))) = sampling {
        return vec![format!(
            "chunks: {here} here, {cached} in the cache, and none can be appended under {}",
            sampling_words(sampling)
        )];
    }
    let (Some(last), Some(next)) = (existing.chunks.last(), new.chunks.get(cached)) else {
        return Vec::new();
    };
    if next.begin >= last.end {
        return Vec::new();
    }
    vec![format!(
        "chunks: {} starts at {}, before chunk {} of the cache ends at {}; what is appended must start there or later",
        next.spec.chunk_id, next.begin, last.spec.chunk_id, last.end
    )]
}

/// The first chunk whose source is another one, if everything before it was planned alike.
fn changed_source(new: &Plan, existing: &Plan) -> Option<String> {
    for pair in paired(new, existing) {
        if let (Some(row), Some(cached)) = (pair.rows.first(), pair.cached_rows.first()) {
            let same = row.source == cached.source
                && row.init == cached.init
                && row.stream == cached.stream;
            if !same {
                return Some(pair.chunk.spec.chunk_id.clone());
            }
        }
        if pair.rows != pair.cached_rows {
            return None;
        }
    }
    None
}

fn planned_differences(new: &Plan, existing: &Plan) -> Vec<String> {
    let mut found = Vec::new();
    if let (Some(new), Some(existing)) = (&new.parameters, &existing.parameters)
        && matches!(new.sampling, Sampling::Count(_))
    {
        found.extend(window_difference(new, existing));
    }
    for pair in paired(new, existing) {
        let before = found.len();
        let (chunk, cached) = (pair.chunk, pair.cached);
        let list = [
            error_difference(chunk, cached),
            differs("begin", &chunk.begin, &cached.begin),
            differs("end", &chunk.end, &cached.end),
            differs("frames", &chunk.frames, &cached.frames),
        ];
        let name = |text: String| format!("chunk {}: {text}", chunk.spec.chunk_id);
        found.extend(list.into_iter().flatten().map(name));
        if found.len() == before && pair.rows != pair.cached_rows {
            found.push(name(row_difference(pair.rows, pair.cached_rows)));
        }
    }
    found
}

fn error_difference(chunk: &PlannedChunk, cached: &PlannedChunk) -> Option<String> {
    let word = |bad: bool| {
        if bad {
            "empty, for an error"
        } else {
            "readable"
        }
    };
    differs(
        "source",
        &word(chunk.error.is_some()),
        &word(cached.error.is_some()),
    )
}

fn row_difference(rows: &[SpanRow], cached: &[SpanRow]) -> String {
    let same = rows.iter().zip(cached).take_while(|(a, b)| a == b).count();
    let words = |rows: &[SpanRow]| {
        rows.get(same).map_or("no such span".to_owned(), |row| {
            format!(
                "[{}, {}) with {} samples from {}, read by rules {}",
                row.start, row.end, row.count, row.first, row.revision
            )
        })
    };
    format!(
        "span {same}: {} here, {} in the cache",
        words(rows),
        words(cached)
    )
}

/// A chunk of both plans with its rows.
struct Pair<'a> {
    chunk: &'a PlannedChunk,
    cached: &'a PlannedChunk,
    rows: &'a [SpanRow],
    cached_rows: &'a [SpanRow],
}

fn paired<'a>(new: &'a Plan, existing: &'a Plan) -> impl Iterator<Item = Pair<'a>> {
    let ranges = row_ranges(new).into_iter().zip(row_ranges(existing));
    let chunks = new.chunks.iter().zip(&existing.chunks);
    chunks
        .zip(ranges)
        .map(|((chunk, cached), (range, other))| Pair {
            chunk,
            cached,
            rows: new.spans.get(range).unwrap_or_default(),
            cached_rows: existing.spans.get(other).unwrap_or_default(),
        })
}

/// The rows of each chunk; a chunk without frames has none.
fn row_ranges(plan: &Plan) -> Vec<Range<usize>> {
    let mut next = 0;
    let range_of = |chunk: &PlannedChunk| {
        let start = next;
        let rows = plan.spans.iter().skip(start);
        next += rows
            .take_while(|row| row.chunk_id == chunk.spec.chunk_id)
            .count();
        start..next
    };
    plan.chunks.iter().map(range_of).collect()
}

fn shortened(mut found: Vec<String>) -> Vec<String> {
    let more = found.len().saturating_sub(MAX_DIFFERENCES);
    if more > 0 {
        found.truncate(MAX_DIFFERENCES);
        found.push(format!("and {more} more"));
    }
    found
}
