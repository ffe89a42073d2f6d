//! Pictures into batches, in the order in which they come.

use std::sync::Arc;

use futures::StreamExt;
use futures::stream::BoxStream;
use tokio::sync::Semaphore;
use tokio::sync::mpsc::Sender;

use crate::account::Kind;
use crate::api::v1;
use crate::error::{Error, Result};
use crate::frames::Answer;
use crate::rpc::tensors::batch::{Label, Open};
use crate::rpc::tensors::{Call, Picture};

/// Batches of a call in memory: one that is sent, one that is made.
const BATCHES: usize = 2;

/// What is to be sent.
pub enum Next {
    /// A batch with all its frames, and their width and height.
    Batch(Box<Open>, (usize, usize)),
    /// The last.
    Summary(v1::GetSummary),
}

pub struct Builder {
    call: Arc<Call>,
    turns: Arc<Semaphore>,
    open: Option<Box<Open>>,
    /// Width and height of the output, once known: the same for all.
    output: Option<(usize, usize)>,
    /// Answers that came.
    answers: u64,
    summary: v1::GetSummary,
    next: Sender<Result<Next>>,
}

/// Nobody takes batches any more.
struct Gone;

impl Builder {
    pub fn new(call: Arc<Call>, next: Sender<Result<Next>>) -> Self {
        let size = call.recipe.spec().size;
        Builder {
            call,
            turns: Arc::new(Semaphore::new(BATCHES)),
            open: None,
            output: size.map(|(width, height)| (width as usize, height as usize)),
            answers: 0,
            summary: v1::GetSummary::default(),
            next,
        }
    }

    /// Sends all batches, then the summary, or what ended the call.
    pub async fn run(mut self, mut pictures: BoxStream<'static, Answer<Picture>>) {
        while let Some(answer) = pictures.next().await {
            let sent = match self.take(answer).await {
                Ok(()) => self.send_full().await,
                Err(error) => self.send(Err(error)).await.and(Err(Gone)),
            };
            if sent.is_err() {
                return;
            }
        }
        if self.send_open().await.is_ok() {
            let summary = self.summary;
            let _ = self.send(Ok(Next::Summary(summary))).await;
        }
    }

    async fn take(&mut self, answer: Answer<Picture>) -> Result<()> {
        self.answers += 1;
        let label = Label {
            index: answer.index,
            sequence: answer.sequence.unwrap_or_default(),
            timestamp: None,
        };
        let picture = match answer.result {
            Ok(None) => {
                self.summary.skipped += 1;
                return Ok(());
            }
            Ok(Some(picture)) => picture,
            Err(error) => return self.failed(label, error).await,
        };
        match picture.size() {
            Ok(size) => self.make(label, picture, size).await,
            Err(error) => self.failed(label, error).await,
        }
    }

    async fn make(&mut self, label: Label, picture: Picture, size: (usize, usize)) -> Result<()> {
        let output = self.call.recipe.output(size);
        if let Some(known) = self.output.filter(|known| *known != output) {
            return Err(unlike(known, size, label.sequence));
        }
        self.output = Some(output);
        let label = Label {
            timestamp: picture.timestamp(),
            ..label
        };
        self.call.metrics.frame_served(picture.tier());
        let call = self.call.clone();
        let open = self.opened(label.index).await?;
        let piece = open.piece()?;
        let picture = (call.recipe.clone(), picture);
        let made = call.workshop.make(&call.account, picture, piece);
        open.making(label, made.await?);
        self.summary.frames += 1;
        Ok(())
    }

    async fn failed(&mut self, label: Label, error: Error) -> Result<()> {
        self.summary.failed += 1;
        self.opened(label.index).await?.failed(label, error);
        Ok(())
    }

    /// The batch that is open, with its buffer where it is known how large that is.
    async fn opened(&mut self, index: u64) -> Result<&mut Open> {
        let mut open = match self.open.take() {
            Some(open) => open,
            None => {
                let turn = self.turns.clone().acquire_owned().await;
                let turn = turn.map_err(|e| Error::internal("no turns are left").caused_by(e))?;
                Box::new(Open::new(index, turn))
            }
        };
        if let Some(output) = self.output.filter(|_| !open.is_sized()) {
            // Those of this batch that came, and those that may come.
            let left = self.call.frames.saturating_sub(self.answers) + 1;
            let left = left.saturating_add(open.frames() as u64);
            let (frames, frame_bytes) = self.call.bytes_of_batch(left, output)?;
            let bytes = (frames as u64).saturating_mul(frame_bytes as u64);
            let room = self.call.account.take(Kind::Batches, bytes).await?;
            open.size(frames, frame_bytes, room);
        }
        Ok(self.open.insert(open))
    }

    async fn send_full(&mut self) -> Result<(), Gone> {
        let frames = self.open.as_ref().map_or(0, |open| open.frames());
        if frames < self.call.batch {
            return Ok(());
        }
        self.send_open().await
    }

    async fn send_open(&mut self) -> Result<(), Gone> {
        match self.open.take() {
            Some(open) => {
                let output = self.output.unwrap_or_default();
                self.send(Ok(Next::Batch(open, output))).await
            }
            None => Ok(()),
        }
    }

    async fn send(&self, next: Result<Next>) -> Result<(), Gone> {
        self.next.send(next).await.map_err(|_| Gone)
    }
}

fn unlike(known: (usize, usize), size: (usize, usize), sequence: u64) -> Error {
    Error::field(format!(
        "the frames differ in size, and no size is given: width={} height={} seq={sequence} after width={} height={}",
        size.0, size.1, known.0, known.1
    ))
    .hint("give width and height")
    .in_field("width")
}
