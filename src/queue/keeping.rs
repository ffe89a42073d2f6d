//! Orders put into the queue, and what those who gave them want to know.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use async_nats::jetstream::context::{PublishAckFuture, PublishError};
use async_nats::jetstream::message::PublishMessage;
use async_nats::jetstream::publish::PublishAck;
use async_trait::async_trait;
use futures::StreamExt;

use crate::error::{Error, Reason, Result};
use crate::frames::{Elsewhere, News, Order, Place};
use crate::queue::broker::Broker;
use crate::queue::fates::Fate;
use crate::queue::message::{Message, Telling};
use crate::timeline::plan::ChunkError;

/// Orders that are on their way to the server at once.
const AT_ONCE: usize = 1000;
/// Between looks whether a full queue has room.
const LOOK_AGAIN: Duration = Duration::from_secs(1);
/// A queue that stays full for so long is full.
const MAX_FULL: Duration = Duration::from_secs(600);

#[async_trait]
impl Elsewhere for Broker {
    fn is_reached(&self) -> bool {
        self.is_connected()
    }

    async fn keep(&self, orders: &[Order]) -> Result<Place> {
        let traceparent = self.traceparent.as_deref();
        let message = |order| Message::of(order, &self.store, traceparent);
        let messages: Vec<Message> = orders.iter().map(message).collect();
        self.put(messages).await
    }

    async fn listen(&self, timeline: &str, profile: &str) -> Result<News> {
        let heard = self.hear(timeline, profile).await?;
        let told = heard.filter_map(|message| async move { Telling::decode(&message.payload) });
        Ok(told.boxed())
    }

    async fn given_up(&self, orders: &[Order]) -> Result<Vec<Option<ChunkError>>> {
        let key = |order| Message::of(order, &self.store, None).key();
        let keys: Vec<String> = orders.iter().map(key).collect();
        let fates = self.fates_of(&keys).await?;
        let why = |fate: Option<Fate>| fate.filter(|fate| fate.dead)?.error;
        Ok(fates.into_iter().map(why).collect())
    }

    async fn is_past(&self, place: Place) -> Result<bool> {
        let orders = self.orders().await?;
        let state = &orders.cached_info().state;
        // A stream that was deleted and made again begins anew.
        let gone = state.first_sequence > place.0 || state.last_sequence < place.0;
        Ok(gone || self.remove_stuck().await?)
    }
}

/// What came of putting some orders.
#[derive(Default)]
struct Put {
    last: Place,
    /// The queue says that it has them already, at these places.
    known: Vec<(u64, Message)>,
    /// For which it has no room.
    refused: Vec<Message>,
}

impl Broker {
    /// Orders spans again that were given up.
    ///
    /// # Errors
    /// QUEUE_UNAVAILABLE, QUEUE_FULL.
    pub async fn requeue(&self, dead: Vec<Fate>) -> Result<()> {
        let normal = |fate: Fate| Message {
            waiting: false,
            // A failed record is what it may have been given up with.
            retry_failed: true,
            ..fate.message
        };
        self.put(dead.into_iter().map(normal).collect()).await?;
        Ok(())
    }

    /// Puts messages; one that is there already is not put twice. What became of their spans before is forgotten.
    async fn put(&self, messages: Vec<Message>) -> Result<Place> {
        self.remove_stuck().await?;
        self.revive(&messages).await?;
        let mut left = messages;
        let mut last = Place::default();
        let mut room = Instant::now();
        while !left.is_empty() {
            let rest = left.split_off(left.len().min(AT_ONCE));
            let tried = left.len();
            let put = self.put_some(left, false).await?;
            let lost = self.lost(put.known).await?;
            last = last.max(put.last);
            if put.refused.len() < tried {
                room = Instant::now();
            } else if put.refused.iter().any(|m| m.waiting) || room.elapsed() > MAX_FULL {
                return Err(full());
            } else {
                tokio::time::sleep(LOOK_AGAIN).await;
            }
            // Those that were lost are put under ids that the queue does not know.
            if !lost.is_empty() {
                last = last.max(self.put_all_anew(lost).await?);
            }
            left = [put.refused, rest].concat();
        }
        Ok(last)
    }

