//! What was asked for differently, in plain words: "here" is the new plan,
//! "in the cache" the existing one.

use std::fmt::Display;

use crate::media::time::Exact;
use crate::timeline::plan::{Parameters, Plan, PlannedChunk, Sampling, Window};

pub(crate) fn asked_differences(new: &Plan, existing: &Plan) -> Vec<String> {
    let mut found = Vec::new();
    found.extend(differs("kind", &Named(&new.kind), &Named(&existing.kind)));
    found.extend(differs(
        "layout",
        &Named(&new.layout),
        &Named(&existing.layout),
    ));
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

pub(crate) fn sampling_words(sampling: &Sampling) -> String {
    match sampling {
        Sampling::Fps(rate) => format!("fps {rate}"),
        Sampling::Every(n) => format!("every {n}"),
        Sampling::All => "all".to_owned(),
        Sampling::Keyframes => "keyframes".to_owned(),
        Sampling::Timestamps(times) => format!("{} timestamps", times.len()),
        Sampling::Count(n) => format!("count {n}"),
    }
}

pub(crate) fn window_difference(new: &Parameters, existing: &Parameters) -> Option<String> {
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

fn option_differs<T: PartialEq + Display>(
    field: &str,
    here: Option<T>,
    cached: Option<T>,
) -> Option<String> {
    let words = |value: &Option<T>| value.as_ref().map_or("none".to_owned(), T::to_string);
    differs(field, &words(&here), &words(&cached))
}

pub(crate) fn differs<T: PartialEq + Display>(field: &str, here: &T, cached: &T) -> Option<String> {
    (here != cached).then(|| format!("{field}: {here} here, {cached} in the cache"))
}
