//! Frames as files.

use std::path::{Path, PathBuf};

use base64_simd::STANDARD;
use bytes::Bytes;
use serde::Serialize;

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
    raw.jpeg(quality)
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
    let name = path
        .file_name()
        .map(|name| name.to_string_lossy().into_owned())
        .unwrap_or_default();
    let part = path.with_file_name(format!(".{}.{}.part", short(&name), std::process::id()));
    let outcome = std::fs::write(&part, data).and_then(|()| std::fs::rename(&part, path));
    outcome.map_err(|e| {
        let _ = std::fs::remove_file(&part);
        unwritten(path, e)
    })
}

/// File names have 255 bytes at most, and this one gets some more.
fn short(name: &str) -> String {
    name.chars().take(50).collect()
}

fn unwritten(path: &Path, error: std::io::Error) -> Error {
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
