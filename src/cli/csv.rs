//! Facts of frames as CSV (RFC 4180): one row a frame, an empty cell for what is unknown.

use serde_json::Value;

use crate::error::{Error, Result};
use crate::export::columns::{self, COLUMNS};
use crate::media::facts::FrameFacts;

pub fn header() -> String {
    COLUMNS.map(|(name, _)| name).join(",")
}

/// # Errors
/// INTERNAL where the facts are no JSON.
pub fn row(facts: &FrameFacts) -> Result<String> {
    let row =
        columns::row(facts).map_err(|e| Error::internal("could not write JSON").caused_by(e))?;
    let cells = row.map(|value| value.as_ref().map_or_else(String::new, cell));
    Ok(cells.join(","))
}

fn cell(value: &Value) -> String {
    let text = columns::text(value);
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
    fn cells_with_commas_and_quotes_are_quoted() {
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
