//! Settings of `framecache serve`: flags over environment over the file's `[serve]` over defaults.

mod said;

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use clap::builder::FalseyValueParser;
use serde::Deserialize;

use crate::aws::Endpoint;
use crate::config::queue::{QueueAt, QueueTls};
use crate::error::{Error, Result};
use crate::units::{ByteSize, Period};

pub use said::address;
use said::{listen, origins, tls};

/// Where calls are taken, unless said otherwise.
const LISTEN: &str = "127.0.0.1:50051";
/// Where the side port is, unless said otherwise.
const METRICS: &str = "127.0.0.1:9464";
const MEMORY_BYTES: u64 = 512 << 20;
const MAX_CALLS: usize = 512;
/// Of a connection; less would be spent on opening them.
const LEAST_AGE: Duration = Duration::from_secs(1);
/// More would only be a longer queue in front of the decoders.
const MOST_CALLS: usize = 1 << 20;

/// What flags, environment or the file's `[serve]` said, by one name: `--source-root` is FRAMECACHE_SOURCE_ROOT and
/// `source_root`. Unknown keys are errors.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, clap::Args)]
#[serde(deny_unknown_fields, default)]
pub struct ServeOptions {
    /// Where calls are taken: an address (port 0: any free one), or a Unix socket [default: 127.0.0.1:50051]
    #[arg(long, env = "FRAMECACHE_LISTEN", value_name = "HOST:PORT|unix:PATH")]
    pub listen: Option<String>,
    /// Where plain HTTP is answered: the viewer at /, and frames, strips, facts and overlays by address (see docs/http.md) [default: nowhere]
    #[arg(long, env = "FRAMECACHE_HTTP", value_name = "HOST:PORT|none")]
    pub http: Option<String>,
    /// An origin (scheme, host and port) whose pages may read what HTTP answers; repeatable [default: none]
    #[arg(
        long,
        env = "FRAMECACHE_HTTP_ORIGIN",
        value_name = "ORIGIN",
        value_delimiter = ',',
        help_heading = "Access"
    )]
    #[serde(alias = "http_origins", deserialize_with = "one_or_several")]
    pub http_origin: Vec<String>,
    /// Where /livez, /readyz and /metrics are [default: 127.0.0.1:9464]
    #[arg(long, env = "FRAMECACHE_METRICS", value_name = "HOST:PORT|none")]
    pub metrics: Option<String>,
    /// A folder from which sources may be read, with all below it; repeatable [default: on
    /// loopback the folder it is started in, otherwise none]
    #[arg(
        long,
        env = "FRAMECACHE_SOURCE_ROOT",
        value_name = "DIR",
        value_delimiter = ':',
        help_heading = "Sources"
    )]
    #[serde(alias = "source_roots", deserialize_with = "one_or_several")]
    pub source_root: Vec<PathBuf>,
    /// A bucket from which sources may be read; repeatable [default: none]
    #[arg(
        long,
        env = "FRAMECACHE_SOURCE_BUCKET",
        value_name = "NAME",
        value_delimiter = ',',
        help_heading = "Sources"
    )]
    #[serde(alias = "source_buckets", deserialize_with = "one_or_several")]
    pub source_bucket: Vec<String>,
    /// URL of the S3 server that has the sources [default: the store's]
    #[arg(
        long,
        env = "FRAMECACHE_SOURCE_ENDPOINT",
        value_name = "URL",
        help_heading = "Sources"
    )]
    pub source_endpoint: Option<String>,
    /// Region of the sources' buckets [default: the store's]
    #[arg(
        long,
        env = "FRAMECACHE_SOURCE_REGION",
        value_name = "REGION",
        help_heading = "Sources"
    )]
    pub source_region: Option<String>,
    /// Certificate chain of this server, PEM; it and the other files of TLS are read again when
    /// they change
    #[arg(
        long,
        env = "FRAMECACHE_TLS_CERT",
        value_name = "FILE",
        help_heading = "Access"
    )]
    pub tls_cert: Option<PathBuf>,
    /// Its private key, PEM
    #[arg(
        long,
        env = "FRAMECACHE_TLS_KEY",
        value_name = "FILE",
        help_heading = "Access"
    )]
    pub tls_key: Option<PathBuf>,
    /// Only clients with a certificate of this authority are let in, PEM
    #[arg(
        long,
        env = "FRAMECACHE_TLS_CLIENT_CA",
        value_name = "FILE",
        help_heading = "Access"
    )]
    pub tls_client_ca: Option<PathBuf>,
    /// Bearer tokens that are let in: a line each of the token's sha256 in hex, a name if you
    /// like, and scope=read for one that only reads what is cached; read again when it changes
    #[arg(
        long,
        env = "FRAMECACHE_TOKENS",
        value_name = "FILE",
        help_heading = "Access"
    )]
    pub tokens: Option<PathBuf>,
    /// Take calls from other machines with neither TLS nor tokens
    #[arg(
        long,
        env = "FRAMECACHE_INSECURE_LISTEN",
        value_parser = FalseyValueParser::new(),
        help_heading = "Access"
    )]
    pub insecure_listen: bool,
    /// Let other machines reach the side port, which has neither TLS nor tokens
    #[arg(
        long,
        env = "FRAMECACHE_INSECURE_METRICS",
        value_parser = FalseyValueParser::new(),
        help_heading = "Access"
    )]
    pub insecure_metrics: bool,
    /// Memory for frames kept, requests, and answers in flight [default: 512MiB]
    #[arg(
        long,
        env = "FRAMECACHE_MEMORY",
        value_name = "BYTES",
        help_heading = "Limits"
    )]
    pub memory: Option<ByteSize>,
    /// Calls served at once, at most half of them over one connection; more are told to come again [default: 512]
    #[arg(
        long,
        env = "FRAMECACHE_MAX_CALLS",
        value_name = "N",
        help_heading = "Limits"
    )]
    pub max_calls: Option<usize>,
    /// How long running calls may go on after SIGTERM [default: 25s]
    #[arg(
        long,
        env = "FRAMECACHE_DRAIN_TIMEOUT",
        value_name = "TIME",
        help_heading = "Limits"
    )]
    pub drain_timeout: Option<Period>,
    /// How old a connection gets: its client is then told to open another, and what runs on it may
    /// end; balancers see new servers so [default: any age]
    #[arg(
        long,
        env = "FRAMECACHE_MAX_CONNECTION_AGE",
        value_name = "TIME",
        help_heading = "Limits"
    )]
    pub max_connection_age: Option<Period>,
    /// A client that takes nothing of its answer, or sends nothing of its request, for so long loses
    /// its call [default: 30s]
    #[arg(
        long,
        env = "FRAMECACHE_STALL_TIMEOUT",
        value_name = "TIME",
        help_heading = "Limits"
    )]
    pub stall_timeout: Option<Period>,
    /// A queue of workers that extract in this server's place (see `framecache work`): nats://HOST:4222
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
    /// What is done where the queue cannot be reached [default: local]
    #[arg(
        long,
        env = "FRAMECACHE_QUEUE_FALLBACK",
        value_enum,
        value_name = "WHAT",
        help_heading = "Queue"
    )]
    pub queue_fallback: Option<QueueFallback>,
    /// Let go what policies let go, and what nothing names, so often: as `framecache gc`, by one of all servers
    /// [default: never]
    #[arg(
        long,
        env = "FRAMECACHE_GC_EVERY",
        value_name = "TIME",
        help_heading = "Limits"
    )]
    pub gc_every: Option<Period>,
    /// How the log on stderr is written [default: text]
    #[arg(
        long,
        env = "FRAMECACHE_LOG_FORMAT",
        value_enum,
        value_name = "FORMAT",
        help_heading = "Log"
    )]
    pub log_format: Option<LogFormat>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    Json,
    #[default]
    Text,
}

