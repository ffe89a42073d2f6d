//! The server: listener, access, what is around each call, health, side port, and its end.
//!
//! A call comes in through `layer`, which asks the `gate` for a place and gives the call its
//! record, its clock and its span; the answer's `body` carries these to its end.

mod access;
mod body;
mod clock;
mod collecting;
mod connections;
mod descriptors;
mod drain;
mod gate;
mod head;
mod http;
mod layer;
mod linger;
mod listen;
mod log;
mod methods;
mod pace;
mod patient;
mod record;
mod reflection;
mod refusal;
mod reload;
mod services;
mod session;
mod side;
mod stage;
mod startup;
mod tls;
mod tokens;
mod upload;

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use futures::{Stream, StreamExt, TryStreamExt};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinSet;
use tonic::transport::Server as Transport;
use tonic::transport::server::{Connected, Router};
use tonic_health::server::HealthReporter;
use tower::layer::util::{Identity, Stack};

use crate::api::{Api, ServerInfo};
use crate::config::serve::{Listen, ServeSettings};
use crate::error::{Error, Result};
use crate::frames::Frames;
use crate::http::Web;
use crate::metrics::Metrics;
use crate::rpc::Service;
use crate::signals::Signals;
use connections::Connections;
use drain::Ending;
use gate::{Gate, Rules};
use http::Http;
use layer::CallLayer;
use listen::Listener;
use pace::Paced;
use reload::Reloaded;
use session::Sessions;
use side::ServerSide;
use tls::{Certificates, Speaks};
use tokens::Tokens;

pub use collecting::Collecting;
pub use descriptors::Descriptors;
pub use log::start as start_log;
pub use session::{Announce, Pass};
pub use side::WorkerSide;

/// What a client may send of a call before it is told that it was read. An upload takes as much of the
/// memory that there is for uploads, before a byte of it is read.
const STREAM_WINDOW: u32 = 512 << 10;
/// No connection has more on its way than its calls may.
const CONNECTION_WINDOW: u32 = 16 << 20;
/// Streams of one connection; its further ones wait in the client.
const MAX_STREAMS: u32 = 1024;
/// A peer that is gone without a word is noticed within their sum.
const KEEPALIVE_EVERY: Duration = Duration::from_secs(30);
const KEEPALIVE_TIMEOUT: Duration = Duration::from_secs(20);
const MAX_HEADER_BYTES: u32 = 32 << 10;

/// A server that was not started yet.
pub struct Server {
    pub settings: ServeSettings,
    pub frames: Frames,
    pub metrics: Arc<Metrics>,
    pub info: Arc<ServerInfo>,
    /// None: whoever has a token of the settings is let in, or everybody where there are none.
    pub pass: Option<Pass>,
    /// None: nothing is let go by this server.
    pub collecting: Option<Collecting>,
}

/// Tells the operator a line.
pub type Say<'a> = &'a (dyn Fn(&str) + Sync);

/// The settings, with the folder it was started in as a source where only this machine's users
/// can ask for it and nothing else is configured.
///
/// # Errors
/// FIELD_INVALID for a listener whose name has no address.
pub fn with_default_sources(mut settings: ServeSettings) -> Result<ServeSettings> {
    let unsaid = settings.source_roots.is_empty() && settings.source_buckets.is_empty();
    let http = settings.http.clone().map(Listen::Tcp);
    let local =
        listen::is_local(&settings.listen)? && http.as_ref().map_or(Ok(true), listen::is_local)?;
    if unsaid && local {
        settings.source_roots.push(".".into());
    }
    Ok(settings)
}

