//! The plan of an extraction: the stored one if nothing changed, else one made of the sources' indexes.

use std::collections::HashMap;
use std::sync::Arc;

use crate::cache::Profile;
use crate::cache::planned::Planned;
use crate::cache::plans::{Claim, Claimed};
use crate::error::{Code, Error, Reason, Result};
use crate::extract::{Caller, Turn};
use crate::frames::Frames;
use crate::frames::extract::chunk_error;
use crate::frames::library::blocking;
use crate::frames::request::{Event, Extraction, Progress, Sink, Stage};
use crate::source::strip_credentials;
use crate::timeline::plan::{ChunkSpec, FrameLayout, Parameters, Plan, READING};
use crate::timeline::planner::Planner;
use crate::verdict::Verdict;

impl Frames {
    pub(super) async fn claim(
        &self,
        profile: &Profile,
        (extraction, caller): (&Extraction, Caller),
        sink: Sink<'_>,
    ) -> Result<Claim> {
        let (stored, layout) = self.stored(profile, extraction).await?;
        let Some((chunks, parameters)) = &extraction.asked else {
            return match stored {
                Some(plan) => Ok(Claim {
                    plan,
                    claimed: Claimed::Unchanged,
                }),
                None => Err(unknown(&extraction.timeline)),
            };
        };
        if chunks.len() as u64 > self.limits.chunks {
            return Err(self.limits.too_many_chunks());
        }
        let chunks = as_stored(chunks)?;
        let parameters = parameters.clone().checked(&self.limits)?;
        if let Some(plan) = stored
            && self.is_planned(&plan, &chunks, &parameters).await?
        {
            return Ok(Claim {
                plan,
                claimed: Claimed::Unchanged,
            });
        }
        let plan = self
            .plan(chunks, parameters, (extraction.skip_bad, caller), sink)
            .await?
            .laid_out(layout);
        self.claim_over_leftovers(profile, plan, (extraction, caller))
            .await
    }

    /// The plan to go on by, if there is one, and how frames are to lie.
    async fn stored(
        &self,
        profile: &Profile,
        extraction: &Extraction,
    ) -> Result<(Option<Arc<Planned>>, FrameLayout)> {
        let stored = match profile.load_plan().await {
            // What cannot be read is what a replacement is for.
            Err(error)
                if extraction.replace.is_some() && error.reason().code() == Code::DataLoss =>
            {
                None
            }
            stored => stored?,
        };
        let extracted = stored.as_ref().filter(|plan| !plan.is_put());
        let there = extracted.map(|plan| plan.plan().layout);
        let layout = extraction.layout.or(there).unwrap_or(self.layout);
        match (there, extraction.replace) {
            (_, Some(_)) => Ok((None, layout)),
            (Some(there), None) if there != layout => Err(laid_out_otherwise(profile, there)),
            (_, None) => Ok((stored, layout)),
        }
    }

    /// Whether the stored plan is of these very chunks: then nothing needs to be indexed to know it.
    async fn is_planned(
        &self,
        stored: &Arc<Planned>,
        chunks: &[ChunkSpec],
        parameters: &Parameters,
    ) -> Result<bool> {
        let known = stored.plan();
        let same = known.reading == READING
            && known.parameters.as_ref() == Some(parameters)
            && known.chunks.len() == chunks.len()
            && known
                .chunks
                .iter()
                .zip(chunks)
                .enumerate()
                .all(|(n, (known, asked))| {
                    let named = ChunkSpec {
                        chunk_id: id_of(asked, n),
                        ..asked.clone()
                    };
                    known.error.is_none() && known.spec == named
                });
        if !same {
            return Ok(false);
        }
        let (library, stored) = (self.library.clone(), stored.clone());
        let several = chunks.len() > 1;
        blocking(move || {
            let rows: HashMap<&str, _> = stored
                .rows()
                .iter()
                .map(|row| (row.chunk_id.as_str(), row))
                .collect();
            for (place, chunk) in stored.plan().chunks.iter().enumerate() {
                let row = rows.get(chunk.spec.chunk_id.as_str());
                let now = library.identities(&chunk.spec);
                let now = now.map_err(|e| in_chunk(e, &chunk.spec, (place, several)))?;
                if !row.is_some_and(|row| (&row.source, &row.init) == (&now.0, &now.1)) {
                    return Ok(false);
                }
            }
            Ok(true)
        })
        .await
    }

