//! Which stretches of other timelines show the same footage as one: of what the cache holds, by hashes alone.

use std::sync::Arc;

use futures::TryStreamExt;

use crate::account::Kind;
use crate::cache::Profile;
use crate::cache::read::View;
use crate::error::Result;
use crate::frames::similar::{MAX_UNREAD, is_its_own};
use crate::frames::{Frames, SEARCH_BYTES, absent};
use crate::similar::reel::{Gathered, Likeness, Reel, Votes};
use crate::similar::runs::{Run, told_once};
use crate::timeline::plan::HashKind;

/// Pairs of hashes that are compared by one hand: some twenty milliseconds.
const TURN: usize = 1 << 24;
/// Two timelines' frames and their votes, and records that columns are made of.
const HELD_BYTES: u64 = 4 * SEARCH_BYTES;

/// What is looked for, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Twins {
    pub timeline: String,
    /// Of both.
    pub profile: String,
    /// None: all others that have the profile.
    pub other: Option<String>,
    pub kind: HashKind,
    /// Bits that may differ.
    pub distance: u32,
    /// Reel that is mirrored left to right, too.
    pub mirrored: bool,
    /// Runs at most; at least 1.
    pub limit: usize,
}

/// A stretch of another timeline that shows the same.
#[derive(Debug, Clone, PartialEq)]
pub struct Twin {
    pub timeline: Arc<str>,
    pub run: Run,
    /// Of all the frames of the one that was asked for, flat ones aside, how many the run has.
    pub share: f64,
}

/// What was found.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct FoundTwins {
    /// Those with most frames first.
    pub twins: Vec<Twin>,
    /// There are more than these.
    pub more: bool,
    /// Hashes of other timelines that were looked at.
    pub searched: u64,
    /// Timelines that could not be searched, 100 at most.
    pub unread: Vec<String>,
}

impl Frames {
    /// # Errors
    /// TIMELINE_NOT_FOUND; MEMORY_BUDGET and QUEUE_FULL where others have memory and hands for half a minute; the
    /// store's own.
    pub async fn twins(&self, asked: &Twins) -> Result<FoundTwins> {
        let account = self.cache().account();
        let _hold = account.take(Kind::Answers, HELD_BYTES).await?;
        let profile = self.cache().profile(&asked.timeline, &asked.profile)?;
        let view = profile.reader().view().await?;
        let own = Arc::new(self.reel_of(&profile, &view, asked.kind).await?);
        let mut found = FoundTwins::default();
        let mut there = self
            .profiles_to_search(&asked.profile, asked.other.as_deref())
            .await?;
        while let Some((other, looked)) = there.try_next().await? {
            if other.keys().timeline() == asked.timeline {
                continue;
            }
            let gathered = match looked {
                Ok(view) => self.gathered(&other, &view, asked.kind).await,
                Err(error) => Err(error),
            };
            match gathered {
                Ok(reel) => {
                    found.searched += reel.times.len() as u64;
                    let runs = self.runs(&own, &Arc::new(reel), asked).await?;
                    found.add(other.keys().timeline(), runs, &own, asked.limit);
                }
                Err(error) if asked.other.is_none() && is_its_own(&error) => {
                    found.unread(other.keys().timeline());
                }
                Err(error) => return Err(error),
            }
        }
        Ok(found)
    }

    async fn reel_of(&self, profile: &Profile, view: &View, kind: HashKind) -> Result<Reel> {
        if matches!(view, View::Absent) {
            return Err(absent(profile));
        }
        self.gathered(profile, view, kind).await
    }

    async fn gathered(&self, profile: &Profile, view: &View, kind: HashKind) -> Result<Reel> {
        let mut columns = profile.hash_columns(view, kind, 0).await?;
        let mut reel = Gathered::default();
        while let Some(column) = columns.try_next().await? {
            let frames = column.times.iter().zip(&column.hashes);
            frames.for_each(|(time, hash)| reel.add(*time, *hash));
        }
        Ok(reel.end())
    }

    /// What both show, as it is and mirrored.
    async fn runs(&self, one: &Arc<Reel>, other: &Arc<Reel>, asked: &Twins) -> Result<Vec<Run>> {
        let mut runs = Vec::new();
        if one.times.is_empty() || other.times.is_empty() {
            return Ok(runs);
        }
        let kinds = [Some(None), asked.mirrored.then_some(Some(asked.kind))];
        for mirrored in kinds.into_iter().flatten() {
            let likeness = Likeness {
                distance: asked.distance,
                mirrored,
            };
            runs.extend(self.elected((one, other), likeness).await?);
        }
        Ok(told_once(runs))
    }

    /// By the hands that all calls share, a turn after the other.
    async fn elected(
        &self,
        (one, other): (&Arc<Reel>, &Arc<Reel>),
        likeness: Likeness,
    ) -> Result<Vec<Run>> {
        let account = self.cache().account();
        let (one, other) = (one.clone(), other.clone());
        let begun = account.by_hand(move |_| Ok(Votes::new(&one, &other, likeness)));
        let mut votes = begun.await?;
        loop {
            let turn = account.by_hand(move |_| {
                let more = votes.go_on(TURN);
                Ok((votes, more))
            });
            let (voted, more) = turn.await?;
            votes = voted;
            if !more {
                return account.by_hand(move |stop| votes.runs(stop)).await;
            }
        }
    }
}

impl FoundTwins {
    fn add(&mut self, timeline: &str, runs: Vec<Run>, own: &Reel, limit: usize) {
        let timeline: Arc<str> = timeline.into();
        let all = own.times.len().max(1) as f64;
        self.twins.extend(runs.into_iter().map(|run| Twin {
            timeline: timeline.clone(),
            share: run.frames as f64 / all,
            run,
        }));
        self.twins.sort_by(|a, b| {
            let order = b.run.frames.cmp(&a.run.frames);
            let order = order.then_with(|| a.timeline.cmp(&b.timeline));
            order.then(a.run.from.total_cmp(&b.run.from))
        });
        self.more |= self.twins.len() > limit;
        self.twins.truncate(limit);
    }

    fn unread(&mut self, timeline: &str) {
        if self.unread.len() < MAX_UNREAD {
            self.unread.push(timeline.to_owned());
        }
    }
}
