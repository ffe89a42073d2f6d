//! Connections: how many there are, who is let in, and which of them are closed again.
//!
//! There are no more than descriptors allow. Where there are as many, the one that has been idle
//! longest makes room for the next, first of all one that has never said a word: idle ones keep
//! nobody out. So a client that is cut off has no call under way, and connects again unseen.

use std::collections::BTreeMap;
use std::io::{self, ErrorKind};
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use futures::task::AtomicWaker;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep, sleep};
use tonic::transport::server::Connected;

use crate::account::{Account, Accountant, Hold, Hosts, Kind, Peer};
use crate::serve::tls::Speaks;

/// What a client says first (RFC 9113, 3.4), in bytes.
pub(super) const PREFACE_BYTES: usize = 24;
/// A client that does not say it within this time is gone. TLS has as long for its handshake.
const PREFACE_WITHIN: Duration = Duration::from_secs(10);
/// After that something comes at least as often: answers to our pings (`KEEPALIVE_EVERY`). HTTP/1.1 has none: there it
/// is the silence between two calls.
const MAX_SILENCE: Duration = Duration::from_secs(60);

/// For the one that makes room to close.
const CLOSES_WITHIN: Duration = Duration::from_secs(1);

/// All of a server's.
pub struct Connections {
    accountant: Arc<Accountant>,
    hosts: Hosts,
    open: Mutex<Open>,
}

#[derive(Default)]
struct Open {
    next: u64,
    /// In the order in which they came.
    all: BTreeMap<u64, Arc<Guest>>,
}

/// What is known of one connection.
pub struct Guest {
    peer: Peer,
    speaks: Speaks,
    began: Instant,
    /// Bytes that came, until they are a preface.
    said: AtomicUsize,
    /// Calls under way, of any kind.
    calls: AtomicUsize,
    /// When the last one ended, in milliseconds after `began`.
    idle_since: AtomicU64,
    leaves: AtomicBool,
    reading: AtomicWaker,
}

/// One connection, followed to its end.
pub struct Connection<S> {
    stream: S,
    number: u64,
    guest: Arc<Guest>,
    connections: Arc<Connections>,
    patience: Pin<Box<Sleep>>,
    heard: Instant,
    _hold: Hold,
}

/// A call of a connection, which is not idle while it lasts.
pub struct Visit(Arc<Guest>);

impl Connections {
    pub fn new(accountant: &Arc<Accountant>) -> Arc<Connections> {
        Arc::new(Connections {
            accountant: accountant.clone(),
            hosts: Hosts::default(),
            open: Mutex::default(),
        })
    }

    /// The connection with what is kept of it; none where there is no room for it. `from`: its
    /// address, none on a Unix socket; and what it speaks.
    pub async fn admit<S>(
        self: &Arc<Self>,
        stream: S,
        (from, speaks): (Option<IpAddr>, Speaks),
    ) -> Option<Connection<S>> {
        let peer = from.map_or_else(Peer::local, |from| self.hosts.peer(from));
        let hold = self.room_for(&peer).await?;
        let guest = Arc::new(Guest::new(peer, speaks));
        let mut open = self.open();
        let number = open.next;
        open.next += 1;
        open.all.insert(number, guest.clone());
        drop(open);
        Some(Connection {
            stream,
            number,
            guest,
            connections: self.clone(),
            patience: Box::pin(sleep(PREFACE_WITHIN)),
            heard: Instant::now(),
            _hold: hold,
        })
    }

    async fn room_for(&self, peer: &Peer) -> Option<Hold> {
        let account = Account::new(&self.accountant, peer);
        if let Ok(hold) = account.take_now(Kind::Connections, 1) {
            return Some(hold);
        }
        self.longest_idle(peer)?.leave();
        let hold = account.take(Kind::Connections, 1);
        tokio::time::timeout(CLOSES_WITHIN, hold).await.ok()?.ok()
    }

    /// Of those whose end makes room for the peer.
    fn longest_idle(&self, peer: &Peer) -> Option<Arc<Guest>> {
        let full =
            self.accountant.held(Kind::Connections) >= self.accountant.limit(Kind::Connections);
        let open = self.open();
        let idle = open.all.values().filter(|guest| guest.is_idle());
        let idle = idle.filter(|guest| full || guest.peer.is_of_the_host_of(peer));
        idle.min_by_key(|guest| (guest.has_spoken(), guest.idle_since()))
            .cloned()
    }

