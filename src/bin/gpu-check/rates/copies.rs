//! What the device copies in a second: the ceiling of all kernels, and of what comes back.

use framecache::error::Result;
use framecache::gpu::{Copy2d, DeviceBuffer, PinnedBuffer};

use super::{PART, Rate, per_second};
use crate::Args;
use crate::device::Card;
use crate::report::Report;

/// More than an L2 holds.
const BYTES: usize = 256 << 20;
pub const ON_DEVICE: &str = "copy on the device";
pub const TO_HOST: &str = "copy to pinned memory";
pub const UNIT: &str = "GB/s";

pub fn check(report: &mut Report, card: &Card, args: &Args) {
    report.add(PART, ON_DEVICE, || Ok(on_device(card, args)?.finding(UNIT)));
    report.add(PART, TO_HOST, || Ok(to_host(card, args)?.finding(UNIT)));
}

/// Read and written bytes both count, as they do for kernels.
fn on_device(card: &Card, args: &Args) -> Result<Rate> {
    let (bytes, at_once) = args.sized((BYTES, 32), (1 << 20, 2));
    let mut from = DeviceBuffer::new(&card.device, bytes)?;
    from.fill(1, &card.stream)?;
    let mut to = DeviceBuffer::new(&card.device, bytes)?;
    Rate::of(args, || {
        let copy = || to.copy_from(from.view(), &card.stream);
        let copies = per_second(card, (args.round(), at_once), copy)?;
        Ok(copies * 2.0 * bytes as f64 / 1e9)
    })
}

fn to_host(card: &Card, args: &Args) -> Result<Rate> {
    let (bytes, at_once) = args.sized((BYTES, 4), (1 << 20, 2));
    let from = DeviceBuffer::new(&card.device, bytes)?;
    let mut to = PinnedBuffer::new(&card.device, bytes)?;
    Rate::of(args, || {
        let copy = || to.download(from.view(), &Copy2d::line(bytes), &card.stream);
        let copies = per_second(card, (args.round(), at_once), copy)?;
        Ok(copies * bytes as f64 / 1e9)
    })
}
