//! Rows that others make: ordered, followed until each has its record, ordered again where they were lost.
//! What is told on the way saves looking; what counts is what the store has.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::{StreamExt, TryStreamExt, stream};

use crate::cache::Profile;
use crate::cache::keys::SpanId;
use crate::cache::planned::Planned;
use crate::cache::record::Record;
use crate::error::{Error, Reason, Result};
use crate::frames::orders::{Elsewhere, News, Order, Place, Told};
use crate::timeline::plan::ChunkError;

/// Records read at once.
const READ_AT_ONCE: usize = 32;
/// Rows whose records are asked for without listing them.
const FEW_ROWS: usize = 32;
/// How often records are looked for that nobody told of.
const LOOK_EVERY: Duration = Duration::from_secs(5);
/// Nothing was told or found for so long: it is looked whether orders were lost.
const QUIET: Duration = Duration::from_secs(5);
/// Times that orders are lost, one after the other.
const MAX_LOST: u32 = 4;
/// A queue that cannot be reached is waited for, and the store is looked at, no longer than this.
const MAX_DOWN: Duration = Duration::from_secs(300);

/// Rows that are wanted alike.
pub(super) struct Wanted<'a> {
    pub profile: &'a Profile,
    pub plan: &'a Arc<Planned>,
    /// Places, each with whether it is made whatever its record says.
    pub rows: Vec<(usize, bool)>,
    pub retry_failed: bool,
    pub awaited: bool,
}

/// What is heard of a row, by its place in the plan.
pub(super) enum Heard {
    /// So many of its frames are made.
    Made(u64),
    Ended(Box<Result<Record, ChunkError>>),
}

pub(super) type Hear<'a> = &'a (dyn Fn(usize, Heard) + Send + Sync);

/// A row that is waited for.
struct Waiting {
    place: usize,
    order: Order,
    /// The run that wrote the record that does not count.
    before: Option<String>,
}

struct Following<'a> {
    others: &'a dyn Elsewhere,
    wanted: &'a Wanted<'a>,
    hear: Hear<'a>,
    waiting: HashMap<SpanId, Waiting>,
    /// When anything was last told or found.
    moved: Instant,
    reached: Instant,
    /// Of the last order.
    place: Place,
    lost: u32,
}

impl Wanted<'_> {
    /// Orders the rows of others, and waits until each has a record or was given up, or nobody wants it
    /// any more: of those nothing is heard.
    ///
    /// # Errors
    /// QUEUE_UNAVAILABLE, QUEUE_FULL; the store's own.
    pub async fn have_made(&self, others: &dyn Elsewhere, hear: Hear<'_>) -> Result<()> {
        let now = Instant::now();
        let mut following = Following {
            others,
            wanted: self,
            hear,
            waiting: self.waiting().await?,
            moved: now,
            reached: now,
            place: Place::default(),
            lost: 0,
        };
        let (timeline, profile) = (
            self.profile.keys().timeline(),
            self.profile.keys().profile(),
        );
        // Before anything is ordered, so that its end is heard.
        let news = others.listen(timeline, profile).await?;
        following.order().await?;
        following.follow(news).await
    }

    /// The orders, as [`Wanted::have_made`] makes them.
    pub fn orders(&self) -> Vec<Order> {
        let orders = self.rows.iter().filter_map(|(place, again)| {
            let order = Order::of(self.profile, self.plan.row(*place)?);
            Some(Order {
                again: *again,
                retry_failed: self.retry_failed,
                awaited: self.awaited,
                ..order
            })
        });
        orders.collect()
    }

    async fn waiting(&self) -> Result<HashMap<SpanId, Waiting>> {
        let rows = self.rows.iter().zip(self.orders());
        let waiting = rows.map(|((place, _), order)| async move {
            let recorded = order.again || order.retry_failed;
            let before = match self.plan.row(*place).filter(|_| recorded) {
                Some(row) => self.profile.record(row).await?.ok(),
                None => None,
            };
            let waiting = Waiting {
                place: *place,
                before: before.map(|record| record.attempt),
                order,
            };
            Ok((waiting.order.span.clone(), waiting))
        });
        stream::iter(waiting.collect::<Vec<_>>())
            .buffered(READ_AT_ONCE)
            .try_collect()
            .await
    }
}

