//! How fast a connection's frames are read (RFC 9113): one that floods waits, not those beside it.
//!
//! Calls and their bytes are counted where they are answered. What is counted here carries neither: resets, pings,
//! settings, empty frames. Nobody needs many of them, and each costs the server more than its sender.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep, sleep_until};
use tonic::transport::server::Connected;

use crate::metrics::Metrics;
use crate::serve::connections::PREFACE_BYTES;

/// What a connection may cost in a second, and at once. A ping costs 1: grpc-go sends one a round trip.
const COST_A_SECOND: u32 = 10_000;
const COST_AT_ONCE: Duration = Duration::from_millis(100);
/// A call that is given up at once, or settings that are taken back.
const DEAR: u32 = 10;
/// Who takes so many bytes of answers may send one frame more: windows grow by what was taken.
const TAKEN_BYTES_A_FRAME: usize = 256;

const HEAD_BYTES: usize = 9;

/// A connection that is read no faster than its frames allow.
pub struct Paced<C> {
    stream: C,
    frames: Frames,
    purse: Purse,
    pause: Option<Pin<Box<Sleep>>>,
    slowed: bool,
    metrics: Arc<Metrics>,
}

impl<C> Paced<C> {
    pub fn new(stream: C, metrics: Arc<Metrics>) -> Paced<C> {
        Paced {
            stream,
            frames: Frames::default(),
            purse: Purse::new(Instant::now()),
            pause: None,
            slowed: false,
            metrics,
        }
    }

    fn read(&mut self, bytes: &[u8]) {
        let cost = self.frames.cost(bytes);
        let Some(until) = self.purse.pay(cost, Instant::now()) else {
            return;
        };
        self.pause = Some(Box::pin(sleep_until(until)));
        if !self.slowed {
            self.slowed = true;
            self.metrics.connection_slowed();
        }
    }

    fn poll_pause(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if let Some(pause) = &mut self.pause {
            ready!(pause.as_mut().poll(cx));
            self.pause = None;
        }
        Poll::Ready(())
    }
}

/// What may be spent, as time: it is empty at `empty`, and a cost moves that on.
struct Purse {
    empty: Instant,
}

impl Purse {
    /// One that is full.
    fn new(now: Instant) -> Purse {
        Purse {
            empty: now.checked_sub(COST_AT_ONCE).unwrap_or(now),
        }
    }

    /// Takes the cost; until when to wait where that was too much.
    fn pay(&mut self, cost: u32, now: Instant) -> Option<Instant> {
        let full = now.checked_sub(COST_AT_ONCE).unwrap_or(now);
        self.empty = self.empty.max(full) + Duration::from_secs(1) * cost / COST_A_SECOND;
        (self.empty > now).then_some(self.empty)
    }

    /// What the client took of answers lets it say more.
    fn earn(&mut self, bytes: usize) {
        let frames = u32::try_from(bytes / TAKEN_BYTES_A_FRAME).unwrap_or(u32::MAX);
        let earned = Duration::from_secs(1) * frames.min(COST_A_SECOND) / COST_A_SECOND;
        self.empty = self.empty.checked_sub(earned).unwrap_or(self.empty);
    }
}

/// Where in the client's frames the bytes are that come next.
struct Frames {
    /// Of the preface or a payload.
    skip: usize,
    head: [u8; HEAD_BYTES],
    known: usize,
}

impl Default for Frames {
    fn default() -> Frames {
        Frames {
            skip: PREFACE_BYTES,
            head: [0; HEAD_BYTES],
            known: 0,
        }
    }
}

impl Frames {
    /// What the frames cost whose heads end in these bytes.
    fn cost(&mut self, mut bytes: &[u8]) -> u32 {
        let mut cost = 0u32;
        while !bytes.is_empty() {
            let skipped = self.skip.min(bytes.len());
            self.skip -= skipped;
            bytes = &bytes[skipped..];
            let taken = bytes.len().min(HEAD_BYTES - self.known);
            self.head[self.known..self.known + taken].copy_from_slice(&bytes[..taken]);
            self.known += taken;
            bytes = &bytes[taken..];
            if self.known == HEAD_BYTES {
                self.known = 0;
                cost = cost.saturating_add(self.next());
            }
        }
        cost
    }

    /// RFC 9113, 4.1: length, type, flags, stream.
    fn next(&mut self) -> u32 {
        let [a, b, c, kind, flags, ..] = self.head;
        self.skip = usize::from(a) << 16 | usize::from(b) << 8 | usize::from(c);
        match kind {
            kind::DATA if self.skip > 0 || flags & END_STREAM != 0 => 0,
            kind::HEADERS => 0,
            kind::DATA | kind::PING | kind::WINDOW_UPDATE => 1,
            _ => DEAR,
        }
    }
}

