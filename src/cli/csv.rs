//! Facts of frames as CSV (RFC 4180): one row a frame, an empty cell for what is unknown.

use serde_json::Value;

use crate::error::{Error, Result};
use crate::media::facts::FrameFacts;

/// The contract's JSON names; a dot leads into an object.
const COLUMNS: [&str; 32] = [
    "seq",
    "timestamp",
    "duration",
    "chunk_id",
    "pts",
    "time_base",
    "keyframe",
    "width",
    "height",
    "source_width",
    "source_height",
    "mirrored",
    "rotation",
    "sample_aspect_ratio",
    "interlaced",
    "bytes",
    "sha256",
    "content_type",
    "quality",
    "phash",
    "dhash",
    "average_hash",
    "colour.matrix",
    "colour.range",
    "colour.primaries",
    "colour.transfer",
    "colour.assumed",
    "backend",
    "fallback_reason",
    "damaged",
    "missing",
    "repeats",
];

pub fn header() -> String {
    COLUMNS.join(",")
}

/// # Errors
/// INTERNAL where the facts are no JSON.
pub fn row(facts: &FrameFacts) -> Result<String> {
    let facts = serde_json::to_value(facts)
        .map_err(|e| Error::internal("could not write JSON").caused_by(e))?;
    let cells = COLUMNS.map(|column| {
        let pointer = format!("/{}", column.replace('.', "/"));
        facts.pointer(&pointer).map_or_else(String::new, cell)
    });
    Ok(cells.join(","))
}

fn cell(value: &Value) -> String {
    let text = match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        Value::Array(items) => items.iter().map(cell).collect::<Vec<_>>().join(" "),
        other => other.to_string(),
    };
    match text.contains(['"', ',', '\n', '\r']) {
        true => format!("\"{}\"", text.replace('"', "\"\"")),
        false => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn whole() -> FrameFacts {
        serde_json::from_str(
            r#"{"seq":1,"chunk_id":"a","pts":-2,"time_base":"1/25","timestamp":0.1,"duration":0.04,"keyframe":true,
            "width":4,"height":3,"source_width":8,"source_height":6,"mirrored":true,"rotation":90,
            "sample_aspect_ratio":"1:1","interlaced":false,"bytes":7,"sha256":"00","content_type":"image/jpeg",
            "quality":85,"phash":"a","dhash":"b","average_hash":"c","colour":{"matrix":"bt601","range":"full",
            "primaries":"x","transfer":"y","assumed":["matrix","range"]},"backend":"cpu","fallback_reason":"no, \"it\"",
            "damaged":true,"missing":true,"repeats":0}"#,
        )
        .unwrap()
    }

    #[test]
    fn every_fact_has_its_column() {
        let facts = serde_json::to_value(whole()).unwrap();
        for (name, value) in facts.as_object().unwrap() {
            let within = |column: &str| column.starts_with(&format!("{name}."));
            let there = match value.is_object() {
                true => COLUMNS.into_iter().any(within),
                false => COLUMNS.contains(&name.as_str()),
            };
            assert!(there, "{name}");
        }
        let row = row(&whole()).unwrap();
        assert!(row.contains(r#","no, ""it""",true,true,0"#), "{row}");
        assert!(row.contains(",matrix range,cpu,"), "{row}");
    }

    #[test]
    fn what_is_unknown_is_an_empty_cell() {
        let facts = FrameFacts {
            seq: 7,
            ..FrameFacts::default()
        };
        let row = row(&facts).unwrap();
        assert_eq!(row, format!("7{}", ",".repeat(COLUMNS.len() - 1)));
        assert_eq!(header().split(',').count(), COLUMNS.len());
    }
}
