//! What comes of one span, into the store: frames as they are made, the record last.

use bytes::Bytes;
use futures::StreamExt;
use tokio::sync::mpsc::Receiver;

use crate::cache::places::{Placed, Placing, Puts};
use crate::error::{Error, Result};
use crate::extract::{Made, SpanEnd, SpanEvent};
use crate::hash::hamming;
use crate::media::facts::FrameFacts;

/// Takes a span's frames.
pub struct Collector<'a> {
    placing: Placing<'a>,
    dedup: Option<Dedup>,
    /// Called with the number of frames that came.
    progress: &'a (dyn Fn(u64) + Send + Sync),
}

/// Pictures that are sorted under dedup. They come in the decoder's order of showing; where that is
/// not by pts (timestamps that jump back), the same number on every machine gives the same repeats.
const SORTED_PICTURES: usize = 64;

/// Drops pictures that look like the last one kept.
struct Dedup {
    bits: u32,
    waiting: std::collections::BTreeMap<u64, Made>,
    kept: Option<FrameFacts>,
}

impl<'a> Collector<'a> {
    pub fn new(
        placing: Placing<'a>,
        dedup: Option<u8>,
        progress: &'a (dyn Fn(u64) + Send + Sync),
    ) -> Self {
        let dedup = dedup.map(|bits| Dedup {
            bits: u32::from(bits),
            waiting: Default::default(),
            kept: None,
        });
        Collector {
            placing,
            dedup,
            progress,
        }
    }

    /// Stores the span's frames until it ends; all of them put.
    ///
    /// # Errors
    /// The span's own failure, or the store's.
    pub async fn collect(mut self, mut events: Receiver<SpanEvent>) -> Result<(SpanEnd, Placed)> {
        let mut puts = Puts::new();
        let mut frames = 0u64;
        loop {
            while puts.len() >= self.placing.at_once() {
                finished(puts.next().await)?;
            }
            let event = tokio::select! {
                event = events.recv() => event,
                put = puts.next(), if !puts.is_empty() => {
                    finished(put)?;
                    continue;
                }
            };
            match event {
                Some(SpanEvent::Made(made)) => {
                    frames += made.facts.len() as u64;
                    (self.progress)(frames);
                    self.take(made, &mut puts)?;
                }
                Some(SpanEvent::Restarted) => {
                    drain(&mut puts).await?;
                    self.restart();
                    frames = 0;
                }
                Some(SpanEvent::Ended(end)) => {
                    self.settle(&mut puts)?;
                    drain(&mut puts).await?;
                    return self.ended(end?);
                }
                None => return Err(Error::internal("a span ended without saying how")),
            }
        }
    }

    fn restart(&mut self) {
        self.placing.restart();
        if let Some(dedup) = &mut self.dedup {
            dedup.waiting.clear();
            dedup.kept = None;
        }
    }

    fn ended(self, end: SpanEnd) -> Result<(SpanEnd, Placed)> {
        let mut placed = self.placing.placed();
        for frame in &mut placed.facts {
            frame.fallback_reason.clone_from(&end.fallback_reason);
        }
        Ok((end, placed))
    }

    fn take(&mut self, made: Made, puts: &mut Puts<'a>) -> Result<()> {
        let Some(dedup) = &mut self.dedup else {
            return self.put(made, puts);
        };
        if let Some(first) = made.facts.first() {
            dedup.waiting.insert(first.seq, made);
        }
        while let Some(next) = self.next_in_order(false) {
            self.put_or_repeat(next, puts)?;
        }
        Ok(())
    }

    fn settle(&mut self, puts: &mut Puts<'a>) -> Result<()> {
        while let Some(next) = self.next_in_order(true) {
            self.put_or_repeat(next, puts)?;
        }
        self.placing.end(puts)
    }

    fn next_in_order(&mut self, all: bool) -> Option<Made> {
        let dedup = self.dedup.as_mut()?;
        if dedup.waiting.len() <= SORTED_PICTURES && !all {
            return None;
        }
        dedup.waiting.pop_first().map(|(_, made)| made)
    }

    /// Each number is compared by itself: a picture's second number repeats its first.
    fn put_or_repeat(&mut self, made: Made, puts: &mut Puts<'a>) -> Result<()> {
        let jpeg = Bytes::from(made.data);
        for facts in made.facts {
            match self.dedup.as_mut().and_then(|dedup| dedup.repeat(&facts)) {
                Some(repeat) => self.placing.take(repeat, None, puts)?,
                None => {
                    if let Some(dedup) = &mut self.dedup {
                        dedup.keep(&facts);
                    }
                    self.put_one(facts, jpeg.clone(), puts)?;
                }
            }
        }
        Ok(())
    }

