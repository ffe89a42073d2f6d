//! What a device's engines decode.

use std::collections::HashMap;
use std::sync::{LazyLock, Mutex, PoisonError};

use super::library::{Library, SUCCESS, failure};
use super::{Refusal, Shape};
use crate::error::Result;
use crate::gpu::Device;
use crate::gpu::sys::cuvid::DecodeCaps;

/// A device's capability for one [`Shape`]; sizes are coded ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Capability {
    pub engines: u32,
    pub min: (u32, u32),
    pub max: (u32, u32),
    pub max_macroblocks: u32,
}

impl Capability {
    fn of(caps: &DecodeCaps, shape: Shape) -> Option<Self> {
        let format = 1u16 << shape.surface().raw();
        let usable = caps.supported != 0 && caps.output_formats & format != 0;
        usable.then(|| Capability {
            // Older drivers leave the number out.
            engines: u32::from(caps.engines).max(1),
            min: (caps.min_width.into(), caps.min_height.into()),
            max: (caps.max_width, caps.max_height),
            max_macroblocks: caps.max_macroblocks,
        })
    }

    fn takes(&self, width: u32, height: u32) -> bool {
        let macroblocks = u64::from(width) * u64::from(height) / 256;
        (self.min.0..=self.max.0).contains(&width)
            && (self.min.1..=self.max.1).contains(&height)
            && macroblocks <= u64::from(self.max_macroblocks)
    }
}

/// What the device can do for the shape; none where it does not decode it.
/// The device is asked once in a process.
///
/// # Errors
/// Why it could not be asked.
pub fn capability(device: &Device, shape: Shape) -> Result<Option<Capability>> {
    type Known = HashMap<(u32, Shape), Option<Capability>>;
    static KNOWN: LazyLock<Mutex<Known>> = LazyLock::new(Mutex::default);
    let mut known = KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(answer) = known.get(&(device.ordinal(), shape)) {
        return Ok(*answer);
    }
    let answer = ask(device, shape)?;
    known.insert((device.ordinal(), shape), answer);
    Ok(answer)
}

fn ask(device: &Device, shape: Shape) -> Result<Option<Capability>> {
    let library = Library::load()?;
    device.bind()?;
    let mut caps = DecodeCaps {
        codec: shape.codec.raw(),
        chroma: shape.chroma.raw(),
        depth_minus_8: u32::from(shape.depth.saturating_sub(8)),
        ..DecodeCaps::default()
    };
    // SAFETY: a context is current; the structure is the header's.
    match unsafe { (library.caps)(&mut caps) } {
        SUCCESS => Ok(Capability::of(&caps, shape)),
        status => Err(failure(
            "could not ask the GPU what it decodes, library=libnvcuvid",
            status,
        )),
    }
}

/// Whether the device decodes the shape at that coded size.
///
/// # Errors
/// A [`Refusal`], or why the device could not be asked.
pub(super) fn check(device: &Device, shape: Shape, width: u32, height: u32) -> Result<()> {
    let Some(capability) = capability(device, shape)? else {
        return Err(Refusal::Shape(shape).into());
    };
    if width % 2 == 1 || height % 2 == 1 {
        return Err(Refusal::OddSize { width, height }.into());
    }
    if !capability.takes(width, height) {
        return Err(Refusal::Size { width, height }.into());
    }
    Ok(())
}