/// What is done where the queue cannot be reached.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum QueueFallback {
    /// Spans are extracted in this server
    #[default]
    Local,
    /// Calls that need them end with QUEUE_UNAVAILABLE
    Refuse,
}

/// Where calls are taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Listen {
    /// `HOST:PORT`, not yet looked up.
    Tcp(String),
    Unix(PathBuf),
}

impl fmt::Display for Listen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Listen::Tcp(address) => f.write_str(address),
            Listen::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

/// A server's certificate, and whose clients it lets in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsFiles {
    pub cert: PathBuf,
    pub key: PathBuf,
    pub client_ca: Option<PathBuf>,
}

/// Everything resolved.
#[derive(Debug, Clone)]
pub struct ServeSettings {
    pub listen: Listen,
    /// `HOST:PORT` of plain HTTP; none for none.
    pub http: Option<String>,
    /// Origins (RFC 6454) that may read it.
    pub http_origins: Vec<String>,
    /// `HOST:PORT` of the side port; none for none.
    pub metrics: Option<String>,
    pub source_roots: Vec<PathBuf>,
    pub source_buckets: Vec<String>,
    /// Whatever its user can read: for who is let in by a pass alone.
    pub any_source: bool,
    pub source_endpoint: Endpoint,
    pub tls: Option<TlsFiles>,
    pub tokens: Option<PathBuf>,
    pub insecure_listen: bool,
    pub insecure_metrics: bool,
    pub memory_bytes: u64,
    pub max_calls: usize,
    pub drain_timeout: Duration,
    /// None: any age.
    pub max_connection_age: Option<Duration>,
    pub stall_timeout: Duration,
    /// None: spans are extracted here.
    pub queue: Option<QueueAt>,
    pub queue_fallback: QueueFallback,
    /// None: nothing is let go by this server.
    pub gc_every: Option<Duration>,
    pub log_format: LogFormat,
}

