//! The cards that extraction may use, opened when the first span is worth it; and where a span begins.

use std::ptr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use crate::decode::{Backend, CPU_MEGAPIXELS, ENGINE_MEGAPIXELS, Load, Means, Rate};
use crate::demux::Track;
use crate::error::{Error, Result};
use crate::extract::fallback::Fallback;
use crate::extract::job::SpanJob;
use crate::extract::span::Placed;
use crate::gpu::nvdec::{self, Pool, Refusal, Shape};
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
    /// What decodes at once.
    engines: u32,
    /// Threads that feed it.
    pub sessions: u32,
}

impl Card {
    fn open(ordinal: u32) -> Result<Self> {
        let device = Device::open(ordinal)?;
        let engines = engines(&device)?;
        let sessions = sessions(&device, engines)?;
        Ok(Card {
            pool: Pool::new(&device, sessions as usize)?,
            kernels: Kernels::load(&device)?,
            engines,
            sessions,
        })
    }

    pub fn device(&self) -> &Device {
        self.pool.device()
    }
}

fn engines(device: &Device) -> Result<u32> {
    let mut engines = 0;
    for shape in Shape::all() {
        if let Some(capability) = nvdec::capability(device, shape)? {
            engines = engines.max(capability.engines);
        }
    }
    if engines == 0 {
        return Err(gpu::Unavailable::NoDecoder(device.name().to_owned()).into());
    }
    Ok(engines)
}

/// As many as engines can use and memory can hold.
fn sessions(device: &Device, engines: u32) -> Result<u32> {
    // Half of it: as many again may decode for callers who want pictures.
    let fit = u32::try_from(device.memory()?.free / SESSION_BYTES / 2).unwrap_or(u32::MAX);
    Ok((engines * SESSIONS_PER_ENGINE).min(fit).max(1))
}

