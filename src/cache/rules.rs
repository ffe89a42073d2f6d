//! Provisional: what branch timeline will give.

use crate::error::{Error, Result};
use crate::timeline::plan::{Parameters, Plan, SpanRow};

pub fn check_id(what: &str, id: &str) -> Result<()> {
    let good = (1..=128).contains(&id.len())
        && !id.starts_with(['.', '-'])
        && id
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"._~-".contains(&b));
    if good {
        Ok(())
    } else {
        Err(Error::field(format!("not an id: field={what}")))
    }
}

pub fn digest(parameters: Option<&Parameters>, row: &SpanRow) -> Result<String> {
    let text = serde_json::to_string(&(parameters, row)).map_err(|e| Error::internal("").caused_by(e))?;
    Ok(super::sealed::sha256_hex(&[text.as_bytes()]))
}

pub enum Relation {
    Same,
    Extends,
    Covered,
    Differs(String),
    SourceChanged(String),
}

pub fn relate(stored: &Plan, asked: &Plan) -> Relation {
    if stored.kind != asked.kind || stored.parameters != asked.parameters {
        return Relation::Differs("parameters".to_owned());
    }
    if stored.spans == asked.spans {
        return Relation::Same;
    }
    if asked.spans.starts_with(&stored.spans) {
        return Relation::Extends;
    }
    if stored.spans.starts_with(&asked.spans) {
        return Relation::Covered;
    }
    let changed = stored
        .spans
        .iter()
        .zip(&asked.spans)
        .any(|(s, a)| s.source != a.source);
    if changed {
        return Relation::SourceChanged("source".to_owned());
    }
    Relation::Differs("spans".to_owned())
}
