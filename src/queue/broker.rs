//! The connection to a queue, and its streams and consumers, made where they are missing.

use std::time::Duration;

use async_nats::client::Client;
use async_nats::connection::State;
use async_nats::jetstream::consumer::{AckPolicy, PullConsumer, pull};
use async_nats::jetstream::stream::{Config, DiscardPolicy, RetentionPolicy, StorageType, Stream};
use async_nats::jetstream::{self, Context};
use async_nats::{ConnectOptions, Subscriber};

use crate::error::{Error, Reason, Result};
use crate::frames::Told;
use crate::queue::address::{Address, Login};
use crate::queue::message::{Message, Telling, profile_key};
use crate::queue::names::{Names, Priority};
use crate::queue::trust;

/// Orders that are kept at most; who has more waits until some are taken.
const MAX_ORDERS: i64 = 1_000_000;
/// Of spans that were handed back or given up; the oldest go first.
const MAX_FATES: i64 = 100_000;
/// Within which an order is known to be there already.
const KNOWN_FOR: Duration = Duration::from_secs(120);
/// A worker that says nothing of an order for so long is lost.
const ACK_WAIT: Duration = Duration::from_secs(30);
/// Orders that all workers have taken and not acknowledged, those that wait for a delay among them.
const MAX_TAKEN: i64 = 100_000;
/// Requests for orders that wait, of all workers.
const MAX_ASKING: i64 = 100_000;
const CONNECT: Duration = Duration::from_secs(5);
/// A connection that is cut is known after two of these.
const PING: Duration = Duration::from_secs(10);
const HINT: &str =
    "see whether nats-server runs there with JetStream (-js), and whether --queue names it";

/// A queue, as one store's orders lie in it.
#[derive(Clone)]
pub struct Broker {
    pub(super) client: Client,
    pub(super) context: Context,
    pub(super) names: Names,
    /// As messages name it.
    pub(super) store: String,
    pub(super) traceparent: Option<String>,
    shown: String,
}

/// What a queue holds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Standing {
    /// Orders that nobody has taken, those that readers wait for among them.
    pub waiting: u64,
    pub waiting_readers: u64,
    /// Taken and not done; handed back for a while.
    pub taken: u64,
    pub fates: u64,
}

impl Broker {
    /// `patient`: goes on connecting where nobody answers now.
    ///
    /// # Errors
    /// QUEUE_UNAVAILABLE where nobody answers, or lets us in.
    pub async fn connect(address: &Address, store: String, patient: bool) -> Result<Broker> {
        let shown = address.to_string();
        let options = match patient {
            true => options(address).retry_on_initial_connect(),
            false => options(address),
        };
        let client = options.connect(address.servers.as_slice()).await;
        let client = client.map_err(|e| unreached(&shown, e))?;
        if patient {
            tokio::spawn(say_why_not(address.clone(), client.clone()));
        }
        Ok(Broker {
            context: jetstream::new(client.clone()),
            client,
            names: Names::new(&address.name),
            store,
            traceparent: None,
            shown,
        })
    }

    /// The same, orders carrying who ordered them.
    pub fn traced(mut self, traceparent: Option<String>) -> Broker {
        self.traceparent = traceparent;
        self
    }

    pub fn is_connected(&self) -> bool {
        self.client.connection_state() == State::Connected
    }

    /// # Errors
    /// QUEUE_UNAVAILABLE where it is known that nobody answers: no call waits to learn it.
    pub(super) fn check_connected(&self) -> Result<()> {
        match self.is_connected() {
            true => Ok(()),
            false => Err(Error::new(
                Reason::QueueUnavailable,
                format!("the queue cannot be reached now, queue={}", self.shown),
            )
            .hint(HINT)),
        }
    }

    pub(super) fn unreached(&self, cause: impl Into<async_nats::Error>) -> Error {
        unreached(&self.shown, cause)
    }

    /// The stream of orders.
    pub(super) async fn orders(&self) -> Result<Stream> {
        let config = Config {
            name: self.names.orders(),
            subjects: Priority::ALL.map(|p| self.names.order(p)).to_vec(),
            retention: RetentionPolicy::WorkQueue,
            discard: DiscardPolicy::New,
            max_messages: MAX_ORDERS,
            storage: StorageType::File,
            num_replicas: 1,
            duplicate_window: KNOWN_FOR,
            ..Config::default()
        };
        self.stream(config).await
    }

