//! The composition root: builds every component from settings.

use std::sync::Arc;

use crate::account::{Accountant, MAX_WAIT, Means};
use crate::api::{self, ServerInfo, v1};
use crate::av;
use crate::cache::Cache;
use crate::cache::keys::Layout;
use crate::cache::memory::Memory;
use crate::config::media::Isolation;
#[cfg(feature = "nats")]
use crate::config::serve::QueueFallback;
use crate::config::serve::ServeSettings;
use crate::config::{DEFAULT_PREFIX, Settings};
use crate::decode::CODECS;
use crate::error::{Error, Result};
use crate::extract;
use crate::extract::{MAX_PIXELS, MAX_SIDE};
use crate::foundry::{Apart, Card, CardsThere, Foundry, Here, Program};
#[cfg(feature = "nats")]
use crate::frames::{Fallback, Others, UNREACHED};
use crate::frames::{Frames, Library};
use crate::gpu;
use crate::metrics::Metrics;
#[cfg(feature = "nats")]
use crate::queue::{Address, Broker};
use crate::sandbox::Report;
use crate::serve::{Collecting, Descriptors, Server};
use crate::source::SourcePolicy;
use crate::store::metered::metered;
use crate::store::{self, Location, Store, StoreSpec};

/// What a command keeps in memory: it reads each frame once, and some records again.
const COMMAND_MEMORY_BYTES: u64 = 512 << 20;

/// The cache that the settings name. Touches no network.
///
/// The part of `s3://bucket/prefix` behind the bucket is the first part of every
/// key, and takes the place of `prefix`.
///
/// # Errors
/// FIELD_INVALID for a store or prefix that cannot be, or a prefix said twice.
fn cache(settings: &Settings, memory_bytes: u64) -> Result<Cache> {
    cache_over(settings, Memory::new(memory_bytes), |store| store)
}

/// As [`cache`], with something put around the store.
fn cache_over(
    settings: &Settings,
    memory: Arc<Memory>,
    around: impl FnOnce(Arc<dyn Store>) -> Arc<dyn Store>,
) -> Result<Cache> {
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
    let store = around(store::open(&spec)?);
    Ok(Cache::new(store, Layout::new(prefix)?, memory))
}

/// The service over that cache; sources are any that the user can read.
pub fn frames(settings: &Settings) -> Result<Frames> {
    let cache = cache(settings, COMMAND_MEMORY_BYTES)?;
    let sources = SourcePolicy::anything(settings.endpoint.clone());
    let decoding = (foundry(settings)?, settings.workers);
    let frames = Frames::new((cache, sources), settings.limits, decoding);
    Ok(frames.with_layout(settings.layout))
}

/// The same for a worker, which decodes media of others: in processes of their own, unless told otherwise.
///
/// # Errors
/// As [`frames`]; INTERNAL where the system starts no process.
pub fn worker(settings: &Settings) -> Result<Frames> {
    let metrics = Arc::new(Metrics::new());
    let memory = Memory::new(COMMAND_MEMORY_BYTES);
    let around = |store| metered(store, metrics.clone());
    let cache = cache_over(settings, memory, around)?;
    let sources = SourcePolicy::anything(settings.endpoint.clone());
    let foundry: Arc<dyn Foundry> = match settings.media.isolation {
        Some(Isolation::None) => Arc::new(Here::new(settings.workers)),
        Some(Isolation::Process) | None => Arc::new(apart(settings, &metrics)?),
    };
    let decoding = (foundry, settings.workers);
    let frames = Frames::new((cache, sources), settings.limits, decoding);
    Ok(frames.with_metrics(metrics))
}

