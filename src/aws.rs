//! The AWS SDK's client, built once for stores and sources alike.

use std::time::Duration;

/// Where an S3 service is and how long to wait for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    /// None: AWS, or what the SDK's own variables and profiles name.
    pub url: Option<String>,
    /// None: the SDK's own sources; with a custom endpoint `us-east-1` if they name none.
    pub region: Option<String>,
    /// Of one operation with all its retries.
    pub deadline: Duration,
}

impl Default for Endpoint {
    fn default() -> Self {
        Endpoint {
            url: None,
            region: None,
            deadline: Duration::from_secs(60),
        }
    }
}
