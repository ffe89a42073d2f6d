//! Whole extractions into a folder: every frame, two a second, and frames from anywhere.

use std::time::Instant;

use framecache::decode::Backend;
use framecache::error::Result;
use framecache::media::time::Exact;
use framecache::timeline::plan::{Parameters, Sampling};

use super::decode::{self, SESSIONS};
use super::load::{Load, Watch};
use super::{PART, Rate, jpeg};
use crate::Args;
use crate::device::Card;
use crate::extract::Extractor;
use crate::files::Clip;
use crate::report::{Finding, Report};
use crate::surfaces::noise;

const UNIT: &str = "frames/s";
pub const SAMPLED: &str = "2 frames a second to JPEGs";
pub const RANDOM: &str = "random access to JPEGs";
/// What the end to end rate is to reach of its ceiling.
const END_TO_END: Option<f64> = Some(0.8);
/// Frames asked for at once.
const WANTED: usize = 64;

pub fn check(report: &mut Report, clip: &Clip, card: &Card, args: &Args) {
    let bench = match Bench::new(clip, card, args) {
        Ok(bench) => bench,
        Err(error) => return report.add(PART, "extraction", || Err(error)),
    };
    let lower = ceiling(report, clip);
    report.add(PART, "end to end, every frame to JPEGs", || {
        let parameters = Parameters::new(Sampling::All);
        let (rate, load) = bench.rate(&parameters, bench.chunks)?;
        let finding = match lower {
            Some((name, ceiling)) => rate.against(UNIT, (name, ceiling), END_TO_END),
            None => rate.finding(UNIT),
        };
        Ok(load.of(finding))
    });
    report.add(PART, SAMPLED, || {
        let parameters = Parameters::new(Sampling::Fps(Exact::whole(2)));
        let (rate, load) = bench.rate(&parameters, bench.chunks)?;
        Ok(load.of(rate.finding(UNIT)).with("chunks", bench.chunks))
    });
    report.add(PART, RANDOM, || bench.random());
}

/// The lower of the best rates of decoding and of encoding.
fn ceiling(report: &Report, clip: &Clip) -> Option<(&'static str, f64)> {
    let decode = SESSIONS
        .iter()
        .filter_map(|n| report.figure(PART, &decode::name(clip, *n), decode::UNIT))
        .fold(0.0, f64::max);
    let jpeg = report.figure(PART, &jpeg::name(jpeg::cores()), jpeg::UNIT)?;
    Some(if decode < jpeg {
        ("decoding", decode)
    } else {
        ("JPEG", jpeg)
    })
}

struct Bench<'c> {
    clip: &'c Clip,
    args: &'c Args,
    extractor: Extractor,
    /// As many as keep every engine busy.
    chunks: usize,
}

impl<'c> Bench<'c> {
    fn new(clip: &'c Clip, card: &Card, args: &'c Args) -> Result<Self> {
        let engines = crate::probe::engines(&card.device)?.max(1) as usize;
        Ok(Bench {
            clip,
            args,
            extractor: Extractor::new()?,
            chunks: 4 * engines,
        })
    }

    fn frames_per_second(&self, parameters: &Parameters, chunks: usize) -> Result<f64> {
        let chunks = vec![self.clip.spec.clone(); chunks];
        let began = Instant::now();
        let made = self.extractor.run(chunks, parameters, Backend::Gpu)?;
        let seconds = began.elapsed().as_secs_f64();
        self.extractor.clear(&made)?;
        Ok(made.summary.frames as f64 / seconds)
    }

    /// Frames a second, and what the machine was busy with meanwhile.
    fn rate(&self, parameters: &Parameters, chunks: usize) -> Result<(Rate, Load)> {
        let watch = Watch::start();
        let rate = Rate::of(self.args, || self.frames_per_second(parameters, chunks))?;
        Ok((rate, watch.end()))
    }

    fn random(&self) -> Result<Finding> {
        let index = &self.clip.media.track.index;
        let base = self.clip.media.track.info.time_base.seconds()?;
        let first = index.shown.first().map_or(0, |shown| shown.pts);
        let random = noise(8 * WANTED, 1);
        let mut times = Vec::new();
        for bytes in random.as_chunks::<8>().0 {
            let place = (u64::from_le_bytes(*bytes) % index.shown.len().max(1) as u64) as usize;
            let ticks = index.shown.get(place).map_or(0, |shown| shown.pts - first);
            times.push(Exact::whole(ticks).times(base)?);
        }
        times.sort_unstable();
        times.dedup();
        let parameters = Parameters::new(Sampling::Timestamps(times));
        let (rate, load) = self.rate(&parameters, 1)?;
        Ok(load.of(rate.finding(UNIT)).with("wanted", WANTED))
    }
}
