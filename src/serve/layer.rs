//! Around every call: its id and span, who may come in, its deadline, its end.

use std::convert::Infallible;
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures::FutureExt;
use http::{HeaderValue, Request, Response};
use http_body::Body as _;
use tokio::time::Instant;
use tonic::body::Body;
use tonic::service::Routes;
use tonic::{Code, Status};
use tower::{Layer, Service};
use tracing::Instrument;

use crate::account::{Account, Intake, Peer};
use crate::api::status::status;
use crate::rpc;
use crate::serve::STREAM_WINDOW;
use crate::serve::body::{CallBody, Held};
use crate::serve::clock::Clock;
use crate::serve::connections::Guest;
use crate::serve::gate::Gate;
use crate::serve::head;
use crate::serve::methods::{Kind, Method};
use crate::serve::record::Record;
use crate::serve::refusal;
use crate::serve::upload::{Counting, Upload};

/// Puts [`Calls`] around the services.
#[derive(Clone)]
pub struct CallLayer(pub Arc<Gate>);

#[derive(Clone)]
pub struct Calls {
    gate: Arc<Gate>,
    routes: Routes,
}

impl Layer<Routes> for CallLayer {
    type Service = Calls;

    fn layer(&self, routes: Routes) -> Calls {
        Calls {
            gate: self.0.clone(),
            routes,
        }
    }
}

impl Service<Request<Body>> for Calls {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, Infallible>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Service::<Request<Body>>::poll_ready(&mut self.routes, cx)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let record = record(&self.gate, &request);
        // At the level of errors, so that the plainest log has the ids too.
        let span = tracing::error_span!(
            "call",
            method = record.method.name,
            request_id = record.request_id,
            trace_id = record.trace_id
        );
        let answer = answer(self.gate.clone(), self.routes.clone(), request, record);
        Box::pin(answer.instrument(span).map(Ok))
    }
}

fn record(gate: &Gate, request: &Request<Body>) -> Record {
    let (headers, started) = (request.headers(), Instant::now());
    Record {
        metrics: gate.metrics.clone(),
        method: gate.methods.at(request.uri().path()),
        request_id: head::request_id(headers),
        trace_id: head::trace_id(headers).map(str::to_owned),
        started,
        deadline: Clock::deadline(started, head::timeout(headers)),
        code: None,
    }
}

async fn answer(
    gate: Arc<Gate>,
    routes: Routes,
    mut request: Request<Body>,
    record: Record,
) -> Response<Body> {
    let request_id = HeaderValue::from_str(&record.request_id);
    let guest = request.extensions().get::<Arc<Guest>>();
    let account = gate.account(guest.map_or(&Peer::local(), |guest| guest.peer()));
    let visit = guest.map(Guest::visit);
    let scope = gate.scope(&record.method, request.headers());
    let admitted = scope.and_then(|scope| {
        request.extensions_mut().insert(scope);
        gate.admit(record.method.kind, &account)
    });
    let mut response = match admitted {
        Ok(place) => {
            let mut held = Held {
                record,
                _place: place,
                _visit: visit,
                _intake: None,
            };
            match counted(&gate, request, &held.record.method, account) {
                Ok((request, intake)) => {
                    held._intake = Some(intake);
                    served(&gate, routes, request, held).await
                }
                Err(status) => ended(held.record, *status),
            }
        }
        Err(status) => ended(record, *status),
    };
    if let Ok(request_id) = request_id {
        response.headers_mut().insert(head::REQUEST_ID, request_id);
    }
    response
}

/// The request with its account, and its bytes counted as they come.
fn counted(
    gate: &Gate,
    mut request: Request<Body>,
    method: &Method,
    account: Account,
) -> Result<(Request<Body>, Intake), Box<Status>> {
    let own = method.kind == Kind::Own;
    let intake = match own && method.takes_stream {
        true => Intake::with_window(&account, u64::from(STREAM_WINDOW)),
        false => Ok(Intake::new(&account)),
    };
    let intake = intake.map_err(|full| Box::new(status(&full)))?;
    let extensions = request.extensions_mut();
    extensions.insert(intake.clone());
    extensions.insert(account);
    // Others wait for their clients by design.
    let silence = own.then_some(gate.stall_timeout);
    let counting = match method.takes_stream {
        true => Counting::Stream(intake.clone()),
        false => Counting::Message(intake.clone(), max_message_bytes(&method.name)),
    };
    let request = request.map(|body| Body::new(Upload::new(body, counting, silence)));
    Ok((request, intake))
}

fn max_message_bytes(method: &str) -> usize {
    match method {
        "ExtractFrames" => rpc::MAX_EXTRACT_BYTES,
        _ => rpc::MAX_MESSAGE_BYTES,
    }
}

async fn served(
    gate: &Gate,
    mut routes: Routes,
    request: Request<Body>,
    held: Held,
) -> Response<Body> {
    let mut clock = Clock::new(held.record.deadline, &gate.stages);
    let method = AssertUnwindSafe(async { routes.call(request).await }).catch_unwind();
    let outcome = tokio::select! {
        biased;
        outcome = method => outcome,
        status = clock.strikes() => return ended(held.record, status),
    };
    match outcome {
        Ok(Ok(response)) => followed(gate, response, held, clock),
        Ok(Err(never)) => match never {},
        Err(_) => ended(held.record, refusal::crashed()),
    }
}

/// The answer as far as it is there, and the rest with the call's record.
fn followed(
    gate: &Gate,
    mut response: Response<Body>,
    mut held: Held,
    clock: Clock,
) -> Response<Body> {
    if matches!(held.record.method.kind, Kind::Own | Kind::Unknown) {
        refusal::in_own_words(response.headers_mut());
    }
    held.record.code = refusal::code_of(response.headers());
    if response.body().is_end_stream() {
        held.record.code.get_or_insert(Code::Unknown);
        return response;
    }
    response.map(|body| {
        let body = CallBody::new(body, held, clock);
        gate.follow(body.running());
        Body::new(body)
    })
}

fn ended(mut record: Record, status: Status) -> Response<Body> {
    record.code = Some(status.code());
    refusal::answer(status)
}
