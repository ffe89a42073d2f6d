//! Files that count as they are now: tokens and certificates are read again when they change, or at SIGHUP.

use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::error::{Error, Result};

/// How often the files are looked at.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// What is read from files, and again while it is used.
pub trait Reloaded: Send + Sync + 'static {
    /// As the log calls it.
    fn name(&self) -> &'static str;
    fn files(&self) -> Vec<PathBuf>;
    /// Reads them all again. Where that fails, everything stays as it was.
    ///
    /// # Errors
    /// FIELD_INVALID for files that cannot be used.
    fn reload(&self) -> Result<()>;
}

/// SIGHUP, which asks for the files to be read again, and no longer ends the process.
///
/// # Errors
/// INTERNAL where the system takes no handler.
pub fn hangups() -> Result<Signal> {
    signal(SignalKind::hangup())
        .map_err(|e| Error::internal("could not wait for signals").caused_by(e))
}

/// By which a change is noticed: times, size, which file it is.
type Look = Option<(i64, i64, u64, u64)>;

struct Followed {
    what: Arc<dyn Reloaded>,
    seen: Vec<Look>,
}

/// Reads each again whenever one of its files changes, and all at SIGHUP. Never ends.
pub async fn follow(all: Vec<Arc<dyn Reloaded>>, mut hangups: Signal) {
    let mut all: Vec<Followed> = all.into_iter().map(Followed::new).collect();
    loop {
        let told = tokio::select! {
            () = tokio::time::sleep(LOOK_EVERY) => false,
            _ = hangups.recv() => true,
        };
        for followed in &mut all {
            followed.look_again(told).await;
        }
    }
}

impl Followed {
    /// As its files were when they were read; what changed since is read at the first look.
    fn new(what: Arc<dyn Reloaded>) -> Followed {
        Followed {
            seen: look(&what.files()),
            what,
        }
    }

    async fn look_again(&mut self, told: bool) {
        let what = self.what.clone();
        let before = std::mem::take(&mut self.seen);
        // The files may lie on a disk that does not answer.
        let looked = tokio::task::spawn_blocking(move || {
            let now = look(&what.files());
            if told || now != before {
                reload(&*what);
            }
            now
        });
        // Fails only where reading panicked: the files are read at the next look.
        self.seen = looked.await.unwrap_or_default();
    }
}

fn reload(what: &dyn Reloaded) {
    let name = what.name();
    match what.reload() {
        Ok(()) => tracing::info!("the {name} were read again"),
        Err(e) => tracing::error!("the {name} stay as they were: {e}"),
    }
}

fn look(files: &[PathBuf]) -> Vec<Look> {
    let look = |path: &PathBuf| {
        let found = std::fs::metadata(path).ok()?;
        Some((found.mtime(), found.mtime_nsec(), found.size(), found.ino()))
    };
    files.iter().map(look).collect()
}
