//! Puts beside puts: behind its record, a call sees to it that its frames are in place.
//!
//! Of several that put a sequence at once the one with the highest record wins. Each reads what is
//! in place, then which records there are, and puts its own bytes over what it read unless a higher
//! record names the sequence: so a lower one never takes the place of a higher one's.

use std::sync::Arc;

use bytes::Bytes;
use futures::{StreamExt, TryStreamExt, stream};

use crate::cache::planned::Planned;
use crate::cache::put::ReadyFrame;
use crate::cache::put_index::PutIndex;
use crate::cache::sealed::sha256_hex;
use crate::cache::{CONCURRENCY, Profile};
use crate::error::{Error, Reason, Result};
use crate::store::{Condition, Object};

/// Times that others may put over a call's frames before it gives up.
const MAX_ROUNDS: usize = 64;

impl Profile {
    /// When it answers, each frame is in place, or a higher record gives its sequence other bytes.
    /// `over`: frames where something else was; `new`: frames where nothing was.
    pub(super) async fn settle(
        &self,
        record: u32,
        plan: &Arc<Planned>,
        (over, new): (Vec<&ReadyFrame>, Vec<&ReadyFrame>),
    ) -> Result<()> {
        let index = PutIndex::read(self, plan.clone()).await?;
        // New frames are in place, unless somebody else's record came before this one.
        let contested = |frame: &&ReadyFrame| index.is_contested(frame.facts());
        let mut pending = over;
        pending.extend(new.into_iter().filter(contested));
        for _ in 0..MAX_ROUNDS {
            let wrong = self.not_in_place(&pending).await?;
            if wrong.is_empty() {
                return Ok(());
            }
            let index = PutIndex::read(self, plan.clone()).await?;
            let mine = wrong
                .into_iter()
                .filter(|(frame, _)| !index.is_superseded(record, frame.facts()));
            pending = self.put_in_place(mine.collect()).await?;
        }
        let what = "others put the same frames at each attempt to put them";
        let error = self.keys.error(Reason::StoreUnavailable, what);
        Err(error.hint("put them again"))
    }

    /// Frames whose bytes are not the ones in place, and what may be put over.
    async fn not_in_place<'f>(
        &self,
        frames: &[&'f ReadyFrame],
    ) -> Result<Vec<(&'f ReadyFrame, Condition)>> {
        let looks = frames.iter().map(|frame| async {
            let there = self.loose_frame(frame.facts().seq).await?;
            let is_there = there.as_ref().is_some_and(|o| is_its(frame, &o.data));
            let when = there
                .as_ref()
                .map_or(Condition::IfAbsent, Object::unchanged);
            Ok::<_, Error>((!is_there).then_some((*frame, when)))
        });
        let wrong: Vec<_> = stream::iter(looks.collect::<Vec<_>>())
            .buffered(CONCURRENCY)
            .try_collect()
            .await?;
        Ok(wrong.into_iter().flatten().collect())
    }

    /// Whether they were is to be looked at again: not every store keeps conditions.
    async fn put_in_place<'f>(
        &self,
        frames: Vec<(&'f ReadyFrame, Condition)>,
    ) -> Result<Vec<&'f ReadyFrame>> {
        let puts = frames.into_iter().map(|(frame, when)| async move {
            let (seq, jpeg) = (frame.facts().seq, frame.jpeg().clone());
            self.put_loose(seq, jpeg, when).await?;
            Ok::<_, Error>(frame)
        });
        let pending: Vec<_> = stream::iter(puts.collect::<Vec<_>>())
            .buffered(CONCURRENCY)
            .try_collect()
            .await?;
        self.store.sync().await?;
        Ok(pending)
    }
}

fn is_its(frame: &ReadyFrame, there: &Bytes) -> bool {
    frame.facts().sha256.as_deref() == Some(sha256_hex(&[there]).as_str())
}
