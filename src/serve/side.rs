//! The side port, of a server and of a worker: whether the process lives, whether it does its work, and its metrics.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use crate::account::KINDS;
use crate::cache::memory::Memory;
use crate::error::Result;
use crate::frames::{Elsewhere, Fallback, Frames, Others};
use crate::serve::gate::Gate;
use crate::serve::stage::Stage;
use crate::serve::{access, listen};

/// Of the text format that `Metrics::text` writes.
const OPENMETRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Who is asked there.
pub trait Asked: Send + Sync + 'static {
    /// A line that says whether it does its work; an error where it does not.
    fn ready(&self) -> Result<&'static str, &'static str>;

    /// # Errors
    /// As `Metrics::text`.
    fn metrics(&self) -> Result<String>;
}

/// Answers until it is dropped.
pub async fn answer(listener: TcpListener, asked: Arc<dyn Asked>) {
    let router = Router::new()
        // Of the process alone: a store that is down is no reason to restart it.
        .route("/livez", get(|| async { "alive\n" }))
        .route("/readyz", get(readyz))
        .route("/metrics", get(metrics))
        .with_state(asked);
    if let Err(e) = axum::serve(listener, router).await {
        tracing::error!("the side port ended: {e}");
    }
}

async fn readyz(State(asked): State<Arc<dyn Asked>>) -> (StatusCode, &'static str) {
    match asked.ready() {
        Ok(line) => (StatusCode::OK, line),
        Err(line) => (StatusCode::SERVICE_UNAVAILABLE, line),
    }
}

async fn metrics(State(asked): State<Arc<dyn Asked>>) -> Response {
    match asked.metrics() {
        Ok(text) => ([(header::CONTENT_TYPE, OPENMETRICS)], text).into_response(),
        Err(e) => {
            tracing::error!("{e}");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}

pub struct ServerSide {
    pub gate: Arc<Gate>,
    pub memory: Arc<Memory>,
    /// Who makes spans in this server's place.
    pub others: Option<Others>,
}

impl Asked for ServerSide {
    fn ready(&self) -> Result<&'static str, &'static str> {
        let unreached = self.others.as_ref().filter(|o| !o.queue.is_reached());
        match self.gate.stages.now() {
            Stage::Starting => Err("starting\n"),
            // It answers what is cached all the same.
            Stage::Ready => Ok(match unreached.map(|others| others.fallback) {
                None => "ready\n",
                Some(Fallback::Local) => {
                    "ready; the queue cannot be reached, and spans are extracted here\n"
                }
                Some(Fallback::Refuse) => {
                    "ready; the queue cannot be reached, and only what is cached is answered\n"
                }
            }),
            Stage::Draining | Stage::Ended => Err("draining\n"),
        }
    }

    fn metrics(&self) -> Result<String> {
        self.gate.tell(self.memory.kept_bytes());
        if let Some(others) = &self.others {
            let reached = i64::from(others.queue.is_reached());
            self.gate.metrics.queue_reached().set(reached);
        }
        self.gate.metrics.text()
    }
}

/// Of `framecache work`.
pub struct WorkerSide {
    pub frames: Frames,
    pub queue: Arc<dyn Elsewhere>,
    /// Takes no more orders.
    pub ends: Arc<AtomicBool>,
}

impl WorkerSide {
    /// Answers there until the task is aborted.
    ///
    /// # Errors
    /// FIELD_INVALID for an address that other machines reach, unless they may; for one that cannot be had.
    pub async fn start(
        self,
        (address, open): (&str, bool),
    ) -> Result<(JoinHandle<()>, SocketAddr)> {
        access::check_side(address, open)?;
        let (listener, bound) = listen::bind_tcp(address).await?;
        Ok((tokio::spawn(answer(listener, Arc::new(self))), bound))
    }
}

impl Asked for WorkerSide {
    fn ready(&self) -> Result<&'static str, &'static str> {
        match (self.ends.load(Ordering::Relaxed), self.queue.is_reached()) {
            (true, _) => Err("draining\n"),
            (false, true) => Ok("ready\n"),
            // It has nothing else to do.
            (false, false) => Err("the queue cannot be reached\n"),
        }
    }

    fn metrics(&self) -> Result<String> {
        let gauge = |n: u64| i64::try_from(n).unwrap_or(i64::MAX);
        let (metrics, memory) = (self.frames.metrics(), self.frames.cache().memory());
        let reached = i64::from(self.queue.is_reached());
        metrics.queue_reached().set(reached);
        metrics.memory("kept").set(gauge(memory.kept_bytes()));
        for kind in KINDS.into_iter().filter(|kind| kind.is_memory()) {
            let held = memory.accountant().held(kind);
            metrics.memory(kind.name()).set(gauge(held));
        }
        metrics.text()
    }
}
