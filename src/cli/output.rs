//! Frames as files.

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};

use base64_simd::STANDARD;
use bytes::Bytes;
use serde::Serialize;

use crate::cancel::Stop;
use crate::error::{Error, Reason, Result};
use crate::jpeg::RawPicture;
use crate::media::facts::FrameFacts;
use crate::npy;
use crate::pixel::RgbImage;
use crate::png::Pixels;

/// A picture in the form of its file.
pub enum Picture<'a> {
    Jpeg(&'a [u8]),
    Png(&'a RgbImage),
    Npy(&'a RgbImage),
}

impl Picture<'_> {
    pub fn extension(&self) -> &'static str {
        match self {
            Picture::Jpeg(_) => "jpg",
            Picture::Png(_) => "png",
            Picture::Npy(_) => "npy",
        }
    }
}

/// The file's bytes.
pub fn file_of(picture: &Picture<'_>) -> Result<Vec<u8>> {
    Ok(match picture {
        Picture::Jpeg(bytes) => bytes.to_vec(),
        Picture::Png(rgb) => crate::png::encode(rgb)?,
        Picture::Npy(rgb) => {
            let mut out = npy::header(&[rgb.height, rgb.width, 3])?;
            out.extend_from_slice(&rgb.data);
            out
        }
    })
}

/// Full-range pixels as a JPEG: 4:2:0, or gray.
///
/// # Errors
/// As [`RawPicture::jpeg`].
pub fn jpeg_of_pixels(pixels: &Pixels, quality: u8) -> Result<Vec<u8>> {
    let raw = match pixels {
        Pixels::Gray(gray) => RawPicture {
            data: &gray.data,
            width: gray.width,
            height: gray.height,
            samples: 1,
        },
        Pixels::Rgb(rgb) => RawPicture {
            data: &rgb.data,
            width: rgb.width,
            height: rgb.height,
            samples: 3,
        },
    };
    raw.jpeg(quality, &Stop::never())
}

/// The head of an array of so many pictures of one size (width, height).
pub fn stack_header(count: usize, (width, height): (usize, usize)) -> Result<Vec<u8>> {
    npy::header(&[count, height, width, 3])
}

/// `{"seq": …, "timestamp": …, "jpeg_b64": …}`; the timestamp only where it is known.
pub fn base64_line(facts: &FrameFacts, jpeg: &[u8]) -> Result<String> {
    #[derive(Serialize)]
    struct Line {
        seq: u64,
        #[serde(skip_serializing_if = "Option::is_none")]
        timestamp: Option<f64>,
        jpeg_b64: String,
    }
    let line = Line {
        seq: facts.seq,
        timestamp: facts.timestamp,
        jpeg_b64: STANDARD.encode_to_string(jpeg),
    };
    serde_json::to_string(&line).map_err(|e| Error::internal("could not write JSON").caused_by(e))
}

/// A file's bytes.
///
/// # Errors
/// FIELD_INVALID where it cannot be read.
pub fn read_file(path: &Path) -> Result<Bytes> {
    let unread = |e: std::io::Error| {
        Error::field(format!(
            "could not read a file: {e}, path={}",
            path.display()
        ))
        .caused_by(e)
    };
    Ok(std::fs::read(path).map_err(unread)?.into())
}

/// A folder that files are written into, made at the first one.
pub struct Folder {
    path: PathBuf,
    made: bool,
}

impl Folder {
    pub fn new(path: &str) -> Self {
        Folder {
            path: PathBuf::from(path),
            made: false,
        }
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Writes a file whole or not at all, over one of the same name.
    ///
    /// # Errors
    /// DISK_FULL, else FIELD_INVALID: the folder cannot be written to.
    pub fn write(&mut self, name: &str, data: &[u8]) -> Result<PathBuf> {
        if !self.made {
            std::fs::create_dir_all(&self.path).map_err(|e| unwritten(&self.path, e))?;
            self.made = true;
        }
        let path = self.path.join(name);
        write_whole(&path, data)?;
        Ok(path)
    }
}

/// Writes a file whole or not at all. What is no plain file (a device, a pipe) is written to as it is.
///
/// # Errors
/// As [`Folder::write`].
pub fn write_whole(path: &Path, data: &[u8]) -> Result<()> {
    let special = std::fs::metadata(path).is_ok_and(|facts| !facts.is_file());
    if special {
        return std::fs::write(path, data).map_err(|e| unwritten(path, e));
    }
    let part = part_of(path);
    let outcome = std::fs::write(&part, data).and_then(|()| std::fs::rename(&part, path));
    outcome.map_err(|e| {
        let _ = std::fs::remove_file(&part);
        unwritten(path, e)
    })
}

/// Where a result goes that is written as it comes: stdout, or a file that is there only once it is whole.
pub struct Stream {
    to: To,
}

enum To {
    Stdout(std::io::Stdout),
    /// What is no plain file (a device, a pipe).
    Special(File),
    File {
        path: PathBuf,
        part: PathBuf,
        file: File,
    },
}

impl Stream {
    /// `-` is stdout.
    ///
    /// # Errors
    /// As [`Folder::write`]; FIELD_INVALID for bytes that would go to a terminal.
    pub fn open(name: &str) -> Result<Self> {
        if name == "-" {
            return Ok(Stream {
                to: To::Stdout(std::io::stdout()),
            });
        }
        let path = PathBuf::from(name);
        let special = std::fs::metadata(&path).is_ok_and(|facts| !facts.is_file());
        let part = match special {
            true => path.clone(),
            false => part_of(&path),
        };
        let made = File::options()
            .write(true)
            .create(true)
            .truncate(!special)
            .open(&part);
        let file = made.map_err(|e| unwritten(&path, e))?;
        let to = match special {
            true => To::Special(file),
            false => To::File { path, part, file },
        };
        Ok(Stream { to })
    }

