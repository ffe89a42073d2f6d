//! Whole extractions through the library, into a folder that goes when the check ends.

use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering};

use framecache::app;
use framecache::cache::clear::ClearRequest;
use framecache::config::{Flags, Settings};
use framecache::decode::Backend;
use framecache::error::{Error, Result};
use framecache::frames::{Event, Extraction, Frames, Only, Summary};
use framecache::media::facts::FrameFacts;
use framecache::timeline::plan::{ChunkSpec, Parameters};
use tokio::runtime::Runtime;

pub struct Extractor {
    frames: Frames,
    runtime: Runtime,
    folder: PathBuf,
    timelines: AtomicU32,
}

/// Of folders; then the process that has it.
const PREFIX: &str = "gpu-check-";

/// Removes what runs that were killed have left.
fn sweep(place: &Path) {
    let entries = std::fs::read_dir(place).into_iter().flatten().flatten();
    for entry in entries {
        let name = entry.file_name().to_string_lossy().into_owned();
        let process = name
            .strip_prefix(PREFIX)
            .and_then(|rest| rest.split('-').next());
        let is_left = process
            .and_then(|process| process.parse::<u32>().ok())
            .is_some_and(|process| !Path::new("/proc").join(process.to_string()).exists());
        if is_left {
            // Somebody else's may not be ours to remove.
            let _ = std::fs::remove_dir_all(entry.path());
        }
    }
}

/// Memory where there is some, so that no disk is measured.
fn place() -> PathBuf {
    const ENOUGH_BYTES: u64 = 4 << 30;
    let memory = PathBuf::from("/dev/shm");
    let free = rustix::fs::statvfs(&memory).map_or(0, |stat| stat.f_bavail * stat.f_frsize);
    if free >= ENOUGH_BYTES {
        memory
    } else {
        std::env::temp_dir()
    }
}

/// What came of one.
pub struct Extracted {
    pub timeline: String,
    pub summary: Summary,
    /// In the order of their numbers.
    pub facts: Vec<FrameFacts>,
}

impl Extracted {
    /// Of the first chunk.
    pub fn backend(&self) -> &str {
        let chunk = self.summary.chunks.first();
        chunk
            .and_then(|chunk| chunk.backend.as_deref())
            .unwrap_or("none")
    }

    pub fn fallback(&self) -> Option<&str> {
        self.summary.chunks.first()?.fallback_reason.as_deref()
    }
}

impl Extractor {
    /// # Errors
    /// INTERNAL where the system gives no threads.
    pub fn new() -> Result<Self> {
        let place = place();
        sweep(&place);
        let name = format!(
            "{PREFIX}{}-{}",
            std::process::id(),
            framecache::hex::new_id()
        );
        let folder = place.join(name);
        let flags = Flags {
            store: Some(folder.to_string_lossy().into_owned()),
            ..Flags::default()
        };
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .map_err(|e| Error::internal("could not start the runtime").caused_by(e))?;
        Ok(Extractor {
            frames: app::frames(&Settings::resolve(flags, |_| None)?)?,
            runtime,
            folder,
            timelines: AtomicU32::new(0),
        })
    }

    /// Extracts the chunks as a timeline of their own.
    ///
    /// # Errors
    /// The extraction's; a chunk that failed is one, too.
    pub fn run(
        &self,
        chunks: Vec<ChunkSpec>,
        parameters: &Parameters,
        backend: Backend,
    ) -> Result<Extracted> {
        let number = self.timelines.fetch_add(1, Ordering::Relaxed);
        let timeline = format!("t{number}");
        let extraction = Extraction {
            timeline: timeline.clone(),
            profile: "default".to_owned(),
            asked: Some((chunks, parameters.clone())),
            only: Only::All,
            plan_only: false,
            replace: None,
            retry_failed: false,
            skip_bad: false,
            layout: None,
            backend,
        };
        let facts = Mutex::new(Vec::new());
        let sink = |event: Event<'_>| {
            if let (Event::Committed { facts: made, .. }, Ok(mut facts)) = (event, facts.lock()) {
                facts.extend_from_slice(made);
            }
        };
        let summary = self
            .runtime
            .block_on(self.frames.extract(&extraction, &sink))?;
        if let Some(error) = summary.chunks.iter().find_map(|chunk| chunk.error.as_ref()) {
            let what = format!("a chunk failed, reason={}: {}", error.reason, error.message);
            return Err(Error::internal(what));
        }
        let mut facts = facts.into_inner().unwrap_or_default();
        facts.sort_by_key(|facts| facts.seq);
        Ok(Extracted {
            timeline,
            summary,
            facts,
        })
    }

    /// Gives back the room of one.
    ///
    /// # Errors
    /// The store's.
    pub fn clear(&self, of: &Extracted) -> Result<()> {
        let request = ClearRequest {
            plan: true,
            ..ClearRequest::default()
        };
        let cleared = self.frames.cache().clear(&of.timeline, None, request);
        self.runtime.block_on(cleared).map(drop)
    }

    /// The stored bytes of a frame.
    pub fn jpeg(&self, of: &Extracted, seq: u64) -> Result<Vec<u8>> {
        let reader = self
            .frames
            .cache()
            .profile(&of.timeline, "default")?
            .reader();
        let read = self.runtime.block_on(reader.read_frame(seq))?;
        let frame = read
            .map_err(|miss| Error::internal(format!("a frame is missing, seq={seq} {miss:?}")))?;
        Ok(frame.jpeg.to_vec())
    }
}

impl Drop for Extractor {
    fn drop(&mut self) {
        // Nobody is left to be told of what stays behind in a temporary folder.
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}
