//! Frames decoded from their source again, without JPEG loss. Nothing is stored.

use std::collections::BTreeMap;
use std::sync::Arc;

use tokio::sync::mpsc;

use crate::cache::planned::{Planned, Row};
use crate::cache::read::View;
use crate::decode::Backend;
use crate::error::{Error, Reason, Result};
use crate::extract::{Made, Output, SpanEvent, SpanJob};
use crate::frames::Frames;
use crate::frames::library::blocking;
use crate::frames::serve::{Serving, place_of};
use crate::frames::span::chunk_of;
use crate::media::facts::FrameFacts;
use crate::pixel::RgbImage;
use crate::timeline::plan::Parameters;

/// Pictures that wait for whoever takes them; each is up to 192 MB.
const QUEUED_PICTURES: usize = 2;

/// A picture as decoded: upright, full size, 8 bits.
#[derive(Debug, Clone)]
pub struct Decoded {
    pub facts: FrameFacts,
    pub rgb: RgbImage,
}

/// Takes pictures as they are made, in no particular order; one of the same
/// sequence that comes later takes the place of an earlier one.
pub type Take<'t> = &'t mut (dyn FnMut(Decoded) -> Result<()> + Send);

impl Serving {
    /// Decodes these sequences of an extracted profile from their sources.
    ///
    /// # Errors
    /// TIMELINE_NOT_FOUND, FRAME_NOT_CACHED; FIELD_INVALID for frames that have no source;
    /// MEDIA_CORRUPT for frames that the decoder does not deliver; the source's own.
    pub async fn decode(&self, seqs: &[u64], take: Take<'_>) -> Result<()> {
        let View::Extracted(plan) = self.view().await? else {
            return Err(Error::field(
                "these frames were not extracted from a source that is known",
            )
            .hint("leave --origin source out to read them from the cache"));
        };
        let mut by_row: BTreeMap<usize, Vec<u64>> = BTreeMap::new();
        for seq in seqs {
            let place = place_of(&plan, *seq).ok_or_else(|| self.unplanned(&plan, *seq))?;
            by_row.entry(place).or_default().push(*seq);
        }
        for (place, mut wanted) in by_row {
            wanted.sort_unstable();
            wanted.dedup();
            let row = plan
                .row(place)
                .ok_or_else(|| Error::internal("a row is gone"))?;
            self.frames().decode_row(&plan, row, &wanted, take).await?;
        }
        Ok(())
    }
}

impl Frames {
    async fn decode_row(
        &self,
        plan: &Planned,
        row: Row<'_>,
        wanted: &[u64],
        take: Take<'_>,
    ) -> Result<()> {
        let chunk = chunk_of(plan, row)?;
        let (library, spec) = (self.library.clone(), chunk.spec.clone());
        let media = blocking(move || library.track(&spec)).await?;
        let job = SpanJob {
            chunk: chunk.spec.clone(),
            row: row.row.clone(),
            parameters: whole_pictures(plan)?,
            output: Output::Rgb,
            only: Some(wanted.to_vec()),
            backend: Backend::Cpu,
        };
        let engine: Arc<_> = self.engine()?;
        let (events, mut receiver) = mpsc::channel(QUEUED_PICTURES);
        engine.submit(job, media, events);
        loop {
            match receiver.recv().await {
                Some(SpanEvent::Made(made)) => deliver(made, wanted, take)?,
                // The pictures come again, and take the place of these.
                Some(SpanEvent::Restarted) => {}
                Some(SpanEvent::Ended(end)) => return end.map(|_| ()),
                None => return Err(Error::internal("a span ended without saying how")),
            }
        }
    }
}

fn deliver(made: Made, wanted: &[u64], take: Take<'_>) -> Result<()> {
    for facts in made.facts {
        if wanted.binary_search(&facts.seq).is_err() {
            continue;
        }
        if facts.missing {
            let message = format!("the decoder did not deliver this frame: seq={}", facts.seq);
            return Err(Error::new(Reason::MediaCorrupt, message));
        }
        let side = |side: Option<u32>| side.map_or(0, |side| side as usize);
        let (width, height) = (side(facts.width), side(facts.height));
        take(Decoded {
            facts,
            rgb: RgbImage {
                width,
                height,
                data: made.data.clone(),
            },
        })?;
    }
    Ok(())
}

/// Repeats are decoded like any other frame here.
fn whole_pictures(plan: &Planned) -> Result<Parameters> {
    let parameters = plan.plan().parameters.clone();
    let parameters =
        parameters.ok_or_else(|| Error::internal("an extracted plan has no parameters"))?;
    Ok(Parameters {
        dedup: None,
        ..parameters
    })
}