/// The settings' store as orders name it: a bucket is the same one everywhere, a directory lies elsewhere on
/// each machine.
///
/// # Errors
/// FIELD_INVALID as `cache`.
pub fn store_name(settings: &Settings, frames: &Frames) -> Result<String> {
    let spec = StoreSpec::parse(&settings.store, settings.endpoint.clone())?;
    Ok(match spec.location {
        Location::Dir(_) => "directory".to_owned(),
        Location::S3 { bucket, .. } => {
            let below = frames.cache().layout().timelines_prefix();
            let prefix = below.strip_suffix("timelines/").unwrap_or(below);
            format!("s3://{bucket}/{prefix}")
        }
    })
}

/// What demuxes and decodes. Opens nothing yet; a process of its own is started.
///
/// # Errors
/// INTERNAL where the system starts no process.
pub fn foundry(settings: &Settings) -> Result<Arc<dyn Foundry>> {
    match settings.media.isolation {
        Some(Isolation::Process) => {
            let apart = apart(settings, &Arc::default())?;
            Ok(Arc::new(apart))
        }
        Some(Isolation::None) | None => Ok(Arc::new(Here::new(settings.workers))),
    }
}

fn apart(settings: &Settings, metrics: &Arc<Metrics>) -> Result<Apart> {
    let means = (settings.workers, settings.media.walls());
    Apart::new(Program::own(), means, metrics.clone())
}

/// What holds a process that decodes, as one of them says of itself.
///
/// # Errors
/// INTERNAL where none can be started, or it is not held as it must be.
pub fn held(settings: &Settings) -> Result<Report> {
    apart(settings, &Arc::default())?.report()
}

/// Any source that the user can read, without a cache.
///
/// # Errors
/// As [`foundry`].
pub fn library(settings: &Settings) -> Result<Arc<Library>> {
    let sources = SourcePolicy::anything(settings.endpoint.clone());
    let workers = settings.workers;
    Ok(Arc::new(Library::new(sources, foundry(settings)?, workers)))
}

/// A server, with its store's requests counted, and sources only where it allows them.
///
/// # Errors
/// FIELD_INVALID as `cache`, and for a source root that is no folder.
pub fn server(
    settings: &Settings,
    serve: ServeSettings,
    descriptors: Descriptors,
) -> Result<Server> {
    let metrics = Arc::new(Metrics::new());
    metrics.expect_fallbacks(&extract::Fallback::OWN_NAMES);
    metrics.expect_fallbacks(&gpu::nvdec::Refusal::NAMES);
    let around = |store| metered(store, metrics.clone());
    let accountant = Accountant::new(&Means {
        memory: serve.memory_bytes,
        packs: None,
        calls: serve.max_calls as u64,
        hands: settings.workers as u64,
        connections: descriptors.connections(),
        max_wait: MAX_WAIT,
    });
    let cache = cache_over(settings, Memory::within(&accountant), around)?;
    let endpoint = serve.source_endpoint.clone();
    let sources = match serve.any_source {
        true => SourcePolicy::anything(endpoint),
        false => SourcePolicy::only(&serve.source_roots, &serve.source_buckets, endpoint)?,
    };
    let (foundry, media) = served_foundry(settings, &metrics)?;
    let found = foundry.cards()?;
    let decoding = (foundry, settings.workers);
    let frames = Frames::new((cache, sources), settings.limits, decoding);
    let frames = frames.with_layout(settings.layout);
    let info = ServerInfo {
        answer: v1::GetServerInfoResponse {
            media: Some(media),
            ..server_info(settings, &serve, found)?
        },
        ..ServerInfo::default()
    };
    let policies = settings.retention.clone();
    let collecting = serve.gc_every.map(|every| Collecting { policies, every });
    Ok(Server {
        settings: serve,
        frames: frames.with_metrics(metrics.clone()),
        metrics,
        info: Arc::new(info),
        pass: None,
        collecting,
    })
}

