//! `framecache submit`

use serde_json::json;

use crate::app;
use crate::cli::common::{Context, Exit, note, print_json, print_line};
use crate::cli::extract;
use crate::cli::progress::Bar;
use crate::config::queue::QueueOptions;
use crate::error::{Error, Result};
use crate::frames::{Event, Extraction, Fallback, Frames, Others, Submitted};
use crate::queue::{Address, Broker, Fate};

/// Plan a timeline and put its spans into a queue, for workers to extract
///
/// Takes what `framecache extract` takes. The timeline is planned here and its plan stored; each span that has no
/// record yet goes into the queue, and whoever runs `framecache work` makes it. Submitting again is harmless: it
/// orders what is still missing, whatever became of the queue.
///
///   framecache submit --queue nats://queue:4222 --store s3://frames --fps 2 s3://videos/match.mp4
///   framecache submit … --wait          follow it to its end, as `extract` does
///   framecache submit --queue nats://queue:4222 --status
///   framecache submit --queue nats://queue:4222 --dead             what was given up, and why
///   framecache submit --queue nats://queue:4222 --requeue          try all of that again
#[derive(clap::Args)]
#[command(verbatim_doc_comment)]
// Its group would have the name of that of `extract`.
#[group(skip)]
pub struct Args {
    #[command(flatten)]
    queue: QueueOptions,
    /// Wait until all of it is there, with the progress, summary and exit status of `extract`
    #[arg(long, help_heading = "Queue", group = "instead")]
    wait: bool,
    /// Say how many spans wait in the queue, and how many are worked at
    #[arg(long, help_heading = "Queue", group = "instead")]
    status: bool,
    /// List the spans that were given up (of one --timeline, or all)
    #[arg(long, help_heading = "Queue", group = "instead")]
    dead: bool,
    /// Put the spans that were given up (of one --timeline, or all) into the queue again
    #[arg(long, help_heading = "Queue", group = "instead")]
    requeue: bool,
    #[command(flatten)]
    extract: extract::Args,
}

/// What is submitted, by whom a trace began.
const TRACEPARENT: &str = "TRACEPARENT";

pub async fn run(context: &Context, args: Args) -> Result<Exit> {
    let address = Address::of(&args.queue.clone().named()?)?;
    // What is wrong with the flags is said before anybody is asked.
    let looks = args.status || args.dead || args.requeue;
    let extraction = (!looks).then(|| args.extraction(context)).transpose()?;
    let frames = context.frames()?;
    let store = app::store_name(&context.settings, &frames)?;
    let broker = Broker::connect(&address, store, false).await?;
    let broker = broker.traced(std::env::var(TRACEPARENT).ok());
    match extraction {
        Some(extraction) if args.wait => wait(context, frames, (broker, &extraction)).await,
        Some(extraction) => submit(context, &frames, (&broker, &address, &extraction)).await,
        None if args.status => status(context, &broker, &address).await,
        None if args.dead => dead(context, &args.given_up(&broker).await?),
        None => requeue(context, &broker, args.given_up(&broker).await?).await,
    }
}

impl Args {
    fn extraction(&self, context: &Context) -> Result<Extraction> {
        if self.extract.chooses_backend() {
            return Err(Error::field("what decodes is each worker's own choice")
                .hint("leave out --backend, and say it to `framecache work`"));
        }
        let extraction = self.extract.extraction(context)?;
        if extraction.plan_only {
            return Err(Error::field("a plan alone needs no queue")
                .hint("use `framecache extract --plan-only`"));
        }
        if extraction.replace.is_some() && !self.wait {
            return Err(
                Error::field("--replace takes what is stale away once all is there")
                    .hint("add --wait"),
            );
        }
        Ok(extraction)
    }

    /// Of the timeline that is named, or of all.
    async fn given_up(&self, broker: &Broker) -> Result<Vec<Fate>> {
        let mut dead = broker.dead().await?;
        let of = self.extract.timeline();
        dead.retain(|fate| of.is_none_or(|timeline| timeline == fate.message.timeline));
        Ok(dead)
    }
}