impl ServeOptions {
    /// These, and `other` where they say nothing.
    fn or(self, other: ServeOptions) -> ServeOptions {
        let either = |mine: bool, other: bool| mine || other;
        ServeOptions {
            listen: self.listen.or(other.listen),
            http: self.http.or(other.http),
            http_origin: filled(self.http_origin, other.http_origin),
            metrics: self.metrics.or(other.metrics),
            source_root: filled(self.source_root, other.source_root),
            source_bucket: filled(self.source_bucket, other.source_bucket),
            source_endpoint: self.source_endpoint.or(other.source_endpoint),
            source_region: self.source_region.or(other.source_region),
            tls_cert: self.tls_cert.or(other.tls_cert),
            tls_key: self.tls_key.or(other.tls_key),
            tls_client_ca: self.tls_client_ca.or(other.tls_client_ca),
            tokens: self.tokens.or(other.tokens),
            insecure_listen: either(self.insecure_listen, other.insecure_listen),
            insecure_metrics: either(self.insecure_metrics, other.insecure_metrics),
            memory: self.memory.or(other.memory),
            max_calls: self.max_calls.or(other.max_calls),
            drain_timeout: self.drain_timeout.or(other.drain_timeout),
            max_connection_age: self.max_connection_age.or(other.max_connection_age),
            stall_timeout: self.stall_timeout.or(other.stall_timeout),
            queue: self.queue.or(other.queue),
            queue_ca: self.queue_ca.or(other.queue_ca),
            queue_cert: self.queue_cert.or(other.queue_cert),
            queue_key: self.queue_key.or(other.queue_key),
            queue_fallback: self.queue_fallback.or(other.queue_fallback),
            gc_every: self.gc_every.or(other.gc_every),
            log_format: self.log_format.or(other.log_format),
        }
    }
}

/// What a flag takes again and again is in the file one word, or a list of them.
fn one_or_several<'de, D, T>(file: D) -> Result<Vec<T>, D::Error>
where
    D: serde::Deserializer<'de>,
    T: Deserialize<'de>,
{
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Said<T> {
        One(T),
        Several(Vec<T>),
    }
    Ok(match Said::deserialize(file)? {
        Said::One(one) => vec![one],
        Said::Several(all) => all,
    })
}

fn filled<T>(mine: Vec<T>, other: Vec<T>) -> Vec<T> {
    if mine.is_empty() { other } else { mine }
}

impl ServeSettings {
    /// `file`: the `[serve]` of the configuration; `store`: where the store's S3 is.
    ///
    /// # Errors
    /// FIELD_INVALID for what cannot be meant.
    pub fn resolve(flags: ServeOptions, file: ServeOptions, store: &Endpoint) -> Result<Self> {
        let said = flags.or(file);
        let period = |said: Option<Period>, secs| said.map_or(Duration::from_secs(secs), |p| p.0);
        let source_endpoint = Endpoint {
            url: said.source_endpoint.or_else(|| store.url.clone()),
            region: said.source_region.or_else(|| store.region.clone()),
            ..store.clone()
        };
        source_endpoint.check()?;
        let queue_tls = QueueTls::of(said.queue_ca, said.queue_cert, said.queue_key)?;
        let settings = ServeSettings {
            listen: listen(said.listen.as_deref().unwrap_or(LISTEN))?,
            http: address("http", said.http.as_deref().unwrap_or("none"))?,
            http_origins: origins(said.http_origin)?,
            metrics: address("metrics", said.metrics.as_deref().unwrap_or(METRICS))?,
            source_roots: said.source_root,
            source_buckets: said.source_bucket,
            any_source: false,
            source_endpoint,
            tls: tls(said.tls_cert, said.tls_key, said.tls_client_ca)?,
            tokens: said.tokens,
            insecure_listen: said.insecure_listen,
            insecure_metrics: said.insecure_metrics,
            memory_bytes: said.memory.map_or(MEMORY_BYTES, |bytes| bytes.0),
            max_calls: said.max_calls.unwrap_or(MAX_CALLS),
            drain_timeout: period(said.drain_timeout, 25),
            max_connection_age: said.max_connection_age.map(|age| age.0),
            stall_timeout: period(said.stall_timeout, 30),
            queue: QueueAt::of(said.queue, queue_tls),
            queue_fallback: said.queue_fallback.unwrap_or_default(),
            gc_every: said.gc_every.map(|every| every.0),
            log_format: said.log_format.unwrap_or_default(),
        };
        settings.check()?;
        Ok(settings)
    }

    fn check(&self) -> Result<()> {
        if !(1..=MOST_CALLS).contains(&self.max_calls) {
            let message = format!(
                "the number of calls served at once cannot be this: max_calls={}",
                self.max_calls
            );
            return Err(Error::field(message).hint(format!("give 1 to {MOST_CALLS}")));
        }
        if self.max_connection_age.is_some_and(|age| age < LEAST_AGE) {
            return Err(Error::field(
                "connections would hardly serve a call: max_connection_age is under 1s",
            )
            .hint("give a time such as 30m, or leave it out"));
        }
        if self.stall_timeout.is_zero() {
            return Err(Error::field("every call would be cut: stall_timeout=0")
                .hint("give a time such as 30s"));
        }
        if self.gc_every.is_some_and(|every| every.is_zero()) {
            return Err(Error::field("it would never rest: gc_every=0")
                .hint("give a time such as 24h, or leave it out"));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