    fn open(&self) -> MutexGuard<'_, Open> {
        // Nothing that can panic runs under the lock.
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Guest {
    fn new(peer: Peer, speaks: Speaks) -> Guest {
        Guest {
            peer,
            speaks,
            began: Instant::now(),
            said: AtomicUsize::default(),
            calls: AtomicUsize::default(),
            idle_since: AtomicU64::default(),
            leaves: AtomicBool::default(),
            reading: AtomicWaker::new(),
        }
    }

    pub fn peer(&self) -> &Peer {
        &self.peer
    }

    /// A call begins.
    pub fn visit(self: &Arc<Self>) -> Visit {
        self.calls.fetch_add(1, Ordering::Relaxed);
        Visit(self.clone())
    }

    fn is_idle(&self) -> bool {
        self.calls.load(Ordering::Relaxed) == 0 && !self.leaves.load(Ordering::Relaxed)
    }

    fn idle_since(&self) -> Instant {
        self.began + Duration::from_millis(self.idle_since.load(Ordering::Relaxed))
    }

    fn has_spoken(&self) -> bool {
        self.said.load(Ordering::Relaxed) >= PREFACE_BYTES
    }

    fn leave(&self) {
        self.leaves.store(true, Ordering::Relaxed);
        self.reading.wake();
    }
}

impl Drop for Visit {
    fn drop(&mut self) {
        let since = u64::try_from(self.0.began.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.0.idle_since.store(since, Ordering::Relaxed);
        self.0.calls.fetch_sub(1, Ordering::Relaxed);
    }
}

impl<S> Drop for Connection<S> {
    fn drop(&mut self) {
        let gone = self.connections.open().all.remove(&self.number);
        drop(gone);
    }
}

impl<S> Connection<S> {
    /// Whether it is to be closed, as it said nothing for too long.
    fn poll_silent(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        while self.patience.as_mut().poll(cx).is_ready() {
            let until = self.heard + MAX_SILENCE;
            let waits = self.guest.speaks == Speaks::Http1 && !self.guest.is_idle();
            if !waits && (!self.guest.has_spoken() || Instant::now() >= until) {
                return Poll::Ready(());
            }
            self.patience
                .as_mut()
                .reset(until.max(Instant::now() + PREFACE_WITHIN));
        }
        Poll::Pending
    }

    fn heard(&mut self, bytes: usize) {
        self.heard = Instant::now();
        let said = &self.guest.said;
        if !self.guest.has_spoken() {
            said.fetch_add(bytes, Ordering::Relaxed);
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Connection<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        let before = buffer.filled().len();
        if let Poll::Ready(read) = Pin::new(&mut this.stream).poll_read(cx, buffer) {
            this.heard(buffer.filled().len() - before);
            return Poll::Ready(read);
        }
        this.guest.reading.register(cx.waker());
        if this.guest.leaves.load(Ordering::Relaxed) {
            // As if the client had ended it.
            return Poll::Ready(Ok(()));
        }
        this.poll_silent(cx)
            .map(|()| Err(ErrorKind::TimedOut.into()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Connection<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        pieces: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, pieces)
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

impl<S> Connected for Connection<S> {
    type ConnectInfo = Arc<Guest>;

    fn connect_info(&self) -> Arc<Guest> {
        self.guest.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::account::Means;
    use tokio::io::{AsyncReadExt, DuplexStream, duplex};

    fn connections(limit: u64) -> Arc<Connections> {
        Connections::new(&Accountant::new(&Means {
            connections: limit,
            ..Means::of_command(1 << 20)
        }))
    }

    async fn came(of: &Arc<Connections>) -> (Option<Connection<DuplexStream>>, DuplexStream) {
        let (ours, theirs) = duplex(64);
        (of.admit(ours, (None, Speaks::H2)).await, theirs)
    }

    /// Serves a connection to its end.
    fn served(connection: Option<Connection<DuplexStream>>) -> tokio::task::JoinHandle<bool> {
        let mut connection = connection.unwrap();
        tokio::spawn(async move {
            let mut all = Vec::new();
            connection.read_to_end(&mut all).await.is_ok()
        })
    }

    #[tokio::test]
    async fn where_there_are_as_many_as_may_be_the_longest_idle_makes_room() {
        let of = connections(2);
        let (first, _a) = came(&of).await;
        let guest = first.as_ref().unwrap().guest.clone();
        let (second, _b) = came(&of).await;
        let (first, second) = (served(first), served(second));
        // The older one has a call under way.
        let visit = guest.visit();
        let (third, _c) = came(&of).await;
        let _busy = third.as_ref().unwrap().guest.visit();
        assert!(second.await.unwrap() && !first.is_finished());
        drop(visit);
        assert!(came(&of).await.0.is_some());
        assert!(
            first.await.unwrap(),
            "it ends as if its client had ended it"
        );
    }

    #[tokio::test]
    async fn where_all_are_busy_the_next_is_not_let_in() {
        let of = connections(1);
        let (first, _a) = came(&of).await;
        let _visit = first.as_ref().unwrap().guest.visit();
        assert!(came(&of).await.0.is_none());
        drop(first);
        assert!(came(&of).await.0.is_some());
    }
}
