//! One order in a worker's hands, to what is said of it.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crate::cache::Profile;
use crate::cache::record::Outcome;
use crate::decode::Backend;
use crate::error::{Error, Reason, Result};
use crate::extract::Caller;
use crate::frames::{Done, Frames, Taken, Told, lost};
use crate::queue::broker::Broker;
use crate::queue::fates::{Fate, MAX_TIMES};
use crate::queue::line::Delivery;
use crate::queue::message::Message;
use crate::verdict::{Verdict, Whose};

/// Profiles whose plans are kept.
const KEPT_PROFILES: usize = 16;
/// How often it is told how many frames there are.
const TELL_EVERY: Duration = Duration::from_secs(1);
/// Before an order is tried again that failed by itself; longer each time.
const FIRST_DELAY: Duration = Duration::from_secs(1);
const LAST_DELAY: Duration = Duration::from_secs(120);

/// What becomes of orders, as metrics have it.
const MADE: &str = "made";
const HANDED_BACK: &str = "handed_back";
const GIVEN_UP: &str = "given_up";
const DROPPED: &str = "dropped";

/// What the worker does after an order.
pub(super) enum After {
    /// Made, or found made.
    Made,
    /// Handed back, given up, or wanted by nobody.
    Left,
    /// Everybody waits for it.
    Pause(Error, Duration),
    /// Nothing can be made here.
    Stop(Error),
}

/// What makes spans.
pub(super) struct Making {
    broker: Broker,
    frames: Frames,
    backend: Backend,
    /// Of all orders that no reader waits for.
    caller: Caller,
    /// Used last, last.
    profiles: Mutex<Vec<Profile>>,
}

impl Making {
    pub fn new(broker: Broker, frames: Frames, backend: Backend) -> Making {
        let outcomes = [MADE, HANDED_BACK, GIVEN_UP, DROPPED];
        frames.metrics().expect_orders(&outcomes);
        Making {
            broker,
            frames,
            backend,
            caller: Caller::new(),
            profiles: Mutex::default(),
        }
    }

    /// Moves while anything goes on.
    pub fn pulse(&self) -> u64 {
        self.frames.library().pulse().now()
    }

    pub async fn make(self: Arc<Self>, order: Arc<Delivery>) -> After {
        let trace = order.message.traceparent.as_deref().unwrap_or_default();
        tracing::debug!(
            order = order.message.facts(),
            times = order.times,
            trace,
            "an order was taken"
        );
        match self.made(&order).await {
            Ok(after) => after,
            Err(error) => self.failed(&order, error).await,
        }
    }

    async fn made(&self, order: &Delivery) -> Result<After> {
        let message = &order.message;
        self.check_store(message)?;
        let profile = self.profile(message)?;
        if order.times > MAX_TIMES && self.is_lost_each_time(order).await? {
            return self.bury(order, &profile).await;
        }
        let asked = message.order();
        let taken = self
            .frames
            .take(&profile, &asked, (self.backend, self.caller))
            .await?;
        let Some(taken) = taken else {
            return Ok(self.drop_superseded(order).await);
        };
        match self.land(message, &taken).await {
            Ok(Done { made: false, .. }) => {
                tracing::debug!(order = message.facts(), "an order had been made before");
            }
            Ok(Done {
                outcome: Outcome::Frames(_),
                ..
            }) => {
                tracing::debug!(order = message.facts(), "an order was made");
            }
            Ok(Done {
                outcome: Outcome::Failed(why),
                ..
            }) => {
                let reason = why.reason;
                tracing::warn!(
                    reason,
                    order = message.facts(),
                    "a span failed: {}",
                    why.message
                );
            }
            Err(error) if error.reason() == Reason::PlanDiffers => {
                return Ok(self.drop_superseded(order).await);
            }
            Err(error) => return Err(error),
        }
        self.done(order).await;
        self.frames.metrics().order_ended(MADE);
        Ok(After::Made)
    }

    /// Waits for its end, and tells how far it is.
    async fn land(&self, message: &Message, taken: &Taken) -> Result<Done> {
        let made = AtomicU64::new(0);
        let landing = taken.land(|frames| made.store(frames, Ordering::Relaxed));
        let mut landing = std::pin::pin!(landing);
        let mut told = 0;
        loop {
            tokio::select! {
                landed = &mut landing => return landed,
                () = tokio::time::sleep(TELL_EVERY) => {
                    let now = made.load(Ordering::Relaxed);
                    if now != std::mem::replace(&mut told, now) {
                        self.broker.tell(message, Told::Made(now)).await;
                    }
                }
            }
        }
    }

    /// Its record is written: that is told, and nothing is left of it in the queue.
    async fn done(&self, order: &Delivery) {
        order.done().await;
        self.broker.tell(&order.message, Told::Ended).await;
        // Only of an order that came again something else may be known.
        if order.times > 1
            && let Err(error) = self.broker.forget_fate(&order.message.key()).await
        {
            tracing::debug!(%error, "what became of an order before could not be forgotten");
        }
    }

