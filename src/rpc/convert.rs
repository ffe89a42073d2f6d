//! Messages of what the services have in common, to and from our own types.

use crate::cache::Tally;
use crate::error::{Error, Result};
use crate::frames::ChunkResult;
use crate::media::colour::{Colour, ColourRule, Matrix, Range};
use crate::media::facts::FrameFacts;
use crate::media::time::Exact;
use crate::rpc::status::chunk_status;
use crate::rpc::v1;
use crate::timeline::index::Unshown;
use crate::timeline::plan::{ChunkSpec, HashKind, Sampling, Window};
use crate::timeline::request::check_id;

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

fn optional_exact(field: &str, text: Option<&String>) -> Result<Option<Exact>> {
    text.map(|text| exact(field, text)).transpose()
}

fn named(text: &str) -> Option<String> {
    (!text.is_empty()).then(|| text.to_owned())
}

/// A timeline's chunks.
///
/// # Errors
/// FIELD_INVALID, naming the chunk's field.
pub fn chunks(asked: &[v1::Chunk]) -> Result<Vec<ChunkSpec>> {
    let numbered = asked.iter().enumerate();
    numbered
        .map(|(n, asked)| chunk(asked).map_err(|e| e.below_field(&format!("chunks[{n}]"))))
        .collect()
}

/// # Errors
/// FIELD_INVALID, naming the field.
pub fn chunk(asked: &v1::Chunk) -> Result<ChunkSpec> {
    if asked.uri.is_empty() {
        return Err(Error::field("a chunk has no uri")
            .hint("name a file as the server sees it, or s3://bucket/key")
            .in_field("uri"));
    }
    if !asked.chunk_id.is_empty() {
        check_id("chunk_id", &asked.chunk_id)?;
    }
    Ok(ChunkSpec {
        chunk_id: asked.chunk_id.clone(),
        uri: asked.uri.clone(),
        init_uri: named(&asked.init_uri),
        source_start: optional_exact("source_start", asked.source_start.as_ref())?,
        source_end: optional_exact("source_end", asked.source_end.as_ref())?,
        start: optional_exact("start", asked.start.as_ref())?,
        stream: asked.stream,
    })
}

pub fn chunk_message(spec: &ChunkSpec) -> v1::Chunk {
    let text = |time: Option<Exact>| time.map(|time| time.to_string());
    v1::Chunk {
        chunk_id: spec.chunk_id.clone(),
        uri: spec.uri.clone(),
        init_uri: spec.init_uri.clone().unwrap_or_default(),
        source_start: text(spec.source_start),
        source_end: text(spec.source_end),
        start: text(spec.start),
        stream: spec.stream,
    }
}

/// The sampling; none where the message names none.
///
/// # Errors
/// FIELD_INVALID for two at once, or a number that is none.
pub fn sampling(asked: &v1::Sampling) -> Result<Option<Sampling>> {
    let mut found = Vec::new();
    if let Some(fps) = &asked.fps {
        found.push(Sampling::Fps(exact("fps", fps)?));
    }
    if let Some(every) = asked.every {
        found.push(Sampling::Every(every));
    }
    if asked.all {
        found.push(Sampling::All);
    }
    if asked.keyframes {
        found.push(Sampling::Keyframes);
    }
    if !asked.timestamps.is_empty() {
        let times = asked
            .timestamps
            .iter()
            .map(|time| exact("timestamps", time));
        found.push(Sampling::Timestamps(times.collect::<Result<_>>()?));
    }
    if let Some(count) = asked.count {
        found.push(Sampling::Count(count));
    }
    if found.len() > 1 {
        return Err(Error::field("two samplings are given at once")
            .hint("give exactly one of fps, every, all, keyframes, timestamps and count"));
    }
    Ok(found.pop())
}

pub fn sampling_message(sampling: &Sampling) -> v1::Sampling {
    let mut message = v1::Sampling::default();
    match sampling {
        Sampling::Fps(rate) => message.fps = Some(rate.to_string()),
        Sampling::Every(n) => message.every = Some(*n),
        Sampling::All => message.all = true,
        Sampling::Keyframes => message.keyframes = true,
        Sampling::Timestamps(times) => {
            message.timestamps = times.iter().map(Exact::to_string).collect();
        }
        Sampling::Count(n) => message.count = Some(*n),
    }
    message
}