/// What decodes spans on this machine, and how fast it was found to be. Engines share it.
pub struct Cards {
    /// By ordinal, as far as they were needed: what came of opening them.
    tried: Mutex<Vec<Result<Arc<Card>>>>,
    /// Tracks that only their bitstream told to be none for a card.
    refused: Mutex<Vec<(Weak<Track>, Error)>>,
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
            tried: Mutex::default(),
            refused: Mutex::default(),
            lanes: AtomicUsize::new(0),
            workers_rate: Rate::guess(CPU_MEGAPIXELS),
            cards_rate: Rate::guess(ENGINE_MEGAPIXELS),
        }
    }

    fn tried(&self) -> MutexGuard<'_, Vec<Result<Arc<Card>>>> {
        // Nothing that can panic runs under the lock.
        self.tried.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// One of the cards that can be used, in the order of their ordinals, opened where none needed it
    /// before; none where there are no more.
    ///
    /// # Errors
    /// GPU_UNAVAILABLE with the reason where none can be used, the same whenever it is asked.
    pub(super) fn usable(&self, place: usize) -> Result<Option<Arc<Card>>> {
        let count = gpu::device_count()?;
        let mut tried = self.tried();
        loop {
            let mut usable = tried.iter().filter_map(|card| card.as_ref().ok());
            if let Some(card) = usable.nth(place) {
                return Ok(Some(card.clone()));
            }
            let ordinal = u32::try_from(tried.len()).unwrap_or(u32::MAX);
            if ordinal >= count {
                break;
            }
            let card = Card::open(ordinal).map(Arc::new);
            if let Err(error) = &card {
                tracing::warn!(ordinal, error = error.message(), "a GPU is not used");
            }
            tried.push(card);
        }
        match tried.first() {
            Some(Err(error)) if tried.iter().all(Result::is_err) => Err(error.clone()),
            _ => Ok(None),
        }
    }

    /// The first card that can be used.
    ///
    /// # Errors
    /// As [`Cards::usable`].
    pub(super) fn first(&self) -> Result<Arc<Card>> {
        let first = self.usable(0)?;
        first.ok_or_else(|| gpu::Unavailable::NoDevice.into())
    }

    /// Whether spans can be asked of that backend here.
    ///
    /// # Errors
    /// GPU_UNAVAILABLE with the reason, for `gpu`.
    pub fn check(&self, backend: Backend) -> Result<()> {
        match backend {
            Backend::Auto | Backend::Cpu => Ok(()),
            Backend::Gpu => self.first().map(|_| ()),
        }
    }

    fn opened(&self) -> Vec<Arc<Card>> {
        let tried = self.tried();
        tried.iter().flatten().cloned().collect()
    }

    /// A place for one lane, for good: one an engine on one card after the other, then a second one.
    ///
    /// # Errors
    /// GPU_UNAVAILABLE with the reason.
    pub(super) fn place_for_lane(&self) -> Result<Option<Arc<Card>>> {
        let mut taken = self.lanes.fetch_add(1, Ordering::Relaxed) as u32;
        for round in 0..SESSIONS_PER_ENGINE {
            for place in 0.. {
                let Some(card) = self.usable(place)? else {
                    break;
                };
                let before = card.sessions.min(card.engines * round);
                let here = card.sessions.min(card.engines * (round + 1)) - before;
                if taken < here {
                    return Ok(Some(card));
                }
                taken -= here;
            }
        }
        self.lanes.fetch_sub(1, Ordering::Relaxed);
        Ok(None)
    }

    /// The track is none for a card: spans of it go elsewhere from now on.
    pub(super) fn remember(&self, track: &Arc<Track>, error: &Error) {
        if !Refusal::of(error).is_some_and(Refusal::is_of_the_track) {
            return;
        }
        let mut refused = self.refused.lock().unwrap_or_else(PoisonError::into_inner);
        refused.retain(|(known, _)| known.strong_count() > 0);
        if !refused.iter().any(|(known, _)| is(known, track)) {
            refused.push((Arc::downgrade(track), error.clone()));
        }
    }

    fn remembered(&self, track: &Track) -> Option<Error> {
        let refused = self.refused.lock().unwrap_or_else(PoisonError::into_inner);
        let mut found = refused.iter().filter(|(known, _)| is(known, track));
        found.next().map(|(_, error)| error.clone())
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
        // A second session of an engine is no second engine.
        let (engines, start) = match self.opened().iter().map(|card| card.engines).sum() {
            0 => (1, COLD_START),
            engines => (engines, WARM_START),
        };
        let lanes = u64::from(lanes.unwrap_or(engines));
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
        let check = || {
            self.first()?;
            if let Some(error) = self.remembered(track) {
                return Err(error);
            }
            let check = |card: &Arc<Card>| nvdec::check(card.device(), &track.info).map(|_| ());
            self.opened().iter().try_for_each(check)
        };
        let error = check().err()?;
        Some((Fallback::of(&error), error))
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

fn is(known: &Weak<Track>, track: &Track) -> bool {
    ptr::eq(known.as_ptr(), track)
}

/// Whether this machine's GPUs decode the track, by its header. Opens the first that opens.
///
/// # Errors
/// GPU_UNAVAILABLE with the reason.
pub fn check_cards(track: &Track) -> Result<()> {
    let count = gpu::device_count()?;
    if let Some((_, error)) = unsuited(track) {
        return Err(error);
    }
    let mut opened = (0..count).map(Device::open);
    let first = opened
        .next()
        .unwrap_or_else(|| Err(gpu::Unavailable::NoDevice.into()));
    // The first one's reason, where none opens.
    let device = first.or_else(|why| opened.find_map(Result::ok).ok_or(why))?;
    nvdec::check(&device, &track.info).map(|_| ())
}

fn gpu_unavailable(message: String) -> Error {
    Error::new(crate::error::Reason::GpuUnavailable, message)
        .hint("use backend auto or cpu; the frames are the same")
}