impl Following<'_> {
    async fn order(&mut self) -> Result<()> {
        let mut waiting: Vec<_> = self.waiting.values().collect();
        // Spans of one source one after the other: who takes several of them reads it once.
        waiting.sort_unstable_by_key(|waiting| waiting.place);
        let orders: Vec<Order> = waiting.into_iter().map(|w| w.order.clone()).collect();
        self.place = self.others.keep(&orders).await?;
        Ok(())
    }

    async fn follow(&mut self, news: News) -> Result<()> {
        let mut news = news.ready_chunks(READ_AT_ONCE);
        let mut look = tokio::time::interval(LOOK_EVERY);
        look.tick().await;
        let mut open = true;
        while !self.waiting.is_empty() {
            tokio::select! {
                told = news.next(), if open => match told {
                    Some(told) => self.told(told).await?,
                    None => open = false,
                },
                _ = look.tick() => {
                    self.look().await?;
                    if !self.is_worth_waiting().await? {
                        return Ok(());
                    }
                }
            }
        }
        Ok(())
    }

    async fn told(&mut self, told: Vec<(SpanId, Told)>) -> Result<()> {
        let mut ended = Vec::new();
        for (span, told) in told {
            let Some(waiting) = self.waiting.get(&span) else {
                continue;
            };
            self.moved = Instant::now();
            match told {
                Told::Made(frames) => (self.hear)(waiting.place, Heard::Made(frames)),
                Told::Ended => ended.push(span),
            }
        }
        if !self.find(ended).await? {
            return Ok(());
        }
        // One that ended without a record was given up.
        self.find_given_up().await
    }

    /// Looks for records of all that is waited for.
    async fn look(&mut self) -> Result<()> {
        let all = self.waiting.keys().cloned();
        let among = match self.waiting.len() {
            0..=FEW_ROWS => all.collect(),
            _ => {
                let recorded: HashSet<SpanId> = self.wanted.profile.recorded().await?;
                all.filter(|span| recorded.contains(span)).collect()
            }
        };
        self.find(among).await?;
        self.find_given_up().await
    }

    /// Whether one of these has no record that counts.
    async fn find(&mut self, spans: Vec<SpanId>) -> Result<bool> {
        let (profile, plan) = (self.wanted.profile, self.wanted.plan);
        let reads = spans.into_iter().filter_map(|span| {
            let row = plan.row(self.waiting.get(&span)?.place)?;
            Some(async move { Ok::<_, Error>((span, profile.record(row).await?)) })
        });
        let mut reads = stream::iter(reads.collect::<Vec<_>>()).buffered(READ_AT_ONCE);
        let mut some_missing = false;
        while let Some((span, record)) = reads.try_next().await? {
            let before = self.waiting.get(&span).map(|w| w.before.clone());
            match (record, before) {
                (Ok(record), Some(before)) if before.as_ref() != Some(&record.attempt) => {
                    self.ended(&span, Ok(record));
                }
                _ => some_missing = true,
            }
        }
        Ok(some_missing)
    }

    async fn find_given_up(&mut self) -> Result<()> {
        let waiting: Vec<_> = self.waiting.values().map(|w| w.order.clone()).collect();
        let Some(given_up) = self.reached(self.others.given_up(&waiting).await)? else {
            return Ok(());
        };
        for (order, why) in waiting.into_iter().zip(given_up) {
            if let Some(why) = why {
                self.ended(&order.span, Err(why));
            }
        }
        Ok(())
    }

    fn ended(&mut self, span: &SpanId, result: Result<Record, ChunkError>) {
        if let Some(waiting) = self.waiting.remove(span) {
            (self.moved, self.lost) = (Instant::now(), 0);
            (self.hear)(waiting.place, Heard::Ended(Box::new(result)));
        }
    }

    /// Where nothing moves: orders that were lost are given again; none are where nobody wants them.
    async fn is_worth_waiting(&mut self) -> Result<bool> {
        if self.moved.elapsed() < QUIET || self.waiting.is_empty() {
            return Ok(true);
        }
        if self.reached(self.others.is_past(self.place).await)? != Some(true) {
            return Ok(true);
        }
        // One may have been taken, and its record written, between the two looks.
        self.look().await?;
        if self.is_superseded().await? {
            return Ok(false);
        }
        self.lost += 1;
        if self.lost > MAX_LOST {
            return Err(self.dropped());
        }
        let lost = self.waiting.len();
        tracing::warn!(lost, "the queue has lost orders, which are given again");
        self.moved = Instant::now();
        let kept = self.order().await;
        self.reached(kept).map(|_| true)
    }

    async fn is_superseded(&self) -> Result<bool> {
        let now = self.wanted.profile.load_plan().await?;
        let now = now.as_ref().map(|plan| plan.nonce());
        Ok(now != Some(self.wanted.plan.nonce()))
    }

    /// None where the queue cannot be reached, for a while.
    fn reached<T>(&mut self, answer: Result<T>) -> Result<Option<T>> {
        match answer {
            Ok(answer) => {
                self.reached = Instant::now();
                Ok(Some(answer))
            }
            Err(error) if error.reason() != Reason::QueueUnavailable => Err(error),
            Err(error) if self.reached.elapsed().min(self.moved.elapsed()) > MAX_DOWN => Err(error),
            Err(error) => {
                tracing::warn!(%error, "the queue cannot be reached; records are looked for all the same");
                Ok(None)
            }
        }
    }

    fn dropped(&self) -> Error {
        let message = format!(
            "spans were taken from the queue again and again, and none of them was made: {} spans={} times={MAX_LOST}",
            self.wanted.profile.keys().facts(),
            self.waiting.len()
        );
        Error::new(Reason::QueueUnavailable, message)
            .hint("see whether the workers have the same store: they drop what is in no plan there")
    }
}
