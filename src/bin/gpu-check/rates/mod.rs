//! Rates, each with its ceiling: medians of rounds, and how far these lie apart.

mod copies;
mod decode;
mod extraction;
mod jpeg;
mod kernels;
mod load;

use std::time::{Duration, Instant};

use framecache::error::Result;
use framecache::gpu::Event;

use crate::device::Card;
use crate::files::Clip;
use crate::report::{Finding, Report};
use crate::{Args, clip_to_measure, probe};

pub use decode::name as decode_name;
pub use extraction::{RANDOM as RANDOM_NAME, SAMPLED as SAMPLED_NAME};

pub const PART: &str = "rates";
const ROUNDS: usize = 5;

pub fn check(report: &mut Report, clips: &[Clip], card: Option<&Card>, args: &Args) {
    let name = "copies, kernels, decoding, JPEG, extraction";
    if args.quick {
        return report.add(PART, name, || Ok(Finding::skipped("--quick")));
    }
    let Some(card) = card else {
        return probe::skip(report, PART, name, args);
    };
    if report.wants("rates/copies") {
        copies::check(report, card, args);
    }
    if report.wants("rates/kernels") {
        kernels::check(report, card, args);
    }
    let clip = clip_to_measure(clips, card);
    if report.wants("rates/decode") {
        decoding(report, clips, (clip, card), args);
    }
    if let Some(clip) = clip.or(clips.first())
        && report.wants("rates/jpeg")
    {
        jpeg::check(report, clip, args);
    }
    if let Some(clip) = clip
        && report.wants("rates/extraction")
    {
        extraction::check(report, clip, card, args);
    }
}

/// Of the clip that all else is measured on, and of every other that is as large as 1080p.
fn decoding(
    report: &mut Report,
    clips: &[Clip],
    (clip, card): (Option<&Clip>, &Card),
    args: &Args,
) {
    let Some(clip) = clip else {
        return report.add(PART, "decoding", || {
            Ok(Finding::skipped("NVDEC takes no video of the fixtures"))
        });
    };
    decode::check(report, clip, card, args);
    let others = clips.iter().filter(|other| other.name != clip.name);
    for other in others.filter(|other| card.takes(other) && other.pixels() >= 1920 * 1080) {
        decode::check(report, other, card, args);
    }
}

/// Of several rounds.
pub struct Rate {
    pub median: f64,
    /// Between the slowest and the fastest, by the median.
    pub spread: f64,
    rounds: usize,
}

impl Rate {
    /// Measures rounds; each gives its rate. Once the budget is spent no round more is begun.
    pub fn of(args: &Args, mut round: impl FnMut() -> Result<f64>) -> Result<Rate> {
        // Warm clocks and caches first.
        round()?;
        let mut rates = vec![round()?];
        while rates.len() < args.sized(ROUNDS, 1) && !args.is_over() {
            rates.push(round()?);
        }
        rates.sort_by(f64::total_cmp);
        let median = rates[rates.len() / 2];
        Ok(Rate {
            median,
            spread: (rates[rates.len() - 1] - rates[0]) / median,
            rounds: rates.len(),
        })
    }

    pub fn finding(&self, unit: &str) -> Finding {
        let says = format!(
            "{:.1} {unit} (spread {:.0} %)",
            self.median,
            self.spread * 100.0
        );
        Finding::pass(says)
            .with(unit, self.median)
            .with("spread", self.spread)
            .with("rounds", self.rounds)
    }

    /// As [`Rate::finding`], with what it is of a ceiling, and whether that is what is aimed at.
    pub fn against(
        &self,
        unit: &str,
        (name, ceiling): (&str, f64),
        target: Option<f64>,
    ) -> Finding {
        let ratio = self.median / ceiling;
        let aim = match target {
            Some(target) if ratio < target => format!(", below its target {target}"),
            _ => String::new(),
        };
        let says = format!(
            "{:.1} {unit} (spread {:.0} %), {ratio:.2} of {name}{aim}",
            self.median,
            self.spread * 100.0
        );
        let mut finding = Finding::pass(says)
            .with(unit, self.median)
            .with("spread", self.spread)
            .with("rounds", self.rounds)
            .with("ceiling", name)
            .with("ratio", ratio);
        if let Some(target) = target {
            finding = finding
                .with("target", target)
                .with("reached", ratio >= target);
        }
        finding
    }
}

/// How often work that is queued on the card's stream is done a second, in one round, by the card's
/// own clock. While `at_once` of it are done as many are queued: the card never waits, where they take
/// a few milliseconds.
pub fn per_second(
    card: &Card,
    (round, at_once): (Duration, u32),
    mut work: impl FnMut() -> Result<()>,
) -> Result<f64> {
    let (begin, end) = (Event::timed(&card.device)?, Event::timed(&card.device)?);
    let marks = [Event::new(&card.device)?, Event::new(&card.device)?];
    let began = Instant::now();
    begin.record(&card.stream)?;
    let mut count = 0;
    for mark in marks.iter().cycle() {
        // Of those before the last.
        mark.wait()?;
        if began.elapsed() >= round {
            break;
        }
        for _ in 0..at_once {
            work()?;
        }
        mark.record(&card.stream)?;
        count += at_once;
    }
    end.record(&card.stream)?;
    end.wait()?;
    Ok(f64::from(count) / end.seconds_since(&begin)?)
}
