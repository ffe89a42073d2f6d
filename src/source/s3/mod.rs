//! An object of S3 as a source: ranges of 1 MiB, the next ones fetched while
//! one is used.
//!
//! The client runs on threads of its own, since its reader blocks. A reader
//! that moves forward has up to four ranges under way; eight are kept. Every
//! range is asked for by the ETag that the object had when it was opened, and
//! by that version shared with whoever opens the object again.

use std::collections::VecDeque;
use std::sync::mpsc::RecvTimeoutError;
use std::sync::{Arc, OnceLock, mpsc};
use std::time::Duration;

use bytes::Bytes;
use tokio::runtime::{Builder, Runtime};
use tokio::task::AbortHandle;

use crate::aws::{Failure, Kind, Lazy, Side, read_body, retry};
use crate::cancel::{Stop, cancelled};
use crate::error::{Error, Reason, Result};
use crate::source::ByteSource;
use remote::BlockId;

mod remote;

#[cfg(test)]
mod tests;

pub(super) use remote::Remote;

const BLOCK_BYTES: u64 = 1 << 20;
/// Kept, fetched or under way: 8 MiB.
const BLOCKS: usize = 8;
/// Under way beyond the one that is read, for a reader that moves forward.
const AHEAD: u64 = 4;
const THREADS: usize = 2;
/// How often a reader that waits looks whether somebody still waits for it.
const LOOK_AGAIN: Duration = Duration::from_millis(100);

struct Object {
    remote: Arc<Remote>,
    bucket: String,
    key: String,
    etag: Option<String>,
    bytes: u64,
}

struct S3Source {
    object: Arc<Object>,
    /// The most recently wanted last.
    blocks: VecDeque<Block>,
    /// The block that was read last.
    last: Option<u64>,
    stop: Stop,
}

struct Block {
    index: u64,
    data: Option<Bytes>,
    fetch: Fetch<Bytes>,
}

/// Something under way, which stops when nobody waits for it any more.
struct Fetch<T> {
    answer: mpsc::Receiver<Result<T, Failure>>,
    task: AbortHandle,
}

pub(super) fn open(
    remote: Arc<Remote>,
    bucket: String,
    key: String,
) -> Result<Box<dyn ByteSource>> {
    let mut object = Object {
        remote,
        bucket,
        key,
        etag: None,
        bytes: 0,
    };
    let attempt = format!("could not open the source: {}", object.uri());
    let head = Fetch::start(async move {
        let head = retry(&object.remote.aws, || object.head()).await?;
        (object.bytes, object.etag) = head;
        Ok(object)
    })?;
    let object = head.wait(&attempt, &Stop::never())?;
    Ok(Box::new(S3Source {
        object: Arc::new(object),
        blocks: VecDeque::new(),
        last: None,
        stop: Stop::never(),
    }))
}

impl ByteSource for S3Source {
    fn bytes(&self) -> u64 {
        self.object.bytes
    }

    fn follow(&mut self, stop: &Stop) {
        self.stop = stop.clone();
    }

    fn read_at(&mut self, offset: u64, buf: &mut [u8]) -> Result<usize> {
        if offset >= self.object.bytes || buf.is_empty() {
            return Ok(0);
        }
        let index = offset / BLOCK_BYTES;
        let forward = self
            .last
            .is_some_and(|last| index == last || index == last + 1);
        self.last = Some(index);
        self.want(index)?;
        if forward {
            let end = self.object.bytes.div_ceil(BLOCK_BYTES);
            // Nearest last: what is dropped for room is what lies furthest back.
            for ahead in (index + 1..end.min(index + 1 + AHEAD)).rev() {
                self.want(ahead)?;
            }
            self.want(index)?;
        }
        let data = self.data(index)?;
        let within = usize::try_from(offset % BLOCK_BYTES).unwrap_or(0);
        let rest = data.get(within..).unwrap_or_default();
        let count = rest.len().min(buf.len());
        buf[..count].copy_from_slice(&rest[..count]);
        Ok(count)
    }
}

impl S3Source {
    /// Has the block, or has it under way, as the most recently wanted.
    fn want(&mut self, index: u64) -> Result<()> {
        let have = self.blocks.iter().position(|block| block.index == index);
        let block = match have.and_then(|at| self.blocks.remove(at)) {
            Some(block) => block,
            None => {
                let object = Arc::clone(&self.object);
                let fetch = Fetch::start(async move { object.block(index).await })?;
                let data = None;
                Block { index, data, fetch }
            }
        };
        self.blocks.push_back(block);
        if self.blocks.len() > BLOCKS {
            self.blocks.pop_front();
        }
        Ok(())
    }

    /// The bytes of the most recently wanted block; a failed one is forgotten, so that it can be asked for again.
    fn data(&mut self, index: u64) -> Result<Bytes> {
        let Some(mut block) = self.blocks.pop_back() else {
            return Err(Error::internal("a block was read that was not asked for"));
        };
        let data = match block.data.take() {
            Some(data) => data,
            None => {
                let offset = index * BLOCK_BYTES;
                let uri = self.object.uri();
                let attempt = format!("could not read the source: {uri} offset={offset}");
                block.fetch.wait(&attempt, &self.stop)?
            }
        };
        block.data = Some(data.clone());
        self.blocks.push_back(block);
        Ok(data)
    }
}

impl Object {
    fn uri(&self) -> String {
        format!("uri=s3://{}/{}", self.bucket, self.key)
    }

