//! Each family of kernels: bytes that it must read and write, a second, against copying as many.

use framecache::cuda::{Format, FramesPlan, Plan, RgbPlan, Source, TensorPlan};
use framecache::error::Result;
use framecache::media::picture::Orientation;
use framecache::pixel::jfif::JfifRequest;
use framecache::tensor::{Channels, Datatype, Fit, Layout, Recipe, TensorSpec};

use super::copies::{ON_DEVICE, UNIT};
use super::{PART, Rate, per_second};
use crate::Args;
use crate::device::Card;
use crate::kernels::{HASHES, plain};
use crate::report::Report;
use crate::surfaces::{Surface, source};

/// Frames of a batch, two of which are taken in turn: more than an L2 holds, as decoded pictures are.
const BATCH: usize = 32;
/// Pictures that differ.
const NOISES: u64 = 4;
/// What colour kernels are to reach of the copy's rate.
const COLOUR: Option<f64> = Some(0.8);

pub fn check(report: &mut Report, card: &Card, args: &Args) {
    let bench = Bench { card, args };
    let (nv12, p016) = (hd(Format::Nv12), hd(Format::P016 { depth: 10 }));
    let limit = |max_side| JfifRequest {
        max_side,
        ..JfifRequest::default()
    };
    let turned = Orientation {
        mirrored: false,
        rotation: 90,
    };
    let whole = limit(None);
    bench.add(
        report,
        "planes of NV12",
        FramesPlan::new(nv12, &whole, &[]),
        COLOUR,
    );
    bench.add(
        report,
        "planes of P016",
        FramesPlan::new(p016, &whole, &[]),
        COLOUR,
    );
    bench.add(
        report,
        "RGB of NV12",
        RgbPlan::new(nv12, Orientation::default()),
        COLOUR,
    );
    bench.add(
        report,
        "RGB of NV12, turned",
        RgbPlan::new(nv12, turned),
        None,
    );
    bench.add(
        report,
        "planes and hashes",
        FramesPlan::new(nv12, &whole, &HASHES),
        None,
    );
    bench.add(
        report,
        "planes within 1280",
        FramesPlan::new(nv12, &limit(Some(1280)), &[]),
        None,
    );
    bench.add(report, "FP16 tensor, letterbox 640", tensor(nv12), None);
}

fn hd(format: Format) -> Source {
    source(format, (1920, 1080), 0, 128)
}

fn tensor(source: Source) -> Result<TensorPlan> {
    let spec = TensorSpec {
        size: Some((640, 640)),
        fit: Fit::Letterbox,
        ..plain(Datatype::Fp16, Layout::Nchw, Channels::Rgb)
    };
    TensorPlan::new(source, Orientation::default(), &Recipe::new(spec)?)
}

struct Bench<'c> {
    card: &'c Card,
    args: &'c Args,
}

impl Bench<'_> {
    fn add<P: Plan>(&self, report: &mut Report, name: &str, plan: Result<P>, target: Option<f64>) {
        let copy = report.figure(PART, ON_DEVICE, UNIT);
        report.add(PART, name, || {
            let (rate, frames) = self.rate(plan?)?;
            let finding = match copy {
                Some(copy) => rate.against(UNIT, (ON_DEVICE, copy), target),
                None => rate.finding(UNIT),
            };
            Ok(finding.with("frames/s", frames))
        });
    }

    /// GB read and written a second, and frames.
    fn rate<P: Plan>(&self, plan: P) -> Result<(Rate, f64)> {
        let source = *plan.source();
        let (frames, at_once) = self.args.sized((BATCH, 64), (2, 2));
        let read: usize = (0..source.format.plane_count())
            .map(|plane| source.plane_bytes(plane))
            .sum();
        let bytes = (read * frames + plan.output_bytes(frames)) as f64;
        let noises: Vec<Surface> = (0..NOISES)
            .map(|seed| Surface::new(&source, seed))
            .collect();
        let batch = || self.card.upload(noises.iter().cycle().take(frames));
        let batches = [batch()?, batch()?];
        let mut pipeline = self.card.pipeline(plan, frames)?;
        let mut turns = batches.iter().cycle();
        let rate = Rate::of(self.args, || {
            let work = || match turns.next() {
                Some(batch) => self.card.queue(&mut pipeline, batch),
                None => Ok(()),
            };
            Ok(per_second(self.card, (self.args.round(), at_once), work)? * bytes / 1e9)
        })?;
        let a_second = rate.median * 1e9 / bytes * frames as f64;
        Ok((rate, a_second))
    }
}
