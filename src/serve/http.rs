//! Plain HTTP: its listener and connections, and what is around each of its calls. The gate, the accounts and the
//! clocks are those of gRPC.

use std::net::IpAddr;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::{MatchedPath, Request, State};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use futures::{FutureExt, Stream, StreamExt};
use http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, ACCESS_CONTROL_REQUEST_METHOD,
    CONTENT_SECURITY_POLICY, HOST, ORIGIN, VARY,
};
use http::{HeaderMap, HeaderName, HeaderValue, Method as Verb, StatusCode};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio::time::Instant;
use tonic::transport::server::Connected;
use tonic::{Code, Status};
use tonic_types::StatusExt;
use tower::ServiceExt;
use tracing::Instrument;

use crate::account::{Intake, Peer};
use crate::api::scope::{Scope, only_reads};
use crate::api::status::{HINT, status};
use crate::error::Result;
use crate::http::{Ended, OPEN, Problem, Web, addresses};
use crate::serve::body::{CallBody, Held};
use crate::serve::clock::Clock;
use crate::serve::connections::{Connections, Guest};
use crate::serve::gate::Gate;
use crate::serve::linger::Unread;
use crate::serve::methods::{Kind, Method};
use crate::serve::patient::Patient;
use crate::serve::record::Record;
use crate::serve::session::{self, Sessions};
use crate::serve::stage::Stage;
use crate::serve::tls::{self, Certificates, Speaks};
use crate::serve::{head, listen, refusal};

/// A request's head takes no longer; a connection between two requests is kept for as long.
const HEAD_WITHIN: Duration = Duration::from_secs(10);
/// Of a connection, for heads and for what waits to be written.
const BUFFER_BYTES: usize = 64 << 10;
/// As metrics and the log call it.
const SERVICE: &str = "http";
/// Browsers ask again after so many seconds.
const CORS_SECS: &str = "600";

/// What is around each call.
struct Around {
    gate: Arc<Gate>,
    sessions: Arc<Sessions>,
    origins: Vec<String>,
    /// Only this machine reaches it, and nobody is asked for a token: names that others could give this address
    /// (DNS rebinding) are not its own.
    local_names: bool,
}

/// The server's plain HTTP, bound and not served yet.
pub struct Http {
    pub listener: TcpListener,
    pub connections: Arc<Connections>,
    pub certificates: Option<Arc<Certificates>>,
    pub gate: Arc<Gate>,
    pub web: Web,
    pub sessions: Sessions,
    pub origins: Vec<String>,
    pub is_local: bool,
}

impl Http {
    /// Takes connections until the server drains, and serves them until they are done.
    pub async fn serve(self) {
        let sessions = Arc::new(self.sessions);
        let around = Around {
            local_names: self.is_local && self.web.public,
            gate: self.gate.clone(),
            sessions: sessions.clone(),
            origins: self.origins,
        };
        let around = from_fn_with_state(Arc::new(around), call);
        let router = addresses(self.web).merge(session::addresses(sessions));
        let router = router.layer(around);
        let connections = listen::tcp_connections(self.listener, self.connections, Speaks::Http1);
        match self.certificates {
            None => serve_all(router, &self.gate, connections).await,
            Some(certificates) => {
                let secured = tls::secured(connections, certificates, Speaks::Http1);
                serve_all(router, &self.gate, secured).await;
            }
        }
    }
}

async fn serve_all<C>(
    router: Router,
    gate: &Gate,
    connections: impl Stream<Item = std::io::Result<C>> + Send,
) where
    C: Connected<ConnectInfo = Arc<Guest>> + AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let mut open = JoinSet::new();
    let mut connections = std::pin::pin!(connections);
    let mut drains = std::pin::pin!(gate.stages.reaches(Stage::Draining));
    loop {
        let connection = tokio::select! {
            () = &mut drains => break,
            connection = connections.next() => connection,
        };
        // A handshake that failed is logged there.
        if let Some(Ok(connection)) = connection {
            let drains = gate.stages.reaches(Stage::Draining);
            open.spawn(serve_one(
                router.clone(),
                connection,
                (gate.stall_timeout, drains),
            ));
        }
        while open.try_join_next().is_some() {}
    }
    while open.join_next().await.is_some() {}
}

