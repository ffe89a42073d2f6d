//! Rates, each with its ceiling: medians of rounds, and how far these lie apart.

mod copies;
mod decode;
mod extraction;
mod jpeg;
mod kernels;

use std::time::{Duration, Instant};

use framecache::error::Result;

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
    copies::check(report, card, args);
    kernels::check(report, card, args);
    let Some(clip) = clip_to_measure(clips, card) else {
        return report.add(PART, "decoding", || {
            Ok(Finding::skipped("NVDEC takes no video of the fixtures"))
        });
    };
    for clip in clips
        .iter()
        .filter(|clip| card.takes(clip) && clip.pixels() >= 1920 * 1080)
    {
        decode::check(report, clip, card, args);
    }
    if clip.pixels() < 1920 * 1080 {
        decode::check(report, clip, card, args);
    }
    jpeg::check(report, clip, args);
    extraction::check(report, clip, card, args);
}

/// Of several rounds.
pub struct Rate {
    pub median: f64,
    /// Between the slowest and the fastest, by the median.
    pub spread: f64,
}

impl Rate {
    /// Measures rounds; each gives its rate.
    pub fn of(mut round: impl FnMut() -> Result<f64>) -> Result<Rate> {
        // Warm clocks and caches first.
        round()?;
        let mut rates = (0..ROUNDS).map(|_| round()).collect::<Result<Vec<f64>>>()?;
        rates.sort_by(f64::total_cmp);
        let median = rates[ROUNDS / 2];
        Ok(Rate {
            median,
            spread: (rates[ROUNDS - 1] - rates[0]) / median,
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

/// How often work is done a second, in one round: repeated until the time is over. `wait` ends
/// what is queued.
pub fn per_second(
    round: Duration,
    mut work: impl FnMut() -> Result<()>,
    wait: impl Fn() -> Result<()>,
) -> Result<f64> {
    const AT_ONCE: u32 = 16;
    let began = Instant::now();
    let mut count = 0;
    while began.elapsed() < round {
        for _ in 0..AT_ONCE {
            work()?;
        }
        wait()?;
        count += AT_ONCE;
    }
    Ok(f64::from(count) / began.elapsed().as_secs_f64())
}
