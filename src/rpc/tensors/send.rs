//! Batches into messages.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use futures::stream::{self, BoxStream};
use futures::{Stream, StreamExt};
use tokio::sync::mpsc::{self, Receiver};
use tokio::task::JoinSet;
use tonic::Status;
use tracing::Instrument;

use crate::api::status::status;
use crate::api::v1;
use crate::api::v1::get_tensors_response::Event;
use crate::error::{Error, Result};
use crate::frames::Answer;
use crate::rpc::frame_service::Answers;
use crate::rpc::parts::parts;
use crate::rpc::tensors::batch::Held;
use crate::rpc::tensors::builder::{Builder, Next};
use crate::rpc::tensors::{Batch, Call, Picture};

type Message = Result<v1::GetTensorsResponse, Status>;

/// Batches that wait to be sent: the call's other one is being made then.
const QUEUED: usize = 1;

/// All batches of the pictures, then the summary.
pub fn messages(
    call: Call,
    pictures: BoxStream<'static, Answer<Picture>>,
) -> Answers<v1::GetTensorsResponse> {
    let call = Arc::new(call);
    let (next, queue) = mpsc::channel(QUEUED);
    let mut building = JoinSet::new();
    let builder = Builder::new(call.clone(), next).run(pictures);
    building.spawn(builder.in_current_span());
    let broken = Arc::new(AtomicU64::new(0));
    let sent = queued(queue)
        .then(move |next| finished(call.clone(), broken.clone(), next))
        .flatten();
    Box::pin(sent.chain(failure(building)))
}

fn queued(queue: Receiver<Result<Next>>) -> impl Stream<Item = Result<Next>> + Send {
    stream::unfold(queue, |mut queue| async move {
        Some((queue.recv().await?, queue))
    })
}

/// `broken`: frames that came and could not be made into tensors; the builder counted them as good.
async fn finished(
    call: Arc<Call>,
    broken: Arc<AtomicU64>,
    next: Result<Next>,
) -> BoxStream<'static, Message> {
    let batch = match next {
        Ok(Next::Batch(open, output)) => open.finish(&call.recipe, output).await,
        Ok(Next::Summary(mut summary)) => {
            let broken = broken.load(Ordering::Relaxed);
            summary.frames = summary.frames.saturating_sub(broken);
            summary.failed += broken;
            return one(Ok(event(Event::Summary(summary))));
        }
        Err(error) => Err(error),
    };
    match batch {
        Ok((batch, held)) => {
            broken.fetch_add(batch.broken, Ordering::Relaxed);
            in_parts(batch, held)
        }
        Err(error) => one(Err(status(&error))),
    }
}

/// The header, then the data; the batch is held until its last part is taken.
fn in_parts(batch: Batch, held: Held) -> BoxStream<'static, Message> {
    let header = event(Event::Header(batch.header));
    let parts = parts(batch.data).map(move |part| {
        let _held = &held;
        Ok(event(Event::Part(v1::TensorPart {
            data: part.data,
            offset: part.offset,
            last: part.last,
        })))
    });
    stream::iter(std::iter::once(Ok(header)).chain(parts)).boxed()
}

/// A builder that failed sent no summary. Dropping this before then stops it.
fn failure(mut building: JoinSet<()>) -> impl Stream<Item = Message> + Send {
    let ended = async move {
        match building.join_next().await {
            Some(Err(failed)) => {
                let error = Error::internal("a task that makes tensors failed").caused_by(failed);
                Some(Err(status(&error)))
            }
            Some(Ok(())) | None => None,
        }
    };
    stream::once(ended).filter_map(|failed| async { failed })
}

fn one(message: Message) -> BoxStream<'static, Message> {
    stream::once(async { message }).boxed()
}

fn event(event: Event) -> v1::GetTensorsResponse {
    v1::GetTensorsResponse { event: Some(event) }
}
