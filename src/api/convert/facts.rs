//! Facts of frames.

use crate::api::v1;
use crate::error::{Error, Result};
use crate::media::colour::{Colour, Matrix, Range};
use crate::media::facts::FrameFacts;

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
        flatness: facts.flatness,
        luma: facts.luma,
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
        flatness: m.flatness,
        luma: m.luma,
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
    fn a_number_that_is_too_large_names_its_field() {
        let message = v1::Facts {
            rotation: Some(70_000),
            ..Default::default()
        };
        assert_eq!(facts(message).unwrap_err().field_path(), Some("rotation"));
    }
}
