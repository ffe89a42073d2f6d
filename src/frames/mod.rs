//! The service itself: cache -> extract -> cache. What `rpc` and `cli` call; it
//! knows no gRPC and no terminal.

mod claim;
mod collect;
mod decode;
mod extract;
mod library;
mod request;
mod serve;
mod shown;
mod sources;

use std::sync::{Arc, OnceLock};

use crate::cache::Cache;
use crate::error::Result;
use crate::extract::Engine;
use crate::source::SourcePolicy;
use crate::timeline::limits::Limits;

pub use decode::{Decoded, Take};
pub use library::{Library, blocking};
pub use request::{ChunkResult, Event, Extraction, Only, Progress, Sink, Stage, Summary};
pub use serve::{Serving, absent, again, place_of, recorded};
pub use sources::SourceFinding;

/// A cache, and the means to fill it. Made once a process.
pub struct Frames {
    cache: Cache,
    library: Arc<Library>,
    limits: Limits,
    workers: usize,
    /// Made at the first extraction: reading a cache needs no threads.
    engine: OnceLock<Arc<Engine>>,
}

impl Frames {
    /// `workers`: threads that decode and develop.
    pub fn new(cache: Cache, sources: SourcePolicy, limits: Limits, workers: usize) -> Self {
        Frames {
            cache,
            library: Arc::new(Library::new(sources)),
            limits,
            workers: workers.max(1),
            engine: OnceLock::new(),
        }
    }

    pub fn cache(&self) -> &Cache {
        &self.cache
    }

    pub fn library(&self) -> &Arc<Library> {
        &self.library
    }

    fn engine(&self) -> Result<Arc<Engine>> {
        if let Some(engine) = self.engine.get() {
            return Ok(engine.clone());
        }
        let made = Arc::new(Engine::new(self.workers)?);
        Ok(self.engine.get_or_init(|| made).clone())
    }
}
