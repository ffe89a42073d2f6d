//! Messages between a process and those that decode for it, over pairs of Unix sockets: a pair a
//! call, so that the kernel's buffer holds back who sends too much, and hanging up calls off.
//!
//! A message is its head's length and its bulk's, 4 bytes each, little endian; then the head as
//! JSON, then the bulk as it is. A large bulk lies in a place of shared memory instead (`memory`), which
//! its length says; whoever emptied the place says so by a message of no head and the place's number.

mod descriptors;
mod memory;
#[cfg(test)]
mod tests;

use std::io::{self, IoSlice, Read, Write};
use std::net::Shutdown;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::error::Error;
use memory::{Filling, LEAST_BYTES, PLACES, Side};

pub use descriptors::{receive_descriptors, send_descriptors};
pub use memory::{MEMORY_BYTES, Memories};

/// The facts of a picture that is shown for a day have a line for each of its numbers.
const MAX_HEAD_BYTES: usize = 256 << 20;
/// A picture of 64 megapixels as RGB, an index of a million frames.
const MAX_BULK_BYTES: usize = 256 << 20;
/// In a bulk's length: it lies in shared memory, in the place whose number stands from the next bit on.
const IS_SHARED: u32 = 1 << 31;
const PLACE_BIT: u32 = 30;
/// Taken at once for bytes that were only announced.
const TRUSTED_BYTES: usize = 1 << 20;
/// Who stops in the middle of a message, or takes none, for so long has stopped altogether.
const MAX_PAUSE: Duration = Duration::from_secs(60);

/// Why a channel is of no use any more.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    #[error("the other side hung up")]
    HungUp,
    #[error("the other side stopped")]
    Stalled,
    #[error("the other side answered nonsense: {0}")]
    Nonsense(String),
    #[error("the channel failed: {0}")]
    Io(io::Error),
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::UnexpectedEof
            | io::ErrorKind::BrokenPipe
            | io::ErrorKind::ConnectionReset => Failure::HungUp,
            io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => Failure::Stalled,
            _ => Failure::Io(error),
        }
    }
}

impl From<Failure> for Error {
    fn from(failure: Failure) -> Self {
        Error::internal(format!("a call between processes ended early: {failure}"))
    }
}

/// What came, or that nothing did.
#[derive(Debug)]
pub enum Received<T> {
    Message(T, Vec<u8>),
    /// The other side hung up between two messages.
    End,
    /// Nothing began to come in time.
    Nothing,
}

/// One end of a call.
#[derive(Debug)]
pub struct Channel {
    stream: UnixStream,
    /// A message goes whole, whoever sends another.
    sending: Mutex<()>,
    memory: Side,
    /// How long the other side may take nothing; none: until it hangs up.
    patience: Option<Duration>,
}

impl Channel {
    /// Both ends.
    ///
    /// # Errors
    /// [`Failure::Io`] where the system has no more descriptors.
    pub fn pair() -> Result<(Channel, OwnedFd), Failure> {
        let (one, other) = UnixStream::pair()?;
        Ok((Channel::new(one)?, other.into()))
    }

    /// Both ends of a call whose large answers come through memory: ours, and the socket and the memory
    /// that make the other one.
    ///
    /// # Errors
    /// [`Failure::Io`] where the system has no more descriptors.
    pub fn pair_of_call(memories: &Memories) -> Result<(Channel, [OwnedFd; 2]), Failure> {
        let (mut ours, theirs) = Channel::pair()?;
        let (memory, copy) = memories.lend()?;
        ours.memory = Side::Empties(memory);
        Ok((ours, [theirs, copy]))
    }

    /// The other end.
    ///
    /// # Errors
    /// As [`Channel::new`].
    pub fn of_call([socket, memory]: [OwnedFd; 2]) -> Result<Channel, Failure> {
        let channel = Channel::new(UnixStream::from(socket))?;
        Ok(Channel {
            memory: Side::Fills(Filling::new(memory)),
            ..channel
        })
    }

