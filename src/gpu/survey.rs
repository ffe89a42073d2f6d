//! What this machine's GPUs are and decode, for people to read.

use super::nvdec::{self, Shape, capability};
use super::{Device, DriverVersion, Memory, Unavailable, device_count, driver_version};
use crate::error::Result;

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
    /// Why none of them decodes, if so.
    pub no_decoding: Option<Unavailable>,
}

/// Opens each GPU in turn and asks what it decodes.
///
/// # Errors
/// GPU_UNAVAILABLE with why there is none to use.
pub fn survey() -> Result<Survey> {
    let driver = driver_version()?;
    let devices = (0..device_count()?)
        .map(surveyed)
        .collect::<Result<Vec<_>>>()?;
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
