//! Credentials that others renew: files that a sidecar writes, roles, processes.
//!
//! The SDK reads a credentials file once. Here all of its sources are looked at anew: when what was
//! found is old, and when the service refuses it.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use aws_config::default_provider::credentials::DefaultCredentialsChain;
use aws_config::provider_config::ProviderConfig;
use aws_credential_types::Credentials;
use aws_credential_types::provider::{self, ProvideCredentials, future};
use aws_sdk_s3::config::{Region, SharedHttpClient};
use tokio::sync::Mutex as Turn;

/// Keys that do not say when they expire are looked for again after this.
const KEPT_FOR: Duration = Duration::from_secs(300);
/// Those that do, so long before that.
const EARLY: Duration = Duration::from_secs(60);
/// No more often than this, whatever they say.
const AT_MOST: Duration = Duration::from_secs(5);

#[derive(Debug)]
pub(super) struct Keys {
    region: Option<Region>,
    http: Option<SharedHttpClient>,
    found: Mutex<Found>,
    /// One looks; the others wait for what it finds.
    turn: Turn<()>,
}

#[derive(Debug, Default)]
struct Found {
    credentials: Option<Credentials>,
    looked: Option<Instant>,
    /// How often they were others than before.
    version: u64,
}

impl Keys {
    /// `region` for roles, which are asked for over `http` (none: the SDK's own client).
    pub(super) fn new(region: Option<Region>, http: Option<SharedHttpClient>) -> Keys {
        Keys {
            region,
            http,
            found: Mutex::default(),
            turn: Turn::default(),
        }
    }

    pub(super) fn version(&self) -> u64 {
        self.found().version
    }

    /// Whether they are others than at `version`, by looking where they are not yet.
    pub(super) async fn renew(&self, version: u64) -> bool {
        let _turn = self.turn.lock().await;
        if self.version() == version {
            // Whatever went wrong: the service's refusal is what there is to tell.
            let _ = self.look().await;
        }
        self.version() != version
    }

    async fn provide(&self) -> provider::Result {
        if let Some(fresh) = self.found().fresh() {
            return Ok(fresh);
        }
        let _turn = self.turn.lock().await;
        // Somebody else may have looked meanwhile.
        let fresh = self.found().fresh();
        match fresh {
            Some(fresh) => Ok(fresh),
            None => self.look().await,
        }
    }

    /// To be called in turn.
    async fn look(&self) -> provider::Result {
        let looked = self.chain().await.provide_credentials().await;
        let mut found = self.found();
        found.looked = Some(Instant::now());
        match (looked, found.unexpired()) {
            (Ok(credentials), _) => {
                found.note(&credentials);
                Ok(credentials)
            }
            // A file may be in the middle of being written.
            (Err(_), Some(known)) => Ok(known),
            (Err(error), None) => Err(error),
        }
    }

    /// Made anew each time, because its parts keep what they read.
    async fn chain(&self) -> DefaultCredentialsChain {
        let mut config = ProviderConfig::default();
        if let Some(http) = &self.http {
            config = config.with_http_client(http.clone());
        }
        let chain = DefaultCredentialsChain::builder().configure(config);
        chain.region(self.region.clone()).build().await
    }

    fn found(&self) -> MutexGuard<'_, Found> {
        self.found.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Found {
    /// What need not be looked for again yet.
    fn fresh(&self) -> Option<Credentials> {
        let age = self.looked?.elapsed();
        let credentials = self.unexpired()?;
        let fresh = match credentials.expiry() {
            Some(end) => left(end) > EARLY,
            None => age < KEPT_FOR,
        };
        (fresh || age < AT_MOST).then_some(credentials)
    }

    fn unexpired(&self) -> Option<Credentials> {
        let known = self.credentials.clone()?;
        let ended = known.expiry().is_some_and(|end| left(end).is_zero());
        (!ended).then_some(known)
    }

    fn note(&mut self, credentials: &Credentials) {
        let parts = |of: &Credentials| {
            let token = of.session_token().map(str::to_owned);
            (
                of.access_key_id().to_owned(),
                of.secret_access_key().to_owned(),
                token,
            )
        };
        if self
            .credentials
            .as_ref()
            .is_some_and(|known| parts(known) != parts(credentials))
        {
            self.version += 1;
        }
        self.credentials = Some(credentials.clone());
    }
}

fn left(end: SystemTime) -> Duration {
    end.duration_since(SystemTime::now()).unwrap_or_default()
}

impl ProvideCredentials for Keys {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        future::ProvideCredentials::new(self.provide())
    }
}