async fn serve_one<C>(
    router: Router,
    connection: C,
    (stall_timeout, drains): (Duration, impl Future<Output = ()> + Send + 'static),
) where
    C: Connected<ConnectInfo = Arc<Guest>> + AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let guest = connection.connect_info();
    let answer = service_fn(move |request: http::Request<hyper::body::Incoming>| {
        let mut request = request.map(Body::new);
        request.extensions_mut().insert(guest.clone());
        router.clone().oneshot(request)
    });
    let io = TokioIo::new(Patient::new(connection, stall_timeout));
    let serving = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_WITHIN)
        .max_buf_size(BUFFER_BYTES)
        .serve_connection(io, answer);
    let mut serving = std::pin::pin!(serving);
    let ended = tokio::select! {
        ended = &mut serving => ended,
        () = drains => {
            serving.as_mut().graceful_shutdown();
            serving.await
        }
    };
    if let Err(e) = ended {
        tracing::debug!("a connection ended: {e}");
    }
}

/// One call, from its head to its answer's.
async fn call(State(around): State<Arc<Around>>, request: Request, next: Next) -> Response {
    let (request, unread) = Unread::of(request);
    let origin = around.origin_of(request.headers());
    let record = record(&around.gate, &request);
    let request_id = HeaderValue::from_str(&record.request_id);
    let span = tracing::error_span!(
        "call",
        method = record.method.name,
        request_id = record.request_id,
        trace_id = record.trace_id
    );
    let mut response = match around.without_a_call(&request, origin.as_ref()) {
        Some(response) => ended_well(record, response),
        None => {
            answer(&around, request, next, record)
                .instrument(span)
                .await
        }
    };
    unread.read().await;
    let headers = response.headers_mut();
    if let Ok(request_id) = request_id {
        headers.insert(head::REQUEST_ID, request_id);
    }
    protect(headers, origin);
    if !around.origins.is_empty() {
        headers.append(VARY, HeaderValue::from_static("origin"));
    }
    response
}

impl Around {
    /// The origin of the page that asks, if it may read the answer.
    fn origin_of(&self, headers: &HeaderMap) -> Option<HeaderValue> {
        let origin = headers.get(ORIGIN)?;
        let allowed = self
            .origins
            .iter()
            .any(|one| one.as_bytes() == origin.as_bytes());
        allowed.then(|| origin.clone())
    }

    /// What needs no token: a browser's question whether it may ask; and a refusal of a name that is not ours.
    fn without_a_call(&self, request: &Request, origin: Option<&HeaderValue>) -> Option<Response> {
        if self.local_names && !is_local_name(request.headers()) {
            let what = "this server is no host of that name";
            let hint = "call it by its address, as 127.0.0.1, or as localhost; with --tokens any name does";
            return Some(
                Problem::new(421, "HOST_UNKNOWN", what)
                    .hint(hint)
                    .into_response(),
            );
        }
        let asks = request.method() == Verb::OPTIONS
            && request
                .headers()
                .contains_key(ACCESS_CONTROL_REQUEST_METHOD);
        (asks && origin.is_some()).then(may_ask)
    }
}

/// A browser's preflight (Fetch, 4.8).
fn may_ask() -> Response {
    let mut response = StatusCode::NO_CONTENT.into_response();
    let headers = response.headers_mut();
    let mut say = |name: HeaderName, value| headers.insert(name, HeaderValue::from_static(value));
    say(ACCESS_CONTROL_ALLOW_METHODS, "GET, HEAD, PUT, POST, DELETE");
    say(
        ACCESS_CONTROL_ALLOW_HEADERS,
        "authorization, content-type, if-none-match, range, x-request-id",
    );
    say(ACCESS_CONTROL_MAX_AGE, CORS_SECS);
    response
}

