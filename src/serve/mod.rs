//! The server: listener, access, health, side port, and its end.

mod listen;

use std::sync::Arc;
use std::time::Duration;

use tokio::signal::unix::{SignalKind, signal};
use tonic::service::Routes;

use crate::config::serve::{LogFormat, ServeSettings};
use crate::error::{Error, Result};
use crate::frames::Frames;
use crate::metrics::Metrics;
use crate::rpc::Service;
use crate::rpc::v1::frame_service_server::FrameServiceServer;
use crate::rpc::v1::media_service_server::MediaServiceServer;
use crate::rpc::v1::overlay_service_server::OverlayServiceServer;
use listen::Listener;

/// What a client may send before it is told that it was read: a 6 MB message takes a quarter less
/// time than with HTTP/2's own 64 KiB.
const STREAM_WINDOW: u32 = 8 << 20;
const CONNECTION_WINDOW: u32 = 16 << 20;

/// A server that was not started yet.
pub struct Server {
    pub settings: ServeSettings,
    pub frames: Frames,
    pub metrics: Arc<Metrics>,
}

/// The settings, with the folder it was started in as a source where only this machine's users
/// can ask for it and nothing else is configured.
///
/// # Errors
/// As [`listen::is_local`].
pub fn with_default_sources(mut settings: ServeSettings) -> Result<ServeSettings> {
    let unsaid = settings.source_roots.is_empty() && settings.source_buckets.is_empty();
    if unsaid && listen::is_local(&settings.listen)? {
        settings.source_roots.push(".".into());
    }
    Ok(settings)
}

pub fn start_log(_: LogFormat, verbose: bool) {
    let default = if verbose {
        "framecache=debug"
    } else {
        "framecache=info"
    };
    let filter = tracing_subscriber::EnvFilter::try_from_env("FRAMECACHE_LOG")
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new(default));
    let _ = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .try_init();
}

/// Serves until SIGTERM or SIGINT, then drains. `say` tells the operator a line.
///
/// # Errors
/// FIELD_INVALID for settings that cannot be used: addresses, certificates, tokens.
pub async fn run(server: Server, say: &(dyn Fn(&str) + Sync)) -> Result<()> {
    let listener = listen::bind(&server.settings.listen).await?;
    say(&format!("framecache: serving on {listener}"));
    let service = Service::new(server.frames.clone());
    let routes = Routes::new(FrameServiceServer::new(service.clone()))
        .add_service(OverlayServiceServer::new(service.clone()))
        .add_service(MediaServiceServer::new(service));
    let stop = async {
        let (Ok(mut interrupt), Ok(mut terminate)) = (
            signal(SignalKind::interrupt()),
            signal(SignalKind::terminate()),
        ) else {
            return std::future::pending().await;
        };
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
    };
    let mut builder = tonic::transport::Server::builder()
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .http2_keepalive_interval(Some(Duration::from_secs(30)));
    let router = builder.add_routes(routes);
    let ended = match listener {
        Listener::Tcp(listener, _) => {
            let connections = listen::tcp_connections(listener);
            router.serve_with_incoming_shutdown(connections, stop).await
        }
        Listener::Unix(listener, _file) => {
            let connections = listen::unix_connections(listener);
            router.serve_with_incoming_shutdown(connections, stop).await
        }
    };
    ended.map_err(|e| Error::internal("serving ended").caused_by(e))
}
