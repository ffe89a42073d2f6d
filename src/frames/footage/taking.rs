//! A group's pictures, as its lane decodes them.

use std::collections::HashMap;
use std::sync::Arc;

use tokio::sync::OwnedSemaphorePermit;
use tokio::sync::mpsc::{self, Receiver};

use crate::decode::Backend;
use crate::error::{Error, Result};
use crate::extract::{Made, Output, SpanEvent, SpanJob, Turn};
use crate::foundry::Lent;
use crate::frames::Answer;
use crate::frames::footage::groups::Group;
use crate::frames::footage::rows::undelivered;
use crate::frames::footage::{Footage, Pixels, Still};
use crate::frames::library::blocking;
use crate::pixel::RgbImage;
use crate::tensor::Recipe;

/// A picture that has not come while so many later ones have is not coming: no codec shows
/// pictures further from their decoding order (16 in H.264, Annex A, and HEVC).
const MAX_REORDER: usize = 16;

/// Whether a tensor takes no more room than the picture that it is made of: what may wait is counted
/// in pictures.
fn is_small(recipe: &Recipe, group: &Group) -> bool {
    let (width, height) = group.row.media.upright();
    let output = recipe.output((width, height));
    recipe
        .frame_bytes(output)
        .is_ok_and(|bytes| bytes <= 3 * width * height)
}

pub(super) struct Taking {
    items: std::vec::IntoIter<(u64, u64)>,
    /// How often each sequence is still asked for.
    uses: HashMap<u64, usize>,
    /// Came before they were asked for; none for those that the decoder did not deliver.
    waiting: HashMap<u64, Option<Still>>,
    /// Of those, at most so many.
    limit: usize,
    events: Receiver<SpanEvent>,
    /// No event follows: why what did not come will not.
    ended: Option<Result<()>>,
    _lane: (Lent, OwnedSemaphorePermit),
}

impl Taking {
    /// Waits for a lane and starts the group on it.
    ///
    /// # Errors
    /// The answer of each of its frames.
    pub async fn begin(
        group: Group,
        footage: &Footage,
    ) -> Result<Taking, std::vec::IntoIter<Answer<Still>>> {
        let refused = |error: Error| {
            let answers = group.items.iter().map(|(index, seq)| Answer {
                index: *index,
                sequence: Some(*seq),
                result: Err(error.clone()),
            });
            answers.collect::<Vec<_>>().into_iter()
        };
        let permit = footage.frames.lanes.clone().acquire_owned().await;
        let permit = permit.map_err(|e| Error::internal("no lanes are left").caused_by(e));
        let permit = permit.map_err(&refused)?;
        let mut uses: HashMap<u64, usize> = HashMap::new();
        for (_, seq) in &group.items {
            *uses.entry(*seq).or_default() += 1;
        }
        let mut only: Vec<u64> = uses.keys().copied().collect();
        only.sort_unstable();
        let job = SpanJob {
            chunk: group.row.chunk.clone(),
            row: group.row.row.clone(),
            parameters: footage.parameters.clone(),
            output: Output::Rgb,
            only: Some(only),
            backend: Backend::Auto,
            recipe: footage
                .recipe
                .clone()
                .filter(|recipe| is_small(recipe, &group)),
            turn: Turn::awaited(footage.caller),
            fed: Arc::default(),
        };
        let queue = group.row.queue();
        let (sender, events) = mpsc::channel(queue);
        let (media, foundry) = (group.row.media.clone(), footage.frames.foundry.clone());
        // May open a card.
        let begin = move || Ok((foundry.footage(job, &media, sender)?, permit));
        let lane = blocking(begin).await.map_err(&refused)?;
        Ok(Taking {
            items: group.items.into_iter(),
            uses,
            waiting: HashMap::new(),
            limit: queue.max(MAX_REORDER),
            events,
            ended: None,
            _lane: lane,
        })
    }

    /// The next frame asked for; none at the end.
    pub async fn next(&mut self) -> Option<Answer<Still>> {
        let (index, seq) = self.items.next()?;
        let result = self.wait_for(seq).await.map(Some);
        self.used(seq);
        Some(Answer {
            index,
            sequence: Some(seq),
            result,
        })
    }

    async fn wait_for(&mut self, seq: u64) -> Result<Still> {
        loop {
            match (self.waiting.get(&seq), &self.ended) {
                (Some(Some(still)), _) => return Ok(still.clone()),
                (None, Some(Err(error))) => return Err(error.clone()),
                (Some(None), _) | (None, Some(Ok(()))) => return Err(undelivered(seq)),
                (None, None) if self.waiting.len() > self.limit => return Err(undelivered(seq)),
                (None, None) => {}
            }
            match self.events.recv().await {
                Some(SpanEvent::Made(made)) => self.keep(made),
                // The pictures come again, and take the place of these.
                Some(SpanEvent::Restarted) => self.waiting.clear(),
                Some(SpanEvent::Ended(end)) => self.ended = Some(end.map(|_| ())),
                None => {
                    let error = Error::internal("a span ended without saying how");
                    self.ended = Some(Err(error));
                }
            }
        }
    }

    /// A picture, under each of its numbers that is still asked for.
    fn keep(&mut self, made: Made) {
        let first = made.facts.first();
        let side = |side: Option<u32>| side.map_or(0, |side| side as usize);
        let width = side(first.and_then(|facts| facts.width));
        let height = side(first.and_then(|facts| facts.height));
        let data = made.data;
        let pixels = if made.is_tensor {
            Pixels::Tensor((width, height), Arc::new(data))
        } else {
            Pixels::Rgb(Arc::new(RgbImage {
                width,
                height,
                data,
            }))
        };
        for facts in made.facts {
            if !self.uses.contains_key(&facts.seq) {
                continue;
            }
            let (seq, missing) = (facts.seq, facts.missing);
            let pixels = pixels.clone();
            self.waiting
                .insert(seq, (!missing).then_some(Still { facts, pixels }));
        }
    }

    fn used(&mut self, seq: u64) {
        if let Some(uses) = self.uses.get_mut(&seq) {
            *uses -= 1;
            if *uses == 0 {
                self.uses.remove(&seq);
                self.waiting.remove(&seq);
            }
        }
    }
}
