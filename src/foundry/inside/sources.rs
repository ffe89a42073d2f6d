//! Sources whose places this process does not know: files that were opened for it, or ranges that it
//! asks for.

use std::fs::File;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use crate::cancel::Stop;
use crate::demux::Opener;
use crate::error::{Error, Result};
use crate::foundry::protocol::{Bytes, Range, Read};
use crate::source::{self, ByteSource};
use crate::wire::{Channel, Failure, Received, send_descriptors};

/// How soon who waits for bytes hears that nobody wants them any more.
const ASK_AGAIN: Duration = Duration::from_millis(100);
/// Asked for at once.
const MAX_RANGE_BYTES: usize = 8 << 20;

/// Reads under way: of all calls, and of one.
type Reading = [Arc<AtomicUsize>; 2];

/// `reading` counts its reads.
pub(super) fn opener(bytes: Bytes, descriptors: Vec<OwnedFd>, reading: Reading) -> Result<Opener> {
    let open = opened_by(bytes, descriptors)?;
    Ok(Arc::new(move || {
        Ok(Box::new(Counted {
            source: open()?,
            reading: reading.clone(),
        }))
    }))
}

fn opened_by(bytes: Bytes, descriptors: Vec<OwnedFd>) -> Result<Opener> {
    let missing = || Error::internal("a call came without the descriptors of its source");
    match bytes {
        Bytes::Files(sizes) if sizes.len() == descriptors.len() => {
            let files = descriptors
                .into_iter()
                .map(|file| Arc::new(File::from(file)));
            let files: Vec<(Arc<File>, u64)> = files.zip(sizes).collect();
            Ok(Arc::new(move || Ok(source::of_files(&files))))
        }
        Bytes::Files(_) => Err(missing()),
        Bytes::Ranges { bytes, skips } => {
            let readers = descriptors.into_iter().map(UnixStream::from).next();
            let readers = readers.ok_or_else(missing)?;
            Ok(Arc::new(move || {
                let (channel, other) = Channel::pair()?;
                send_descriptors(&readers, &[other.as_fd()])?;
                Ok(Box::new(Ranges {
                    channel,
                    bytes,
                    skips,
                    stop: Stop::never(),
                }))
            }))
        }
    }
}

/// A source of which is known whether somebody waits for its bytes.
struct Counted {
    source: Box<dyn ByteSource>,
    reading: Reading,
}

impl ByteSource for Counted {
    fn bytes(&self) -> u64 {
        self.source.bytes()
    }

    fn skips(&self) -> bool {
        self.source.skips()
    }

    fn follow(&mut self, stop: &Stop) {
        self.source.follow(stop);
    }

    fn read_at(&mut self, offset: u64, buf: &mut [u8]) -> Result<usize> {
        for reading in &self.reading {
            reading.fetch_add(1, Ordering::Relaxed);
        }
        let read = self.source.read_at(offset, buf);
        for reading in &self.reading {
            reading.fetch_sub(1, Ordering::Relaxed);
        }
        read
    }
}

/// A source that the parent reads.
struct Ranges {
    channel: Channel,
    bytes: u64,
    skips: bool,
    stop: Stop,
}

impl ByteSource for Ranges {
    fn bytes(&self) -> u64 {
        self.bytes
    }

    fn skips(&self) -> bool {
        self.skips
    }

    fn follow(&mut self, stop: &Stop) {
        self.stop = stop.clone();
    }

    fn read_at(&mut self, offset: u64, buf: &mut [u8]) -> Result<usize> {
        let wanted = buf.len().min(MAX_RANGE_BYTES);
        let range = Range {
            offset,
            bytes: wanted as u32,
        };
        self.channel.send(&range, &[])?;
        loop {
            match self.channel.receive_within::<Read>(ASK_AGAIN)? {
                Received::Message(read, bytes) => {
                    read.map_err(Error::from)?;
                    let into = buf.get_mut(..bytes.len());
                    let into =
                        into.ok_or_else(|| Error::internal("more came than was asked for"))?;
                    into.copy_from_slice(&bytes);
                    return Ok(bytes.len());
                }
                // What comes for a read that was given up is not the next one's.
                Received::Nothing if self.stop.is_set() => {
                    self.channel.hang_up();
                    self.stop.check()?;
                }
                Received::Nothing => {}
                Received::End => return Err(Failure::HungUp.into()),
            }
        }
    }
}
