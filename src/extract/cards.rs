//! The cards that extraction may use, opened when the first span is worth it; and where a span begins.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use crate::decode::{Backend, CPU_MEGAPIXELS, ENGINE_MEGAPIXELS, Fallback, Load, Means, Rate};
use crate::demux::Track;
use crate::error::{Error, Result};
use crate::extract::job::SpanJob;
use crate::extract::span::Placed;
use crate::gpu::nvdec::{self, Pool, Shape};
use crate::gpu::{self, Device, Kernels};

/// Sessions for each engine: while one waits for its pictures' kernels, another decodes.
const SESSIONS_PER_ENGINE: u32 = 2;
/// A session of 1080p with a full DPB, by NVIDIA's guide.
const SESSION_BYTES: u64 = 500 << 20;
/// Opening a card and creating a decoder.
const COLD_START: Duration = Duration::from_millis(1300);
/// Work on a card that is open.
const WARM_START: Duration = Duration::from_millis(50);

/// One GPU, its decoders and its kernels.
pub(super) struct Card {
    pub pool: Pool,
    pub kernels: Kernels,
    /// Threads that feed it.
    pub sessions: u32,
}

impl Card {
    fn open(ordinal: u32) -> Result<Self> {
        let device = Device::open(ordinal)?;
        let sessions = sessions(&device)?;
        Ok(Card {
            pool: Pool::new(&device, sessions as usize)?,
            kernels: Kernels::load(&device)?,
            sessions,
        })
    }

    pub fn device(&self) -> &Device {
        self.pool.device()
    }
}

/// As many as engines can use and memory can hold.
fn sessions(device: &Device) -> Result<u32> {
    let mut engines = 0;
    for shape in Shape::all() {
        if let Some(capability) = nvdec::capability(device, shape)? {
            engines = engines.max(capability.engines);
        }
    }
    if engines == 0 {
        return Err(gpu::Unavailable::NoDecoder(device.name().to_owned()).into());
    }
    // Half of it: as many again may decode for callers who want pictures.
    let fit = u32::try_from(device.memory()?.free / SESSION_BYTES / 2).unwrap_or(u32::MAX);
    Ok((engines * SESSIONS_PER_ENGINE).min(fit).max(1))
}

/// What decodes spans on this machine, and how fast it was found to be. Engines share it.
pub struct Cards {
    opened: OnceLock<Result<Vec<Arc<Card>>>>,
    /// Lanes that have a place on a card.
    lanes: AtomicUsize,
    pub(super) workers_rate: Rate,
    pub(super) cards_rate: Rate,
}

impl Default for Cards {
    fn default() -> Self {
        Cards::new()
    }
}

impl Cards {
    /// Opens nothing yet.
    pub fn new() -> Self {
        Cards {
            opened: OnceLock::new(),
            lanes: AtomicUsize::new(0),
            workers_rate: Rate::guess(CPU_MEGAPIXELS),
            cards_rate: Rate::guess(ENGINE_MEGAPIXELS),
        }
    }

    /// # Errors
    /// GPU_UNAVAILABLE with the reason, the same whenever it is asked.
    pub(super) fn opened(&self) -> Result<&[Arc<Card>]> {
        let opened = self.opened.get_or_init(|| {
            let count = gpu::device_count()?;
            (0..count).map(|n| Card::open(n).map(Arc::new)).collect()
        });
        opened.as_deref().map_err(Clone::clone)
    }

    pub(super) fn sessions(&self) -> u32 {
        let opened = self.opened.get().and_then(|opened| opened.as_ref().ok());
        opened.map_or(0, |cards| cards.iter().map(|card| card.sessions).sum())
    }

