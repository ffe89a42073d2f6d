//! A decoder at work: which of its surfaces are free, held, mapped, and how decoding went.
//!
//! Note: the parser, not we, chooses the surface that a picture is decoded into, and knows only of
//! references and of what it has not displayed yet. A surface is `held` here while a displayed
//! picture of it is queued or mapped; decoding into it waits until it is not.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError, Weak};
use std::thread;
use std::time::{Duration, Instant};

use super::hardware::{Hardware, Mapping, Progress};
use super::library::{SUCCESS, blames_the_stream, failure};
use super::pool::Shelf;
use super::sequence::Crop;
use super::{OUTPUT_SURFACES, Shape, nonsense};
use crate::error::{Error, Reason, Result};
use crate::gpu::sys::cuvid::PictureParams;
use crate::gpu::{Device, Event, Stream};

/// Between two questions whether the last pictures are decoded.
const POLL: Duration = Duration::from_micros(200);

pub(super) struct Session {
    /// Taken only by `drop`.
    hardware: Option<Hardware>,
    shelf: Weak<Shelf>,
    state: Mutex<State>,
    changed: Condvar,
    damage: AtomicBool,
    /// Met in pictures of streams that had ended.
    late_damage: AtomicBool,
    /// Something failed: the decoder is not used again.
    broken: AtomicBool,
}

#[derive(Default)]
struct State {
    slots: Vec<Slot>,
    /// Mapped, or mapped and done with but not unmapped yet.
    mapped: u32,
    retired: VecDeque<Retired>,
}

#[derive(Clone, Copy, Default)]
struct Slot {
    /// Displayed pictures that are queued or mapped.
    held: u32,
    /// None before the first picture was decoded into it.
    content: Option<Content>,
    /// The driver would not decode that picture: what is in the surface is an older one.
    refused: bool,
    /// How its decoding went has been asked, with an answer.
    checked: bool,
    /// Its stream has ended.
    closed: bool,
}

/// The picture in a surface.
#[derive(Debug, Clone, Copy)]
pub(super) struct Content {
    /// The unit that it began in.
    pub unit: u32,
    /// What part of it is shown.
    pub crop: Crop,
}

/// One hold of a surface.
pub(super) struct Held {
    pub index: u32,
    pub content: Content,
}

/// A mapping that nobody looks at any more, once `done` is reached.
struct Retired {
    index: u32,
    address: u64,
    done: Event,
}

/// What became of a picture given to the decoder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Decoded {
    Queued,
    /// The driver refuses it for what its bitstream says.
    Refused,
}

impl Session {
    pub fn new(hardware: Hardware, shelf: Weak<Shelf>) -> Self {
        let slots = vec![Slot::default(); hardware.surfaces as usize];
        Session {
            hardware: Some(hardware),
            shelf,
            state: Mutex::new(State {
                slots,
                ..State::default()
            }),
            changed: Condvar::new(),
            damage: AtomicBool::new(false),
            late_damage: AtomicBool::new(false),
            broken: AtomicBool::new(false),
        }
    }