    /// # Errors
    /// [`Failure::Io`] where the socket takes no timeouts.
    pub fn new(stream: UnixStream) -> Result<Channel, Failure> {
        stream.set_read_timeout(Some(MAX_PAUSE))?;
        stream.set_write_timeout(Some(MAX_PAUSE))?;
        Ok(Channel {
            stream,
            sending: Mutex::default(),
            memory: Side::None,
            patience: Some(MAX_PAUSE),
        })
    }

    /// The same, which waits without end for an other side that takes nothing: until that hangs up.
    #[must_use]
    pub fn patient(mut self) -> Channel {
        // Fails for a time of zero, which this is not.
        let _ = self.stream.set_write_timeout(None);
        self.patience = None;
        self
    }

    /// Sends a message whole; waits while the other side takes none. A message that cannot be sent whole
    /// ends the channel: nothing that came behind it could be told from it.
    ///
    /// # Errors
    /// [`Failure::HungUp`], [`Failure::Stalled`] after a minute without a byte taken.
    pub fn send<T: Serialize>(&self, head: &T, bulk: &[u8]) -> Result<(), Failure> {
        let head = serde_json::to_vec(head).map_err(|e| Failure::Nonsense(e.to_string()))?;
        let bulk_length = length(bulk.len(), MAX_BULK_BYTES)?;
        let mut framed = Vec::with_capacity(8 + head.len());
        framed.extend(length(head.len(), MAX_HEAD_BYTES)?.to_le_bytes());
        // A place is waited for before anything is locked: that one is empty is heard on this channel.
        let (bulk_length, bulk) = match &self.memory {
            Side::Fills(filling) if bulk.len() >= LEAST_BYTES => {
                let place = filling.fill(bulk, self.patience)?;
                (in_place(bulk_length, place), &[][..])
            }
            _ => (bulk_length, bulk),
        };
        framed.extend(bulk_length.to_le_bytes());
        framed.extend(head);
        self.write_whole([IoSlice::new(&framed), IoSlice::new(bulk)])
    }

