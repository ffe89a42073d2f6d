//! Uris of sources, as given and as they may be stored.

use std::path::{Path, PathBuf};

use crate::error::{Error, Result};
use crate::store::check_bucket;

/// A source, parsed but not yet opened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Location {
    File(PathBuf),
    S3 { bucket: String, key: String },
}

pub(super) fn parse(uri: &str) -> Result<Location> {
    if uri.is_empty() || uri.contains('\0') {
        return Err(Error::field("a source's uri is empty or holds NUL")
            .hint("name a file, or s3://bucket/key"));
    }
    match scheme(uri) {
        None => Ok(Location::File(PathBuf::from(uri))),
        Some(("file", rest)) => file_path(rest).map(Location::File),
        Some(("s3", rest)) => {
            let (bucket, key) = rest.split_once('/').unwrap_or((rest, ""));
            check_bucket(bucket, &strip_credentials(uri))?;
            if key.is_empty() || key.len() > 1024 {
                return Err(Error::field("this uri names no object")
                    .hint("write s3://bucket/key, with a key of 1 to 1024 bytes"));
            }
            Ok(Location::S3 {
                bucket: bucket.to_owned(),
                key: key.to_owned(),
            })
        }
        Some((scheme, _)) => Err(Error::field(format!(
            "sources of this scheme cannot be read: scheme={scheme}"
        ))
        .hint("name a file, or s3://bucket/key; what lies elsewhere has to be downloaded first")),
    }
}

/// For a uri that came from another process, to which the folder that this one was started in means nothing.
///
/// # Errors
/// FIELD_INVALID for a relative path.
pub fn check_absolute(uri: &str) -> Result<()> {
    if scheme(uri).is_some() || Path::new(uri).is_absolute() {
        return Ok(());
    }
    let message = format!("a server reads its own files, and this path is relative: source={uri}");
    Err(Error::field(message).hint("give the whole path as the server sees it, or s3://bucket/key"))
}

/// (scheme, what follows `://`); none for a path.
fn scheme(uri: &str) -> Option<(&str, &str)> {
    let (scheme, rest) = uri.split_once("://")?;
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.');
    let whole = scheme.starts_with(|c: char| c.is_ascii_alphabetic()) && scheme.chars().all(plain);
    whole.then_some((scheme, rest))
}

/// RFC 8089: `file:///path` or `file://localhost/path`, percent-encoded.
fn file_path(rest: &str) -> Result<PathBuf> {
    let path = rest.strip_prefix("localhost").unwrap_or(rest);
    let decoded = decode(path).filter(|path| path.starts_with('/') && !path.contains('\0'));
    decoded.map(PathBuf::from).ok_or_else(|| {
        Error::field("this file uri names no path on this machine")
            .hint("write file:///folder/name, percent-encoded, or the path itself")
    })
}

fn decode(encoded: &str) -> Option<String> {
    let mut bytes = encoded.bytes();
    let mut decoded = Vec::with_capacity(encoded.len());
    while let Some(byte) = bytes.next() {
        if byte != b'%' {
            decoded.push(byte);
            continue;
        }
        let digit = |byte: Option<u8>| char::from(byte?).to_digit(16);
        let (high, low) = (digit(bytes.next())?, digit(bytes.next())?);
        decoded.push(u8::try_from(high * 16 + low).ok()?);
    }
    String::from_utf8(decoded).ok()
}

/// The uri as it may be stored: paths absolute, no user or password, no query
/// or fragment (where signatures live; in an S3 key, which may hold `?`, only
/// a query that looks signed).
pub fn strip_credentials(uri: &str) -> String {
    match scheme(uri) {
        None => absolute(Path::new(uri)),
        Some(("file", rest)) => match file_path(rest) {
            Ok(path) => absolute(&path),
            Err(_) => uri.to_owned(),
        },
        Some((scheme, rest)) => {
            let whole = match rest.split_once('?') {
                Some((before, query)) if scheme != "s3" || is_signed(query) => before,
                _ => rest,
            };
            let whole = match whole.split_once('#') {
                Some((before, _)) if scheme != "s3" => before,
                _ => whole,
            };
            let (authority, path) = whole.split_at(whole.find('/').unwrap_or(whole.len()));
            let host = authority
                .rsplit_once('@')
                .map_or(authority, |(_, host)| host);
            format!("{scheme}://{host}{path}")
        }
    }
}

fn is_signed(query: &str) -> bool {
    let query = query.to_ascii_lowercase();
    let marks = ["x-amz-", "signature=", "awsaccesskeyid=", "token="];
    marks.iter().any(|mark| query.contains(mark))
}

fn absolute(path: &Path) -> String {
    let absolute = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    absolute.to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_file_uris_and_objects_are_understood() {
        let file = |path: &str| Location::File(path.into());
        assert_eq!(parse("a b%20.mp4").unwrap(), file("a b%20.mp4"));
        assert_eq!(parse("/a/../b").unwrap(), file("/a/../b"));
        assert_eq!(parse("file:///a%20b/%C3%A4").unwrap(), file("/a b/ä"));
        assert_eq!(parse("file://localhost/a").unwrap(), file("/a"));
        let s3 = Location::S3 {
            bucket: "media".into(),
            key: "a b/?c%20.mp4".into(),
        };
        assert_eq!(parse("s3://media/a b/?c%20.mp4").unwrap(), s3);
    }

    #[test]
    fn what_is_no_source_is_refused_without_repeating_its_secrets() {
        for uri in [
            "",
            "a\0b",
            "http://u:secret@h/a",
            "https://h/a?sig=secret",
            "file://host/a",
            "file://relative",
            "file:///%zz",
            "file:///a%00b",
            "s3://bucket",
            "s3://bucket/",
            "s3:///key",
            "s3://key:secret@bucket/a",
            "rtsp://h/",
            "pipe://0",
        ] {
            let error = parse(uri).unwrap_err();
            assert_eq!(
                error.reason(),
                crate::error::Reason::FieldInvalid,
                "{uri:?}"
            );
            assert!(!error.message().contains("secret"), "{}", error.message());
        }
    }

    #[test]
    fn a_relative_path_means_nothing_to_another_process() {
        for uri in ["/a.mp4", "file:///a", "s3://bucket/a", "http://h/a", "a://"] {
            assert!(check_absolute(uri).is_ok(), "{uri}");
        }
        for uri in ["", "a.mp4", "./a", "../a", "~/a", "a b://c", "file:/a"] {
            assert!(check_absolute(uri).is_err(), "{uri}");
        }
    }

    #[test]
    fn stored_uris_hold_no_credentials() {
        let cases = [
            (
                "https://u:p@host:1/a/b.mp4?X-Amz-Signature=s&x=1#f",
                "https://host:1/a/b.mp4",
            ),
            ("https://host?token=s", "https://host"),
            ("s3://k:s@bucket/a@b.mp4", "s3://bucket/a@b.mp4"),
            ("s3://bucket/what?.mp4", "s3://bucket/what?.mp4"),
            ("s3://bucket/a.mp4?X-Amz-Signature=s", "s3://bucket/a.mp4"),
            ("file:///a%20b", "/a b"),
            ("/a/b", "/a/b"),
        ];
        for (given, stored) in cases {
            assert_eq!(strip_credentials(given), stored);
        }
        let here = std::env::current_dir().unwrap();
        assert_eq!(
            strip_credentials("x.mp4"),
            here.join("x.mp4").to_str().unwrap()
        );
    }
}