async fn wait(
    context: &Context,
    frames: Frames,
    (broker, extraction): (Broker, &Extraction),
) -> Result<Exit> {
    let place = format!("store {}", frames.cache().store().describe());
    let frames = frames.with_others(Others::new(std::sync::Arc::new(broker), Fallback::Refuse));
    let bar = Bar::new(context.json());
    let summary = frames.extract(extraction, &|event| bar.hear(event)).await;
    bar.clear();
    extract::report(context, &summary?, &place, false)
}

async fn submit(
    context: &Context,
    frames: &Frames,
    (broker, address, extraction): (&Broker, &Address, &Extraction),
) -> Result<Exit> {
    let bar = Bar::new(context.json());
    let hear = |event: Event<'_>| bar.hear(event);
    let submitted = frames.submit(extraction, (broker, &hear)).await;
    bar.clear();
    let submitted = submitted?;
    if context.json() {
        print_json(&as_json(&submitted, address))?;
    } else {
        let Submitted {
            summary,
            spans,
            frames,
        } = &submitted;
        print_line(&format!(
            "{}: {spans} spans ({frames} frames) submitted, {} frames are there; queue {address}",
            summary.timeline, summary.reused
        ))?;
    }
    Ok(match submitted.summary.failed() {
        true => Exit::PartFailed,
        false => Exit::Done,
    })
}

fn as_json(submitted: &Submitted, address: &Address) -> serde_json::Value {
    let Submitted {
        summary,
        spans,
        frames,
    } = submitted;
    json!({
        "timeline": summary.timeline,
        "profile": summary.profile,
        "queue": address.to_string(),
        "submitted": { "spans": spans, "frames": frames },
        "reused": summary.reused,
        "seconds": summary.seconds,
        "chunks": summary.chunks,
    })
}

async fn status(context: &Context, broker: &Broker, address: &Address) -> Result<Exit> {
    let standing = broker.standing().await?;
    let dead = broker.dead().await?.len() as u64;
    let troubled = standing.fates.saturating_sub(dead);
    if context.json() {
        print_json(&json!({
            "queue": address.to_string(),
            "waiting": standing.waiting,
            "waiting_readers": standing.waiting_readers,
            "taken": standing.taken,
            "handed_back": troubled,
            "dead": dead,
        }))?;
    } else {
        print_line(&format!(
            "{} spans wait ({} of them for readers), {} are taken; {troubled} were handed back, {dead} given up; queue {address}",
            standing.waiting, standing.waiting_readers, standing.taken
        ))?;
    }
    Ok(Exit::Done)
}

fn dead(context: &Context, dead: &[Fate]) -> Result<Exit> {
    if context.json() {
        print_json(&dead.iter().map(fate_json).collect::<Vec<_>>())?;
        return Ok(Exit::Done);
    }
    for fate in dead {
        let why = fate.error.as_ref();
        print_line(&format!(
            "{}: {} ({})",
            fate.message.facts(),
            why.map_or("no reason was given", |why| &why.message),
            why.map_or("INTERNAL", |why| &why.reason),
        ))?;
    }
    if dead.is_empty() {
        note("framecache: nothing was given up");
    }
    Ok(Exit::Done)
}

fn fate_json(fate: &Fate) -> serde_json::Value {
    let message = &fate.message;
    json!({
        "timeline": message.timeline,
        "profile": message.profile,
        "chunk_id": message.chunk_id,
        "span": message.span,
        "handed_back": fate.handed_back,
        "refused": fate.refused,
        "error": fate.error,
    })
}

async fn requeue(context: &Context, broker: &Broker, dead: Vec<Fate>) -> Result<Exit> {
    let spans = dead.len();
    broker.requeue(dead).await?;
    match context.json() {
        true => print_json(&json!({ "requeued": spans }))?,
        false => print_line(&format!("{spans} spans are in the queue again"))?,
    }
    Ok(Exit::Done)
}