    async fn head(&self) -> Result<(u64, Option<String>), Failure> {
        let aws = &self.remote.aws;
        let call = aws.client().await?.head_object();
        let call = call.bucket(&self.bucket).key(&self.key);
        let answer = answered(aws, call.send()).await?;
        refuse_page(answer.content_type(), answer.e_tag())?;
        let bytes = answer.content_length.unwrap_or(0);
        let etag = answer.e_tag.filter(|tag| !tag.trim_matches('"').is_empty());
        Ok((u64::try_from(bytes).unwrap_or(0), etag))
    }

    /// Kept or fetched; one that no version tells from what comes after it is fetched.
    async fn block(&self, index: u64) -> Result<Bytes, Failure> {
        let Some(etag) = &self.etag else {
            return retry(&self.remote.aws, || self.fetch(index)).await;
        };
        let id = BlockId {
            object: [&self.bucket, &self.key, etag].map(Clone::clone),
            bytes: self.bytes,
            index,
        };
        // Attempts are shared, deadlines are each caller's own.
        let attempt = || self.remote.block(id.clone(), self.fetch(index));
        retry(&self.remote.aws, attempt).await
    }

    async fn fetch(&self, index: u64) -> Result<Bytes, Failure> {
        let first = index * BLOCK_BYTES;
        let end = self.bytes.min(first + BLOCK_BYTES);
        let aws = &self.remote.aws;
        let call = aws
            .client()
            .await?
            .get_object()
            .bucket(&self.bucket)
            .key(&self.key)
            .range(format!("bytes={first}-{}", end.saturating_sub(1)))
            .set_if_match(self.etag.clone());
        let answer = answered(aws, call.send()).await?;
        refuse_page(answer.content_type(), answer.e_tag())?;
        let length = answer.content_length;
        let as_long = length.is_none_or(|bytes| bytes.unsigned_abs() == end - first);
        // For servers that ignore If-Match.
        if self.etag.is_some() && answer.e_tag != self.etag {
            return Err(Failure::new(
                Kind::Precondition,
                "the object has another ETag",
            ));
        }
        if !as_long || !is_range(answer.content_range(), first, end, self.bytes) {
            return Err(Failure::new(
                Kind::Refused,
                "the service did not answer the range asked for",
            ));
        }
        let stall = aws.endpoint().stall;
        // Where no length was announced, too.
        let expected = i64::try_from(end - first).ok();
        read_body(answer.body, expected, BLOCK_BYTES, stall).await
    }
}

/// S3 names the version of whatever it gives; a login page has a type and none.
fn refuse_page(content_type: Option<&str>, etag: Option<&str>) -> Result<(), Failure> {
    let html = content_type.is_some_and(|kind| kind.starts_with("text/html"));
    match html && etag.is_none() {
        true => Err(Failure::new(Kind::Foreign, "a page in place of an object")),
        false => Ok(()),
    }
}

/// Whether a Content-Range (RFC 9110, 14.4) says that these are the bytes from `first` to before `end`
/// of so many. Where there is none the length alone tells.
fn is_range(said: Option<&str>, first: u64, end: u64, bytes: u64) -> bool {
    let Some(said) = said else { return true };
    let range = format!("bytes {first}-{}/", end.saturating_sub(1));
    let total = said.trim().strip_prefix(&range);
    total.is_some_and(|total| total == "*" || total.parse() == Ok(bytes))
}

async fn answered<T, E>(
    aws: &Lazy,
    request: impl Future<Output = Result<T, E>>,
) -> Result<T, Failure>
where
    Failure: From<E>,
{
    crate::aws::answered(aws.endpoint().stall, request).await
}

impl<T: Send + 'static> Fetch<T> {
    fn start(work: impl Future<Output = Result<T, Failure>> + Send + 'static) -> Result<Fetch<T>> {
        let (sender, answer) = mpsc::sync_channel(1);
        let task = runtime()?.spawn(async move {
            // Nobody waits any more: nothing to tell.
            let _ = sender.send(work.await);
        });
        Ok(Fetch {
            answer,
            task: task.abort_handle(),
        })
    }

    /// Blocks until it is there, which its own deadline bounds.
    ///
    /// # Errors
    /// CANCELLED once `stop` is set.
    fn wait(&self, attempt: &str, stop: &Stop) -> Result<T> {
        loop {
            match self.answer.recv_timeout(LOOK_AGAIN) {
                Ok(outcome) => {
                    return outcome.map_err(|f| f.into_error(Side::Source, attempt.to_owned()));
                }
                Err(RecvTimeoutError::Timeout) if stop.is_set_meanwhile() => {
                    return Err(cancelled());
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(lost) => {
                    return Err(Error::internal("a source's fetch was lost").caused_by(lost));
                }
            }
        }
    }
}

impl<T> Drop for Fetch<T> {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Threads of its own, so that a caller may be any thread, an async one's included.
fn runtime() -> Result<&'static Runtime> {
    static RUNTIME: OnceLock<Option<Runtime>> = OnceLock::new();
    let build = || {
        let mut builder = Builder::new_multi_thread();
        builder.worker_threads(THREADS).thread_name("s3-source");
        builder.enable_all().build().ok()
    };
    RUNTIME.get_or_init(build).as_ref().ok_or_else(|| {
        Error::new(
            Reason::SourceUnavailable,
            "could not start the threads that read S3 sources",
        )
        .hint("the system lets this user start no more threads; raise the limit (ulimit -u)")
    })
}
