//! Sources, opened and indexed: the media used last are kept, so that a chunk
//! that was indexed for its plan is not read again for its frames.

use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use crate::cancel::{Stop, StopOnDrop};
use crate::decode::Backend;
use crate::error::{Error, Reason, Result};
use crate::extract::{Caller, Turn};
use crate::foundry::{Foundry, Kept, Media, Probe, Report, Source};
use crate::frames::pulse::Pulse;
use crate::frames::slots::Slots;
use crate::source::{self, ByteSource, SourcePolicy, strip_credentials};
use crate::timeline::index::Identity;
use crate::timeline::plan::ChunkSpec;

/// Sources indexed at once, of each kind of `Slots`.
const AT_ONCE: std::ops::RangeInclusive<usize> = 2..=8;
/// Who has no place by then is refused.
const MAX_WAIT: Duration = Duration::from_secs(300);

pub struct Library {
    policy: SourcePolicy,
    foundry: Arc<dyn Foundry>,
    kept: Kept<Key, Media>,
    /// Media being indexed: whoever else wants one waits for it.
    reading: Mutex<Vec<(Key, Weak<Reading>)>>,
    slots: Slots,
    pulse: Arc<Pulse>,
}

type Reading = tokio::sync::Mutex<()>;

/// What tells one video from another: where it is, which it is, and which bytes it had.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Key {
    uri: String,
    init_uri: Option<String>,
    stream: Option<u32>,
    identities: (Identity, Option<Identity>),
}

impl Library {
    /// Indexes no more sources at once than keep so many workers busy.
    pub fn new(policy: SourcePolicy, foundry: Arc<dyn Foundry>, workers: usize) -> Self {
        Library {
            policy,
            foundry,
            kept: Kept::new(Media::units),
            reading: Mutex::default(),
            slots: Slots::new(workers.clamp(*AT_ONCE.start(), *AT_ONCE.end())),
            pulse: Arc::default(),
        }
    }

    /// Moves with what is indexed, and with what is decoded for whoever counts into it.
    pub fn pulse(&self) -> &Arc<Pulse> {
        &self.pulse
    }

    /// Sizes and hashes that tell whether the source is still the same.
    pub fn identities(&self, spec: &ChunkSpec) -> Result<(Identity, Option<Identity>)> {
        let identity = |field: &str, uri: &str| {
            let source = source::open(uri, &self.policy);
            source
                .and_then(|mut source| source::identity(source.as_mut()))
                .map_err(|e| e.in_field(field))
        };
        let init = spec.init_uri.as_deref();
        Ok((
            identity("uri", &spec.uri)?,
            init.map(|uri| identity("init_uri", uri)).transpose()?,
        ))
    }

    /// The source's video, indexed now or before. Dropped, it stops reading.
    ///
    /// # Errors
    /// As [`Foundry::index`]; the source's own; QUEUE_FULL where too many are indexed for too long.
    pub async fn media(self: &Arc<Self>, spec: &ChunkSpec, turn: &Turn) -> Result<Media> {
        let (library, asked) = (self.clone(), spec.clone());
        let key = stoppable(move |_| library.key(&asked)).await?;
        match self.kept.find(&key) {
            Some(media) => Ok(media),
            None => self.read_once(spec, key, turn).await,
        }
    }

    /// Says what a source is: reads all its packets, decodes nothing. Dropped, it stops reading.
    ///
    /// # Errors
    /// As [`Library::media`], saying of which source.
    pub async fn probe(self: &Arc<Self>, spec: &ChunkSpec) -> Result<Probe> {
        let named = |e: Error| match (e.field_path(), spec.init_uri.as_deref()) {
            (Some("init_uri"), init) => e.about("init", strip_credentials(init.unwrap_or(""))),
            _ => e.about("source", strip_credentials(&spec.uri)),
        };
        let media = self.media(spec, &Turn::awaited(Caller::new())).await;
        let (media, library) = (media.map_err(named)?, self.clone());
        stoppable(move |stop| library.foundry.probe(&media, stop)).await
    }

