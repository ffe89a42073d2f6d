//! Compares a plan with the one in the cache: same, longer, or what differs.

use std::fmt::{Debug, Display};
use std::ops::Range;

use crate::media::time::Exact;
use crate::timeline::plan::{Parameters, Plan, PlannedChunk, Sampling, SpanRow, Window};

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
    let chunks = new.chunks.iter().skip(existing.chunks.len());
    plan.chunks.extend(chunks.cloned());
    let rows = new.spans.iter().skip(existing.spans.len());
    plan.spans.extend(rows.cloned());
    plan
}

fn asked_differences(new: &Plan, existing: &Plan) -> Vec<String> {
    let mut found = Vec::new();
    found.extend(differs("schema", &new.schema, &existing.schema));
    found.extend(differs("kind", &Named(&new.kind), &Named(&existing.kind)));
    found.extend(differs("layout", &new.layout, &existing.layout));
    match (&new.parameters, &existing.parameters) {
        (Some(new), Some(existing)) => found.extend(parameter_differences(new, existing)),
        (None, None) => {}
        (new, _) => found.push(format!(
            "parameters: {} here, {} in the cache",
            if new.is_some() { "given" } else { "none" },
            if new.is_some() { "none" } else { "given" },
        )),
    }
    for (new, existing) in new.chunks.iter().zip(&existing.chunks) {
        found.extend(chunk_differences(new, existing));
    }
    found
}

fn parameter_differences(new: &Parameters, existing: &Parameters) -> Vec<String> {
    let sampling = (new.sampling != existing.sampling).then(|| sampling_difference(new, existing));
    // Under `count` an open window is filled from the footage: judged later.
    let window = match new.sampling {
        Sampling::Count(_) => None,
        _ => window_difference(new, existing),
    };
    let list = [
        sampling,
        window,
        differs("quality", &new.quality, &existing.quality),
        differs("encoder", &new.encoder, &existing.encoder),
        differs("colour", &Named(&new.colour), &Named(&existing.colour)),
        differs("hashes", &Named(&new.hashes), &Named(&existing.hashes)),
        differs("dedup", &Named(&new.dedup), &Named(&existing.dedup)),
        differs(
            "max_side",
            &Named(&new.max_side),
            &Named(&existing.max_side),
        ),
        differs(
            "pixel_revision",
            &new.pixel_revision,
            &existing.pixel_revision,
        ),
    ];
    list.into_iter().flatten().collect()
}

fn sampling_difference(new: &Parameters, existing: &Parameters) -> String {
    if let (Sampling::Timestamps(new), Sampling::Timestamps(existing)) =
        (&new.sampling, &existing.sampling)
    {
        let same = new.iter().zip(existing).take_while(|(a, b)| a == b).count();
        return format!(
            "sampling: {} timestamps here, {} in the cache, the same up to number {same}",
            new.len(),
            existing.len()
        );
    }
    format!(
        "sampling: {} here, {} in the cache",
        sampling_words(&new.sampling),
        sampling_words(&existing.sampling)
    )
}

fn sampling_words(sampling: &Sampling) -> String {
    match sampling {
        Sampling::Fps(rate) => format!("fps {rate}"),
        Sampling::Every(n) => format!("every {n}"),
        Sampling::All => "all".to_owned(),
        Sampling::Keyframes => "keyframes".to_owned(),
        Sampling::Timestamps(times) => format!("{} timestamps", times.len()),
        Sampling::Count(n) => format!("count {n}"),
    }
}

fn window_difference(new: &Parameters, existing: &Parameters) -> Option<String> {
    let words = |window: &Window| {
        let end = |time: Option<Exact>| time.map_or("open".to_owned(), |t| t.to_string());
        format!("[{}, {})", end(window.from), end(window.to))
    };
    differs("window", &words(&new.window), &words(&existing.window))
}

/// What was asked for of a chunk. A `start` that is left out is judged by where it came to lie.
fn chunk_differences(new: &PlannedChunk, existing: &PlannedChunk) -> Vec<String> {
    let (asked, cached) = (&new.spec, &existing.spec);
    if asked.chunk_id != cached.chunk_id {
        return vec![format!(
            "chunks: {} here where the cache has {}",
            asked.chunk_id, cached.chunk_id
        )];
    }
    let both_start = asked.start.is_some() && cached.start.is_some();
    let list = [
        option_differs("source_start", asked.source_start, cached.source_start),
        option_differs("source_end", asked.source_end, cached.source_end),
        option_differs("stream", asked.stream, cached.stream),
        both_start
            .then(|| option_differs("start", asked.start, cached.start))
            .flatten(),
    ];
    let name = |found: String| format!("chunk {}: {found}", asked.chunk_id);
    list.into_iter().flatten().map(name).collect()
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
                "[{}, {}) with {} samples from {}",
                row.start, row.end, row.count, row.first
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

/// Names of enums and lists as plan.json has them.
#[derive(PartialEq)]
struct Named<T>(T);

impl<T: serde::Serialize> Display for Named<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let text = serde_json::to_string(&self.0).unwrap_or_default();
        match text.as_str() {
            "null" => f.write_str("none"),
            _ => f.write_str(&text.replace('"', "")),
        }
    }
}

fn option_differs<T: PartialEq + Display + Debug>(
    field: &str,
    here: Option<T>,
    cached: Option<T>,
) -> Option<String> {
    let words = |value: &Option<T>| value.as_ref().map_or("none".to_owned(), T::to_string);
    differs(field, &words(&here), &words(&cached))
}

fn differs<T: PartialEq + Display>(field: &str, here: &T, cached: &T) -> Option<String> {
    (here != cached).then(|| format!("{field}: {here} here, {cached} in the cache"))
}

fn shortened(mut found: Vec<String>) -> Vec<String> {
    let more = found.len().saturating_sub(MAX_DIFFERENCES);
    if more > 0 {
        found.truncate(MAX_DIFFERENCES);
        found.push(format!("and {more} more"));
    }
    found
}
