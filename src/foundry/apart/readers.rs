//! Sources for a process that knows no places: files are opened for it, all else is read for it.

use std::fs::File;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::sync::Arc;

use crate::cancel::Stop;
use crate::demux::Opener;
use crate::error::{Error, Result};
use crate::foundry::Source;
use crate::foundry::protocol::{Bytes, Fault, Footing, Range, Read};
use crate::source::ByteSource;
use crate::wire::{Channel, receive_descriptors};

/// Read at once; more was not asked for.
const MAX_RANGE_BYTES: usize = 8 << 20;

/// A source, and the descriptors by which another process reads it.
pub(super) struct Handed {
    footing: Footing,
    descriptors: Vec<Descriptor>,
}

/// One that is lent for a call.
pub(super) enum Descriptor {
    File(Arc<File>),
    Socket(OwnedFd),
}

impl AsFd for Descriptor {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Descriptor::File(file) => file.as_fd(),
            Descriptor::Socket(socket) => socket.as_fd(),
        }
    }
}

impl Handed {
    /// Opens the source; one that is not of files is read by threads of this process for as long as
    /// anybody asks.
    ///
    /// # Errors
    /// The source's own; INTERNAL where the system has no more sockets or threads.
    pub fn over(source: &Source, id: u64) -> Result<Handed> {
        let opened = (source.opener)()?;
        let (bytes, descriptors) = match opened.files() {
            Some(files) => {
                let sizes = files.iter().map(|(_, bytes)| *bytes).collect();
                let files = files.into_iter().map(|(file, _)| Descriptor::File(file));
                (Bytes::Files(sizes), files.collect())
            }
            None => {
                let bytes = Bytes::Ranges {
                    bytes: opened.bytes(),
                    skips: opened.skips(),
                };
                let socket = read_for_others(opened, source.opener.clone())?;
                (bytes, vec![Descriptor::Socket(socket)])
            }
        };
        let footing = Footing {
            id,
            stream: source.stream,
            identities: source.identities.clone(),
            bytes,
        };
        Ok(Handed {
            footing,
            descriptors,
        })
    }

    pub fn parts(self) -> (Footing, Vec<Descriptor>) {
        (self.footing, self.descriptors)
    }
}

/// A socket over which readers come; the first of them reads what is open already.
fn read_for_others(opened: Box<dyn ByteSource>, opener: Opener) -> Result<OwnedFd> {
    let failed =
        |e: std::io::Error| Error::internal("no way to read a source for another").caused_by(e);
    let (ours, theirs) = UnixStream::pair().map_err(failed)?;
    let mut opened = Some(opened);
    let thread = std::thread::Builder::new().name("media-readers".to_owned());
    let work = move || {
        // Ends with the last copy of the other end.
        while let Ok(Some(readers)) = receive_descriptors(&ours) {
            for reader in readers {
                let first = opened.take();
                let opener = opener.clone();
                let thread = std::thread::Builder::new().name("media-reader".to_owned());
                let read = move || read_for(UnixStream::from(reader), first, &opener);
                if let Err(error) = thread.spawn(read) {
                    tracing::error!(%error, "no thread reads a source for a media process");
                }
            }
        }
    };
    thread.spawn(work).map_err(failed)?;
    Ok(theirs.into())
}

/// Reads for one reader until it hangs up.
fn read_for(reader: UnixStream, first: Option<Box<dyn ByteSource>>, opener: &Opener) {
    let Ok(channel) = Channel::new(reader).map(Arc::new) else {
        return;
    };
    let asked = channel.clone();
    // Who gave up a read waits for none.
    let stop = Stop::when(move || asked.is_hung_up());
    let mut source = first;
    if let Some(first) = &mut source {
        first.follow(&stop);
    }
    let mut buffer = Vec::new();
    while let Ok(Some((range, _))) = channel.receive::<Range>() {
        let read = read(&mut source, (opener, &stop), &range, &mut buffer);
        let sent = match read {
            Ok(count) => channel.send(&Read::Ok(()), &buffer[..count]),
            Err(error) => channel.send(&Read::Err(Fault::from(&error)), &[]),
        };
        if sent.is_err() {
            return;
        }
    }
}

fn read(
    source: &mut Option<Box<dyn ByteSource>>,
    (opener, stop): (&Opener, &Stop),
    range: &Range,
    buffer: &mut Vec<u8>,
) -> Result<usize> {
    let open = match source.take() {
        Some(open) => open,
        None => {
            let mut opened = opener()?;
            opened.follow(stop);
            opened
        }
    };
    let bytes = (range.bytes as usize).min(MAX_RANGE_BYTES);
    buffer.resize(bytes.max(buffer.len()), 0);
    source
        .insert(open)
        .read_at(range.offset, &mut buffer[..bytes])
}