/// RFC 9113, 6.1.
const END_STREAM: u8 = 1;

/// RFC 9113, 6.
mod kind {
    pub const DATA: u8 = 0;
    pub const HEADERS: u8 = 1;
    pub const PING: u8 = 6;
    pub const WINDOW_UPDATE: u8 = 8;
}

impl<C: AsyncRead + Unpin> AsyncRead for Paced<C> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        ready!(self.poll_pause(cx));
        let before = buffer.filled().len();
        ready!(Pin::new(&mut self.stream).poll_read(cx, buffer))?;
        self.read(&buffer.filled()[before..]);
        Poll::Ready(Ok(()))
    }
}

impl<C: AsyncWrite + Unpin> Paced<C> {
    fn written(&mut self, written: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        if let Poll::Ready(Ok(bytes)) = written {
            self.purse.earn(bytes);
        }
        written
    }
}

impl<C: AsyncWrite + Unpin> AsyncWrite for Paced<C> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(cx, bytes);
        self.written(written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        pieces: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(cx, pieces);
        self.written(written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

impl<C: Connected> Connected for Paced<C> {
    type ConnectInfo = C::ConnectInfo;

    fn connect_info(&self) -> C::ConnectInfo {
        self.stream.connect_info()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};

    fn frame(kind: u8, flags: u8, payload: &[u8]) -> Vec<u8> {
        let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
        let head = [length[1], length[2], length[3], kind, flags, 0, 0, 0, 1];
        [&head[..], payload].concat()
    }

    fn cost_of(frames: &[Vec<u8>], piece: usize) -> u32 {
        let said = [vec![b'P'; PREFACE_BYTES], frames.concat()].concat();
        let mut seen = Frames::default();
        said.chunks(piece).map(|bytes| seen.cost(bytes)).sum()
    }

    #[test]
    fn calls_and_their_bytes_cost_nothing_and_all_else_does_however_it_is_cut() {
        let calls = [
            frame(kind::HEADERS, 4, &[7; 300]),
            frame(kind::DATA, 0, &[6; 70_000]),
            frame(kind::DATA, END_STREAM, &[]),
        ];
        let others = [
            frame(kind::PING, 0, &[0; 8]),
            frame(kind::WINDOW_UPDATE, 0, &[0; 4]),
            frame(kind::DATA, 0, &[]),
            frame(3, 0, &[0; 4]),
            frame(4, 0, &[]),
        ];
        for piece in [1, 7, 9, 4096, 1 << 20] {
            assert_eq!(cost_of(&calls, piece), 0, "pieces of {piece}");
            assert_eq!(cost_of(&others, piece), 3 + 2 * DEAR, "pieces of {piece}");
        }
    }

    #[test]
    fn a_purse_lets_much_be_spent_at_once_and_no_more_than_its_rate_for_long() {
        let mut now = Instant::now();
        let mut purse = Purse::new(now);
        assert_eq!(purse.pay(COST_A_SECOND / 10, now), None);
        let mut waited = Duration::ZERO;
        for _ in 0..100 {
            if let Some(until) = purse.pay(COST_A_SECOND / 100, now) {
                waited += until - now;
                now = until;
            }
        }
        assert_eq!(waited, Duration::from_secs(1));
    }

    #[test]
    fn who_takes_answers_may_say_more() {
        let now = Instant::now();
        let mut purse = Purse::new(now);
        assert_eq!(purse.pay(COST_A_SECOND / 10, now), None);
        purse.earn(TAKEN_BYTES_A_FRAME * 50);
        assert_eq!(purse.pay(50, now), None);
        assert!(purse.pay(1, now).is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn a_connection_that_floods_waits_and_loses_nothing() {
        let metrics = Arc::new(Metrics::new());
        let (client, server) = duplex(1 << 20);
        let mut paced = Paced::new(server, metrics.clone());
        let ping = frame(kind::PING, 0, &[0; 8]);
        let said = [vec![b'P'; PREFACE_BYTES], ping.repeat(30_000)].concat();
        let (mut read, expected) = (Vec::new(), said.clone());
        let began = Instant::now();
        let write = tokio::spawn(async move {
            let mut client = client;
            client.write_all(&said).await.unwrap();
        });
        paced.read_to_end(&mut read).await.unwrap();
        write.await.unwrap();
        assert_eq!(read, expected);
        let took = began.elapsed();
        assert!(
            took > Duration::from_secs(2) && took < Duration::from_secs(4),
            "{took:?}"
        );
        assert!(
            metrics
                .text()
                .unwrap()
                .contains("framecache_connections_slowed_total 1")
        );
    }
}
