//! Sources, opened and indexed: the tracks used last are kept, so that a chunk
//! that was indexed for its plan is not read again for its frames.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use crate::demux::{self, Opener, Track};
use crate::error::{Error, Result};
use crate::extract::{SpanMedia, check_size};
use crate::source::{self, ByteSource, SourcePolicy};
use crate::timeline::index::Identity;
use crate::timeline::plan::ChunkSpec;

/// Units that all kept tracks may have together: about 64 bytes each.
const KEPT_UNITS: usize = 1_500_000;

pub struct Library {
    policy: SourcePolicy,
    /// Used last, last.
    kept: Mutex<VecDeque<(Media, Arc<Track>)>>,
    /// Media being indexed: whoever else wants one waits for it.
    reading: Mutex<Vec<(Media, Arc<Mutex<()>>)>>,
}

/// What tells one track from another: where it is, which it is, and which bytes it had.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Media {
    uri: String,
    init_uri: Option<String>,
    stream: Option<u32>,
    identities: (Identity, Option<Identity>),
}

impl Library {
    pub fn new(policy: SourcePolicy) -> Self {
        Library {
            policy,
            kept: Mutex::default(),
            reading: Mutex::default(),
        }
    }

    /// Opens a source for reading from its start, its header before it where it has one.
    pub fn open(&self, spec: &ChunkSpec) -> Result<Box<dyn ByteSource>> {
        open(&self.policy, &spec.uri, spec.init_uri.as_deref())
    }

    /// Sizes and hashes that tell whether the source is still the same.
    pub fn identities(&self, spec: &ChunkSpec) -> Result<(Identity, Option<Identity>)> {
        let identity = |uri: &str| source::identity(source::open(uri, &self.policy)?.as_mut());
        Ok((
            identity(&spec.uri)?,
            spec.init_uri.as_deref().map(identity).transpose()?,
        ))
    }

    /// The source's track, indexed now or before. Blocking: reads all packets.
    ///
    /// # Errors
    /// As [`demux::read_track`]; LIMIT_EXCEEDED for pictures over the limits; the source's own.
    pub fn track(&self, spec: &ChunkSpec) -> Result<SpanMedia> {
        let media = Media {
            uri: spec.uri.clone(),
            init_uri: spec.init_uri.clone(),
            stream: spec.stream,
            identities: self.identities(spec)?,
        };
        let track = match self.find(&media) {
            Some(track) => track,
            None => self.read_once(spec, media)?,
        };
        Ok(SpanMedia {
            track,
            opener: self.opener(spec),
        })
    }

    fn opener(&self, spec: &ChunkSpec) -> Opener {
        let (policy, spec) = (self.policy.clone(), spec.clone());
        Arc::new(move || open(&policy, &spec.uri, spec.init_uri.as_deref()))
    }

    /// Spans of one source start together: one of them reads it, the others find it kept.
    fn read_once(&self, spec: &ChunkSpec, media: Media) -> Result<Arc<Track>> {
        let turn = self.turn(&media);
        let outcome = {
            let _turn = turn.lock().unwrap_or_else(PoisonError::into_inner);
            match self.find(&media) {
                Some(track) => Ok(track),
                None => self.read(spec, media.clone()),
            }
        };
        self.reading().retain(|(known, _)| *known != media);
        outcome
    }

    fn turn(&self, media: &Media) -> Arc<Mutex<()>> {
        let mut reading = self.reading();
        if let Some((_, turn)) = reading.iter().find(|(known, _)| known == media) {
            return turn.clone();
        }
        let turn = Arc::<Mutex<()>>::default();
        reading.push((media.clone(), turn.clone()));
        turn
    }

    fn reading(&self) -> std::sync::MutexGuard<'_, Vec<(Media, Arc<Mutex<()>>)>> {
        // Nothing that can panic runs under the lock.
        self.reading.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn read(&self, spec: &ChunkSpec, media: Media) -> Result<Arc<Track>> {
        crate::av::init();
        let track = demux::read_track(|| self.open(spec), spec.stream, media.identities.clone())?;
        let (width, height) = track.info.size();
        check_size(width, height)?;
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

/// Runs blocking work off the async threads.
pub async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T> + Send + 'static,
) -> Result<T> {
    match tokio::task::spawn_blocking(work).await {
        Ok(outcome) => outcome,
        Err(failed) => Err(Error::internal("a blocking task failed").caused_by(failed)),
    }
}