/// By its address or as localhost (RFC 6761, 6.3). One without a Host names nothing.
fn is_local_name(headers: &HeaderMap) -> bool {
    let Some(host) = headers.get(HOST).map(|host| host.to_str().unwrap_or("?")) else {
        return true;
    };
    let name = match host.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or_default(),
        None => host.rsplit_once(':').map_or(host, |(name, _)| name),
    };
    let name = name.to_ascii_lowercase();
    name == "localhost" || name.ends_with(".localhost") || name.parse::<IpAddr>().is_ok()
}

/// What browsers are told of every answer.
fn protect(headers: &mut HeaderMap, origin: Option<HeaderValue>) {
    let mut say = |name, value| {
        headers.insert(
            HeaderName::from_static(name),
            HeaderValue::from_static(value),
        )
    };
    say("x-content-type-options", "nosniff");
    say("referrer-policy", "no-referrer");
    let readers = if origin.is_some() {
        "cross-origin"
    } else {
        "same-origin"
    };
    say("cross-origin-resource-policy", readers);
    // Pages have their own, which is stricter.
    let policy = HeaderValue::from_static("default-src 'self'");
    headers.entry(CONTENT_SECURITY_POLICY).or_insert(policy);
    if let Some(origin) = origin {
        headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin);
        let told = "etag, retry-after, location, content-range, x-request-id";
        headers.insert(
            ACCESS_CONTROL_EXPOSE_HEADERS,
            HeaderValue::from_static(told),
        );
    }
}

fn record(gate: &Gate, request: &Request) -> Record {
    let path = request.extensions().get::<MatchedPath>();
    let path = path.map_or("unknown", MatchedPath::as_str);
    // A label of metrics is never what a client makes up.
    let verb = match request.method() {
        &Verb::GET | &Verb::HEAD => "GET",
        &Verb::PUT => "PUT",
        &Verb::POST => "POST",
        &Verb::DELETE => "DELETE",
        _ => "OTHER",
    };
    Record {
        metrics: gate.metrics.clone(),
        method: Arc::new(Method {
            service: SERVICE.to_owned(),
            name: format!("{verb} {path}"),
            kind: Kind::Own,
            takes_stream: false,
        }),
        request_id: head::request_id(request.headers()),
        trace_id: head::trace_id(request.headers()).map(str::to_owned),
        started: Instant::now(),
        deadline: None,
        code: None,
    }
}

async fn answer(around: &Around, mut request: Request, next: Next, record: Record) -> Response {
    let gate = &around.gate;
    let guest = request.extensions().get::<Arc<Guest>>();
    let account = gate.account(guest.map_or(&Peer::local(), |guest| guest.peer()));
    let visit = guest.map(Guest::visit);
    let scope = scope(around, &request);
    let place = scope.and_then(|scope| {
        request.extensions_mut().insert(scope);
        gate.admit(Kind::Own, &account)
    });
    let place = match place {
        Ok(place) => place,
        Err(status) => return refused(record, &status),
    };
    let intake = Intake::new(&account);
    let extensions = request.extensions_mut();
    extensions.insert(intake.clone());
    extensions.insert(account);
    let held = Held {
        record,
        _place: place,
        _visit: visit,
        _intake: Some(intake),
    };
    served(gate, (request, next), held).await
}

/// What the call's token allows, its own or that of the page it is made by: one that only reads may GET, and of that
/// what each address says. Pages that hold no data, and signing in, need none.
fn scope(around: &Around, request: &Request) -> Result<Scope, Box<Status>> {
    let path = request.extensions().get::<MatchedPath>();
    let is_open =
        |path: &MatchedPath| path.as_str() == session::PATH || OPEN.contains(&path.as_str());
    if path.is_some_and(is_open) {
        return Ok(Scope::All);
    }
    let scope = around
        .sessions
        .scope_of(request.method(), request.headers());
    let scope = scope.ok_or_else(|| Box::new(refusal::token_invalid()))?;
    let reads = matches!(request.method(), &Verb::GET | &Verb::HEAD | &Verb::OPTIONS);
    match scope == Scope::Read && !reads {
        true => Err(Box::new(status(&only_reads(request.method().as_str())))),
        false => Ok(scope),
    }
}

