//! What this machine's GPUs are and decode, for people to read.

use super::nvdec::{self, Shape, capability};
use super::{Device, DriverVersion, Memory, Unavailable, device_count, driver_version};
use crate::error::{Error, Result};

/// One GPU.
#[derive(Debug, Clone)]
pub struct SurveyedDevice {
    pub ordinal: u32,
    pub name: String,
    /// Compute capability, major and minor.
    pub capability: (u32, u32),
    pub memory: Memory,
    /// Decoding engines.
    pub engines: u32,
    /// What they decode that is taken from them; empty where libnvcuvid or the engines are missing.
    pub shapes: Vec<Shape>,
}

/// Every GPU that this process sees.
#[derive(Debug, Clone)]
pub struct Survey {
    pub driver: DriverVersion,
    pub devices: Vec<SurveyedDevice>,
    /// Those that do not open, by their ordinals, and why.
    pub unusable: Vec<(u32, Error)>,
    /// Why none of them decodes, if so.
    pub no_decoding: Option<Unavailable>,
}

/// Opens each GPU in turn and asks what it decodes.
///
/// # Errors
/// GPU_UNAVAILABLE with why there is none to use, or why the first does not open where none does.
pub fn survey() -> Result<Survey> {
    let driver = driver_version()?;
    let (mut devices, mut unusable) = (Vec::new(), Vec::new());
    for ordinal in 0..device_count()? {
        match surveyed(ordinal) {
            Ok(device) => devices.push(device),
            Err(error) => unusable.push((ordinal, error)),
        }
    }
    if let (true, Some((_, error))) = (devices.is_empty(), unusable.first()) {
        return Err(error.clone());
    }
    let no_decoding = match nvdec::available() {
        Err(why) => Some(why),
        Ok(()) => devices
            .first()
            .filter(|_| devices.iter().all(|device| device.shapes.is_empty()))
            .map(|device| Unavailable::NoDecoder(device.name.clone())),
    };
    Ok(Survey {
        driver,
        devices,
        unusable,
        no_decoding,
    })
}

fn surveyed(ordinal: u32) -> Result<SurveyedDevice> {
    let device = Device::open(ordinal)?;
    let (mut engines, mut shapes) = (0, Vec::new());
    if nvdec::available().is_ok() {
        for shape in Shape::all() {
            if let Some(capability) = capability(&device, shape)? {
                engines = engines.max(capability.engines);
                shapes.push(shape);
            }
        }
    }
    Ok(SurveyedDevice {
        ordinal,
        name: device.name().to_owned(),
        capability: device.capability(),
        memory: device.memory()?,
        engines,
        shapes,
    })
}
