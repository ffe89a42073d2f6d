//! Settings: flags over environment over a TOML file over defaults. Data only;
//! `app` builds the components. Nothing below this module reads the environment.

pub mod media;
pub mod queue;
pub mod serve;

use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::aws::Endpoint;
use crate::cache::retention::Policies;
use crate::config::media::{Isolation, MediaOptions};
use crate::config::serve::ServeOptions;
use crate::error::{Error, Reason, Result};
use crate::sandbox::Sandbox;
use crate::timeline::limits::Limits;
use crate::timeline::plan::FrameLayout;
use crate::units::ByteSize;

/// Where frames go when nothing names a store.
pub const DEFAULT_STORE: &str = "./framecache-data";
/// First segment of every key.
pub const DEFAULT_PREFIX: &str = "cache";

/// A configuration file. Unknown keys are errors.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct File {
    /// A folder, or `s3://bucket/prefix`.
    pub store: Option<String>,
    /// URL of an S3 server other than AWS.
    pub endpoint: Option<String>,
    pub region: Option<String>,
    pub prefix: Option<String>,
    pub workers: Option<usize>,
    pub max_chunks: Option<u64>,
    pub max_frames: Option<u64>,
    /// How frames of new profiles lie: `frames` or `packed`.
    pub layout: Option<FrameLayout>,
    pub isolation: Option<Isolation>,
    pub sandbox: Option<Sandbox>,
    pub media_memory: Option<ByteSize>,
    /// Of `framecache serve`.
    pub serve: ServeOptions,
    /// Of `framecache gc`: `"game-" = "keep 30d, unused 14d, max 2TB"`.
    pub retention: Policies,
}

/// What flags (and their environment variables) said.
#[derive(Debug, Clone, Default)]
pub struct Flags {
    pub config: Option<PathBuf>,
    pub store: Option<String>,
    pub endpoint: Option<String>,
    pub prefix: Option<String>,
    pub workers: Option<usize>,
    pub media: MediaOptions,
}

/// Everything resolved.
#[derive(Debug, Clone)]
pub struct Settings {
    pub store: String,
    pub endpoint: Endpoint,
    /// First part of every key, where it is not part of the store's uri.
    pub prefix: Option<String>,
    pub workers: usize,
    pub limits: Limits,
    /// Of new profiles, where nothing else is said.
    pub layout: FrameLayout,
    pub media: MediaOptions,
    /// The file's `[serve]`, as it stands there.
    pub serve: ServeOptions,
    pub retention: Policies,
}

impl File {
    /// # Errors
    /// FIELD_INVALID for a file that cannot be read, is no TOML, or has unknown keys.
    pub fn read(path: &Path) -> Result<Self> {
        let unreadable = |e| {
            Error::field(format!(
                "could not read the configuration, path={}",
                path.display()
            ))
            .caused_by(e)
        };
        let text = std::fs::read_to_string(path).map_err(unreadable)?;
        toml::from_str(&text).map_err(|e| {
            let place = e.message().lines().next().unwrap_or_default().to_owned();
            Error::new(
                Reason::FieldInvalid,
                format!(
                    "the configuration is wrong: {place}, path={}",
                    path.display()
                ),
            )
            .hint("keys are store, endpoint, region, prefix, workers, max_chunks, max_frames, layout, isolation, sandbox, media_memory and the tables [serve] and [retention]")
            .caused_by(e)
        })
    }
}

impl Settings {
    /// Resolves `flags` with the file they name and `env`, which reads a variable.
    ///
    /// # Errors
    /// As [`File::read`]; FIELD_INVALID for no workers.
    pub fn resolve(flags: Flags, env: impl Fn(&str) -> Option<String>) -> Result<Self> {
        let file = match &flags.config {
            Some(path) => File::read(path)?,
            None => File::default(),
        };
        let ancestor = || env("S3_BUCKET").map(|bucket| format!("s3://{bucket}"));
        let cores = || std::thread::available_parallelism().map_or(1, usize::from);
        let defaults = Limits::default();
        let workers = flags.workers.or(file.workers).unwrap_or_else(cores);
        if workers == 0 {
            return Err(Error::field("workers must be at least 1, workers=0")
                .hint("leave it out to use all cores"));
        }
        Ok(Settings {
            store: flags
                .store
                .or(file.store)
                .or_else(ancestor)
                .unwrap_or_else(|| DEFAULT_STORE.to_owned()),
            endpoint: Endpoint {
                url: flags.endpoint.or(file.endpoint),
                region: file.region,
                ca_bundle: env("AWS_CA_BUNDLE")
                    .filter(|path| !path.is_empty())
                    .map(PathBuf::from),
                ..Endpoint::default()
            },
            prefix: flags.prefix.or(file.prefix),
            workers,
            limits: Limits {
                chunks: file.max_chunks.unwrap_or(defaults.chunks),
                frames: file.max_frames.unwrap_or(defaults.frames),
            },
            layout: said_layout(env("FRAMECACHE_LAYOUT"))?
                .or(file.layout)
                .unwrap_or_default(),
            media: flags.media.or(MediaOptions {
                isolation: file.isolation,
                sandbox: file.sandbox,
                media_memory: file.media_memory,
            }),
            serve: file.serve,
            retention: file.retention,
        })
    }
}

fn said_layout(said: Option<String>) -> Result<Option<FrameLayout>> {
    let layouts = [FrameLayout::Frames, FrameLayout::Packed];
    match said.filter(|said| !said.is_empty()) {
        None => Ok(None),
        Some(said) => match layouts.into_iter().find(|layout| layout.name() == said) {
            None => Err(
                Error::field(format!("frames cannot lie so: FRAMECACHE_LAYOUT={said:?}"))
                    .hint("write frames or packed"),
            ),
            layout => Ok(layout),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resolve(flags: Flags, bucket: Option<&str>) -> Settings {
        let env = |name: &str| bucket.filter(|_| name == "S3_BUCKET").map(str::to_owned);
        Settings::resolve(flags, env).unwrap()
    }

    #[test]
    fn the_ancestors_bucket_counts_only_when_nothing_else_names_a_store() {
        assert_eq!(resolve(Flags::default(), None).store, DEFAULT_STORE);
        assert_eq!(resolve(Flags::default(), Some("mpr")).store, "s3://mpr");
        let named = Flags {
            store: Some("here".into()),
            ..Flags::default()
        };
        assert_eq!(resolve(named, Some("mpr")).store, "here");
    }

    #[test]
    fn flags_win_over_the_file_and_unknown_keys_are_errors() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("framecache.toml");
        std::fs::write(&path, "store = 'from-file'\nworkers = 3\n").unwrap();
        let flags = Flags {
            config: Some(path.clone()),
            workers: Some(5),
            ..Flags::default()
        };
        let settings = resolve(flags.clone(), None);
        assert_eq!(
            (settings.store.as_str(), settings.workers),
            ("from-file", 5)
        );
        std::fs::write(&path, "stoer = 'x'\n").unwrap();
        let error = Settings::resolve(flags, |_| None).unwrap_err();
        assert!(error.message().contains("stoer"), "{error}");
    }
}
