//! The frames of a selection, in the order asked, with spans extracted and objects read ahead.

use std::iter::Peekable;
use std::sync::Arc;

use futures::{FutureExt, Stream, StreamExt, stream};

use crate::cache::planned::Planned;
use crate::cache::read::{Ahead, Frame, View, With};
use crate::error::Result;
use crate::frames::select::{Asked, Selected};
use crate::frames::serve::{OnMiss, Serving, place_of};
use crate::frames::task::Task;
use crate::media::facts::FrameFacts;
use crate::timeline::select::rows_shown_at;

/// Frames read from the store at once, for one caller. They are answered in order, so those behind
/// one that is waited for are read and nothing follows them: 16 cost more CPU of both servers.
const READ_AHEAD: usize = 32;
/// Spans extracted ahead of the one that is read, for one caller.
const SPANS_AHEAD: usize = 2;
/// Frames of one span that are looked at together.
const MAX_GROUP: usize = 4096;

/// One frame of an answer.
#[derive(Debug)]
pub struct Answer<T> {
    /// Its place in the request, from 0.
    pub index: u64,
    /// Absent where a time could not be resolved.
    pub sequence: Option<u64>,
    /// None where it was left out.
    pub result: Result<Option<T>>,
}

impl<T> Answer<T> {
    /// The same answer with something else in it.
    pub fn map<U>(self, change: impl FnOnce(T) -> U) -> Answer<U> {
        Answer {
            index: self.index,
            sequence: self.sequence,
            result: self.result.map(|found| found.map(change)),
        }
    }
}

type Indexed = (u64, Asked);

impl Serving {
    /// The frames with their bytes.
    ///
    /// # Errors
    /// TIMELINE_NOT_FOUND; a frame's own error is in its answer.
    pub async fn frames_of(
        self: Arc<Self>,
        selected: Selected,
        on_miss: OnMiss,
    ) -> Result<impl Stream<Item = Answer<Frame>> + Send + 'static> {
        let asked = self.clone().asked(selected, (on_miss, true)).await?;
        let read = move |((index, asked), ahead): (Indexed, Option<Arc<Ahead>>)| {
            let serving = self.clone();
            async move {
                let with = ahead.as_deref().map(|ahead| With { ahead, index });
                let find = |seq| serving.find_frame(seq, on_miss, with);
                serving.answer((index, asked), on_miss, find).await
            }
        };
        Ok(asked.map(read).buffered(READ_AHEAD))
    }

    /// Their facts alone.
    ///
    /// # Errors
    /// TIMELINE_NOT_FOUND; a frame's own error is in its answer.
    pub async fn facts_of(
        self: Arc<Self>,
        selected: Selected,
        on_miss: OnMiss,
    ) -> Result<impl Stream<Item = Answer<FrameFacts>> + Send + 'static> {
        let asked = self.clone().asked(selected, (on_miss, false)).await?;
        let read = move |((index, asked), _): (Indexed, Option<Arc<Ahead>>)| {
            let serving = self.clone();
            async move {
                let find = |seq| serving.find_facts(seq, on_miss);
                serving.answer((index, asked), on_miss, find).await
            }
        };
        Ok(asked.map(read).buffered(READ_AHEAD))
    }

    async fn answer<T, F: Future<Output = Result<Option<T>>>>(
        &self,
        (index, asked): Indexed,
        on_miss: OnMiss,
        find: impl FnOnce(u64) -> F,
    ) -> Answer<T> {
        let (sequence, result) = match self.sequence_of(asked, on_miss).await {
            Ok(seq) => (Some(seq), find(seq).await),
            Err(error) => (None, Err(error)),
        };
        Answer {
            index,
            sequence,
            result,
        }
    }

    async fn sequence_of(&self, asked: Asked, on_miss: OnMiss) -> Result<u64> {
        match asked {
            Asked::Sequence(seq) => Ok(seq),
            Asked::Time(time) => self.shown_at(time, on_miss).await,
        }
    }

    /// Whether a row's record is in memory: most are, and need no task to look for them.
    fn knows(&self, plan: &Planned, place: usize) -> bool {
        let Some(row) = plan.row(place) else {
            return false;
        };
        let known = self.reader().known_record(row);
        known.now_or_never().flatten().is_some()
    }

    /// What is asked for, each when its span is there or cannot be; where `bytes` are wanted, with
    /// those that it may be read together with.
    async fn asked(
        self: Arc<Self>,
        selected: Selected,
        (on_miss, bytes): (OnMiss, bool),
    ) -> Result<impl Stream<Item = (Indexed, Option<Arc<Ahead>>)> + Send + 'static> {
        let plan = match self.view().await? {
            View::Extracted(plan) => Some(plan),
            _ => None,
        };
        let groups = Groups {
            asked: (0..).zip(selected).peekable(),
            plan: plan.clone(),
        };
        let ensured = move |(place, group): (Option<usize>, Vec<Indexed>)| {
            let serving = self.clone();
            let wanted = plan.clone().zip(place);
            let unknown = |(plan, place): &(Arc<Planned>, usize)| {
                on_miss == OnMiss::Extract && !serving.knows(plan, *place)
            };
            // A task: it goes on while the group before it is read.
            let ensuring = wanted.clone().filter(unknown).map(|(plan, place)| {
                let serving = serving.clone();
                Task::spawn(async move { serving.ensure(&plan, place).await })
            });
            async move {
                if let Some(ensuring) = ensuring {
                    // Its frames are answered with why it failed.
                    let _ = ensuring.ended().await;
                }
                let wanted = wanted.filter(|_| bytes);
                let ahead = serving.ahead(wanted, &group).await.map(Arc::new);
                stream::iter(group.into_iter().map(move |asked| (asked, ahead.clone())))
            }
        };
        Ok(stream::iter(groups)
            .map(ensured)
            .buffered(SPANS_AHEAD)
            .flatten())
    }

    /// Which of a group of one row are read together. Why its record cannot be read its frames tell.
    async fn ahead(
        &self,
        wanted: Option<(Arc<Planned>, usize)>,
        group: &[Indexed],
    ) -> Option<Ahead> {
        let (plan, place) = wanted?;
        let wanted = group.iter().map(|(index, asked)| match asked {
            Asked::Sequence(seq) => (*index, Some(*seq)),
            Asked::Time(_) => (*index, None),
        });
        let ahead = self.reader().ahead(plan.row(place)?, wanted).await;
        ahead.ok().flatten()
    }
}

/// Runs of what is asked for that lie in one row of the plan.
struct Groups<I: Iterator<Item = Indexed>> {
    asked: Peekable<I>,
    plan: Option<Arc<Planned>>,
}

impl<I: Iterator<Item = Indexed>> Groups<I> {
    fn place(&self, asked: Asked) -> Option<usize> {
        let plan = self.plan.as_ref()?;
        match asked {
            Asked::Sequence(seq) => place_of(plan, seq),
            Asked::Time(time) => rows_shown_at(plan.plan(), time).ok()?.first().copied(),
        }
    }
}

impl<I: Iterator<Item = Indexed>> Iterator for Groups<I> {
    type Item = (Option<usize>, Vec<Indexed>);

    fn next(&mut self) -> Option<Self::Item> {
        let first = self.asked.next()?;
        let place = self.place(first.1);
        let mut group = vec![first];
        while group.len() < MAX_GROUP
            && let Some(next) = self.asked.peek().map(|(_, next)| *next)
            && self.place(next) == place
        {
            group.extend(self.asked.next());
        }
        Some((place, group))
    }
}
