//! The composition root: builds every component from settings.

use std::sync::Arc;

use crate::cache::Cache;
use crate::cache::keys::Layout;
use crate::config::Settings;
use crate::error::Result;
use crate::frames::Frames;
use crate::source::SourcePolicy;
use crate::store::{self, Store, StoreSpec};

/// The store that the settings name. Touches no network.
pub fn open_store(settings: &Settings) -> Result<Arc<dyn Store>> {
    store::open(&StoreSpec::parse(
        &settings.store,
        settings.endpoint.clone(),
    )?)
}

/// The service over that store; sources are any that the user can read.
pub fn frames(settings: &Settings) -> Result<Frames> {
    let cache = Cache::new(open_store(settings)?, Layout::new(&settings.prefix)?);
    let sources = SourcePolicy::anything(settings.endpoint.clone());
    Ok(Frames::new(
        cache,
        sources,
        settings.limits,
        settings.workers,
    ))
}
