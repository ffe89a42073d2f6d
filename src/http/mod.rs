//! HTTP over `api`: addresses a person, a script or a label tool can use. One file a kind of thing,
//! one line an address (`addresses`). Listeners, access and the ends of calls are `serve`'s.
//!
//! JSON is `api::json`'s, errors are problem documents, pictures have their sha256 as ETag.

mod arrow;
mod asked;
mod cuts;
mod duplicates;
mod extract;
mod frame;
mod frames;
mod hashes;
mod overlays;
mod problem;
mod sent;
mod server;
mod similar;
mod strips;
mod timelines;
mod upload;
mod viewer;
mod waiting;

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::routing::{get, post};

use crate::api::Api;

pub use asked::Asked;
pub use problem::{Ended, Problem};

/// Addresses of pages, which hold no data and need no token.
pub const OPEN: [&str; 3] = ["/", "/view/{timeline}", "/viewer/{file}"];

/// What every address needs.
#[derive(Clone)]
pub struct Web {
    pub api: Api,
    /// Whether answers are for everybody: no token is asked for.
    pub public: bool,
    /// A client that sends nothing of its request for so long loses its call.
    pub stall_timeout: Duration,
}

/// All addresses. What is around each call comes in its extensions: account, scope.
pub fn addresses(web: Web) -> Router {
    let timeline = "/v1/timelines/{timeline}";
    let below = |path: &str| format!("{timeline}{path}");
    let [list, view, files] = OPEN;
    Router::new()
        .route(list, get(viewer::page))
        .route(view, get(viewer::page))
        .route(files, get(viewer::file))
        .route("/openapi.json", get(server::openapi))
        .route("/v1/server", get(server::server))
        .route("/v1/probe", get(server::probe))
        .route("/v1/similar", get(similar::similar))
        .route("/v1/timelines", get(timelines::list))
        .route(timeline, get(timelines::one).delete(timelines::clear))
        .route(&below("/cuts"), get(cuts::cuts))
        .route(&below("/duplicates"), get(duplicates::duplicates))
        .route(&below("/extract"), post(extract::extract))
        .route(&below("/frames"), get(frames::list))
        .route(&below("/frames/{file}"), get(frame::one).put(frame::put))
        .route(&below("/frames/at/{file}"), get(frame::at))
        .route(&below("/hashes"), get(hashes::hashes))
        .route(&below("/strips.json"), get(strips::tiles))
        .route(&below("/strips.vtt"), get(strips::cues))
        .route(&below("/strips/{file}"), get(strips::strip))
        .route(&below("/overlays"), get(overlays::jobs))
        .route(
            &below("/overlays/{job}"),
            get(overlays::stages).delete(overlays::delete),
        )
        .route(
            &below("/overlays/{job}/{stage}"),
            get(overlays::frames).delete(overlays::delete),
        )
        .route(
            &below("/overlays/{job}/{stage}/{seq}"),
            get(overlays::items).delete(overlays::delete),
        )
        .route(
            &below("/overlays/{job}/{stage}/{seq}/{file}"),
            get(overlays::one).put(overlays::put),
        )
        .fallback(async || Problem::nowhere())
        .method_not_allowed_fallback(async || Problem::method_not_allowed())
        .with_state(Arc::new(web))
}
