//! The facts of all frames of a profile, in sequence order, a span at a time.

use std::ops::Range;
use std::sync::Arc;

use futures::stream::{self, BoxStream, StreamExt, TryStreamExt};

use crate::cache::Profile;
use crate::cache::keys::SpanId;
use crate::cache::planned::Planned;
use crate::cache::put_index::PutIndex;
use crate::cache::read::{Miss, View, legacy_facts};
use crate::error::Result;
use crate::media::facts::FrameFacts;

/// Spans read ahead: what a stream holds at a time.
const READ_AHEAD: usize = 4;
/// Frames in a batch where there are no spans.
const BATCH: usize = 4096;

/// A stretch of the profile.
#[derive(Debug, Clone, PartialEq)]
pub enum FactsBatch {
    /// In sequence order.
    Frames(Vec<FrameFacts>),
    /// A span that has no facts, and why.
    Without {
        id: SpanId,
        first: u64,
        count: u64,
        miss: Miss,
    },
}

impl Profile {
    /// Facts of all frames, in sequence order; no more than four spans are held at a time.
    pub async fn facts(&self, view: &View) -> Result<BoxStream<'static, Result<FactsBatch>>> {
        self.facts_from(view, 0, u64::MAX).await
    }

    /// The same from a sequence on, and of no more spans than `frames` frames are planned in:
    /// a page of a long timeline reads a few records.
    pub async fn facts_from(
        &self,
        view: &View,
        first: u64,
        frames: u64,
    ) -> Result<BoxStream<'static, Result<FactsBatch>>> {
        Ok(match view {
            View::Absent => stream::empty().boxed(),
            View::Legacy => self.legacy_batches(first).await?,
            View::Put(index) => put_batches(index.clone(), first),
            View::Extracted(plan) => {
                let places = plan.places(first, frames);
                self.span_batches(plan.clone(), places, first)
            }
        })
    }

    /// Frames without a plan, by a listing: sequence and bytes are all that is known. From the
    /// first on they are listed afresh; further pages are of that listing while it is remembered.
    async fn legacy_batches(&self, first: u64) -> Result<BoxStream<'static, Result<FactsBatch>>> {
        if first == 0 {
            self.memory.forget_legacy(self).await;
        }
        let listed = self.memory.legacy(self).await?;
        let place = listed.frames().partition_point(|frame| frame.seq < first);
        let places = (place..listed.frames().len()).step_by(BATCH);
        let batches = places.map(move |place| {
            let batch = listed.frames().iter().skip(place).take(BATCH);
            let facts = batch.map(|frame| legacy_facts(frame.seq, frame.bytes));
            Ok(FactsBatch::Frames(facts.collect()))
        });
        Ok(stream::iter(batches).boxed())
    }

    fn span_batches(
        &self,
        plan: Arc<Planned>,
        places: Range<usize>,
        first: u64,
    ) -> BoxStream<'static, Result<FactsBatch>> {
        let profile = self.clone();
        stream::iter(places)
            .map(move |place| {
                let (profile, plan) = (profile.clone(), plan.clone());
                async move { profile.span_batch(&plan, place).await }
            })
            .buffered(READ_AHEAD)
            .try_filter_map(move |batch| async move { Ok(batch.map(|batch| batch.from(first))) })
            .boxed()
    }

    async fn span_batch(&self, plan: &Planned, place: usize) -> Result<Option<FactsBatch>> {
        let Some(row) = plan.nth_in_sequence(place) else {
            return Ok(None);
        };
        let without = |miss| FactsBatch::Without {
            id: row.id(),
            first: row.row.first,
            count: row.row.count,
            miss,
        };
        Ok(Some(match self.record(row).await? {
            Ok(record) => record
                .into_frames()
                .map_or_else(|error| without(Miss::Failed(error)), FactsBatch::Frames),
            Err(miss) => without(miss),
        }))
    }
}

impl FactsBatch {
    /// Without the frames before a sequence.
    fn from(self, first: u64) -> Self {
        match self {
            FactsBatch::Frames(mut frames) => {
                frames.drain(..frames.partition_point(|f| f.seq < first));
                FactsBatch::Frames(frames)
            }
            without => without,
        }
    }
}

/// A batch at a time: no more of the facts than those are held twice.
fn put_batches(index: Arc<PutIndex>, first: u64) -> BoxStream<'static, Result<FactsBatch>> {
    let batches = stream::unfold(Some(first), move |first| {
        let index = index.clone();
        async move {
            let batch = index.latest_from(first?).take(BATCH).cloned();
            let batch: Vec<FrameFacts> = batch.collect();
            let next = batch.last()?.seq.checked_add(1);
            Some((Ok(FactsBatch::Frames(batch)), next))
        }
    });
    batches.boxed()
}
