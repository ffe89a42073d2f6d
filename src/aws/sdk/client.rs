//! The client itself: where it speaks to, with which keys, trusting whom.

use std::sync::Arc;
use std::time::Duration;

use aws_config::SdkConfig;
use aws_config::environment::credentials::EnvironmentVariableCredentialsProvider;
use aws_config::environment::region::EnvironmentVariableRegionProvider;
use aws_config::identity::IdentityCache;
use aws_config::meta::region::RegionProviderChain;
use aws_config::profile::ProfileFileRegionProvider;
use aws_credential_types::provider::ProvideCredentials;
use aws_sdk_s3::Client;
use aws_sdk_s3::config::retry::RetryConfig;
use aws_sdk_s3::config::timeout::TimeoutConfig;
use aws_sdk_s3::config::{
    BehaviorVersion, Builder, Region, RequestChecksumCalculation, ResponseChecksumValidation,
    SharedCredentialsProvider, SharedHttpClient, StalledStreamProtectionConfig,
};
use aws_types::service_config::ServiceConfigKey;
use tokio::sync::OnceCell;

use super::failure::Failure;
use super::keys::Keys;
use super::trust;
use crate::aws::Endpoint;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// A client that is made at its first use, so that naming a bucket costs nothing.
pub(crate) struct Lazy {
    endpoint: Endpoint,
    /// For tests; otherwise every source that the SDK knows.
    credentials: Option<SharedCredentialsProvider>,
    connected: OnceCell<Connected>,
}

struct Connected {
    client: Client,
    /// None where they cannot change.
    keys: Option<Arc<Keys>>,
}

impl Lazy {
    pub(crate) fn new(endpoint: Endpoint) -> Lazy {
        Lazy {
            endpoint,
            credentials: None,
            connected: OnceCell::new(),
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

    /// # Errors
    /// Where the file of trusted authorities cannot be used.
    pub(crate) async fn client(&self) -> Result<&Client, Failure> {
        let fixed = self.credentials.clone();
        let build = || connect(&self.endpoint, fixed);
        Ok(&self.connected.get_or_try_init(build).await?.client)
    }

    /// Counts how often the keys were others than before.
    pub(super) fn keys_version(&self) -> u64 {
        self.keys().map_or(0, |keys| keys.version())
    }

    /// Whether there are others than at `version`; looks for them where there are not yet.
    pub(super) async fn has_newer_keys(&self, version: u64) -> bool {
        match self.keys() {
            Some(keys) => keys.renew(version).await,
            None => false,
        }
    }

    fn keys(&self) -> Option<&Keys> {
        self.connected.get()?.keys.as_deref()
    }
}

/// `fixed`: credentials in place of those that are looked for.
async fn connect(
    endpoint: &Endpoint,
    fixed: Option<SharedCredentialsProvider>,
) -> Result<Connected, Failure> {
    let http = trust::client(endpoint.ca_bundle.as_deref())?;
    let shared = shared_config(endpoint, http.clone()).await;
    let mut config = Builder::from(&shared);
    let url = endpoint.url.clone().or_else(|| named_url(&shared));
    if let Some(url) = url {
        config = speak_to(config, url);
    }
    let (config, keys) = match fixed.or(of_environment().await) {
        Some(fixed) => (config.credentials_provider(fixed), None),
        None => {
            let keys = Arc::new(Keys::new(shared.region().cloned(), http));
            let provider: Arc<dyn ProvideCredentials> = Arc::clone(&keys) as _;
            // They keep what they found themselves.
            let config = config.identity_cache(IdentityCache::no_cache());
            let provider = SharedCredentialsProvider::from(provider);
            (config.credentials_provider(provider), Some(keys))
        }
    };
    let client = Client::from_conf(config.build());
    Ok(Connected { client, keys })
}

async fn shared_config(endpoint: &Endpoint, http: Option<SharedHttpClient>) -> SdkConfig {
    let timeouts = TimeoutConfig::builder()
        .connect_timeout(CONNECT_TIMEOUT)
        .build();
    let mut loader = aws_config::defaults(BehaviorVersion::v2026_01_12())
        .retry_config(RetryConfig::disabled())
        .timeout_config(timeouts)
        // `read_body` does this, and begins again.
        .stalled_stream_protection(StalledStreamProtectionConfig::disabled())
        .no_credentials()
        .region(region(endpoint));
    if let Some(http) = http {
        loader = loader.http_client(http);
    }
    loader.load().await
}

/// An endpoint of one's own.
fn speak_to(config: Builder, url: String) -> Builder {
    let plain = url.starts_with("http://");
    // Without it, the last part of a path would be taken for a file's name, and be replaced.
    let url = match url.ends_with('/') {
        true => url,
        false => format!("{url}/"),
    };
    let config = config
        .endpoint_url(url)
        // What imitates S3 has no DNS names for buckets, and often rejects the newer checksums.
        .force_path_style(true)
        .request_checksum_calculation(RequestChecksumCalculation::WhenRequired)
        .response_checksum_validation(ResponseChecksumValidation::WhenRequired);
    match plain {
        // The usual client reads every certificate that the machine trusts: some 150 files and 4 ms.
        true => config.http_client(aws_smithy_http_client::Builder::new().build_http()),
        false => config,
    }
}

/// The SDK's own settings: AWS_ENDPOINT_URL_S3, `endpoint_url` of the profile's section in
/// `services`, and then the ones for every service.
fn named_url(shared: &SdkConfig) -> Option<String> {
    let key = ServiceConfigKey::builder()
        .service_id("S3")
        .env("AWS_ENDPOINT_URL")
        .profile("endpoint_url")
        .build()
        .ok()?;
    let own = shared.service_config().and_then(|all| all.load_config(key));
    own.or_else(|| shared.endpoint_url().map(str::to_owned))
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