/// # Errors
/// FIELD_INVALID, naming the field.
pub fn window(asked: &v1::Window) -> Result<Window> {
    Ok(Window {
        from: optional_exact("from", asked.from.as_ref())?,
        to: optional_exact("to", asked.to.as_ref())?,
    })
}

pub fn window_message(window: &Window) -> v1::Window {
    v1::Window {
        from: window.from.map(|time| time.to_string()),
        to: window.to.map(|time| time.to_string()),
    }
}

/// # Errors
/// FIELD_INVALID for a number that names no hash.
pub fn hashes(asked: &[i32]) -> Result<Vec<HashKind>> {
    let hash = |n: &i32| match v1::Hash::try_from(*n) {
        Ok(v1::Hash::Phash) => Ok(HashKind::Phash),
        Ok(v1::Hash::Dhash) => Ok(HashKind::Dhash),
        Ok(v1::Hash::AverageHash) => Ok(HashKind::AverageHash),
        Ok(v1::Hash::Unspecified) | Err(_) => Err(unknown("hashes", *n)),
    };
    asked.iter().map(hash).collect()
}

pub fn hash_message(hash: HashKind) -> v1::Hash {
    match hash {
        HashKind::Phash => v1::Hash::Phash,
        HashKind::Dhash => v1::Hash::Dhash,
        HashKind::AverageHash => v1::Hash::AverageHash,
    }
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

/// A colour rule by its name; the default where none is named.
///
/// # Errors
/// FIELD_INVALID for another name.
pub fn colour_rule(name: &str) -> Result<ColourRule> {
    Ok(match name {
        "" | "bt601" => ColourRule::Bt601,
        "bt709" => ColourRule::Bt709,
        "bt2020" => ColourRule::Bt2020,
        "by-height" => ColourRule::ByHeight,
        other => {
            let shown: String = other.chars().take(60).collect();
            return Err(
                Error::field(format!("there is no such colour rule: colour={shown:?}"))
                    .hint("take bt601, bt709, bt2020 or by-height")
                    .in_field("colour"),
            );
        }
    })
}

pub fn colour_rule_name(rule: ColourRule) -> &'static str {
    match rule {
        ColourRule::Bt601 => "bt601",
        ColourRule::Bt709 => "bt709",
        ColourRule::Bt2020 => "bt2020",
        ColourRule::ByHeight => "by-height",
    }
}

pub fn facts_message(facts: FrameFacts) -> v1::Facts {
    v1::Facts {
        sequence: facts.seq,
        chunk_id: facts.chunk_id,
        pts: facts.pts,
        time_base: facts.time_base,
        timestamp: facts.timestamp,
        duration: facts.duration,
        keyframe: facts.keyframe,
        width: facts.width,
        height: facts.height,
        source_width: facts.source_width,
        source_height: facts.source_height,
        mirrored: facts.mirrored,
        rotation: facts.rotation.map(u32::from),
        sample_aspect_ratio: facts.sample_aspect_ratio,
        interlaced: facts.interlaced,
        bytes: facts.bytes,
        sha256: facts.sha256,
        content_type: facts.content_type,
        quality: facts.quality.map(u32::from),
        phash: facts.phash,
        dhash: facts.dhash,
        average_hash: facts.average_hash,
        colour: facts.colour.map(colour_message),
        backend: facts.backend,
        fallback_reason: facts.fallback_reason,
        damaged: facts.damaged.then_some(true),
        missing: facts.missing.then_some(true),
        repeats: facts.repeats,
    }
}

/// # Errors
/// FIELD_INVALID for numbers and names that a fact cannot have.
pub fn facts(m: v1::Facts) -> Result<FrameFacts> {
    Ok(FrameFacts {
        seq: m.sequence,
        chunk_id: m.chunk_id,
        pts: m.pts,
        time_base: m.time_base,
        timestamp: m.timestamp,
        duration: m.duration,
        keyframe: m.keyframe,
        width: m.width,
        height: m.height,
        source_width: m.source_width,
        source_height: m.source_height,
        mirrored: m.mirrored,
        rotation: small("rotation", m.rotation)?,
        sample_aspect_ratio: m.sample_aspect_ratio,
        interlaced: m.interlaced,
        bytes: m.bytes,
        sha256: m.sha256,
        content_type: m.content_type,
        quality: small("quality", m.quality)?,
        phash: m.phash,
        dhash: m.dhash,
        average_hash: m.average_hash,
        colour: m.colour.map(colour).transpose()?,
        backend: m.backend,
        fallback_reason: m.fallback_reason,
        damaged: m.damaged.unwrap_or(false),
        missing: m.missing.unwrap_or(false),
        repeats: m.repeats,
    })
}

