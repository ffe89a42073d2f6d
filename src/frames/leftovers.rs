//! Frames without a plan that are the extraction's own: what a worker put that was killed before it saw
//! that its plan had been cleared. Nothing tells them from another writer's but their bytes. Where each
//! is what the plan gives for its number, nobody loses anything by an extraction that puts it again.

use std::collections::{BTreeMap, HashMap};

use tokio::sync::mpsc;

use crate::cache::Profile;
use crate::cache::planned::{Planned, Row};
use crate::cache::plans::Claim;
use crate::decode::Backend;
use crate::error::{Error, Reason, Result};
use crate::extract::{Caller, Output, SpanEvent, SpanJob, Turn};
use crate::frames::Frames;
use crate::frames::library::blocking;
use crate::frames::request::Extraction;
use crate::frames::span::chunk_of;
use crate::timeline::plan::{FrameLayout, Plan};
use crate::verdict::Verdict;

/// Pictures that wait to be compared.
const QUEUED_FRAMES: usize = 16;

impl Frames {
    /// Claims the plan; frames that lie there without one, and are the plan's own, are in nobody's way.
    ///
    /// # Errors
    /// Those of [`Profile::claim_plan`], and of decoding what is compared.
    pub(super) async fn claim_over_leftovers(
        &self,
        profile: &Profile,
        plan: Plan,
        (extraction, caller): (&Extraction, Caller),
    ) -> Result<Claim> {
        let refused = match profile.claim_plan(&plan, extraction.replace).await {
            Err(error) if error.reason() == Reason::PlanDiffers && extraction.replace.is_none() => {
                error
            }
            claimed => return claimed,
        };
        if !profile.is_legacy().await? {
            // By a plan, which another may have claimed just now.
            return profile.claim_plan(&plan, None).await;
        }
        let planned = Planned::new(plan.clone())?;
        let compared = Compared {
            frames: self,
            profile,
            plan: &planned,
            backend: extraction.backend,
            turn: Turn::of(caller),
        };
        if !compared.are_own().await? {
            return Err(refused);
        }
        tracing::info!(
            timeline = profile.keys().timeline(),
            "frames without a plan are what this extraction gives: a worker left them"
        );
        profile.claim_plan_over_own(&plan).await
    }
}

/// Frames without a plan beside what a plan gives.
struct Compared<'a> {
    frames: &'a Frames,
    profile: &'a Profile,
    plan: &'a Planned,
    backend: Backend,
    turn: Turn,
}

impl Compared<'_> {
    async fn are_own(&self) -> Result<bool> {
        // Packs would leave them lying beside.
        if self.plan.plan().layout != FrameLayout::Frames {
            return Ok(false);
        }
        let mut rows: BTreeMap<u64, (Row<'_>, Vec<u64>)> = BTreeMap::new();
        for seq in self.profile.unplanned_frames().await? {
            let Some(row) = self.plan.row_of(seq) else {
                return Ok(false);
            };
            let (_, seqs) = rows.entry(row.row.first).or_insert((row, Vec::new()));
            seqs.push(seq);
        }
        // Another writer's frames are told by one picture.
        let first = rows.values().next();
        let first = first.and_then(|(row, seqs)| Some((*row, vec![*seqs.first()?])));
        for (row, seqs) in first.into_iter().chain(rows.into_values()) {
            if !self.gives(row, seqs).await? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Whether the row gives the bytes that lie under each of these numbers.
    async fn gives(&self, row: Row<'_>, seqs: Vec<u64>) -> Result<bool> {
        let made = match self.made(row, seqs.clone()).await {
            Err(error) if error.reason().verdict() == Verdict::Record => return Ok(false),
            made => made?,
        };
        for seq in seqs {
            let there = self.profile.unplanned_sum(seq).await?;
            // One that went meanwhile is in nobody's way.
            if there.is_some() && there.as_ref() != made.get(&seq) {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// The sha256 of what the row gives for these numbers.
    async fn made(&self, row: Row<'_>, seqs: Vec<u64>) -> Result<HashMap<u64, String>> {
        let mut events = self.develop(row, seqs).await?;
        let mut made = HashMap::new();
        while let Some(event) = events.recv().await {
            match event {
                SpanEvent::Made(picture) => {
                    let sums = picture.facts.into_iter();
                    made.extend(sums.filter_map(|facts| Some((facts.seq, facts.sha256?))));
                }
                SpanEvent::Restarted => made.clear(),
                SpanEvent::Ended(end) => return end.map(|_| made),
            }
        }
        Err(Error::internal("a span ended without saying how"))
    }

    async fn develop(&self, row: Row<'_>, seqs: Vec<u64>) -> Result<mpsc::Receiver<SpanEvent>> {
        let chunk = &chunk_of(self.plan, row)?.spec;
        let parameters = self.plan.plan().parameters.clone();
        let job = SpanJob {
            chunk: chunk.clone(),
            row: row.row.clone(),
            parameters: parameters
                .ok_or_else(|| Error::internal("an extracted plan has no parameters"))?,
            output: Output::Jpeg,
            only: Some(seqs),
            backend: self.backend,
            recipe: None,
            turn: self.turn.clone(),
            fed: Default::default(),
        };
        let media = self.frames.library.media(chunk, &self.turn).await?;
        let (events, receiver) = mpsc::channel(QUEUED_FRAMES);
        let foundry = self.frames.foundry.clone();
        blocking(move || {
            foundry.develop(job, &media, events);
            Ok(())
        })
        .await?;
        Ok(receiver)
    }
}
