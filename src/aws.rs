//! Where S3 is; and, with the feature `s3`, the AWS SDK's client for it.

use std::path::PathBuf;
use std::time::Duration;

use crate::error::{Error, Result};

#[cfg(feature = "s3")]
mod sdk;
#[cfg(feature = "s3")]
pub(crate) use sdk::*;

/// Where an S3 service is and how long to wait for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    /// None: AWS, or what the SDK's own variables and profiles name.
    pub url: Option<String>,
    /// None: the SDK's own sources, then `us-east-1`.
    pub region: Option<String>,
    /// A PEM file of the authorities that are trusted in place of the system's; none: the system's.
    pub ca_bundle: Option<PathBuf>,
    /// Of one operation with all its retries.
    pub deadline: Duration,
    /// Without an answer, or the next piece of one, for so long, an attempt is given up.
    pub stall: Duration,
}

impl Default for Endpoint {
    fn default() -> Self {
        Endpoint {
            url: None,
            region: None,
            ca_bundle: None,
            deadline: Duration::from_secs(60),
            stall: Duration::from_secs(15),
        }
    }
}

impl Endpoint {
    /// # Errors
    /// FIELD_INVALID where the url is none of http or https.
    pub fn check(&self) -> Result<()> {
        let fits = |url: &String| url.starts_with("http://") || url.starts_with("https://");
        match &self.url {
            Some(url) if !fits(url) => Err(Error::field("the S3 endpoint is no http or https url")
                .hint("write it as http://host:port")),
            _ => Ok(()),
        }
    }
}

/// For whoever names a bucket to a build that has no S3.
#[cfg(not(feature = "s3"))]
pub(crate) fn without_s3() -> Error {
    Error::field("this framecache was built without S3: s3:// names nothing here")
        .hint("use a folder, or a build with the feature `s3`")
}
