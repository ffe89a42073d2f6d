//! What became of orders that were handed back or given up: a message for each span, the latest alone. Those
//! that were given up are the dead letters; they stay until they are ordered again.

use std::collections::HashSet;

use async_nats::jetstream::stream::{LastRawMessageErrorKind, Stream};
use futures::{StreamExt, TryStreamExt, stream};
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::frames::chunk_error;
use crate::queue::broker::Broker;
use crate::queue::message::{Message, encoded};
use crate::timeline::plan::ChunkError;

/// Read at once.
const READ_AT_ONCE: usize = 32;
/// Workers that are lost with a span, or tries that end with the same refusal, before it is given up.
pub(super) const MAX_TIMES: u64 = 5;

/// What became of an order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fate {
    pub message: Message,
    /// Times that a worker handed it back, for whatever reason: what else it was delivered, its workers were lost.
    pub handed_back: u64,
    /// Of these, times that its own source or plan was to blame.
    pub refused: u64,
    /// Why, the last time.
    pub error: Option<ChunkError>,
    /// Given up.
    pub dead: bool,
}

impl Fate {
    pub(super) fn new(message: &Message) -> Fate {
        Fate {
            message: message.clone(),
            handed_back: 0,
            refused: 0,
            error: None,
            dead: false,
        }
    }

    /// Handed back once more; `own`: it is itself to blame.
    pub(super) fn again(mut self, why: Option<&Error>, own: bool) -> Fate {
        self.handed_back += 1;
        self.refused += u64::from(own);
        self.error = why.map(chunk_error).or(self.error);
        self.dead = self.refused >= MAX_TIMES;
        self
    }

    pub(super) fn given_up(self, why: &Error) -> Fate {
        Fate {
            error: Some(chunk_error(why)),
            dead: true,
            ..self
        }
    }
}

impl Broker {
    pub(super) async fn fate(&self, key: &str) -> Result<Option<Fate>> {
        let fates = self.fates().await?;
        self.read_fate(&fates, key).await
    }

    async fn read_fate(&self, fates: &Stream, key: &str) -> Result<Option<Fate>> {
        let subject = self.names.fate(key);
        match fates.get_last_raw_message_by_subject(&subject).await {
            Ok(message) => Ok(serde_json::from_slice(&message.payload).ok()),
            Err(e) if e.kind() == LastRawMessageErrorKind::NoMessageFound => Ok(None),
            Err(e) => Err(self.unreached(e)),
        }
    }

    pub(super) async fn put_fate(&self, fate: &Fate) -> Result<()> {
        self.fates().await?;
        let subject = self.names.fate(&fate.message.key());
        let put = self.context.publish(subject, encoded(fate)?).await;
        let put = put.map_err(|e| self.unreached(e))?;
        put.await.map(drop).map_err(|e| self.unreached(e))
    }

    /// Forgets what became of a span.
    pub(super) async fn forget_fate(&self, key: &str) -> Result<()> {
        let fates = self.fates().await?;
        let purged = fates.purge().filter(self.names.fate(key)).await;
        purged.map(drop).map_err(|e| self.unreached(e))
    }

    /// Keys of spans that something became of; asks little where there are none.
    pub(super) async fn fated(&self) -> Result<HashSet<String>> {
        let fates = self.fates().await?;
        if fates.cached_info().state.messages == 0 {
            return Ok(HashSet::new());
        }
        let subjects = fates.info_with_subjects(self.names.all_fates()).await;
        let subjects = subjects.map_err(|e| self.unreached(e))?;
        let keys = subjects.map_ok(|(subject, _)| self.names.key_of(&subject).map(str::to_owned));
        let keys: Vec<Option<String>> = keys.try_collect().await.map_err(|e| self.unreached(e))?;
        Ok(keys.into_iter().flatten().collect())
    }

    /// The fates of these, in their order; none for one that has none.
    pub(super) async fn fates_of(&self, keys: &[String]) -> Result<Vec<Option<Fate>>> {
        let fated = self.fated().await?;
        let fates = self.fates().await?;
        let reads = keys.iter().map(|key| async {
            match fated.contains(key) {
                true => self.read_fate(&fates, key).await,
                false => Ok(None),
            }
        });
        stream::iter(reads.collect::<Vec<_>>())
            .buffered(READ_AT_ONCE)
            .try_collect()
            .await
    }

    /// Everything that was given up.
    ///
    /// # Errors
    /// QUEUE_UNAVAILABLE.
    pub async fn dead(&self) -> Result<Vec<Fate>> {
        let mut keys: Vec<String> = self.fated().await?.into_iter().collect();
        keys.sort_unstable();
        let fates = self.fates_of(&keys).await?;
        let mut dead: Vec<Fate> = fates
            .into_iter()
            .flatten()
            .filter(|fate| fate.dead)
            .collect();
        let place = |fate: &Fate| {
            let message = &fate.message;
            let names = [&message.timeline, &message.profile, &message.chunk_id];
            (names.map(String::clone), message.span)
        };
        dead.sort_by_cached_key(place);
        Ok(dead)
    }
}
