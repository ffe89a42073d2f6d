//! Frames that others put beside a put profile's records: programs that know keys and nothing else
//! (docs/beside-the-old-functions.md). Whoever asks for all frames finds them by a listing, at most
//! every five seconds, and gives them a record; what is gone by the listing is not remembered.
//!
//! The record takes the number behind those that were known before the frames were read, or none: so
//! a put that commits meanwhile keeps its place. A frame that a record names counts as overwritten
//! only where it is younger than that record: else it is damaged.

use std::sync::Arc;

use futures::{StreamExt, TryStreamExt, stream};

use crate::cache::keys::{PUT_CHUNK, SpanId};
use crate::cache::legacy::LegacyFrames;
use crate::cache::put::jpeg_size;
use crate::cache::put_index::PutIndex;
use crate::cache::read::View;
use crate::cache::{CONCURRENCY, Profile};
use crate::error::Result;
use crate::media::facts::FrameFacts;

/// The end of every JPEG (ITU-T T.81, B.1.1.3).
const END_OF_IMAGE: [u8; 2] = [0xff, 0xd9];

impl Profile {
    /// The view with what others put there since recorded. What cannot be recorded now is said in the
    /// log, and left as it was.
    ///
    /// # Errors
    /// The store's own.
    pub async fn with_foreign(&self, view: View) -> Result<View> {
        let View::Put(index) = &view else {
            return Ok(view);
        };
        let listed = self.memory.legacy(self).await?;
        self.forget_gone(index, &listed).await;
        let foreign = self.foreign(index, &listed).await?;
        if foreign.is_empty() {
            return Ok(view);
        }
        let (frames, facts) = (foreign.len(), self.keys.facts());
        match self.record_foreign(index, foreign).await {
            Ok(true) => {
                tracing::info!("frames that others put there are recorded, frames={frames} {facts}")
            }
            Ok(false) => {
                tracing::debug!("frames that others put there are left for the next look, {facts}")
            }
            Err(error) => tracing::warn!(%error, "could not record frames that others put there"),
        }
        self.memory.forget_view(self).await;
        self.view().await
    }

    async fn forget_gone(&self, index: &PutIndex, listed: &LegacyFrames) {
        for facts in index.latest() {
            if listed.frame(facts.seq).is_none() {
                self.memory.forget_frame(facts).await;
            }
        }
    }

    async fn foreign(&self, index: &PutIndex, listed: &LegacyFrames) -> Result<Vec<FrameFacts>> {
        let reader = self.reader();
        let suspects = listed.frames().iter();
        let suspects = suspects.filter(|frame| index.may_be_foreign(frame));
        let reads = suspects.map(|frame| reader.read_legacy(frame.seq));
        let read: Vec<_> = stream::iter(reads.collect::<Vec<_>>())
            .buffered(CONCURRENCY)
            .try_filter_map(|read| async { Ok(read.ok().and_then(|f| whole(f.facts, &f.jpeg))) })
            .try_collect()
            .await?;
        Ok(read.into_iter().filter(|f| !index.knows(f)).collect())
    }

    /// Whether it could be done: others may have put or cleared meanwhile.
    async fn record_foreign(
        &self,
        index: &Arc<PutIndex>,
        foreign: Vec<FrameFacts>,
    ) -> Result<bool> {
        let Some(number) = index.next_number() else {
            return Ok(false);
        };
        if !self.commit_under(foreign, number).await? {
            return Ok(false);
        }
        let stands = self.has_plan(index.plan()).await?;
        if !stands {
            let id = SpanId {
                chunk_id: PUT_CHUNK.to_owned(),
                span: number,
            };
            self.store.delete(&[self.keys.record(&id)]).await?;
        }
        Ok(stands)
    }
}

/// The facts of a whole JPEG, with its size.
fn whole(facts: FrameFacts, jpeg: &[u8]) -> Option<FrameFacts> {
    let (width, height) = jpeg_size(jpeg).filter(|_| jpeg.ends_with(&END_OF_IMAGE))?;
    Some(FrameFacts {
        width: Some(width),
        height: Some(height),
        ..facts
    })
}
