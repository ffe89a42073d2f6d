//! Which queue.

use crate::error::{Error, Result};

/// The queue's flag.
#[derive(Debug, Clone, Default, PartialEq, Eq, clap::Args)]
pub struct QueueOptions {
    /// The queue: nats://HOST:4222, tls://HOST:4222, nats://USER:PASSWORD@HOST/NAME for another name than framecache
    #[arg(
        long,
        env = "FRAMECACHE_QUEUE",
        hide_env_values = true,
        value_name = "URL",
        help_heading = "Queue"
    )]
    pub queue: Option<String>,
}

impl QueueOptions {
    /// # Errors
    /// FIELD_INVALID where none is named.
    pub fn named(&self) -> Result<&str> {
        let named = self.queue.as_deref().filter(|queue| !queue.is_empty());
        named.ok_or_else(|| {
            Error::field("no queue is named")
                .hint("add --queue nats://HOST:4222, or set FRAMECACHE_QUEUE; without one, `framecache extract --shard I/N` shares the work")
                .in_field("queue")
        })
    }
}
