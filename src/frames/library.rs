//! Sources, opened and indexed: the tracks used last are kept, so that a chunk
//! that was indexed for its plan is not read again for its frames.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use crate::cancel::{Stop, StopOnDrop};
use crate::demux::{self, Opener, Track};
use crate::error::{Error, Reason, Result};
use crate::extract::{SpanMedia, Turn};
use crate::frames::slots::Slots;
use crate::source::{self, ByteSource, SourcePolicy};
use crate::timeline::index::Identity;
use crate::timeline::plan::ChunkSpec;

/// Units that all kept tracks may have together: about 64 bytes each.
const KEPT_UNITS: usize = 1_500_000;

/// Sources indexed at once, of each kind of `Slots`.
const AT_ONCE: std::ops::RangeInclusive<usize> = 2..=8;
/// Who has no place by then is refused.
const MAX_WAIT: Duration = Duration::from_secs(300);

pub struct Library {
    policy: SourcePolicy,
    /// Used last, last.
    kept: Mutex<VecDeque<(Media, Arc<Track>)>>,
    /// Media being indexed: whoever else wants one waits for it.
    reading: Mutex<Vec<(Media, Weak<Reading>)>>,
    slots: Slots,
}

type Reading = tokio::sync::Mutex<()>;

/// What tells one track from another: where it is, which it is, and which bytes it had.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Media {
    uri: String,
    init_uri: Option<String>,
    stream: Option<u32>,
    identities: (Identity, Option<Identity>),
}

impl Library {
    /// Indexes no more sources at once than keep so many workers busy.
    pub fn new(policy: SourcePolicy, workers: usize) -> Self {
        Library {
            policy,
            kept: Mutex::default(),
            reading: Mutex::default(),
            slots: Slots::new(workers.clamp(*AT_ONCE.start(), *AT_ONCE.end())),
        }
    }

    /// Opens a source for reading from its start, its header before it where it has one.
    pub fn open(&self, spec: &ChunkSpec) -> Result<Box<dyn ByteSource>> {
        open(&self.policy, &spec.uri, spec.init_uri.as_deref())
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

    /// The source's track, indexed now or before. Dropped, it stops reading.
    ///
    /// # Errors
    /// As [`demux::read_track`]; the source's own; QUEUE_FULL where too many are indexed for too long.
    pub async fn track(self: &Arc<Self>, spec: &ChunkSpec, turn: &Turn) -> Result<SpanMedia> {
        let (library, asked) = (self.clone(), spec.clone());
        let media = stoppable(move |_| library.media(&asked)).await?;
        let track = match self.find(&media) {
            Some(track) => track,
            None => self.read_once(spec, media, turn).await?,
        };
        Ok(SpanMedia {
            track,
            opener: self.opener(spec),
        })
    }

    /// The same where there is one caller. Blocking: reads all packets.
    ///
    /// # Errors
    /// As [`Library::track`].
    pub fn track_now(&self, spec: &ChunkSpec) -> Result<SpanMedia> {
        let media = self.media(spec)?;
        Ok(SpanMedia {
            track: self.read(spec, media, &Stop::never())?,
            opener: self.opener(spec),
        })
    }

    fn media(&self, spec: &ChunkSpec) -> Result<Media> {
        Ok(Media {
            uri: spec.uri.clone(),
            init_uri: spec.init_uri.clone(),
            stream: spec.stream,
            identities: self.identities(spec)?,
        })
    }

    fn opener(&self, spec: &ChunkSpec) -> Opener {
        let (policy, spec) = (self.policy.clone(), spec.clone());
        Arc::new(move || open(&policy, &spec.uri, spec.init_uri.as_deref()))
    }

    /// Spans of one source start together: one of them reads it, the others find it kept. Who waits for
    /// another has a place, too: so that other is reading, and waits for nobody.
    async fn read_once(
        self: &Arc<Self>,
        spec: &ChunkSpec,
        media: Media,
        turn: &Turn,
    ) -> Result<Arc<Track>> {
        let slot = tokio::time::timeout(MAX_WAIT, self.slots.take(turn)).await;
        let slot = slot.map_err(|_| busy())??;
        let reading = self.reading(&media);
        let _reading = reading.lock().await;
        if let Some(track) = self.find(&media) {
            return Ok(track);
        }
        let (library, spec) = (self.clone(), spec.clone());
        stoppable(move |stop| {
            // A place is free only once reading has ended.
            let _slot = slot;
            library.read(&spec, media, stop)
        })
        .await
    }

    fn reading(&self, media: &Media) -> Arc<Reading> {
        // Nothing that can panic runs under the lock.
        let mut all = self.reading.lock().unwrap_or_else(PoisonError::into_inner);
        all.retain(|(_, reading)| reading.strong_count() > 0);
        let known = all.iter().find(|(known, _)| known == media);
        if let Some(reading) = known.and_then(|(_, reading)| reading.upgrade()) {
            return reading;
        }
        let reading = Arc::<Reading>::default();
        all.push((media.clone(), Arc::downgrade(&reading)));
        reading
    }

    fn read(&self, spec: &ChunkSpec, media: Media, stop: &Stop) -> Result<Arc<Track>> {
        crate::av::init();
        let identities = media.identities.clone();
        let track = demux::read_track(|| self.open(spec), spec.stream, identities, stop)?;
        track.info.check_decoder()?;
        let track = Arc::new(track);
        self.keep(media, track.clone());
        Ok(track)
    }

    fn kept(&self) -> std::sync::MutexGuard<'_, VecDeque<(Media, Arc<Track>)>> {
        // Nothing that can panic runs under the lock.
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn find(&self, media: &Media) -> Option<Arc<Track>> {
        let mut kept = self.kept();
        let place = kept.iter().position(|(known, _)| known == media)?;
        let found = kept.remove(place)?;
        kept.push_back(found.clone());
        Some(found.1)
    }

    fn keep(&self, media: Media, track: Arc<Track>) {
        let mut kept = self.kept();
        kept.push_back((media, track));
        let mut units: usize = kept.iter().map(|(_, track)| track.units.len()).sum();
        while units > KEPT_UNITS && kept.len() > 1 {
            if let Some((_, dropped)) = kept.pop_front() {
                units -= dropped.units.len();
            }
        }
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
