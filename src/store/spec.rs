//! Which store, as a person names it.

use std::path::PathBuf;

use crate::aws::Endpoint;
use crate::error::{Error, Result};
use crate::store::check_key;

/// A store, parsed but not yet opened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoreSpec {
    pub location: Location,
    /// Ignored by a directory.
    pub endpoint: Endpoint,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Location {
    Dir(PathBuf),
    S3 {
        bucket: String,
        /// Put before every key with a `/`; empty for none. Without a `/` at either end.
        prefix: String,
    },
}

impl StoreSpec {
    /// Parses `DIR` or `s3://bucket[/prefix]`.
    ///
    /// # Errors
    /// FIELD_INVALID for another scheme, an impossible bucket name, a prefix that is no key,
    /// or an endpoint that is no http url.
    pub fn parse(text: &str, endpoint: Endpoint) -> Result<StoreSpec> {
        let location = match text.split_once("://") {
            Some(("s3", rest)) => parse_s3(text, rest)?,
            Some((scheme, _)) => {
                return Err(Error::field(format!(
                    "no store is kept under this scheme: scheme={scheme:?}"
                ))
                .hint("name a folder, or s3://bucket/prefix"));
            }
            None if text.is_empty() => {
                return Err(Error::field("the store's name is empty")
                    .hint("name a folder, or s3://bucket/prefix"));
            }
            None => Location::Dir(PathBuf::from(text)),
        };
        endpoint.check()?;
        Ok(StoreSpec { location, endpoint })
    }
}

fn parse_s3(text: &str, rest: &str) -> Result<Location> {
    let (bucket, prefix) = rest.split_once('/').unwrap_or((rest, ""));
    check_bucket(bucket, text)?;
    let prefix = prefix.trim_end_matches('/');
    if !prefix.is_empty() {
        check_key(prefix)?;
    }
    Ok(Location::S3 {
        bucket: bucket.to_owned(),
        prefix: prefix.to_owned(),
    })
}

/// Bucket names of S3 and of what imitates it (which also take capitals and `_`).
pub(crate) fn check_bucket(bucket: &str, uri: &str) -> Result<()> {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_');
    let whole = (3..=255).contains(&bucket.len()) && bucket.chars().all(plain);
    if whole && bucket.starts_with(|c: char| c.is_ascii_alphanumeric()) {
        return Ok(());
    }
    Err(
        Error::field(format!("this uri names no possible bucket: uri={uri:?}"))
            .hint("write s3://bucket/prefix; credentials come from the AWS SDK's own sources"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Location> {
        StoreSpec::parse(text, Endpoint::default()).map(|spec| spec.location)
    }

    #[test]
    fn a_folder_or_a_bucket_with_a_prefix_is_understood() {
        let s3 = |bucket: &str, prefix: &str| Location::S3 {
            bucket: bucket.into(),
            prefix: prefix.into(),
        };
        assert_eq!(parse("./data").unwrap(), Location::Dir("./data".into()));
        assert_eq!(parse("s3://frames").unwrap(), s3("frames", ""));
        assert_eq!(parse("s3://frames/").unwrap(), s3("frames", ""));
        assert_eq!(parse("s3://frames/a/b/").unwrap(), s3("frames", "a/b"));
    }

    #[test]
    fn what_names_no_store_is_refused() {
        for text in [
            "",
            "http://x/y",
            "s3://",
            "s3:///a",
            "s3://key:secret@bucket/a",
            "s3://ab",
            "s3://abc/../x",
        ] {
            assert!(parse(text).is_err(), "{text}");
        }
        let url = Some("localhost:9000".to_owned());
        let endpoint = Endpoint {
            url,
            ..Endpoint::default()
        };
        assert!(StoreSpec::parse("s3://frames", endpoint).is_err());
    }
}
