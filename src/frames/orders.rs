//! Spans that are made by whoever takes them: what is ordered, who keeps orders, and how one is taken.

use std::sync::Arc;

use async_trait::async_trait;
use futures::stream::BoxStream;

use crate::cache::Profile;
use crate::cache::keys::SpanId;
use crate::cache::planned::{Planned, Row};
use crate::cache::record::Outcome;
use crate::decode::Backend;
use crate::error::{Error, Reason, Result};
use crate::extract::{Caller, Turn};
use crate::frames::Frames;
use crate::frames::extract::chunk_error;
use crate::frames::flights::Flight;
use crate::frames::span::Span;
use crate::timeline::plan::ChunkError;

/// A span to be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Order {
    pub timeline: String,
    pub profile: String,
    pub span: SpanId,
    /// Of the plan's row: where the plan has another one now, nobody wants it any more.
    pub digest: String,
    /// The plan's: where it is another one now, what is there was cleared since.
    pub nonce: Option<String>,
    /// Whatever its record says.
    pub again: bool,
    /// Even where its record says that it cannot be decoded.
    pub retry_failed: bool,
    /// A reader waits for it.
    pub awaited: bool,
}

/// What is told of an order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Told {
    /// So many of its frames are made.
    Made(u64),
    /// Its record was written, or it was given up.
    Ended,
}

/// What is told of a profile's spans, as it comes.
pub type News = BoxStream<'static, (SpanId, Told)>;

/// Where an order is among all that were kept.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place(pub u64);

/// Keeps orders until they are taken by others. It only saves work: what is done is what has a record.
#[async_trait]
pub trait Elsewhere: Send + Sync {
    /// Whether the queue can be reached, as far as it is known.
    fn is_reached(&self) -> bool;

    /// Keeps orders; one that is kept already, and wanted as this one is, is not kept twice. Gives the place of the
    /// last one.
    ///
    /// # Errors
    /// QUEUE_UNAVAILABLE; QUEUE_FULL where it stays so.
    async fn keep(&self, orders: &[Order]) -> Result<Place>;

    /// What is told of this profile's spans from now on. Some of it may be lost.
    ///
    /// # Errors
    /// QUEUE_UNAVAILABLE.
    async fn listen(&self, timeline: &str, profile: &str) -> Result<News>;

    /// Why each of the orders was given up; none for one that was not.
    ///
    /// # Errors
    /// QUEUE_UNAVAILABLE.
    async fn given_up(&self, orders: &[Order]) -> Result<Vec<Option<ChunkError>>>;

    /// Whether no order up to that place is kept, so that those without a record were lost.
    ///
    /// # Errors
    /// QUEUE_UNAVAILABLE.
    async fn is_past(&self, place: Place) -> Result<bool>;
}

impl Order {
    pub(super) fn of(profile: &Profile, row: Row<'_>) -> Order {
        Order {
            timeline: profile.keys().timeline().to_owned(),
            profile: profile.keys().profile().to_owned(),
            span: row.id(),
            digest: row.digest.to_owned(),
            nonce: row.nonce.map(str::to_owned),
            again: false,
            retry_failed: false,
            awaited: false,
        }
    }

    /// Its place in the plan, unless that has it no more.
    fn place_in(&self, plan: &Planned) -> Option<usize> {
        let row = plan.row_named(&self.span)?;
        let same = row.digest == self.digest && row.nonce == self.nonce.as_deref();
        same.then(|| plan.place_of(row)).flatten()
    }
}

/// An order that is worked at; dropped, it stops.
pub struct Taken(Arc<Flight>);

/// What came of an order.
pub struct Done {
    pub outcome: Outcome,
    /// By this process; none of it was there before.
    pub made: bool,
}

impl Taken {
    /// Waits until it is committed; meanwhile `made` hears how many frames there are.
    ///
    /// # Errors
    /// The span's own; PLAN_DIFFERS where nobody wants it any more.
    pub async fn land(&self, made: impl Fn(u64)) -> Result<Done> {
        let landed = self.0.land(made).await?;
        Ok(Done {
            outcome: landed.outcome.clone(),
            made: landed.made,
        })
    }
}

impl Frames {
    /// Begins to make what was ordered of this profile; none where nobody wants it any more. Orders of one caller are
    /// made in their turn, those that readers wait for before them.
    ///
    /// # Errors
    /// Those of [`Profile::load_plan`].
    pub async fn take(
        &self,
        profile: &Profile,
        order: &Order,
        (backend, caller): (Backend, Caller),
    ) -> Result<Option<Taken>> {
        let Some((plan, place)) = planned(profile, order).await? else {
            return Ok(None);
        };
        let turn = match order.awaited {
            true => Turn::awaited(Caller::new()),
            false => Turn::of(caller),
        };
        let flight = self.fly(Span {
            profile: profile.another(),
            plan,
            place,
            again: order.again,
            retry_failed: order.retry_failed,
            backend,
            turn,
        })?;
        Ok(Some(Taken(flight)))
    }

    /// Records that the order's span cannot be had, unless it is there, or nobody wants it any more.
    ///
    /// # Errors
    /// INTERNAL for a reason that is not to be recorded; the store's own.
    pub async fn give_up(&self, profile: &Profile, order: &Order, why: &Error) -> Result<()> {
        if let Some((plan, place)) = planned(profile, order).await?
            && let Some(row) = plan.row(place)
        {
            let outcome = Outcome::Failed(chunk_error(why));
            profile.commit_span(row, outcome, None).await?;
        }
        Ok(())
    }
}

/// The order's plan and its place there. A plan that was read before will do: it is read again before
/// anything is committed.
async fn planned(profile: &Profile, order: &Order) -> Result<Option<(Arc<Planned>, usize)>> {
    let known = profile.plan_read_last();
    let found = |plan: Arc<Planned>| order.place_in(&plan).map(|place| (plan, place));
    match known.and_then(found) {
        Some(found) => Ok(Some(found)),
        None => Ok(profile.load_plan().await?.and_then(found)),
    }
}

/// Why an order was given up whose workers never said why.
pub fn lost(times: u64) -> Error {
    let message = format!("its worker was lost each time, times={times}");
    Error::new(Reason::MediaCorrupt, message)
        .hint("see the workers' logs; `--retry-failed` tries it again")
}