    /// A place for one lane, for good: as many as there are sessions, one card after the other.
    ///
    /// # Errors
    /// GPU_UNAVAILABLE with the reason.
    pub(super) fn place_for_lane(&self) -> Result<Option<Arc<Card>>> {
        let cards = self.opened()?;
        let taken = self.lanes.fetch_add(1, Ordering::Relaxed);
        if taken >= self.sessions() as usize {
            self.lanes.fetch_sub(1, Ordering::Relaxed);
            return Ok(None);
        }
        let most = cards.iter().map(|card| card.sessions).max().unwrap_or(0);
        let mut rounds =
            (0..most).flat_map(|round| cards.iter().filter(move |c| c.sessions > round));
        Ok(rounds.nth(taken).cloned())
    }

    /// Where the span begins to be decoded: so many units are fed for it, by so many workers, or on
    /// so many of the cards' sessions, if not on all.
    ///
    /// # Errors
    /// GPU_UNAVAILABLE under `gpu`, with the reason.
    pub(super) fn place(
        &self,
        job: &SpanJob,
        track: &Track,
        (work, lanes): ((u64, usize), Option<u32>),
    ) -> Result<Placed> {
        if job.backend == Backend::Cpu {
            return Ok(Placed::Workers(None));
        }
        let strict = job.backend == Backend::Gpu;
        if gpu::device_count().is_err() && !strict {
            return Ok(Placed::Workers(None));
        }
        let why_not = if strict {
            self.refusal(track)
        } else {
            self.refusal_or_cost(track, work, lanes)
        };
        match why_not {
            None => Ok(Placed::Device),
            Some((_, error)) if strict => Err(error),
            Some((why, error)) => {
                tracing::debug!(
                    reason = why.name(),
                    error = error.message(),
                    "not on the GPU"
                );
                Ok(Placed::Workers(Some(why)))
            }
        }
    }

    fn refusal_or_cost(
        &self,
        track: &Track,
        (units, workers): (u64, usize),
        lanes: Option<u32>,
    ) -> Option<(Fallback, Error)> {
        let (width, height) = track.info.size();
        let pixels = u64::from(width) * u64::from(height);
        let load = Load { units, pixels };
        let (sessions, start) = match self.sessions() {
            0 => (SESSIONS_PER_ENGINE, COLD_START),
            sessions => (sessions, WARM_START),
        };
        let lanes = u64::from(lanes.unwrap_or(sessions));
        let cpu = Means {
            lanes: workers as u64,
            start: Duration::ZERO,
        };
        let cpu = self.workers_rate.seconds(load, cpu);
        let card = self.cards_rate.seconds(load, Means { lanes, start });
        if cpu <= card {
            let message = format!(
                "the CPU is estimated to be done earlier, cpu_seconds={cpu:.2} gpu_seconds={card:.2}"
            );
            return Some((Fallback::Cost, gpu_unavailable(message)));
        }
        self.refusal(track)
    }

    /// Why no card decodes the track.
    fn refusal(&self, track: &Track) -> Option<(Fallback, Error)> {
        if let Some(why) = unsuited(track) {
            return Some(why);
        }
        let checked = self.opened().and_then(|cards| {
            let mut devices = cards.iter().map(|card| card.device());
            devices.try_for_each(|device| nvdec::check(device, &track.info).map(|_| ()))
        });
        checked.err().map(|error| (Fallback::of(&error), error))
    }
}

/// What no card decodes as libavcodec does.
fn unsuited(track: &Track) -> Option<(Fallback, Error)> {
    let (why, message) = match track {
        track if track.gradual => (
            Fallback::GradualRefresh,
            "video without cut points is decoded on the CPU",
        ),
        _ => return None,
    };
    Some((why, gpu_unavailable(message.to_owned())))
}

/// Whether this machine's GPUs decode the track, by its header. Opens them.
///
/// # Errors
/// GPU_UNAVAILABLE with the reason.
pub fn check_cards(track: &Track) -> Result<()> {
    let count = gpu::device_count()?;
    if let Some((_, error)) = unsuited(track) {
        return Err(error);
    }
    (0..count).try_for_each(|n| nvdec::check(&Device::open(n)?, &track.info).map(|_| ()))
}

fn gpu_unavailable(message: String) -> Error {
    Error::new(crate::error::Reason::GpuUnavailable, message)
        .hint("use backend auto or cpu; the frames are the same")
}
