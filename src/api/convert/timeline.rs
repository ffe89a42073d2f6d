//! What a timeline is made of: chunks, and how they are sampled.

use crate::api::convert::{exact, exacts, named, optional_exact, unknown};
use crate::api::v1;
use crate::error::{Error, Result};
use crate::media::colour::ColourRule;
use crate::media::time::Exact;
use crate::source::check_absolute;
use crate::timeline::plan::{ChunkSpec, HashKind, Sampling, Window};
use crate::timeline::request::check_id;

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
    check_absolute(&asked.uri).map_err(|e| e.in_field("uri"))?;
    let init_uri = named(&asked.init_uri);
    if let Some(uri) = &init_uri {
        check_absolute(uri).map_err(|e| e.in_field("init_uri"))?;
    }
    if !asked.chunk_id.is_empty() {
        check_id("chunk_id", &asked.chunk_id)?;
    }
    Ok(ChunkSpec {
        chunk_id: asked.chunk_id.clone(),
        uri: asked.uri.clone(),
        init_uri,
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
        found.push(Sampling::Timestamps(exacts(
            "timestamps",
            &asked.timestamps,
        )?));
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
    let hash = |(n, asked): (usize, &i32)| match v1::Hash::try_from(*asked) {
        Ok(v1::Hash::Phash) => Ok(HashKind::Phash),
        Ok(v1::Hash::Dhash) => Ok(HashKind::Dhash),
        Ok(v1::Hash::AverageHash) => Ok(HashKind::AverageHash),
        Ok(v1::Hash::Unspecified) | Err(_) => Err(unknown(&format!("hashes[{n}]"), *asked)),
    };
    asked.iter().enumerate().map(hash).collect()
}

pub fn hash_message(hash: HashKind) -> v1::Hash {
    match hash {
        HashKind::Phash => v1::Hash::Phash,
        HashKind::Dhash => v1::Hash::Dhash,
        HashKind::AverageHash => v1::Hash::AverageHash,
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wrong_time_names_its_chunks_field() {
        let asked = v1::Chunk {
            uri: "/a".into(),
            start: Some("soon".into()),
            ..v1::Chunk::default()
        };
        let error = chunks(&[
            v1::Chunk {
                uri: "/b".into(),
                ..Default::default()
            },
            asked,
        ])
        .unwrap_err();
        assert_eq!(error.field_path(), Some("chunks[1].start"));
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
