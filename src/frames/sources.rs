//! Whether sources are still what was planned.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;

use futures::{StreamExt, TryStreamExt, stream};

use crate::cache::planned::Planned;
use crate::error::{Error, Reason, Result};
use crate::frames::library::blocking;
use crate::frames::{Frames, Library};
use crate::timeline::plan::{ChunkSpec, SpanRow};

/// Sources looked at together.
const READ_AHEAD: usize = 16;

/// A chunk whose source is not what was planned (SOURCE_CHANGED), or cannot be looked at.
#[derive(Debug)]
pub struct SourceFinding {
    pub chunk_id: String,
    pub error: Error,
}

impl SourceFinding {
    /// The source is there, and another one.
    pub fn changed(chunk_id: &str) -> Self {
        let message = "the source is not what it was when it was planned";
        SourceFinding {
            chunk_id: chunk_id.to_owned(),
            error: Error::new(Reason::SourceChanged, message),
        }
    }

    /// Whether the source is there and another one.
    pub fn is_stale(&self) -> bool {
        self.error.reason() == Reason::SourceChanged
    }
}

impl Frames {
    /// Looks at the sources of these chunks of the plan; says what is not as it was.
    ///
    /// # Errors
    /// INTERNAL where a look ends unexpectedly. What cannot be read is a finding.
    pub async fn check_sources(
        &self,
        plan: &Planned,
        chunks: Range<usize>,
    ) -> Result<Vec<SourceFinding>> {
        let mut rows: HashMap<&str, &SpanRow> = HashMap::new();
        for row in plan.rows() {
            rows.entry(row.chunk_id.as_str()).or_insert(row);
        }
        // A chunk that could not be indexed has no rows, and nothing to compare with.
        let chunks = plan.plan().chunks.get(chunks).unwrap_or_default();
        let planned = chunks.iter().filter_map(|chunk| {
            let row = rows.get(chunk.spec.chunk_id.as_str())?;
            Some((chunk.spec.clone(), (*row).clone()))
        });
        let looks = planned.map(|(spec, row)| {
            let library = self.library().clone();
            blocking(move || Ok(look(&library, spec, &row)))
        });
        let found: Vec<_> = stream::iter(looks.collect::<Vec<_>>())
            .buffered(READ_AHEAD)
            .try_collect()
            .await?;
        Ok(found.into_iter().flatten().collect())
    }
}

fn look(library: &Arc<Library>, spec: ChunkSpec, row: &SpanRow) -> Option<SourceFinding> {
    match library.identities(&spec) {
        Ok(now) if (&now.0, &now.1) == (&row.source, &row.init) => None,
        Ok(_) => Some(SourceFinding::changed(&spec.chunk_id)),
        Err(error) => Some(SourceFinding {
            chunk_id: spec.chunk_id,
            error,
        }),
    }
}
