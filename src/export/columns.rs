//! The facts of a frame as a row: one list of columns, for CSV and Parquet.

use serde_json::Value;

use crate::media::facts::FrameFacts;

/// What a column holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Type {
    /// An unsigned number of so many bits.
    Unsigned(u8),
    Signed,
    Seconds,
    /// 0 to 1.
    Fraction,
    /// Unknown where the facts do not say.
    Flag,
    /// False where the facts do not say.
    Mark,
    Text,
    /// 64 bits, which JSON has as 16 hex digits.
    Hash,
    /// 32 bytes, which JSON has as 64 hex digits.
    Sha256,
}

/// The contract's JSON names; a dot leads into an object.
pub const COLUMNS: [(&str, Type); 34] = [
    ("seq", Type::Unsigned(64)),
    ("timestamp", Type::Seconds),
    ("duration", Type::Seconds),
    ("chunk_id", Type::Text),
    ("pts", Type::Signed),
    ("time_base", Type::Text),
    ("keyframe", Type::Flag),
    ("width", Type::Unsigned(32)),
    ("height", Type::Unsigned(32)),
    ("source_width", Type::Unsigned(32)),
    ("source_height", Type::Unsigned(32)),
    ("mirrored", Type::Flag),
    ("rotation", Type::Unsigned(16)),
    ("sample_aspect_ratio", Type::Text),
    ("interlaced", Type::Flag),
    ("bytes", Type::Unsigned(64)),
    ("sha256", Type::Sha256),
    ("content_type", Type::Text),
    ("quality", Type::Unsigned(8)),
    ("phash", Type::Hash),
    ("dhash", Type::Hash),
    ("average_hash", Type::Hash),
    ("flatness", Type::Fraction),
    ("luma", Type::Text),
    ("colour.matrix", Type::Text),
    ("colour.range", Type::Text),
    ("colour.primaries", Type::Text),
    ("colour.transfer", Type::Text),
    ("colour.assumed", Type::Text),
    ("backend", Type::Text),
    ("fallback_reason", Type::Text),
    ("damaged", Type::Mark),
    ("missing", Type::Mark),
    ("repeats", Type::Unsigned(64)),
];

/// What each column has of a frame, in their order; none where it is unknown.
///
/// # Errors
/// Where the facts are no JSON.
pub fn row(facts: &FrameFacts) -> serde_json::Result<[Option<Value>; COLUMNS.len()]> {
    let mut facts = serde_json::to_value(facts)?;
    Ok(COLUMNS.map(|(name, _)| {
        let pointer = format!("/{}", name.replace('.', "/"));
        facts.pointer_mut(&pointer).map(Value::take)
    }))
}

/// A value as text: the items of a list with spaces between them.
pub fn text(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        Value::Array(items) => items.iter().map(text).collect::<Vec<_>>().join(" "),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_fact_has_its_column() {
        let facts = crate::cache::testing::every_fact(5);
        let all = serde_json::to_value(&facts).unwrap();
        let row = row(&facts).unwrap();
        for (name, value) in all.as_object().unwrap() {
            let of_fact = COLUMNS.iter().zip(&row).filter(|((column, _), _)| {
                column == name || column.starts_with(&format!("{name}."))
            });
            let held: Vec<_> = of_fact.filter_map(|(_, value)| value.as_ref()).collect();
            assert!(!held.is_empty(), "{name}");
            assert!(value.is_object() || held == [value], "{name}");
        }
    }
}
