//! One consumer's orders as they come to a worker: asked for a few at a time, and only while there is room.

use std::time::Duration;

use async_nats::jetstream::consumer::PullConsumer;
use async_nats::jetstream::consumer::pull::Batch;
use async_nats::jetstream::{self, AckKind};
use futures::StreamExt;

use crate::error::{Error, Result};
use crate::queue::broker::Broker;
use crate::queue::message::Message;
use crate::queue::names::Priority;

/// How long the server keeps a request that it has no orders for.
pub(super) const ASK_FOR: Duration = Duration::from_secs(3);

/// An order that this worker has until it is acknowledged or handed back.
pub(super) struct Delivery {
    pub message: Message,
    raw: jetstream::Message,
    /// With this one.
    pub times: u64,
}

impl Delivery {
    /// None, acknowledged, for what is no order of this release's or an older one's.
    async fn of(raw: jetstream::Message) -> Option<Delivery> {
        let times = raw.info().map_or(1, |info| info.delivered);
        match Message::decode(&raw.payload) {
            Ok(message) => Some(Delivery {
                message,
                raw,
                times: u64::try_from(times).unwrap_or(1),
            }),
            Err(error) => {
                tracing::error!(%error, "a message was left out");
                let _ = raw.ack_with(AckKind::Term).await;
                None
            }
        }
    }

    /// It is done, whatever came of it.
    pub async fn done(&self) {
        self.say(AckKind::Ack).await;
    }

    /// It goes on.
    pub async fn goes_on(&self) {
        self.say(AckKind::Progress).await;
    }

    /// For whoever takes it next, not before this.
    pub async fn hand_back(&self, after: Option<Duration>) {
        self.say(AckKind::Nak(after)).await;
    }

    /// A word that is lost costs one delivery more, which finds the record.
    async fn say(&self, kind: AckKind) {
        if let Err(error) = self.raw.ack_with(kind).await {
            tracing::debug!(%error, "the queue could not be told of an order");
        }
    }
}

/// Where orders of one priority come from.
pub(super) struct Line {
    broker: Broker,
    priority: Priority,
    consumer: Option<PullConsumer>,
    asked: Option<Batch>,
}

impl Line {
    pub fn new(broker: &Broker, priority: Priority) -> Line {
        Line {
            broker: broker.clone(),
            priority,
            consumer: None,
            asked: None,
        }
    }

    pub fn is_asking(&self) -> bool {
        self.asked.is_some()
    }

    /// Asks for so many, unless it waits for some already, or nobody can be asked.
    ///
    /// # Errors
    /// QUEUE_UNAVAILABLE.
    pub async fn ask(&mut self, orders: usize) -> Result<()> {
        if self.asked.is_some() || orders == 0 || !self.broker.is_connected() {
            return Ok(());
        }
        let consumer = match self.consumer.take() {
            Some(consumer) => consumer,
            None => self.broker.consumer(self.priority).await?,
        };
        let batch = consumer.batch().max_messages(orders).expires(ASK_FOR);
        self.asked = Some(
            batch
                .messages()
                .await
                .map_err(|e| self.broker.unreached(e))?,
        );
        self.consumer = Some(consumer);
        Ok(())
    }

    /// The next order; none where those that were asked for have come, or there were no more. May be dropped
    /// while it waits.
    ///
    /// # Errors
    /// QUEUE_UNAVAILABLE, where the stream or consumer is gone: it is made again when it is next asked.
    pub async fn next(&mut self) -> Result<Option<Delivery>, Error> {
        let Some(asked) = &mut self.asked else {
            return std::future::pending().await;
        };
        match asked.next().await {
            Some(Ok(raw)) => Ok(Delivery::of(raw).await),
            Some(Err(cause)) => {
                (self.asked, self.consumer) = (None, None);
                Err(self.broker.unreached(cause))
            }
            None => {
                self.asked = None;
                Ok(None)
            }
        }
    }
}
