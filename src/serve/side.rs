//! The side port: whether the process lives, whether it takes calls, and its metrics.

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use tokio::net::TcpListener;

use crate::cache::memory::Memory;
use crate::serve::gate::Gate;
use crate::serve::stage::Stage;

/// Of the text format that `Metrics::text` writes.
const OPENMETRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

#[derive(Clone)]
pub struct Side {
    pub gate: Arc<Gate>,
    pub memory: Arc<Memory>,
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
    match side.gate.stages.now() {
        Stage::Starting => (StatusCode::SERVICE_UNAVAILABLE, "starting\n"),
        Stage::Ready => (StatusCode::OK, "ready\n"),
        Stage::Draining | Stage::Ended => (StatusCode::SERVICE_UNAVAILABLE, "draining\n"),
    }
}

async fn metrics(State(side): State<Side>) -> Response {
    side.gate.tell(side.memory.kept_bytes());
    match side.gate.metrics.text() {
        Ok(text) => ([(header::CONTENT_TYPE, OPENMETRICS)], text).into_response(),
        Err(e) => {
            tracing::error!("{e}");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}
