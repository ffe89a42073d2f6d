//! `framecache serve`

use crate::app;
use crate::cli::common::{Context, Exit};
use crate::config::serve::{ServeOptions, ServeSettings};
use crate::error::{Error, Result};
use crate::serve;
use crate::signals::Signals;

/// Serve frames, tensors and overlays over gRPC
///
/// What it listens on is said on stderr once it does:
///
///   framecache: serving on 127.0.0.1:50051
///   framecache: metrics on 127.0.0.1:9464
///
/// The services are framecache.v1.{FrameService, OverlayService, MediaService}; health and
/// reflection are there too (grpcurl -plaintext 127.0.0.1:50051 list). The side port answers
/// /livez, /readyz and /metrics.
///
/// --http answers plain HTTP beside it, for people (a viewer, at /), scripts and players (docs/http.md):
///
///   framecache serve --http 127.0.0.1:8080
///   curl -O http://127.0.0.1:8080/v1/timelines/holiday/frames/7.jpg
///
/// Sources are read where they are allowed: on loopback and on a Unix socket below the folder that
/// the server is started in, otherwise only where --source-root and --source-bucket say so.
///
/// Other machines are let in only over TLS or with tokens. A token is any secret of your own; the
/// server's file has its sha256:
///
///   token=$(openssl rand -hex 32); printf %s "$token" | sha256sum >> tokens
///   framecache serve --listen 0.0.0.0:50051 --tokens tokens --tls-cert c.pem --tls-key k.pem
///
/// A token whose line ends in scope=read only reads what is cached: it lists, and gets frames,
/// tensors and overlays that are there (on_miss SKIP or FAIL). It opens no source, decodes no
/// video, and changes nothing.
///
/// Tokens and certificates are read again when their files change, and at SIGHUP; where the new
/// ones cannot be used the old ones stay, and the log says so.
///
/// With --queue, whoever runs `framecache work` on that queue and this store extracts in its place; what a reader
/// waits for is taken first. Where the queue cannot be reached it extracts by itself, and says so, or refuses
/// (--queue-fallback).
///
/// SIGTERM and SIGINT end it: it takes no more connections, tells its clients to open new ones
/// (elsewhere), and running calls may finish within --drain-timeout; a second signal ends them at
/// once. All flags can stand in the TOML file too, under [serve], with _ for -.
#[derive(clap::Args)]
#[command(verbatim_doc_comment)]
pub struct Args {
    #[command(flatten)]
    options: ServeOptions,
}

/// Serves until a signal ends it.
pub fn run(context: &Context, args: Args, signals: Signals) -> Result<Exit> {
    let settings = &context.settings;
    let serve = ServeSettings::resolve(args.options, settings.serve.clone(), &settings.endpoint)?;
    let lines = serve::start_log(serve.log_format, context.global.verbose)?;
    let serve = serve::with_default_sources(serve)?;
    let descriptors = serve::Descriptors::all();
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(cores.max(2))
        .max_blocking_threads(descriptors.file_threads())
        .thread_name("serve")
        .enable_all()
        .build()
        .map_err(|e| Error::internal("could not start the runtime").caused_by(e))?;
    let server = app::server(settings, serve, descriptors)?;
    let server = runtime.block_on(app::with_queue(server, settings))?;
    let outcome = runtime.block_on(serve::run(server, signals, &|text| lines.say(text)));
    // Blocking reads of a stalled source must not hold up the end.
    runtime.shutdown_background();
    lines.finish();
    outcome.map(|()| Exit::Done)
}