    /// Removes orders that no consumer will ever give out, and says whether there were any: where a stream was
    /// deleted and made again, a late word of an order of the old one counts for whichever has its number in the new.
    async fn remove_stuck(&self) -> Result<bool> {
        let orders = self.orders().await?;
        let state = &orders.cached_info().state;
        // Looked at after the stream: what is put meanwhile has a higher number.
        if state.messages == 0 || self.is_waited_for().await? {
            return Ok(false);
        }
        let stuck = state.messages;
        tracing::warn!(
            stuck,
            "the queue has orders that nobody will be given, which are removed"
        );
        let purged = orders.purge().sequence(state.last_sequence + 1).await;
        purged.map(|_| true).map_err(|e| self.unreached(e))
    }

    /// Whether any order waits to be taken, or was taken and is not done.
    async fn is_waited_for(&self) -> Result<bool> {
        let standing = self.standing().await?;
        Ok(standing.waiting + standing.taken > 0)
    }

    /// Forgets that spans were given up which are ordered again. What is known of those that still go round stays:
    /// it tells how often their workers were lost.
    async fn revive(&self, messages: &[Message]) -> Result<()> {
        let keys: Vec<String> = messages.iter().map(Message::key).collect();
        let fates = self.fates_of(&keys).await?;
        for fate in fates.into_iter().flatten().filter(|fate| fate.dead) {
            self.forget_fate(&fate.message.key()).await?;
        }
        Ok(())
    }

    async fn put_all_anew(&self, messages: Vec<Message>) -> Result<Place> {
        let put = self.put_some(messages, true).await?;
        match put.refused.is_empty() {
            true => Ok(put.last),
            false => Err(full()),
        }
    }

    async fn put_some(&self, messages: Vec<Message>, anew: bool) -> Result<Put> {
        let mut sent = Vec::with_capacity(messages.len());
        for message in messages {
            let publish = PublishMessage::build()
                .message_id(message.id(anew))
                .payload(message.encode()?);
            let subject = self.names.order(message.priority());
            let ack = self.context.send_publish(subject, publish).await;
            sent.push((ack.map_err(|e| self.unreached(e))?, message));
        }
        let mut put = Put::default();
        for (ack, message) in sent {
            match kept(ack).await {
                Ok(ack) => {
                    put.last = put.last.max(Place(ack.sequence));
                    if ack.duplicate {
                        put.known.push((ack.sequence, message));
                    }
                }
                Err(e) if is_full(&e) => put.refused.push(message),
                Err(e) => return Err(self.unreached(e)),
            }
        }
        Ok(put)
    }

    /// Those of the known ones that are in the queue no more: taken, and maybe dropped.
    async fn lost(&self, known: Vec<(u64, Message)>) -> Result<Vec<Message>> {
        if known.is_empty() {
            return Ok(Vec::new());
        }
        let details = self
            .orders()
            .await?
            .info_builder()
            .with_deleted(true)
            .fetch()
            .await;
        let state = details.map_err(|e| self.unreached(e))?.info.state;
        let gone: HashSet<u64> = state.deleted.unwrap_or_default().into_iter().collect();
        let is_gone =
            |at: u64| at < state.first_sequence || at > state.last_sequence || gone.contains(&at);
        let lost = known.into_iter().filter(|(at, _)| is_gone(*at));
        Ok(lost.map(|(_, message)| message).collect())
    }
}

async fn kept(ack: PublishAckFuture) -> Result<PublishAck, PublishError> {
    ack.await
}

/// By the server's own words: its error has no code of its own for a stream that takes no more.
fn is_full(error: &PublishError) -> bool {
    let text = error.to_string();
    text.contains("maximum messages exceeded") || text.contains("maximum bytes exceeded")
}

fn full() -> Error {
    let message = "the queue holds as many orders as it may";
    Error::new(Reason::QueueFull, message)
        .hint("start more workers, or submit less at once; the same command goes on from there")
}
