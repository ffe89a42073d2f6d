//! The service itself: cache -> extract -> cache. What `rpc` and `cli` call; it
//! knows no gRPC and no terminal.

mod answer;
mod claim;
mod collect;
mod cuts;
mod duplicates;
mod elsewhere;
mod extract;
mod flights;
mod footage;
mod hashes;
mod leftovers;
mod library;
mod orders;
mod others;
mod pick;
mod pulse;
mod refusal;
mod request;
mod select;
mod serve;
mod shown;
mod similar;
mod slots;
mod sources;
mod span;
mod task;
mod tries;

use std::sync::Arc;

use tokio::sync::Semaphore;

use crate::account::Account;
use crate::cache::Cache;
use crate::decode::Backend;
use crate::error::Result;
use crate::foundry::Foundry;
use crate::frames::flights::Flights;
use crate::metrics::Metrics;
use crate::source::SourcePolicy;
use crate::timeline::limits::Limits;
use crate::timeline::plan::FrameLayout;

pub use answer::Answer;
pub use duplicates::{FoundTwins, Twin, Twins};
pub use extract::{Submitted, chunk_error};
pub use footage::{Footage, Pixels, Shot, Still, Take};
pub use hashes::HashPage;
pub use library::{Library, blocking, stoppable};
pub use orders::{Done, Elsewhere, News, Order, Place, Taken, Told, lost};
pub use others::{Fallback, Others, UNREACHED};
pub use pick::Pick;
pub use refusal::{absent, recorded};
pub use request::{ChunkResult, Event, Extraction, Only, Progress, Sink, Stage, Summary};
pub use select::{Asked, Selected, Selection, Which, is_inside, within};
pub use serve::{OnMiss, Serving, again, place_of};
pub use similar::{Found, Near, Place as NearPlace, Query, SEARCH_BYTES, Search};
pub use sources::SourceFinding;
pub use task::Task;

/// Lanes beside one for each worker: a caller who is slow to take pictures may hold up to three.
const MORE_LANES: usize = 2;

/// A cache, and the means to fill it. Made once a process; clones share everything.
#[derive(Clone)]
pub struct Frames {
    cache: Cache,
    library: Arc<Library>,
    limits: Limits,
    workers: usize,
    foundry: Arc<dyn Foundry>,
    flights: Arc<Flights>,
    /// Places of those who take pictures from their sources; extraction does not wait for them.
    lanes: Arc<Semaphore>,
    /// None: spans are made here.
    others: Option<Others>,
    metrics: Arc<Metrics>,
    /// How frames of a new profile lie, where nothing is said.
    layout: FrameLayout,
}

impl Frames {
    /// `workers`: threads that decode and develop.
    pub fn new(
        (cache, sources): (Cache, SourcePolicy),
        limits: Limits,
        (foundry, workers): (Arc<dyn Foundry>, usize),
    ) -> Self {
        let workers = workers.max(1);
        Frames {
            cache,
            library: Arc::new(Library::new(sources, foundry.clone(), workers)),
            limits,
            workers,
            foundry,
            flights: Arc::new(Flights::new(spans_at_once(workers))),
            lanes: Arc::new(Semaphore::new(workers + MORE_LANES)),
            others: None,
            metrics: Arc::new(Metrics::new()),
            layout: FrameLayout::default(),
        }
    }

    /// Has frames of new profiles lie so, where nothing else is said.
    pub fn with_layout(mut self, layout: FrameLayout) -> Self {
        self.layout = layout;
        self
    }

    /// Counts into these.
    pub fn with_metrics(mut self, metrics: Arc<Metrics>) -> Self {
        self.metrics = metrics;
        self
    }

    /// The same for one caller, whose account what it reads is on.
    pub fn for_call(&self, account: &Account) -> Frames {
        Frames {
            cache: self.cache.for_call(account),
            ..self.clone()
        }
    }

    pub fn cache(&self) -> &Cache {
        &self.cache
    }

    pub fn library(&self) -> &Arc<Library> {
        &self.library
    }

    pub fn foundry(&self) -> &Arc<dyn Foundry> {
        &self.foundry
    }

    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    pub fn workers(&self) -> usize {
        self.workers
    }

    pub fn metrics(&self) -> &Arc<Metrics> {
        &self.metrics
    }

    /// Refuses a backend that there is not. Looking for one may take a second.
    ///
    /// # Errors
    /// GPU_UNAVAILABLE.
    pub async fn check_backend(&self, backend: Backend) -> Result<()> {
        if backend != Backend::Gpu {
            return Ok(());
        }
        let foundry = self.foundry.clone();
        blocking(move || foundry.check(backend)).await
    }
}

/// Two more than may be decoded: whenever a worker is free, the next one waits with its source open,
/// and behind it another, by which it is not the last (`extract/queues.rs`).
pub fn spans_at_once(workers: usize) -> usize {
    workers + 2
}