/// Serves until SIGTERM or SIGINT, then drains.
///
/// # Errors
/// FIELD_INVALID for settings that cannot be used: addresses, certificates, tokens.
pub async fn run(mut server: Server, mut signals: Signals, say: Say<'_>) -> Result<()> {
    let collecting = server.collecting.take();
    let settings = &server.settings;
    let hangups = reload::hangups()?;
    access::check_exposure(settings)?;
    let certificates = settings.tls.as_ref().map(Certificates::read).transpose()?;
    let certificates = certificates.map(Arc::new);
    let tokens = tokens(&server)?;
    let gate = Arc::new(Gate::new(rules(&server, &tokens), server.metrics.clone())?);
    let health = HealthReporter::new();
    let connections = Connections::new(server.frames.cache().memory().accountant());
    let service = Service::new(api(&server));
    let routes = services::routes(service, &health)?;
    let router = transport(settings)
        .layer(CallLayer(gate.clone()))
        .add_routes(routes);
    let side = bind_side(&server, say).await?;
    let shared = (&gate, &connections, &certificates, &tokens);
    let http = bind_http(&server, shared, say).await?;
    let listener = listen::bind(&settings.listen).await?;
    say(&format!("framecache: serving on {listener}"));

    // Its tasks end with it.
    let mut beside = JoinSet::new();
    let told = tokio::spawn(services::tell_health(health, gate.stages.clone()));
    let reloaded = reloaded(&tokens, &certificates);
    beside.spawn(reload::follow(reloaded, hangups));
    start_beside(&mut beside, &server, &gate);
    if let Some(collecting) = collecting {
        beside.spawn(collecting.run(server.frames.cache().clone()));
    }
    if let Some(listener) = side {
        let side = ServerSide {
            gate: gate.clone(),
            memory: server.frames.cache().memory().clone(),
            others: server.frames.others().cloned(),
        };
        beside.spawn(side::answer(listener, Arc::new(side)));
    }
    let (close, closed) = oneshot::channel::<()>();
    let connections = (listener, connections);
    let callers = Callers {
        certificates,
        metrics: server.metrics.clone(),
    };
    let grpc = serve(router, connections, callers, closed);
    let http = async {
        if let Some(http) = http {
            http.serve().await;
        }
    };
    let mut serving = pin!(async { tokio::join!(grpc, http).0 });
    tokio::select! {
        outcome = &mut serving => return outcome,
        _ = signals.next() => say("framecache: stopping; running calls may finish"),
    }
    let ending = Ending {
        gate: &gate,
        told,
        close,
        patience: settings.drain_timeout,
    };
    ending.drain(serving, &mut signals).await
}

fn tokens(server: &Server) -> Result<Option<Arc<Tokens>>> {
    if let Some(pass) = &server.pass {
        return Ok(Some(Arc::new(pass.tokens())));
    }
    let file = server.settings.tokens.as_deref();
    Ok(file.map(Tokens::read).transpose()?.map(Arc::new))
}

fn reloaded(
    tokens: &Option<Arc<Tokens>>,
    certificates: &Option<Arc<Certificates>>,
) -> Vec<Arc<dyn Reloaded>> {
    let tokens = tokens.clone().map(|t| t as Arc<dyn Reloaded>);
    let certificates = certificates.clone().map(|c| c as Arc<dyn Reloaded>);
    tokens.into_iter().chain(certificates).collect()
}

fn api(server: &Server) -> Api {
    Api::new(server.frames.clone()).with_info(server.info.clone())
}

fn rules(server: &Server, tokens: &Option<Arc<Tokens>>) -> Rules {
    Rules {
        tokens: tokens.clone(),
        accountant: server.frames.cache().memory().accountant().clone(),
        stall_timeout: server.settings.stall_timeout,
    }
}

fn transport(settings: &ServeSettings) -> Transport {
    let transport = Transport::builder()
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .max_concurrent_streams(MAX_STREAMS)
        .http2_max_header_list_size(MAX_HEADER_BYTES)
        .http2_keepalive_interval(Some(KEEPALIVE_EVERY))
        .http2_keepalive_timeout(Some(KEEPALIVE_TIMEOUT));
    match settings.max_connection_age {
        // By GOAWAY, as at a drain: what runs on the connection may end.
        Some(age) => transport.max_connection_age(age),
        None => transport,
    }
}