    /// The stream of what became of orders.
    pub(super) async fn fates(&self) -> Result<Stream> {
        let config = Config {
            name: self.names.fates(),
            subjects: vec![self.names.all_fates()],
            max_messages_per_subject: 1,
            max_messages: MAX_FATES,
            storage: StorageType::File,
            num_replicas: 1,
            ..Config::default()
        };
        self.stream(config).await
    }

    /// One that is there stays as its operator has it.
    async fn stream(&self, config: Config) -> Result<Stream> {
        self.check_connected()?;
        let stream = self.context.get_or_create_stream(config).await;
        stream.map_err(|e| self.unreached(e))
    }

    pub(super) async fn consumer(&self, priority: Priority) -> Result<PullConsumer> {
        let config = pull::Config {
            durable_name: Some(priority.name().to_owned()),
            filter_subject: self.names.order(priority),
            ack_policy: AckPolicy::Explicit,
            ack_wait: ACK_WAIT,
            // Not bounded here: a message that the server delivers no more stays in its stream, seen by
            // nobody. Who gets it once too often buries it.
            max_deliver: -1,
            max_ack_pending: MAX_TAKEN,
            max_waiting: MAX_ASKING,
            ..pull::Config::default()
        };
        let orders = self.orders().await?;
        let consumer = orders.get_or_create_consumer(priority.name(), config).await;
        consumer.map_err(|e| self.unreached(e))
    }

    /// How long the server waits for a word of an order, as its operator may have set it.
    pub(super) async fn ack_wait(&self) -> Result<Duration> {
        let mut least = ACK_WAIT;
        for priority in Priority::ALL {
            let consumer = self.consumer(priority).await?;
            least = least.min(consumer.cached_info().config.ack_wait);
        }
        Ok(least)
    }

    /// # Errors
    /// QUEUE_UNAVAILABLE.
    pub async fn standing(&self) -> Result<Standing> {
        let mut standing = Standing::default();
        for priority in Priority::ALL {
            let info = self.consumer(priority).await?.get_info().await;
            let info = info.map_err(|e| self.unreached(e))?;
            standing.waiting += info.num_pending;
            standing.taken += info.num_ack_pending as u64;
            if priority == Priority::Waiting {
                standing.waiting_readers = info.num_pending;
            }
        }
        standing.fates = self.fates().await?.cached_info().state.messages;
        Ok(standing)
    }

    /// Tells whoever listens. Who does not hear it looks at the store.
    pub(super) async fn tell(&self, message: &Message, told: Told) {
        let profile = profile_key(&message.store, &message.timeline, &message.profile);
        let Ok(telling) = Telling::of(message, &told).encode() else {
            return;
        };
        if self.is_connected() {
            let _ = self
                .client
                .publish(self.names.told(&profile), telling)
                .await;
        }
    }

    pub(super) async fn hear(&self, timeline: &str, profile: &str) -> Result<Subscriber> {
        let subject = self
            .names
            .told(&profile_key(&self.store, timeline, profile));
        let heard = self.client.subscribe(subject).await;
        let heard = heard.map_err(|e| self.unreached(e))?;
        // From here on: the server knows of it before it knows of any order.
        self.flush().await?;
        Ok(heard)
    }

    /// What was said so far is with the server, as far as it can be reached.
    pub(super) async fn flush(&self) -> Result<()> {
        self.check_connected()?;
        self.client.flush().await.map_err(|e| self.unreached(e))
    }
}

fn options(address: &Address) -> ConnectOptions {
    let options = match &address.login {
        Login::None => ConnectOptions::new(),
        Login::Token(token) => ConnectOptions::with_token(token.clone()),
        Login::Password(user, password) => {
            ConnectOptions::with_user_and_password(user.clone(), password.clone())
        }
    };
    let options = options
        .name("framecache")
        .connection_timeout(CONNECT)
        .ping_interval(PING);
    trust::options(address, options)
}

/// One who goes on connecting is not told what keeps it from that: another try tells.
async fn say_why_not(address: Address, client: Client) {
    tokio::time::sleep(CONNECT).await;
    if client.connection_state() == State::Connected {
        return;
    }
    let tried = options(&address).connect(address.servers.as_slice()).await;
    if let Err(cause) = tried {
        let error = unreached(&address.to_string(), cause);
        let hint = error.hint_text().unwrap_or_default();
        tracing::warn!(%error, hint, "the queue cannot be reached yet");
    }
}

fn unreached(shown: &str, cause: impl Into<async_nats::Error>) -> Error {
    let cause = cause.into();
    let message = format!("the queue cannot be used: {cause}, queue={shown}");
    Error::new(Reason::QueueUnavailable, message)
        .hint(trust::hint(&*cause).unwrap_or(HINT))
        .caused_by(cause)
}