/// The same, its spans made by workers on the queue that its settings name.
///
/// # Errors
/// FIELD_INVALID for what names no queue. One that cannot be reached now may be later.
#[cfg(feature = "nats")]
pub async fn with_queue(mut server: Server, settings: &Settings) -> Result<Server> {
    let Some(queue) = &server.settings.queue else {
        return Ok(server);
    };
    let fallback = match server.settings.queue_fallback {
        QueueFallback::Local => Fallback::Local,
        QueueFallback::Refuse => Fallback::Refuse,
    };
    server.metrics.expect_fallbacks(&[UNREACHED]);
    let store = store_name(settings, &server.frames)?;
    let broker = Broker::connect(&Address::of(queue)?, store, true).await?;
    let others = Others::new(Arc::new(broker), fallback);
    server.frames = server.frames.with_others(others);
    Ok(server)
}

/// # Errors
/// FIELD_INVALID where a queue is named.
#[cfg(not(feature = "nats"))]
pub async fn with_queue(server: Server, _: &Settings) -> Result<Server> {
    match server.settings.queue {
        Some(_) => Err(Error::field("this build knows no queues")
            .hint("build it with the feature nats, which is on by default")),
        None => Ok(server),
    }
}

/// What a server decodes with, and what it says of that.
fn served_foundry(
    settings: &Settings,
    metrics: &Arc<Metrics>,
) -> Result<(Arc<dyn Foundry>, v1::Media)> {
    if settings.media.isolation == Some(Isolation::None) {
        let media = v1::Media {
            isolation: "none".to_owned(),
            held: false,
            says: "media is decoded in the server's own process".to_owned(),
        };
        return Ok((Arc::new(Here::new(settings.workers)), media));
    }
    let apart = apart(settings, metrics)?;
    let report = apart.report()?;
    match report.holds() {
        true => tracing::debug!(%report, "media is decoded in processes of their own"),
        false => tracing::warn!(%report, "media is decoded in processes that are not held whole"),
    }
    let media = v1::Media {
        isolation: "process".to_owned(),
        held: report.holds(),
        says: report.to_string(),
    };
    Ok((Arc::new(apart), media))
}

fn server_info(
    settings: &Settings,
    serve: &ServeSettings,
    found: CardsThere,
) -> Result<v1::GetServerInfoResponse> {
    let count = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
    let devices = [cpu_device(count(settings.workers))]
        .into_iter()
        .chain(found.cards.into_iter().map(card));
    let why_none = |why| format!("{why}; the CPU makes the same frames");
    Ok(v1::GetServerInfoResponse {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        libavcodec: av::version(),
        devices: devices.collect(),
        devices_reason: found.why_none.map(why_none).unwrap_or_default(),
        limits: Some(v1::Limits {
            pixels_per_frame: MAX_PIXELS,
            side: MAX_SIDE,
            chunks_per_timeline: settings.limits.chunks,
            frames_per_profile: settings.limits.frames,
            part_bytes: api::PART_BYTES as u64,
            concurrent_calls: count(serve.max_calls),
            memory_bytes: serve.memory_bytes,
        }),
        store: Some(store_info(settings)?),
        workers: count(settings.workers),
        source_roots: count(serve.source_roots.len()),
        source_buckets: serve.source_buckets.clone(),
        media: None,
    })
}

fn cpu_device(workers: u32) -> v1::Device {
    let there = |codec: &&str| av::decoder_for(codec).is_some();
    v1::Device {
        name: "cpu".to_owned(),
        backend: "cpu".to_owned(),
        engines: workers,
        codecs: CODECS
            .into_iter()
            .filter(there)
            .map(str::to_owned)
            .collect(),
    }
}

fn card(card: Card) -> v1::Device {
    v1::Device {
        name: card.name,
        backend: "nvdec".to_owned(),
        engines: card.engines,
        codecs: card.codecs,
    }
}

fn store_info(settings: &Settings) -> Result<v1::Store> {
    let spec = StoreSpec::parse(&settings.store, settings.endpoint.clone())?;
    let (kind, bucket) = match spec.location {
        Location::Dir(_) => ("directory", None),
        Location::S3 { bucket, .. } => ("s3", Some(bucket)),
    };
    Ok(v1::Store {
        kind: kind.to_owned(),
        bucket,
        conditional_put: None,
    })
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