    fn hardware(&self) -> Result<&Hardware> {
        let gone = || Error::internal("a video decoder is used after its end");
        self.hardware.as_ref().ok_or_else(gone)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn device(&self) -> Result<&Device> {
        Ok(self.hardware()?.device())
    }

    pub fn shape(&self) -> Result<Shape> {
        Ok(self.hardware()?.shape)
    }

    pub fn coded(&self) -> Result<(u32, u32)> {
        Ok(self.hardware()?.coded)
    }

    pub fn surfaces(&self) -> Result<u32> {
        Ok(self.hardware()?.surfaces)
    }

    /// Whether damage was met since this was last asked.
    pub fn take_damage(&self) -> bool {
        self.damage.swap(false, Ordering::Relaxed)
    }

    /// An index that came from the parser.
    fn index(&self, index: i32) -> Result<u32> {
        let surfaces = self.surfaces()?;
        match u32::try_from(index) {
            Ok(index) if index < surfaces => Ok(index),
            _ => Err(nonsense("a surface that there is not", index)),
        }
    }

    /// Queues the decoding of a picture, once nobody holds what its surface showed before.
    ///
    /// # Errors
    /// CHUNK_STALLED where pictures are held for longer than the device's patience.
    ///
    /// # Safety
    /// As [`Hardware::decode`].
    pub unsafe fn decode(&self, params: *mut PictureParams, content: Content) -> Result<Decoded> {
        // SAFETY: by the caller.
        let (index, second_field) = unsafe { ((*params).picture_index, (*params).second_field) };
        let index = self.index(index)?;
        self.wait_free(index)?;
        self.settle_one(index)?;
        // SAFETY: by the caller.
        let status = unsafe { self.hardware()?.decode(params) }?;
        if status != SUCCESS && !blames_the_stream(status) {
            self.broken.store(true, Ordering::Relaxed);
            return Err(failure("could not decode a picture", status));
        }
        let refused = status != SUCCESS;
        let slot = &mut self.lock().slots[index as usize];
        // A second field goes on with the first one's picture.
        let begun = slot.content.filter(|_| second_field != 0);
        *slot = Slot {
            held: 0,
            content: Some(begun.unwrap_or(content)),
            refused,
            checked: refused,
            closed: false,
        };
        if refused {
            self.damage.store(true, Ordering::Relaxed);
            return Ok(Decoded::Refused);
        }
        Ok(Decoded::Queued)
    }

    /// Waits until nobody holds the surface; what is only waiting to be unmapped is unmapped.
    fn wait_free(&self, index: u32) -> Result<()> {
        self.wait("nobody lets go of a decoded picture", |state| {
            if state.slots[index as usize].held == 0 {
                return Step::Done;
            }
            let place = state.retired.iter().position(|r| r.index == index);
            match place.and_then(|place| state.retired.remove(place)) {
                Some(retired) => Step::Unmap(retired),
                None => Step::Wait,
            }
        })
    }

    /// Looks again whenever something changed, with an end.
    fn wait(&self, what: &str, mut look: impl FnMut(&mut State) -> Step) -> Result<()> {
        let patience = self.device()?.patience();
        let deadline = Instant::now() + patience;
        let mut state = self.lock();
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            state = match look(&mut state) {
                Step::Done => return Ok(()),
                Step::Unmap(retired) => {
                    drop(state);
                    self.unmap(&retired)?;
                    self.lock()
                }
                Step::Wait if left.is_zero() => return Err(stalled(what, patience)),
                Step::Wait => {
                    let waited = self.changed.wait_timeout(state, left);
                    waited.unwrap_or_else(PoisonError::into_inner).0
                }
            };
        }
    }

    /// A displayed picture takes hold of its surface. None for a picture that the driver refused.
    pub fn hold(&self, index: i32) -> Result<Option<Held>> {
        let index = self.index(index)?;
        let mut state = self.lock();
        let slot = &mut state.slots[index as usize];
        let Some(content) = slot.content else {
            return Err(nonsense("a picture that was never decoded", index));
        };
        if slot.refused {
            return Ok(None);
        }
        slot.held += 1;
        Ok(Some(Held { index, content }))
    }

    pub fn release(&self, index: u32) {
        let mut state = self.lock();
        let slot = &mut state.slots[index as usize];
        slot.held = slot.held.saturating_sub(1);
        drop(state);
        self.changed.notify_all();
    }

    /// Whether the surface's picture is known to be damaged; false while the engine is at it. Asked
    /// once it is mapped, or else before another one is decoded into it, or at the end.
    pub fn check(&self, index: u32) -> Result<bool> {
        let slot = self.lock().slots[index as usize];
        if slot.content.is_none() || slot.checked {
            return Ok(false);
        }
        let progress = self.hardware()?.progress(index)?;
        self.lock().slots[index as usize].checked = progress != Progress::Running;
        if progress == Progress::Damaged {
            let met = if slot.closed {
                &self.late_damage
            } else {
                &self.damage
            };
            met.store(true, Ordering::Relaxed);
        }
        Ok(progress == Progress::Damaged)
    }

    /// Waits until every picture is decoded, so that all damage is known.
    pub fn settle(&self) -> Result<()> {
        (0..self.surfaces()?).try_for_each(|index| self.settle_one(index))
    }

    /// All pictures so far are of streams that have ended.
    pub fn close(&self) {
        let mut state = self.lock();
        state.slots.iter_mut().for_each(|slot| slot.closed = true);
    }

