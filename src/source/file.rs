//! A file as a source, read with `pread`. Nothing is buffered here: the kernel
//! caches, and demuxing asks for 64 KiB at a time, or for the heads of packets.

use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::fs::{Mode, OFlags};

use crate::error::{Error, Reason, Result};
use crate::source::{ByteSource, SourcePolicy};

struct FileSource {
    file: Arc<File>,
    bytes: u64,
}

pub(super) fn of_file(file: Arc<File>, bytes: u64) -> Box<dyn ByteSource> {
    Box::new(FileSource { file, bytes })
}

pub(super) fn open(path: &Path, policy: &SourcePolicy) -> Result<Box<dyn ByteSource>> {
    policy.check_named(path)?;
    let found = find(path).map_err(|e| fault(path, e))?;
    if policy.is_bounded() {
        policy.check_real(&real_path(&found).map_err(|e| fault(path, e))?)?;
    }
    let facts = found.metadata().map_err(|e| fault(path, e))?;
    if facts.is_dir() {
        return Err(Error::field("the source is a folder")
            .hint("name a media file")
            .caused_by(with_path(path, "a folder")));
    }
    if !facts.is_file() {
        return Err(Error::field(
            "the source is a pipe or device, which cannot be read at offsets",
        )
        .hint("save it to a file first")
        .caused_by(with_path(path, "not a regular file")));
    }
    let file = File::open(of_descriptor(&found)).map_err(|e| fault(path, e))?;
    Ok(of_file(Arc::new(file), facts.len()))
}

/// What the path names, links followed, without opening it: to open a device does something (a tape
/// is wound back), and to open a pipe lets its writer go on.
fn find(path: &Path) -> io::Result<File> {
    let flags = OFlags::PATH | OFlags::CLOEXEC;
    Ok(File::from(rustix::fs::open(path, flags, Mode::empty())?))
}

/// Where the kernel says that what was found lies: asking afterwards leaves
/// no moment in which a link could be put in the way.
fn real_path(found: &File) -> io::Result<PathBuf> {
    std::fs::read_link(of_descriptor(found))
}

/// Opening this opens that very file, whatever its path names by now.
fn of_descriptor(found: &File) -> String {
    format!("/proc/self/fd/{}", found.as_raw_fd())
}

impl ByteSource for FileSource {
    fn bytes(&self) -> u64 {
        self.bytes
    }

    fn skips(&self) -> bool {
        true
    }

    fn files(&self) -> Option<Vec<(Arc<File>, u64)>> {
        Some(vec![(self.file.clone(), self.bytes)])
    }

    fn read_at(&mut self, offset: u64, buf: &mut [u8]) -> Result<usize> {
        let left = usize::try_from(self.bytes.saturating_sub(offset)).unwrap_or(usize::MAX);
        let wanted = left.min(buf.len());
        if wanted == 0 {
            return Ok(0);
        }
        loop {
            match self.file.read_at(&mut buf[..wanted], offset) {
                Ok(0) => return Err(shrunk(offset, self.bytes)),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                other => {
                    return other.map_err(|e| {
                        let attempt = format!("could not read the source: offset={offset}");
                        Error::new(Reason::SourceUnavailable, attempt)
                            .hint("the disk answered with an error; see the cause")
                            .caused_by(e)
                    });
                }
            }
        }
    }
}

fn shrunk(offset: u64, bytes: u64) -> Error {
    Error::new(
        Reason::SourceChanged,
        format!("the source became shorter while it was read: offset={offset} bytes={bytes}"),
    )
    .hint("wait until it is written completely, then run it again")
}

fn fault(path: &Path, error: io::Error) -> Error {
    let (reason, message, hint) = match error.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => (
            Reason::SourceNotFound,
            "the source does not exist",
            "check the path; a relative one starts at the folder the program was started in",
        ),
        io::ErrorKind::PermissionDenied => (
            Reason::SourceDenied,
            "the source may not be read",
            "give the user that runs this permission to read it",
        ),
        _ => (
            Reason::SourceUnavailable,
            "the source could not be opened",
            "see the cause",
        ),
    };
    let cause = with_path(path, &error.to_string());
    Error::new(reason, message).hint(hint).caused_by(cause)
}

/// Messages travel to clients and hold no paths; causes stay here.
fn with_path(path: &Path, what: &str) -> io::Error {
    io::Error::other(format!("{}: {what}", path.display()))
}