    fn put(&mut self, made: Made, puts: &mut Puts<'a>) -> Result<()> {
        let jpeg = Bytes::from(made.data);
        for facts in made.facts {
            self.put_one(facts, jpeg.clone(), puts)?;
        }
        Ok(())
    }

    fn put_one(&mut self, facts: FrameFacts, jpeg: Bytes, puts: &mut Puts<'a>) -> Result<()> {
        let jpeg = (!facts.missing).then_some(jpeg);
        self.placing.take(facts, jpeg, puts)
    }
}

impl Dedup {
    /// A frame that came too late is stored, and later ones are not compared with it.
    fn keep(&mut self, frame: &FrameFacts) {
        let late = self.kept.as_ref().is_some_and(|kept| kept.seq > frame.seq);
        if !late && !frame.missing {
            self.kept = Some(frame.clone());
        }
    }

    /// The facts of a frame that repeats the last one kept, if it does.
    fn repeat(&self, frame: &FrameFacts) -> Option<FrameFacts> {
        let earlier = |kept: &&FrameFacts| kept.seq < frame.seq && !frame.missing;
        let kept = self.kept.as_ref().filter(earlier)?;
        let distance = hamming(bits(kept)?, bits(frame)?);
        (distance <= self.bits).then(|| FrameFacts {
            width: kept.width,
            height: kept.height,
            bytes: kept.bytes,
            sha256: kept.sha256.clone(),
            repeats: Some(kept.seq),
            ..frame.clone()
        })
    }
}

fn bits(frame: &FrameFacts) -> Option<u64> {
    u64::from_str_radix(frame.phash.as_deref()?, 16).ok()
}

fn finished(put: Option<Result<()>>) -> Result<()> {
    put.unwrap_or(Ok(()))
}

async fn drain(puts: &mut Puts<'_>) -> Result<()> {
    while let Some(put) = puts.next().await {
        put?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use tokio::sync::mpsc;

    use super::*;
    use crate::cache::Cache;
    use crate::cache::keys::Layout;
    use crate::cache::memory::Memory;
    use crate::cache::places::Placing;
    use crate::cache::testing::{plan_of, planned, row};
    use crate::store::Store;
    use crate::store::memory::MemoryStore;
    use crate::timeline::plan::FrameLayout;

    fn made(seq: u64, phash: &str) -> SpanEvent {
        let facts = FrameFacts {
            seq,
            phash: Some(phash.to_owned()),
            sha256: Some(format!("{seq:064}")),
            ..FrameFacts::default()
        };
        SpanEvent::Made(Made {
            facts: vec![facts],
            data: seq.to_string().into_bytes(),
            is_tensor: false,
        })
    }

    fn end() -> SpanEvent {
        SpanEvent::Ended(Ok(SpanEnd {
            backend: "cpu".to_owned(),
            fallback_reason: None,
            decoded_units: 0,
        }))
    }

    async fn collected(
        store: &Arc<MemoryStore>,
        events: Vec<SpanEvent>,
    ) -> Vec<(u64, Option<u64>)> {
        let layout = Layout::new("cache").unwrap();
        let cache = Cache::new(store.clone(), layout, Memory::new(1 << 20));
        let profile = cache.profile("t", "default").unwrap();
        let (sender, receiver) = mpsc::channel(events.len());
        for event in events {
            sender.send(event).await.ok().unwrap();
        }
        let plan = planned(plan_of(vec![row("0", 0, 0, 100)]));
        let placing = Placing::new(&profile, plan.row(0).unwrap(), FrameLayout::Frames);
        let collector = Collector::new(placing, Some(0), &|_| ());
        let (_, placed) = collector.collect(receiver).await.unwrap();
        let facts = placed.facts.into_iter();
        facts.map(|f| (f.seq, f.repeats)).collect()
    }

    #[tokio::test]
    async fn a_span_that_is_decoded_again_repeats_nothing_of_its_first_run() {
        let store = Arc::new(MemoryStore::new());
        let (one, other) = ("00000000000000ff", "ff00000000000000");
        // Enough that some are sorted out, and some wait, when the run ends.
        let mut events: Vec<_> = (0..SORTED_PICTURES as u64 + 4)
            .map(|seq| made(seq, one))
            .collect();
        events.push(SpanEvent::Restarted);
        // This time the first picture is not delivered.
        events.extend([
            made(1, one),
            made(2, one),
            made(3, other),
            made(4, other),
            end(),
        ]);
        let told = collected(&store, events).await;
        assert_eq!(told, [(1, None), (2, Some(1)), (3, None), (4, Some(3))]);
        let stored = store.get("cache/timelines/t/frames/1.jpg").await.unwrap();
        assert_eq!(stored.unwrap().data, "1");
    }
}
