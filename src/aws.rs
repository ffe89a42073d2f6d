//! The AWS SDK's S3 client, built once for stores and sources alike, with our
//! own retries: the SDK's stop when a shared budget of tokens is spent, which a
//! long extraction against a limping server does, and do not cover bodies.

use std::time::Duration;

use aws_config::environment::credentials::EnvironmentVariableCredentialsProvider;
use aws_config::environment::region::EnvironmentVariableRegionProvider;
use aws_config::meta::region::RegionProviderChain;
use aws_config::profile::ProfileFileRegionProvider;
use aws_credential_types::provider::ProvideCredentials;
use aws_sdk_s3::Client;
use aws_sdk_s3::config::retry::RetryConfig;
use aws_sdk_s3::config::timeout::TimeoutConfig;
use aws_sdk_s3::config::{
    BehaviorVersion, Region, RequestChecksumCalculation, ResponseChecksumValidation,
    SharedCredentialsProvider, StalledStreamProtectionConfig,
};
use tokio::sync::OnceCell;

use crate::error::{Error, Result};

mod body;
mod failure;
mod retry;

#[cfg(test)]
pub(crate) mod fake;

pub(crate) use body::{answered, read_body};
pub(crate) use failure::{Failure, Kind, Side};
pub(crate) use retry::retry;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// Where an S3 service is and how long to wait for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    /// None: AWS, or what the SDK's own variables and profiles name.
    pub url: Option<String>,
    /// None: the SDK's own sources, then `us-east-1`.
    pub region: Option<String>,
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

    /// Named, and spoken to without TLS.
    fn is_plain(&self) -> bool {
        let url = self.url.as_deref();
        url.is_some_and(|url| url.starts_with("http://"))
    }
}

/// A client that is made at its first use, so that naming a bucket costs nothing.
pub(crate) struct Lazy {
    endpoint: Endpoint,
    /// For tests; otherwise every source that the SDK knows.
    credentials: Option<SharedCredentialsProvider>,
    client: OnceCell<Client>,
}

impl Lazy {
    pub(crate) fn new(endpoint: Endpoint) -> Lazy {
        Lazy {
            endpoint,
            credentials: None,
            client: OnceCell::new(),
        }
    }

    #[cfg(test)]
    pub(crate) fn with_credentials(endpoint: Endpoint, user: &str, secret: &str) -> Lazy {
        use aws_credential_types::Credentials;
        let credentials = Credentials::new(user, secret, None, None, "test");
        Lazy {
            credentials: Some(SharedCredentialsProvider::new(credentials)),
            ..Lazy::new(endpoint)
        }
    }

    pub(crate) fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    pub(crate) async fn client(&self) -> &Client {
        let build = || connect(&self.endpoint, self.credentials.clone());
        self.client.get_or_init(build).await
    }
}

async fn connect(endpoint: &Endpoint, credentials: Option<SharedCredentialsProvider>) -> Client {
    let timeouts = TimeoutConfig::builder()
        .connect_timeout(CONNECT_TIMEOUT)
        .build();
    let mut loader = aws_config::defaults(BehaviorVersion::v2026_01_12())
        .retry_config(RetryConfig::disabled())
        .timeout_config(timeouts)
        // `read_body` does this, and begins again.
        .stalled_stream_protection(StalledStreamProtectionConfig::disabled())
        .region(region(endpoint));
    if let Some(url) = &endpoint.url {
        loader = loader.endpoint_url(url);
    }
    if let Some(credentials) = credentials.or(of_environment().await) {
        loader = loader.credentials_provider(credentials);
    }
    let shared = loader.load().await;
    let mut config = aws_sdk_s3::config::Builder::from(&shared);
    if endpoint.is_plain() {
        // The usual client reads every certificate that the machine trusts: some 150 files and 4 ms.
        config = config.http_client(aws_smithy_http_client::Builder::new().build_http());
    }
    if endpoint.url.is_some() || names_an_endpoint(&shared) {
        // What imitates S3 has no DNS names for buckets, and often rejects the newer checksums.
        config = config
            .force_path_style(true)
            .request_checksum_calculation(RequestChecksumCalculation::WhenRequired)
            .response_checksum_validation(ResponseChecksumValidation::WhenRequired);
    }
    Client::from_conf(config.build())
}

/// Keys that are variables: the first of all sources, and the same while the process runs. To make
/// the others, which speak TLS, reads every certificate that the machine trusts.
async fn of_environment() -> Option<SharedCredentialsProvider> {
    let provider = EnvironmentVariableCredentialsProvider::new();
    provider.provide_credentials().await.ok()?;
    Some(SharedCredentialsProvider::new(provider))
}

/// With an endpoint of one's own, the instance metadata service is not asked
/// for a region: off AWS that only costs its timeouts.
fn region(endpoint: &Endpoint) -> RegionProviderChain {
    let default = Region::from_static("us-east-1");
    if let Some(region) = &endpoint.region {
        return RegionProviderChain::first_try(Region::new(region.clone()));
    }
    if endpoint.url.is_some() {
        return RegionProviderChain::first_try(EnvironmentVariableRegionProvider::new())
            .or_else(ProfileFileRegionProvider::new())
            .or_else(default);
    }
    RegionProviderChain::default_provider().or_else(default)
}

/// The SDK's own settings: `endpoint_url` of a profile or AWS_ENDPOINT_URL, and
/// the variable for S3 alone, which the shared configuration does not show.
fn names_an_endpoint(shared: &aws_config::SdkConfig) -> bool {
    shared.endpoint_url().is_some() || std::env::var_os("AWS_ENDPOINT_URL_S3").is_some()
}
