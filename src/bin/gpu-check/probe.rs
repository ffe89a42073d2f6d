//! Driver, devices, engines, codecs, memory.

use framecache::error::Result;
use framecache::gpu::nvdec::{self, Capability, Shape};
use framecache::gpu::{self, Device};
use serde_json::json;

use crate::device::Card;
use crate::report::{Finding, Report};
use crate::{Args, no_card};

const PART: &str = "probe";

/// The card to check, where there is one and it is wanted.
pub fn check(report: &mut Report, args: &Args) -> Option<Card> {
    if args.no_gpu {
        report.add(PART, "driver", || Ok(absence()));
        return None;
    }
    report.add(PART, "driver", || {
        let version = gpu::driver_version()?;
        let devices = gpu::device_count()?;
        Ok(Finding::pass(format!("CUDA {version}, {devices} devices"))
            .with("cuda", version.to_string())
            .with("devices", devices))
    });
    for ordinal in 0..gpu::device_count().unwrap_or(0) {
        report.add(PART, format!("device {ordinal}"), || device(ordinal));
        codecs(report, ordinal);
    }
    let mut card = None;
    report.add(PART, "kernels load", || {
        card = Some(Card::open()?);
        Ok(Finding::pass("on device 0"))
    });
    if let Some(card) = &mut card {
        report.add(PART, "NVDEC loads", || {
            card.open_decoders()?;
            Ok(Finding::pass("on device 0"))
        });
    }
    card
}

/// Why there is no GPU; where there is one, that it was not asked for.
fn absence() -> Finding {
    match gpu::device_count() {
        Err(why) => Finding::pass(format!("{why} ({})", why.hint())).with("reason", why.name()),
        Ok(devices) => Finding::pass(format!(
            "--no-gpu: {devices} devices are here and left alone"
        )),
    }
}

fn device(ordinal: u32) -> Result<Finding> {
    let device = Device::open(ordinal)?;
    let ((major, minor), memory) = (device.capability(), device.memory()?);
    let gib = |bytes: u64| bytes as f64 / f64::from(1 << 30);
    let says = format!(
        "{}, compute {major}.{minor}, {:.1} of {:.1} GiB free",
        device.name(),
        gib(memory.free),
        gib(memory.total)
    );
    Ok(Finding::pass(says)
        .with("name", device.name())
        .with("compute", format!("{major}.{minor}"))
        .with("free_bytes", memory.free)
        .with("total_bytes", memory.total))
}

/// A row for each codec: depths and chromas that are decoded, and which are not.
fn codecs(report: &mut Report, ordinal: u32) {
    for codec in nvdec::Codec::ALL {
        report.add(PART, format!("device {ordinal} {}", codec.name()), || {
            let device = Device::open(ordinal)?;
            let mut taken = Vec::new();
            let mut left = Vec::new();
            for shape in Shape::all().filter(|shape| shape.codec == codec) {
                match nvdec::capability(&device, shape)? {
                    Some(capability) => taken.push((shape.to_string(), capability)),
                    None => left.push(shape.to_string()),
                }
            }
            Ok(of_codec(&taken, &left))
        });
    }
}

fn of_codec(taken: &[(String, Capability)], left: &[String]) -> Finding {
    let list = |names: Vec<&str>| match names.is_empty() {
        true => "none".to_owned(),
        false => names.join(", "),
    };
    let decoded = list(taken.iter().map(|(name, _)| name.as_str()).collect());
    let left = list(left.iter().map(String::as_str).collect());
    let shapes: Vec<_> = taken
        .iter()
        .map(|(name, c)| json!({ "shape": name, "engines": c.engines, "min": c.min, "max": c.max }))
        .collect();
    Finding::pass(format!("decodes {decoded}; left to the CPU: {left}")).with("shapes", shapes)
}

/// Engines of the device, for as many sessions as are worth it.
pub fn engines(device: &Device) -> Result<u32> {
    let mut engines = 0;
    for shape in Shape::all() {
        let capability = nvdec::capability(device, shape)?;
        engines = engines.max(capability.map_or(0, |c| c.engines));
    }
    Ok(engines)
}

/// A part that needs a card, where there is none.
pub fn skip(report: &mut Report, part: &'static str, name: &str, args: &Args) {
    report.add(part, name, || Ok(Finding::skipped(no_card(args))));
}
