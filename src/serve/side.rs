//! The side port: whether the process lives, whether it takes calls, and its metrics.

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use tokio::net::TcpListener;

use crate::cache::memory::Memory;
use crate::frames::{Fallback, Others};
use crate::serve::gate::Gate;
use crate::serve::stage::Stage;

/// Of the text format that `Metrics::text` writes.
const OPENMETRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

#[derive(Clone)]
pub struct Side {
    pub gate: Arc<Gate>,
    pub memory: Arc<Memory>,
    /// Who makes spans in this server's place.
    pub others: Option<Others>,
}

impl Side {
    /// Answers until it is dropped.
    pub async fn serve(self, listener: TcpListener) {
        let router = Router::new()
            // Of the process alone: a store that is down is no reason to restart it.
            .route("/livez", get(|| async { "alive\n" }))
            .route("/readyz", get(readyz))
            .route("/metrics", get(metrics))
            .with_state(self);
        if let Err(e) = axum::serve(listener, router).await {
            tracing::error!("the side port ended: {e}");
        }
    }
}

async fn readyz(State(side): State<Side>) -> (StatusCode, &'static str) {
    let unreached = side.others.as_ref().filter(|o| !o.queue.is_reached());
    match side.gate.stages.now() {
        Stage::Starting => (StatusCode::SERVICE_UNAVAILABLE, "starting\n"),
        // It answers what is cached all the same.
        Stage::Ready => match unreached.map(|others| others.fallback) {
            None => (StatusCode::OK, "ready\n"),
            Some(Fallback::Local) => (
                StatusCode::OK,
                "ready; the queue cannot be reached, and spans are extracted here\n",
            ),
            Some(Fallback::Refuse) => (
                StatusCode::OK,
                "ready; the queue cannot be reached, and only what is cached is answered\n",
            ),
        },
        Stage::Draining | Stage::Ended => (StatusCode::SERVICE_UNAVAILABLE, "draining\n"),
    }
}

async fn metrics(State(side): State<Side>) -> Response {
    side.gate.tell(side.memory.kept_bytes());
    if let Some(others) = &side.others {
        let reached = i64::from(others.queue.is_reached());
        side.gate.metrics.queue_reached().set(reached);
    }
    match side.gate.metrics.text() {
        Ok(text) => ([(header::CONTENT_TYPE, OPENMETRICS)], text).into_response(),
        Err(e) => {
            tracing::error!("{e}");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}