async fn served(gate: &Gate, (request, next): (Request, Next), held: Held) -> Response {
    let mut clock = Clock::new(None, &gate.stages);
    let answer = AssertUnwindSafe(next.run(request)).catch_unwind();
    let outcome = tokio::select! {
        biased;
        outcome = answer => outcome,
        status = clock.strikes() => return refused(held.record, &status),
    };
    match outcome {
        Ok(response) => followed(gate, response, held, clock),
        Err(_) => refused(held.record, &refusal::crashed()),
    }
}

fn followed(gate: &Gate, response: Response, mut held: Held, clock: Clock) -> Response {
    if let Some(Ended(code)) = response.extensions().get() {
        held.record.code = Some(Code::from_i32(*code as i32));
        return response;
    }
    if http_body::Body::is_end_stream(response.body()) {
        return ended_well(held.record, response);
    }
    response.map(|body| {
        let body = tonic::body::Body::new(body);
        let body = CallBody::new(body, held, clock).without_trailers();
        gate.follow(body.running());
        Body::new(body)
    })
}

fn ended_well(mut record: Record, response: Response) -> Response {
    let ended = response.extensions().get::<Ended>();
    let code = ended.map_or(Code::Ok, |Ended(code)| Code::from_i32(*code as i32));
    record.code = Some(code);
    response
}

/// The server's own refusal, as gRPC has it.
fn refused(mut record: Record, status: &Status) -> Response {
    record.code = Some(status.code());
    problem(status).into_response()
}

fn problem(status: &Status) -> Problem {
    let http = match status.code() {
        Code::Unauthenticated => 401,
        Code::PermissionDenied => 403,
        Code::Unavailable | Code::ResourceExhausted => 503,
        Code::DeadlineExceeded => 504,
        _ => 500,
    };
    let info = status.get_details_error_info();
    let hint = info.as_ref().and_then(|info| info.metadata.get(HINT));
    let whole = status.message();
    // The hint has a field of its own here.
    let what = hint.and_then(|hint| whole.strip_suffix(hint.as_str())?.strip_suffix("; "));
    let reason = info
        .as_ref()
        .map_or("INTERNAL", |info| info.reason.as_str());
    let mut problem = Problem::new(http, reason, what.unwrap_or(whole));
    if let Some(hint) = hint {
        problem = problem.hint(hint.replace("metadata, authorization", "a header, authorization"));
    }
    let retry = status
        .get_details_retry_info()
        .and_then(|info| info.retry_delay);
    match retry {
        Some(after) => problem.again_after(after),
        None => problem,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_local_server_is_called_by_its_address_or_as_localhost() {
        let host = |name: &str| {
            is_local_name(&HeaderMap::from_iter([(
                HOST,
                HeaderValue::from_str(name).unwrap(),
            )]))
        };
        assert!(
            host("127.0.0.1:8080")
                && host("[::1]:8080")
                && host("localhost")
                && host("LocalHost:1")
        );
        assert!(host("a.localhost:80") && is_local_name(&HeaderMap::new()));
        for other in [
            "evil.example",
            "evil.example:8080",
            "localhost.evil.example",
            "127.0.0.1.evil",
            "[x]",
        ] {
            assert!(!host(other), "{other}");
        }
    }

    #[test]
    fn the_servers_own_refusals_are_problems_with_their_hint_apart() {
        let json = problem(&refusal::draining()).json();
        let json: serde_json::Value = serde_json::from_str(&json).unwrap();
        assert_eq!(
            (json["status"].as_u64(), json["retry_after"].as_u64()),
            (Some(503), Some(1))
        );
        assert_eq!(json["detail"], "the server is being stopped");
        assert_eq!(json["hint"], "call again, or another server");
    }
}