async fn bind_side(server: &Server, say: Say<'_>) -> Result<Option<TcpListener>> {
    let Some(address) = &server.settings.metrics else {
        return Ok(None);
    };
    let (listener, bound) = listen::bind_tcp(address).await?;
    say(&format!("framecache: metrics on {bound}"));
    Ok(Some(listener))
}

type Shared<'a> = (
    &'a Arc<Gate>,
    &'a Arc<Connections>,
    &'a Option<Arc<Certificates>>,
    &'a Option<Arc<Tokens>>,
);

async fn bind_http(
    server: &Server,
    (gate, connections, certificates, tokens): Shared<'_>,
    say: Say<'_>,
) -> Result<Option<Http>> {
    let settings = &server.settings;
    let Some(address) = &settings.http else {
        return Ok(None);
    };
    let (listener, bound) = listen::bind_tcp(address).await?;
    let door = (bound.port(), certificates.is_some());
    let mut sessions = Sessions::new(tokens.clone(), door, settings.stall_timeout);
    match &server.pass {
        None => say(&format!("framecache: http on {bound}")),
        Some(pass) => {
            sessions = sessions.with_pass(pass);
            (pass.announce)(bound, &pass.key);
        }
    }
    Ok(Some(Http {
        listener,
        connections: connections.clone(),
        certificates: certificates.clone(),
        gate: gate.clone(),
        web: Web {
            api: api(server),
            public: tokens.is_none(),
            stall_timeout: settings.stall_timeout,
        },
        sessions,
        origins: settings.http_origins.clone(),
        is_local: bound.ip().is_loopback(),
    }))
}

/// What goes on beside the calls.
fn start_beside(beside: &mut JoinSet<()>, server: &Server, gate: &Arc<Gate>) {
    let cache = server.frames.cache().clone();
    let (info, stages) = (server.info.clone(), gate.stages.clone());
    beside.spawn(startup::check(cache, info, stages));
    let gate = gate.clone();
    beside.spawn(async move { gate.watch().await });
}

type Calls = Router<Stack<CallLayer, Identity>>;

/// How connections are taken.
struct Callers {
    certificates: Option<Arc<Certificates>>,
    metrics: Arc<Metrics>,
}

impl Callers {
    fn paced<C>(&self, connection: C) -> Paced<C> {
        Paced::new(connection, self.metrics.clone())
    }
}

/// Takes connections until `close` is sent, and serves them until they are done.
async fn serve(
    router: Calls,
    (listener, connections): (Listener, Arc<Connections>),
    callers: Callers,
    close: oneshot::Receiver<()>,
) -> Result<()> {
    match listener {
        Listener::Tcp(listener, _) => {
            let connections = listen::tcp_connections(listener, connections, Speaks::H2);
            serve_all(router, connections, callers, close).await
        }
        Listener::Unix(listener, file) => {
            let connections = listen::unix_connections(listener, connections);
            // The file goes with the listener: a server that takes its place makes another while this one drains.
            let connections = connections.inspect(move |_| {
                let _ = &file;
            });
            serve_all(router, connections, callers, close).await
        }
    }
}

async fn serve_all<C>(
    router: Calls,
    connections: impl Stream<Item = std::io::Result<C>> + Send,
    callers: Callers,
    close: oneshot::Receiver<()>,
) -> Result<()>
where
    C: Connected + AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let closed = async { close.await.unwrap_or_default() };
    let outcome = match callers.certificates.clone() {
        None => {
            let paced = connections.map_ok(|c| callers.paced(c));
            router.serve_with_incoming_shutdown(paced, closed).await
        }
        Some(certificates) => {
            let secured = tls::secured(connections, certificates, Speaks::H2);
            let paced = secured.map_ok(|c| callers.paced(c));
            router.serve_with_incoming_shutdown(paced, closed).await
        }
    };
    outcome.map_err(|e| Error::internal("serving ended").caused_by(e))
}
