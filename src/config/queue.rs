//! Which queue, and whom it is trusted by.

use std::path::PathBuf;

use crate::error::{Error, Result};

/// Where a queue is, and how it and this client know each other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QueueAt {
    /// As it was written: it may hold a password.
    pub url: String,
    pub tls: QueueTls,
}

/// PEM files of TLS; with any of them nothing else is spoken.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct QueueTls {
    /// Whose certificates are trusted; none: the system's authorities.
    pub ca: Option<PathBuf>,
    /// This client's certificate and its key.
    pub own: Option<(PathBuf, PathBuf)>,
}

/// The queue's flags.
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
    /// Whom the queue's certificate may be from, PEM; then only TLS is spoken [default: the system's authorities]
    #[arg(
        long,
        env = "FRAMECACHE_QUEUE_CA",
        value_name = "FILE",
        help_heading = "Queue"
    )]
    pub queue_ca: Option<PathBuf>,
    /// This client's certificate for the queue, PEM
    #[arg(
        long,
        env = "FRAMECACHE_QUEUE_CERT",
        value_name = "FILE",
        help_heading = "Queue"
    )]
    pub queue_cert: Option<PathBuf>,
    /// Its private key, PEM
    #[arg(
        long,
        env = "FRAMECACHE_QUEUE_KEY",
        value_name = "FILE",
        help_heading = "Queue"
    )]
    pub queue_key: Option<PathBuf>,
}

impl QueueOptions {
    /// # Errors
    /// FIELD_INVALID where none is named, or a certificate has no key.
    pub fn named(self) -> Result<QueueAt> {
        let tls = QueueTls::of(self.queue_ca, self.queue_cert, self.queue_key)?;
        QueueAt::of(self.queue, tls).ok_or_else(|| {
            Error::field("no queue is named")
                .hint("add --queue nats://HOST:4222, or set FRAMECACHE_QUEUE; without one, `framecache extract --shard I/N` shares the work")
                .in_field("queue")
        })
    }
}

impl QueueAt {
    /// None where none is named.
    pub fn of(url: Option<String>, tls: QueueTls) -> Option<QueueAt> {
        let url = url.filter(|url| !url.is_empty())?;
        Some(QueueAt { url, tls })
    }
}

impl QueueTls {
    /// # Errors
    /// FIELD_INVALID for a certificate without its key, or a key without its certificate.
    pub fn of(
        ca: Option<PathBuf>,
        cert: Option<PathBuf>,
        key: Option<PathBuf>,
    ) -> Result<QueueTls> {
        let own = match (cert, key) {
            (Some(cert), Some(key)) => Some((cert, key)),
            (None, None) => None,
            _ => {
                return Err(
                    Error::field("a certificate for the queue needs its key, too")
                        .hint("give both --queue-cert and --queue-key"),
                );
            }
        };
        Ok(QueueTls { ca, own })
    }

    pub fn is_given(&self) -> bool {
        self.ca.is_some() || self.own.is_some()
    }
}
