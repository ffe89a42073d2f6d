//! The server: listener, access, what is around each call, health, side port, and its end.
//!
//! A call comes in through `layer`, which asks the `gate` for a place and gives the call its
//! record, its clock and its span; the answer's `body` carries these to its end.

mod access;
mod body;
mod clock;
mod drain;
mod gate;
mod head;
mod layer;
mod listen;
mod log;
mod methods;
mod record;
mod refusal;
mod services;
mod side;
mod stage;
mod startup;
mod tokens;
mod upload;

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use futures::{Stream, StreamExt};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinSet;
use tonic::transport::Server as Transport;
use tonic::transport::server::{Connected, Router};
use tonic_health::server::HealthReporter;
use tower::layer::util::{Identity, Stack};

use crate::config::serve::ServeSettings;
use crate::error::{Error, Result};
use crate::frames::Frames;
use crate::metrics::Metrics;
use crate::rpc::{ServerInfo, Service};
use crate::signals::Signals;
use drain::Ending;
use gate::{Gate, Rules};
use layer::CallLayer;
use listen::Listener;
use side::Side;
use tokens::Tokens;

pub use log::start as start_log;

/// What a client may send before it is told that it was read: a 6 MB message takes a quarter less
/// time than with HTTP/2's own 64 KiB.
const STREAM_WINDOW: u32 = 8 << 20;
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
    if unsaid && listen::is_local(&settings.listen)? {
        settings.source_roots.push(".".into());
    }
    Ok(settings)
}

/// Serves until SIGTERM or SIGINT, then drains.
///
/// # Errors
/// FIELD_INVALID for settings that cannot be used: addresses, certificates, tokens.
pub async fn run(server: Server, mut signals: Signals, say: Say<'_>) -> Result<()> {
    let settings = &server.settings;
    access::check_exposure(settings)?;
    let transport = transport(settings)?;
    let tokens = settings.tokens.as_deref().map(Tokens::read).transpose()?;
    let tokens = tokens.map(Arc::new);
    let gate = Arc::new(Gate::new(rules(settings, &tokens), server.metrics.clone())?);
    let health = HealthReporter::new();
    let service = Service::new(server.frames.clone()).with_info(server.info.clone());
    let routes = services::routes(service, &health)?;
    let router = transport.layer(CallLayer(gate.clone())).add_routes(routes);
    let side = bind_side(&server, say).await?;
    let listener = listen::bind(&settings.listen).await?;
    say(&format!("framecache: serving on {listener}"));

    // Its tasks end with it.
    let mut beside = JoinSet::new();
    let told = tokio::spawn(services::tell_health(health, gate.stages.clone()));
    start_beside(&mut beside, &server, &gate, tokens);
    if let Some(listener) = side {
        let memory = server.frames.cache().memory().clone();
        let gate = gate.clone();
        beside.spawn(Side { gate, memory }.serve(listener));
    }
    let (close, closed) = oneshot::channel::<()>();
    let mut serving = pin!(serve(router, listener, closed));
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

fn rules(settings: &ServeSettings, tokens: &Option<Arc<Tokens>>) -> Rules {
    Rules {
        tokens: tokens.clone(),
        max_calls: settings.max_calls,
        stall_timeout: settings.stall_timeout,
    }
}

fn transport(settings: &ServeSettings) -> Result<Transport> {
    let transport = Transport::builder()
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .max_concurrent_streams(MAX_STREAMS)
        .http2_max_header_list_size(MAX_HEADER_BYTES)
        .http2_keepalive_interval(Some(KEEPALIVE_EVERY))
        .http2_keepalive_timeout(Some(KEEPALIVE_TIMEOUT));
    let transport = match settings.max_connection_age {
        // By GOAWAY, as at a drain: what runs on the connection may end.
        Some(age) => transport.max_connection_age(age),
        None => transport,
    };
    let Some(files) = &settings.tls else {
        return Ok(transport);
    };
    transport.tls_config(access::tls(files)?).map_err(|e| {
        Error::field("the certificate and its key cannot be used together")
            .hint("give the PEM files of one certificate chain and of its private key")
            .caused_by(e)
    })
}

async fn bind_side(server: &Server, say: Say<'_>) -> Result<Option<TcpListener>> {
    let Some(address) = &server.settings.metrics else {
        return Ok(None);
    };
    let (listener, bound) = listen::bind_tcp(address).await?;
    say(&format!("framecache: metrics on {bound}"));
    Ok(Some(listener))
}

/// What goes on beside the calls.
fn start_beside(
    beside: &mut JoinSet<()>,
    server: &Server,
    gate: &Arc<Gate>,
    tokens: Option<Arc<Tokens>>,
) {
    let cache = server.frames.cache().clone();
    let (info, stages) = (server.info.clone(), gate.stages.clone());
    beside.spawn(startup::check(cache, info, stages));
    let gate = gate.clone();
    beside.spawn(async move { gate.watch().await });
    if let Some(tokens) = tokens {
        beside.spawn(async move { tokens.follow().await });
    }
}

type Calls = Router<Stack<CallLayer, Identity>>;

/// Takes connections until `close` is sent, and serves them until they are done.
async fn serve(
    router: Calls,
    listener: Listener,
    close: oneshot::Receiver<()>,
) -> Result<()> {
    match listener {
        Listener::Tcp(listener, _) => {
            let connections = listen::tcp_connections(listener);
            serve_all(router, connections, close).await
        }
        Listener::Unix(listener, file) => {
            let connections = listen::unix_connections(listener);
            // The file goes with the listener: a server that takes its place makes another while this one drains.
            let connections = connections.inspect(move |_| {
                let _ = &file;
            });
            serve_all(router, connections, close).await
        }
    }
}

async fn serve_all<C>(
    router: Calls,
    connections: impl Stream<Item = std::io::Result<C>> + Send,
    close: oneshot::Receiver<()>,
) -> Result<()>
where
    C: Connected + AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let closed = async { close.await.unwrap_or_default() };
    let outcome = router
        .serve_with_incoming_shutdown(connections, closed)
        .await;
    outcome.map_err(|e| Error::internal("serving ended").caused_by(e))
}