    async fn drop_superseded(&self, order: &Delivery) -> After {
        tracing::info!(order = order.message.facts(), "nobody wants this any more");
        order.done().await;
        self.frames.metrics().order_ended(DROPPED);
        self.broker.tell(&order.message, Told::Ended).await;
        After::Left
    }

    async fn is_lost_each_time(&self, order: &Delivery) -> Result<bool> {
        let fate = self.broker.fate(&order.message.key()).await?;
        let handed_back = fate.map_or(0, |fate| fate.handed_back);
        Ok(order.times.saturating_sub(1 + handed_back) >= MAX_TIMES)
    }

    /// Gives it up, with a record: whoever asks again is told, and nobody tries.
    async fn bury(&self, order: &Delivery, profile: &Profile) -> Result<After> {
        let (message, why) = (&order.message, lost(MAX_TIMES));
        tracing::error!(order = message.facts(), "given up: {why}");
        self.frames.give_up(profile, &message.order(), &why).await?;
        let fate = self.broker.fate(&message.key()).await?;
        let fate = fate.unwrap_or_else(|| Fate::new(message)).given_up(&why);
        self.broker.put_fate(&fate).await?;
        order.done().await;
        self.frames.metrics().order_ended(GIVEN_UP);
        self.broker.tell(message, Told::Ended).await;
        Ok(After::Left)
    }

    /// Handed back, or given up where it failed so too often. Nothing is recorded: it may go well elsewhere, or later.
    async fn failed(&self, order: &Delivery, error: Error) -> After {
        let verdict = error.reason().verdict();
        let own = !matches!(verdict, Verdict::Retry(_, Whose::All));
        tracing::warn!(
            reason = error.reason().name(),
            order = order.message.facts(),
            "handed back: {error}"
        );
        if let Err(unsaid) = self.back(order, Some(&error), own).await {
            // It comes again once nothing is said of it for a while.
            tracing::warn!(%unsaid, "the queue could not be told of an order");
        }
        match verdict {
            Verdict::Retry(after, Whose::All) => After::Pause(error, after),
            Verdict::Stop => After::Stop(error),
            Verdict::Record | Verdict::Refuse | Verdict::Retry(_, Whose::Own) => After::Left,
        }
    }

    async fn back(&self, order: &Delivery, why: Option<&Error>, own: bool) -> Result<()> {
        let message = &order.message;
        let fate = self.broker.fate(&message.key()).await?;
        let fate = fate.unwrap_or_else(|| Fate::new(message)).again(why, own);
        self.broker.put_fate(&fate).await?;
        let outcome = if fate.dead { GIVEN_UP } else { HANDED_BACK };
        self.frames.metrics().order_ended(outcome);
        if fate.dead {
            order.done().await;
            self.broker.tell(message, Told::Ended).await;
        } else {
            order.hand_back(why.map(|why| delay(why, &fate))).await;
        }
        Ok(())
    }

    /// For whoever takes it next: this worker ends.
    pub async fn hand_back(&self, order: &Delivery) {
        if let Err(error) = self.back(order, None, false).await {
            tracing::warn!(%error, "the queue could not be told of an order");
            order.hand_back(None).await;
        }
    }

    /// A directory lies elsewhere on each machine; a bucket is the same one.
    fn check_store(&self, message: &Message) -> Result<()> {
        if message.store == self.broker.store {
            return Ok(());
        }
        let text = format!(
            "this worker has another store than the order, store={} order_store={}",
            self.broker.store, message.store
        );
        // Its source is to be found elsewhere, as far as this worker is concerned.
        Err(Error::new(Reason::SourceNotFound, text).hint("start workers with that --store"))
    }

    /// One handle each, so that a plan is parsed once.
    fn profile(&self, message: &Message) -> Result<Profile> {
        // Nothing that can panic runs under the lock.
        let mut known = self.profiles.lock().unwrap_or_else(PoisonError::into_inner);
        let same = |profile: &Profile| {
            let keys = profile.keys();
            keys.timeline() == message.timeline && keys.profile() == message.profile
        };
        let profile = match known.iter().position(same) {
            Some(place) => known.remove(place),
            None => self
                .frames
                .cache()
                .profile(&message.timeline, &message.profile)?,
        };
        known.push(profile.clone());
        if known.len() > KEPT_PROFILES {
            known.remove(0);
        }
        Ok(profile)
    }
}

/// What time may mend is given more of it.
fn delay(why: &Error, fate: &Fate) -> Duration {
    let (least, times) = match why.reason().verdict().retry_after() {
        Some(after) => (after.max(FIRST_DELAY), 8u32),
        None => (FIRST_DELAY, 2),
    };
    let before = u32::try_from(fate.refused.saturating_sub(1)).unwrap_or(u32::MAX);
    least
        .saturating_mul(times.saturating_pow(before))
        .min(LAST_DELAY)
}