    /// Waits until those are decoded. Whether damage was met in them since this was last asked.
    pub fn settle_closed(&self) -> Result<bool> {
        let slots = self.lock().slots.clone();
        let closed = (0..).zip(slots).filter(|(_, slot)| slot.closed);
        closed
            .map(|(index, _)| index)
            .try_for_each(|index| self.settle_one(index))?;
        Ok(self.late_damage.swap(false, Ordering::Relaxed))
    }

    fn settle_one(&self, index: u32) -> Result<()> {
        let patience = self.device()?.patience();
        let deadline = Instant::now() + patience;
        loop {
            self.check(index)?;
            let slot = self.lock().slots[index as usize];
            if slot.checked || slot.content.is_none() {
                return Ok(());
            }
            if Instant::now() > deadline {
                self.broken.store(true, Ordering::Relaxed);
                return Err(stalled("the GPU does not finish a picture", patience));
            }
            thread::sleep(POLL);
        }
    }

    /// Maps a held picture, when fewer than [`OUTPUT_SURFACES`] are. The mapping holds it, too.
    pub fn map(&self, index: u32, progressive: bool, stream: &Stream) -> Result<Mapping> {
        self.wait("nobody lets go of a mapped picture", |state| {
            if state.mapped < OUTPUT_SURFACES {
                state.mapped += 1;
                return Step::Done;
            }
            match state.retired.pop_front() {
                Some(retired) => Step::Unmap(retired),
                None => Step::Wait,
            }
        })?;
        let mapping = self
            .hardware()
            .and_then(|hardware| hardware.map(index, progressive, stream));
        let mut state = self.lock();
        match &mapping {
            Ok(_) => state.slots[index as usize].held += 1,
            Err(_) => state.mapped -= 1,
        }
        drop(state);
        self.changed.notify_all();
        mapping
    }

    /// The mapping is done with once the stream is where it is now.
    pub fn retire(&self, index: u32, address: u64, stream: &Stream) {
        let done = Event::new(stream.device()).and_then(|done| {
            done.record(stream)?;
            Ok(done)
        });
        match done {
            Ok(done) => self.lock().retired.push_back(Retired {
                index,
                address,
                done,
            }),
            Err(error) => self.give_up(&error),
        }
        self.changed.notify_all();
    }

    /// A surface that cannot be unmapped stays held for good.
    fn give_up(&self, error: &Error) {
        self.broken.store(true, Ordering::Relaxed);
        tracing::warn!("a mapped picture is given up: {error}");
    }

    fn unmap(&self, retired: &Retired) -> Result<()> {
        let waited = retired.done.wait();
        if let Err(error) = &waited {
            self.broken.store(true, Ordering::Relaxed);
            // Any other failure means that the GPU is not at it any more.
            if error.reason() == Reason::ChunkStalled {
                self.give_up(error);
                return waited;
            }
        }
        let unmapped = self.hardware()?.unmap(retired.address);
        if let Err(error) = &unmapped {
            self.give_up(error);
            return unmapped;
        }
        self.lock().mapped -= 1;
        self.release(retired.index);
        waited
    }

    /// Takes the decoder out of use, whatever becomes of the pictures that are left.
    pub fn break_off(&self) {
        self.broken.store(true, Ordering::Relaxed);
    }
}

/// What a look at the state calls for.
enum Step {
    Done,
    Unmap(Retired),
    Wait,
}

impl Drop for Session {
    /// Nobody holds a picture any more. The decoder goes back to where it came from.
    fn drop(&mut self) {
        let retired = std::mem::take(&mut self.lock().retired);
        for mapping in &retired {
            let _ = self.unmap(mapping);
        }
        let mapped = self.lock().mapped;
        let Some(hardware) = self.hardware.take() else {
            return;
        };
        if mapped > 0 {
            // The GPU may still be at it: destroying the decoder would pull memory from under it.
            tracing::warn!(mapped, "a video decoder is given up with pictures mapped");
            std::mem::forget(hardware);
            return;
        }
        if self.broken.load(Ordering::Relaxed) {
            return;
        }
        if let Some(shelf) = self.shelf.upgrade() {
            shelf.put(hardware);
        }
    }
}

fn stalled(what: &str, patience: Duration) -> Error {
    let seconds = patience.as_secs();
    Error::new(Reason::ChunkStalled, format!("{what}, seconds={seconds}"))
        .hint("check nvidia-smi and the kernel's log for Xid errors")
}