    fn write_whole(&self, parts: [IoSlice<'_>; 2]) -> Result<(), Failure> {
        let _whole = self.sending.lock().unwrap_or_else(PoisonError::into_inner);
        let sent = self.write(parts);
        if sent.is_err() {
            self.hang_up();
        }
        sent
    }

    fn write(&self, mut parts: [IoSlice<'_>; 2]) -> Result<(), Failure> {
        let mut left = &mut parts[..];
        IoSlice::advance_slices(&mut left, 0);
        while !left.is_empty() {
            match (&self.stream).write_vectored(left) {
                Ok(0) => return Err(Failure::HungUp),
                Ok(count) => IoSlice::advance_slices(&mut left, count),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    /// The next message, however long it is in coming.
    ///
    /// # Errors
    /// [`Failure`]; memory is taken for what comes, not for what is announced.
    pub fn receive<T: DeserializeOwned>(&self) -> Result<Option<(T, Vec<u8>)>, Failure> {
        match self.receive_by(None)? {
            Received::Message(head, bulk) => Ok(Some((head, bulk))),
            Received::End | Received::Nothing => Ok(None),
        }
    }

    /// The next message, if it begins to come within that time.
    ///
    /// # Errors
    /// As [`Channel::receive`].
    pub fn receive_within<T: DeserializeOwned>(
        &self,
        wait: Duration,
    ) -> Result<Received<T>, Failure> {
        self.receive_by(Some(wait))
    }

    fn receive_by<T: DeserializeOwned>(
        &self,
        wait: Option<Duration>,
    ) -> Result<Received<T>, Failure> {
        let until = wait.and_then(|wait| Instant::now().checked_add(wait));
        let received = loop {
            let wait = until.map(|until| until.saturating_duration_since(Instant::now()));
            match self.comes(wait) {
                Ok(true) => {}
                Ok(false) => return Ok(Received::Nothing),
                Err(error) => break Err(error),
            }
            if let Some(received) = self.next().transpose() {
                break received;
            }
        };
        if !matches!(received, Ok(Received::Message(..))) {
            self.memory.end();
        }
        received
    }

    /// The next message, or the end; none where a place was emptied.
    fn next<T: DeserializeOwned>(&self) -> Result<Option<Received<T>>, Failure> {
        let mut lengths = [0; 8];
        match (&self.stream).read(&mut lengths)? {
            0 => return Ok(Some(Received::End)),
            count => (&self.stream).read_exact(&mut lengths[count..])?,
        }
        let [a, b, c, d, e, f, g, h] = lengths;
        let head_length = u32::from_le_bytes([a, b, c, d]);
        let bulk_length = u32::from_le_bytes([e, f, g, h]);
        if head_length == 0 {
            self.memory.emptied(bulk_length as usize)?;
            return Ok(None);
        }
        let head = self.read(head_length, MAX_HEAD_BYTES)?;
        let bulk = match bulk_length & IS_SHARED {
            0 => self.read(bulk_length, MAX_BULK_BYTES)?,
            _ => self.take(bulk_length)?,
        };
        let head = serde_json::from_slice(&head).map_err(|e| Failure::Nonsense(e.to_string()))?;
        Ok(Some(Received::Message(head, bulk)))
    }

    /// A bulk out of its place, which is empty then.
    fn take(&self, length: u32) -> Result<Vec<u8>, Failure> {
        let place = (length >> PLACE_BIT & 1) as usize;
        let bytes = checked(length & ((1 << PLACE_BIT) - 1), MAX_BULK_BYTES)?;
        let bulk = self.memory.take(place, bytes)?;
        let emptied = [[0; 4], (place as u32).to_le_bytes()].concat();
        let _whole = self.sending.lock().unwrap_or_else(PoisonError::into_inner);
        match self.write([IoSlice::new(&emptied), IoSlice::new(&[])]) {
            // Who hung up behind its last message fills no place any more.
            Ok(()) | Err(Failure::HungUp) => Ok(bulk),
            Err(failure) => Err(failure),
        }
    }

    /// Whether bytes, or the end, come in time.
    fn comes(&self, wait: Option<Duration>) -> Result<bool, Failure> {
        let wait = wait.and_then(|wait| Timespec::try_from(wait).ok());
        loop {
            let mut polled = [PollFd::new(&self.stream, PollFlags::IN)];
            match poll(&mut polled, wait.as_ref()) {
                Ok(count) => return Ok(count > 0),
                Err(rustix::io::Errno::INTR) => {}
                Err(error) => return Err(Failure::Io(error.into())),
            }
        }
    }

    fn read(&self, length: u32, most: usize) -> Result<Vec<u8>, Failure> {
        let length = checked(length, most)?;
        let mut bytes = Vec::with_capacity(length.min(TRUSTED_BYTES));
        let read = (&self.stream).take(length as u64).read_to_end(&mut bytes)?;
        match read == length {
            true => Ok(bytes),
            false => Err(Failure::HungUp),
        }
    }

    /// Whether the other side did, which can be asked while another thread waits for it.
    pub fn is_hung_up(&self) -> bool {
        let mut polled = [PollFd::new(&self.stream, PollFlags::RDHUP)];
        let found = poll(&mut polled, Some(&Timespec::default()));
        found.is_ok_and(|count| count > 0)
    }

    /// Calls off what the other side does for this call.
    pub fn hang_up(&self) {
        // Fails only where the other side did so first.
        let _ = self.stream.shutdown(Shutdown::Both);
    }
}

impl AsFd for Channel {
    fn as_fd(&self) -> std::os::fd::BorrowedFd<'_> {
        self.stream.as_fd()
    }
}

fn length(bytes: usize, most: usize) -> Result<u32, Failure> {
    match u32::try_from(bytes) {
        Ok(length) if bytes <= most => Ok(length),
        _ => Err(Failure::Nonsense(format!(
            "a message too long to send, bytes={bytes} limit={most}"
        ))),
    }
}

fn checked(length: u32, most: usize) -> Result<usize, Failure> {
    let length = length as usize;
    match length > most {
        true => Err(Failure::Nonsense(format!(
            "a message too long, bytes={length} limit={most}"
        ))),
        false => Ok(length),
    }
}

/// The length of a bulk that lies in this place.
fn in_place(length: u32, place: usize) -> u32 {
    const { assert!(PLACES == 2, "a place is one bit") };
    length | IS_SHARED | (place as u32) << PLACE_BIT
}