    /// The file is whole.
    ///
    /// # Errors
    /// As [`Folder::write`].
    pub fn keep(self) -> Result<()> {
        match &self.to {
            To::File { path, part, .. } => {
                std::fs::rename(part, path).map_err(|e| unwritten(path, e))
            }
            To::Stdout(_) | To::Special(_) => Ok(()),
        }
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        if let To::File { part, .. } = &self.to {
            // Gone already where the file was kept.
            let _ = std::fs::remove_file(part);
        }
    }
}

impl Write for Stream {
    /// A reader that went away (`| head`) ends the command quietly.
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let written = match &mut self.to {
            To::Stdout(out) => out.write(bytes),
            To::Special(file) | To::File { file, .. } => file.write(bytes),
        };
        if written
            .as_ref()
            .is_err_and(|e| e.kind() == std::io::ErrorKind::BrokenPipe)
        {
            std::process::exit(0);
        }
        written
    }

    fn flush(&mut self) -> std::io::Result<()> {
        match &mut self.to {
            To::Stdout(out) => out.flush(),
            To::Special(file) | To::File { file, .. } => file.flush(),
        }
    }
}

/// A file beside it, until it is whole.
fn part_of(path: &Path) -> PathBuf {
    let name = path.file_name().map(|name| name.to_string_lossy());
    let name = short(&name.unwrap_or_default());
    path.with_file_name(format!(".{name}.{}.part", std::process::id()))
}

/// File names have 255 bytes at most, and this one gets some more.
fn short(name: &str) -> String {
    name.chars().take(50).collect()
}

pub fn unwritten(path: &Path, error: std::io::Error) -> Error {
    let full = matches!(
        error.kind(),
        std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded
    );
    let reason = if full {
        Reason::DiskFull
    } else {
        Reason::FieldInvalid
    };
    Error::new(
        reason,
        format!("could not write a file: {error}, path={}", path.display()),
    )
    .hint("name a folder that can be written to")
    .caused_by(error)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_written_over_an_older_one_and_nothing_else_is_left() {
        let temporary = tempfile::tempdir().unwrap();
        let mut folder = Folder::new(temporary.path().join("a/b").to_str().unwrap());
        for data in [&b"one"[..], b"two"] {
            let path = folder.write("7.jpg", data).unwrap();
            assert_eq!(std::fs::read(path).unwrap(), data);
        }
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_streamed_file_is_there_only_once_it_is_whole() {
        let temporary = tempfile::tempdir().unwrap();
        let path = temporary.path().join("out.tar");
        for (data, keep) in [("one", true), ("other", false)] {
            let mut stream = Stream::open(path.to_str().unwrap()).unwrap();
            stream.write_all(data.as_bytes()).unwrap();
            match keep {
                true => stream.keep().unwrap(),
                false => drop(stream),
            }
            assert_eq!(std::fs::read(&path).unwrap(), b"one");
        }
        assert_eq!(std::fs::read_dir(temporary.path()).unwrap().count(), 1);
    }

    #[test]
    fn an_unknown_time_is_absent_from_the_line() {
        let facts = FrameFacts {
            seq: 3,
            ..FrameFacts::default()
        };
        assert_eq!(
            base64_line(&facts, b"\xff\xd8").unwrap(),
            r#"{"seq":3,"jpeg_b64":"/9g="}"#
        );
        let facts = FrameFacts {
            timestamp: Some(0.5),
            ..facts
        };
        assert_eq!(
            base64_line(&facts, b"a").unwrap(),
            r#"{"seq":3,"timestamp":0.5,"jpeg_b64":"YQ=="}"#
        );
    }
}