fn small<T: TryFrom<u32>>(field: &str, value: Option<u32>) -> Result<Option<T>> {
    let Some(value) = value else { return Ok(None) };
    let fits = T::try_from(value).map_err(|_| {
        Error::field(format!("{field} is too large: {field}={value}")).in_field(field)
    })?;
    Ok(Some(fits))
}

const MATRICES: [(Matrix, &str); 4] = [
    (Matrix::Rgb, "rgb"),
    (Matrix::Bt601, "bt601"),
    (Matrix::Bt709, "bt709"),
    (Matrix::Bt2020, "bt2020"),
];
const RANGES: [(Range, &str); 2] = [(Range::Limited, "limited"), (Range::Full, "full")];

fn colour_message(colour: Colour) -> v1::Colour {
    v1::Colour {
        matrix: name_of(&MATRICES, colour.matrix),
        range: name_of(&RANGES, colour.range),
        primaries: colour.primaries,
        transfer: colour.transfer,
        assumed: colour.assumed,
    }
}

fn colour(message: v1::Colour) -> Result<Colour> {
    Ok(Colour {
        matrix: of_name(&MATRICES, "colour.matrix", &message.matrix)?,
        range: of_name(&RANGES, "colour.range", &message.range)?,
        primaries: message.primaries,
        transfer: message.transfer,
        assumed: message.assumed,
    })
}

fn name_of<T: PartialEq>(names: &[(T, &str)], value: T) -> String {
    let known = names.iter().find(|(known, _)| *known == value);
    known.map_or(String::new(), |(_, name)| (*name).to_owned())
}

fn of_name<T: Copy>(names: &[(T, &str)], field: &str, name: &str) -> Result<T> {
    let known = names.iter().find(|(_, known)| *known == name);
    known.map(|(value, _)| *value).ok_or_else(|| {
        let known: Vec<&str> = names.iter().map(|(_, name)| *name).collect();
        let shown: String = name.chars().take(60).collect();
        Error::field(format!("{field} has no such value: {field}={shown:?}"))
            .hint(format!("take one of {}", known.join(", ")))
            .in_field(field)
    })
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
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn facts_go_there_and_back_unchanged() {
        let known = FrameFacts {
            seq: 7,
            chunk_id: Some("a".into()),
            pts: Some(-3),
            time_base: Some("1/90000".into()),
            timestamp: Some(0.1),
            rotation: Some(90),
            quality: Some(85),
            colour: Some(Colour {
                matrix: Matrix::Bt709,
                range: Range::Limited,
                primaries: Some("bt709".into()),
                transfer: None,
                assumed: vec!["range".into()],
            }),
            damaged: true,
            repeats: Some(3),
            ..FrameFacts::default()
        };
        assert_eq!(facts(facts_message(known.clone())).unwrap(), known);
        let unknown = FrameFacts::default();
        assert_eq!(facts_message(unknown.clone()), v1::Facts::default());
        assert_eq!(facts(v1::Facts::default()).unwrap(), unknown);
    }

    #[test]
    fn a_wrong_number_names_its_field() {
        let asked = v1::Chunk {
            uri: "a".into(),
            start: Some("soon".into()),
            ..v1::Chunk::default()
        };
        let error = chunks(&[
            v1::Chunk {
                uri: "b".into(),
                ..Default::default()
            },
            asked,
        ])
        .unwrap_err();
        assert_eq!(error.field_path(), Some("chunks[1].start"));
        let message = v1::Facts {
            rotation: Some(70_000),
            ..Default::default()
        };
        assert_eq!(facts(message).unwrap_err().field_path(), Some("rotation"));
    }

    #[test]
    fn samplings_go_there_and_back_and_exclude_each_other() {
        for known in [
            Sampling::Fps("30000/1001".parse().unwrap()),
            Sampling::Every(3),
            Sampling::All,
            Sampling::Keyframes,
            Sampling::Timestamps(vec!["0.5".parse().unwrap()]),
            Sampling::Count(9),
        ] {
            assert_eq!(sampling(&sampling_message(&known)).unwrap(), Some(known));
        }
        assert_eq!(sampling(&v1::Sampling::default()).unwrap(), None);
        let two = v1::Sampling {
            all: true,
            every: Some(2),
            ..Default::default()
        };
        assert!(sampling(&two).is_err());
    }
}