    /// The md5 of each picture of a source.
    ///
    /// # Errors
    /// As [`Library::media`] and [`Foundry::framemd5`].
    pub async fn framemd5(
        self: &Arc<Self>,
        spec: &ChunkSpec,
        how: (Backend, usize),
    ) -> Result<Report> {
        let media = self.media(spec, &Turn::default()).await?;
        let library = self.clone();
        stoppable(move |stop| library.foundry.framemd5(&media, how, stop)).await
    }

    fn key(&self, spec: &ChunkSpec) -> Result<Key> {
        Ok(Key {
            uri: spec.uri.clone(),
            init_uri: spec.init_uri.clone(),
            stream: spec.stream,
            identities: self.identities(spec)?,
        })
    }

    /// Spans of one source start together: one of them reads it, the others find it kept. Who waits for
    /// another has a place, too: so that other is reading, and waits for nobody.
    async fn read_once(self: &Arc<Self>, spec: &ChunkSpec, key: Key, turn: &Turn) -> Result<Media> {
        let slot = tokio::time::timeout(MAX_WAIT, self.slots.take(turn)).await;
        let slot = slot.map_err(|_| busy())??;
        let reading = self.reading(&key);
        let _reading = reading.lock().await;
        if let Some(media) = self.kept.find(&key) {
            return Ok(media);
        }
        let (library, spec) = (self.clone(), spec.clone());
        stoppable(move |stop| {
            // A place is free only once reading has ended.
            let _slot = slot;
            let stop = stop.clone().counting(library.pulse.steps());
            library.read(&spec, key, &stop)
        })
        .await
    }

    fn reading(&self, key: &Key) -> Arc<Reading> {
        // Nothing that can panic runs under the lock.
        let mut all = self.reading.lock().unwrap_or_else(PoisonError::into_inner);
        all.retain(|(_, reading)| reading.strong_count() > 0);
        let known = all.iter().find(|(known, _)| known == key);
        if let Some(reading) = known.and_then(|(_, reading)| reading.upgrade()) {
            return reading;
        }
        let reading = Arc::<Reading>::default();
        all.push((key.clone(), Arc::downgrade(&reading)));
        reading
    }

    fn read(&self, spec: &ChunkSpec, key: Key, stop: &Stop) -> Result<Media> {
        let (policy, of) = (self.policy.clone(), spec.clone());
        let source = Source {
            opener: Arc::new(move || open(&policy, &of.uri, of.init_uri.as_deref())),
            stream: spec.stream,
            identities: key.identities.clone(),
        };
        let media = self.foundry.index(source, stop)?;
        self.kept.keep(key, media.clone());
        tracing::debug!(source = %strip_credentials(&spec.uri), "a source was indexed");
        Ok(media)
    }
}

fn open(policy: &SourcePolicy, uri: &str, init_uri: Option<&str>) -> Result<Box<dyn ByteSource>> {
    let body = source::open(uri, policy)?;
    Ok(match init_uri {
        Some(init) => source::concat(source::open(init, policy)?, body),
        None => body,
    })
}

fn busy() -> Error {
    Error::new(
        Reason::QueueFull,
        format!(
            "too many sources were indexed at once for too long, waited_secs={}",
            MAX_WAIT.as_secs()
        ),
    )
    .hint("ask again later")
}

/// Runs blocking work off the async threads, which is told to stop when the caller leaves.
pub async fn stoppable<T: Send + 'static>(
    work: impl FnOnce(&Stop) -> Result<T> + Send + 'static,
) -> Result<T> {
    let (_caller, stop) = StopOnDrop::new();
    blocking(move || work(&stop)).await
}

/// Runs blocking work off the async threads.
pub async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T> + Send + 'static,
) -> Result<T> {
    match tokio::task::spawn_blocking(work).await {
        Ok(outcome) => outcome,
        Err(failed) => Err(Error::internal("a blocking task failed").caused_by(failed)),
    }
}
