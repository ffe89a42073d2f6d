//! What ties a commit record to its plan: a digest of the parameters and one row.

use serde::Serialize;
use sha2::{Digest, Sha256};

use crate::error::{Error, Result};
use crate::timeline::plan::{Parameters, SpanRow};

/// Digests of the rows of one plan. The parameters are hashed once, because
/// a list of timestamps may be long.
///
/// Canonical form: JSON without blanks, fields in the order of the structs in
/// `plan.rs`, absent ones left out, exact times as canonical text. A row's
/// digest is the SHA-256, in lower-case hex, of
/// `{"parameters":"<hex SHA-256 of the parameters' canonical form>","row":{…}}`.
#[derive(Debug, Clone)]
pub struct Digests {
    parameters: String,
}

#[derive(Serialize)]
struct Digested<'a> {
    parameters: &'a str,
    row: &'a SpanRow,
}

impl Digests {
    pub fn new(parameters: &Parameters) -> Result<Digests> {
        let parameters = sha256_of(parameters)?;
        Ok(Digests { parameters })
    }

    /// 64 lower-case hex digits.
    pub fn of(&self, row: &SpanRow) -> Result<String> {
        sha256_of(&Digested {
            parameters: &self.parameters,
            row,
        })
    }
}

/// The digest of a single row; for many of one plan see [`Digests`].
pub fn digest_of(parameters: &Parameters, row: &SpanRow) -> Result<String> {
    Digests::new(parameters)?.of(row)
}

fn sha256_of(value: &impl Serialize) -> Result<String> {
    let canonical = serde_json::to_vec(value)
        .map_err(|e| Error::internal("could not serialise a plan for its digest").caused_by(e))?;
    let digest = Sha256::digest(&canonical);
    Ok(digest.iter().map(|byte| format!("{byte:02x}")).collect())
}
