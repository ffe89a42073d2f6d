//! `framecache work`

use std::sync::Arc;
use std::time::Duration;

use clap::builder::FalseyValueParser;

use crate::app;
use crate::cli::common::{Context, Exit, note};
use crate::cli::extract::Backend;
use crate::config::queue::QueueOptions;
use crate::config::serve;
use crate::error::Result;
use crate::queue::{Address, Broker, Rules, Worker};
use crate::serve::WorkerSide;
use crate::signals::Signals;
use crate::units::Period;

/// How long spans may go on after SIGTERM.
const GRACE: Duration = Duration::from_secs(25);

/// Take spans from a queue, extract them, and store them
///
/// Any number of workers on any machines share a queue (NATS with JetStream) and a store: `framecache submit` plans
/// timelines and puts their spans into the queue. Sources are read as the plan names them, so each worker must reach
/// them by the same path or s3://bucket/key.
///
///   framecache work --queue nats://queue:4222 --store s3://frames
///   framecache work --queue nats://queue:4222 --store s3://frames --idle-exit 60s
///
/// A worker that dies loses nothing: what it had is given to another after half a minute. A span that cannot be
/// decoded gets a record that says so. Where a source or the store cannot be reached the span goes back, and is tried
/// again later. What five workers were lost with, or refused, is given up: `framecache submit --dead` lists it.
///
/// --metrics answers /livez, /readyz (whether the queue is reached) and /metrics, as a server's side port does.
///
/// SIGTERM and SIGINT end it: spans that it has may be finished within --grace, the rest goes back; a second signal
/// ends it at once. Media is decoded in processes of their own (--isolation).
#[derive(clap::Args)]
#[command(verbatim_doc_comment)]
pub struct Args {
    #[command(flatten)]
    queue: QueueOptions,
    /// How long spans may go on after SIGTERM [default: 25s]
    #[arg(
        long,
        env = "FRAMECACHE_GRACE",
        value_name = "TIME",
        help_heading = "Queue"
    )]
    grace: Option<Period>,
    /// End where there was nothing to do for so long [default: never]
    #[arg(
        long,
        env = "FRAMECACHE_IDLE_EXIT",
        value_name = "TIME",
        help_heading = "Queue"
    )]
    idle_exit: Option<Period>,
    /// Where /livez, /readyz and /metrics are [default: nowhere]
    #[arg(
        long,
        env = "FRAMECACHE_METRICS",
        value_name = "HOST:PORT|none",
        help_heading = "Queue"
    )]
    metrics: Option<String>,
    /// Let other machines reach them, where there is neither TLS nor tokens
    #[arg(
        long,
        env = "FRAMECACHE_INSECURE_METRICS",
        value_parser = FalseyValueParser::new(),
        help_heading = "Queue"
    )]
    insecure_metrics: bool,
    /// What decodes
    #[arg(long, value_enum, default_value_t, help_heading = "Queue")]
    backend: Backend,
}

pub async fn run(context: &Context, args: Args, mut signals: Signals) -> Result<Exit> {
    let address = Address::of(&args.queue.clone().named()?)?;
    let metrics = serve::address("metrics", args.metrics.as_deref().unwrap_or("none"))?;
    context.check_store_is_there()?;
    let frames = app::worker(&context.settings)?;
    frames.check_backend(args.backend.into()).await?;
    // Whether the store can be used at all is known before anything is taken.
    frames.cache().list_timelines(None, Some(1)).await?;
    frames.sweep().await;
    let store = app::store_name(&context.settings, &frames)?;
    let broker = Broker::connect(&address, store, false).await?;
    let place = frames.cache().store().describe();
    note(&format!("framecache: working on {address}, store {place}"));
    let rules = Rules {
        backend: args.backend.into(),
        grace: args.grace.map_or(GRACE, |grace| grace.0),
        idle_exit: args.idle_exit.map(|idle| idle.0),
    };
    let worker = Worker::new(broker.clone(), frames.clone(), rules);
    let side = WorkerSide {
        frames,
        queue: Arc::new(broker),
        ends: worker.ends(),
    };
    if let Some(address) = &metrics {
        let (_, bound) = side
            .start((address.as_str(), args.insecure_metrics))
            .await?;
        note(&format!("framecache: metrics on {bound}"));
    }
    let made = worker.run(&mut signals).await?;
    note(&format!("framecache: done working, spans={made}"));
    Ok(Exit::Done)
}
