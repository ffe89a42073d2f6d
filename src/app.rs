//! The composition root: builds every component from settings.

use crate::cache::Cache;
use crate::cache::keys::Layout;
use crate::cache::memory::Memory;
use crate::config::serve::ServeSettings;
use crate::config::{DEFAULT_PREFIX, Settings};
use crate::error::{Error, Result};
use crate::frames::Frames;
use crate::source::SourcePolicy;
use crate::store::{self, Location, StoreSpec};

/// What a command keeps in memory: it reads each frame once, and some records again.
const COMMAND_MEMORY_BYTES: u64 = 256 << 20;

/// The cache that the settings name. Touches no network.
///
/// The part of `s3://bucket/prefix` behind the bucket is the first part of every
/// key, and takes the place of `prefix`.
///
/// # Errors
/// FIELD_INVALID for a store or prefix that cannot be, or a prefix said twice.
fn cache(settings: &Settings, memory_bytes: u64) -> Result<Cache> {
    let mut spec = StoreSpec::parse(&settings.store, settings.endpoint.clone())?;
    let within = match &mut spec.location {
        Location::S3 { prefix, .. } => std::mem::take(prefix),
        Location::Dir(_) => String::new(),
    };
    let prefix = match (within.as_str(), settings.prefix.as_deref()) {
        ("", chosen) => chosen.unwrap_or(DEFAULT_PREFIX),
        (within, None) => within,
        (within, Some(chosen)) => {
            return Err(Error::field(format!(
                "the keys' prefix is given twice: store={} prefix={chosen} within={within}",
                settings.store
            ))
            .hint("give it behind the bucket or as --prefix"));
        }
    };
    let memory = Memory::new(memory_bytes);
    Ok(Cache::new(
        store::open(&spec)?,
        Layout::new(prefix)?,
        memory,
    ))
}

/// The service over that cache; sources are any that the user can read.
pub fn frames(settings: &Settings) -> Result<Frames> {
    let cache = cache(settings, COMMAND_MEMORY_BYTES)?;
    let sources = SourcePolicy::anything(settings.endpoint.clone());
    Ok(Frames::new(
        cache,
        sources,
        settings.limits,
        settings.workers,
    ))
}

/// The service of a server: sources only where it allows them.
///
/// # Errors
/// FIELD_INVALID as [`cache`], and for a source root that is no folder.
pub fn served_frames(settings: &Settings, serve: &ServeSettings) -> Result<Frames> {
    let cache = cache(settings, serve.memory_bytes)?;
    let endpoint = serve.source_endpoint.clone();
    let sources = SourcePolicy::only(&serve.source_roots, &serve.source_buckets, endpoint)?;
    Ok(Frames::new(
        cache,
        sources,
        settings.limits,
        settings.workers,
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Flags;

    fn plan_key(store: &str, prefix: Option<&str>) -> Result<String> {
        let flags = Flags {
            store: Some(store.to_owned()),
            prefix: prefix.map(str::to_owned),
            ..Flags::default()
        };
        let cache = cache(&Settings::resolve(flags, |_| None)?, COMMAND_MEMORY_BYTES)?;
        Ok(cache.profile("t", "default")?.keys().plan())
    }

    #[test]
    fn the_prefix_is_cache_unless_the_uri_or_the_flag_names_another() {
        let expected = |prefix: &str| format!("{prefix}/timelines/t/plan.json");
        assert_eq!(plan_key("here", None).unwrap(), expected("cache"));
        assert_eq!(plan_key("s3://bucket", None).unwrap(), expected("cache"));
        assert_eq!(plan_key("s3://bucket/a/b", None).unwrap(), expected("a/b"));
        assert_eq!(plan_key("here", Some("p")).unwrap(), expected("p"));
        assert!(plan_key("s3://bucket/a", Some("p")).is_err());
    }
}