    /// Indexes the chunks in order and plans them.
    async fn plan(
        &self,
        chunks: Vec<ChunkSpec>,
        parameters: Parameters,
        (skip_bad, caller): (bool, Caller),
        sink: Sink<'_>,
    ) -> Result<Plan> {
        let mut planner = Planner::new(parameters, self.limits)?;
        let total = chunks.len() as u64;
        for (place, spec) in chunks.into_iter().enumerate() {
            let chunk_id = id_of(&spec, place);
            sink(Event::Progress(Progress {
                stage: Stage::Index,
                chunk_id: Some(chunk_id.clone()),
                done: place as u64,
                total,
                media_seconds: 0.0,
            }));
            let media = self.library.media(&spec, &Turn::of(caller)).await;
            let named = ChunkSpec {
                chunk_id,
                ..spec.clone()
            };
            match media.and_then(|media| media.check_pictures().map(|()| media)) {
                Ok(media) => planner.push(spec, Ok(media.index()))?,
                Err(error) if skip_bad && error.reason().verdict() == Verdict::Record => {
                    planner.push(spec, Err(chunk_error(&error)))?;
                }
                Err(error) => {
                    return Err(in_chunk(error, &named, (place, total > 1)));
                }
            }
        }
        planner.finish()
    }
}

/// Uris as plans keep them: absolute, without credentials.
fn as_stored(chunks: &[ChunkSpec]) -> Result<Vec<ChunkSpec>> {
    if chunks.is_empty() {
        return Err(Error::field("there is nothing to extract: chunks is empty")
            .hint("name at least one source")
            .in_field("chunks"));
    }
    let stored = |spec: &ChunkSpec| ChunkSpec {
        uri: strip_credentials(&spec.uri),
        init_uri: spec.init_uri.as_deref().map(strip_credentials),
        ..spec.clone()
    };
    Ok(chunks.iter().map(stored).collect())
}

fn id_of(spec: &ChunkSpec, place: usize) -> String {
    if spec.chunk_id.is_empty() {
        place.to_string()
    } else {
        spec.chunk_id.clone()
    }
}

/// The error says which source it is about, and where there are several, which chunk.
fn in_chunk(error: Error, spec: &ChunkSpec, (place, several): (usize, bool)) -> Error {
    let error = error
        .in_field("uri")
        .below_field(&format!("chunks[{place}]"));
    let uri = match error.field_path() {
        Some(field) if field.ends_with(".init_uri") => spec.init_uri.as_ref().unwrap_or(&spec.uri),
        _ => &spec.uri,
    };
    let error = match error.message().contains(uri.as_str()) {
        true => error,
        false => error.about("source", uri),
    };
    match several {
        true => error.about("chunk_id", &spec.chunk_id),
        false => error,
    }
}

fn laid_out_otherwise(profile: &Profile, there: FrameLayout) -> Error {
    let message = format!(
        "the profile's frames lie otherwise: {} layout={}",
        profile.keys().facts(),
        there.name()
    );
    let hint = format!(
        "leave out the layout, or change it first: `framecache repack {}`",
        profile.keys().timeline()
    );
    Error::new(Reason::PlanDiffers, message)
        .hint(hint)
        .in_field("frame_layout")
}

fn unknown(timeline: &str) -> Error {
    Error::new(
        Reason::TimelineNotFound,
        format!("there is no plan of this timeline, timeline={timeline}"),
    )
    .hint("name its sources and a sampling")
}
