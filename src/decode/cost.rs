//! What a span is estimated to cost on the CPU and on a card: the first guess is measured rates of
//! ordinary machines, every decoded task corrects it.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// What has to be decoded, and what is made of it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Load {
    /// Units that are fed to a decoder.
    pub units: u64,
    /// Pixels of one.
    pub pixels: u64,
}

/// Means that one backend has for a span.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Means {
    /// Tasks that it decodes at once.
    pub lanes: u64,
    /// Before its first picture.
    pub start: Duration,
}

/// Megapixels a second that one lane decodes.
pub struct Rate(Mutex<f64>);

/// H.264 at 1080p, developed too: a core of 2020 or later reaches 200 to 300 megapixels a second.
pub const CPU_MEGAPIXELS: f64 = 250.0;
/// H.264 at 1080p: 640 frames a second on one engine (Video Codec SDK, NVDEC application note).
pub const ENGINE_MEGAPIXELS: f64 = 1300.0;
/// The share of the newest measurement.
const NEWEST: f64 = 0.2;

impl Rate {
    pub fn guess(megapixels: f64) -> Self {
        Rate(Mutex::new(megapixels))
    }

    pub fn now(&self) -> f64 {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A lane decoded that in so long.
    pub fn measured(&self, load: Load, took: Duration) {
        let seconds = took.as_secs_f64();
        // Too short to tell anything.
        if load.units < 8 || seconds < 1e-3 {
            return;
        }
        let rate = load.megapixels() / seconds;
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *known += NEWEST * (rate - *known);
    }

    /// Seconds until the load is decoded.
    pub fn seconds(&self, load: Load, means: Means) -> f64 {
        let lanes = means.lanes.clamp(1, load.units.max(1));
        means.start.as_secs_f64() + load.megapixels() / (self.now().max(1.0) * lanes as f64)
    }
}

impl Load {
    fn megapixels(self) -> f64 {
        self.units as f64 * self.pixels as f64 / 1e6
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HD: u64 = 1920 * 1080;

    fn means(lanes: u64, start_ms: u64) -> Means {
        Means {
            lanes,
            start: Duration::from_millis(start_ms),
        }
    }

    #[test]
    fn a_short_span_is_done_earlier_by_a_few_cores_and_a_long_one_by_a_card_that_must_start_first()
    {
        let (cpu, card) = (Rate::guess(CPU_MEGAPIXELS), Rate::guess(ENGINE_MEGAPIXELS));
        let seconds = |units| {
            let load = Load { units, pixels: HD };
            (
                cpu.seconds(load, means(4, 0)),
                card.seconds(load, means(7, 1000)),
            )
        };
        let (short_cpu, short_card) = seconds(30);
        assert!(short_cpu < short_card, "{short_cpu} {short_card}");
        let (long_cpu, long_card) = seconds(1800);
        assert!(long_card < long_cpu, "{long_card} {long_cpu}");
    }

    #[test]
    fn what_is_measured_moves_the_estimate_and_a_glance_does_not() {
        let rate = Rate::guess(100.0);
        let load = Load {
            units: 100,
            pixels: 1_000_000,
        };
        rate.measured(Load { units: 1, ..load }, Duration::from_secs(1));
        assert_eq!(rate.now(), 100.0);
        for _ in 0..40 {
            rate.measured(load, Duration::from_millis(500));
        }
        assert!((rate.now() - 200.0).abs() < 1.0, "{}", rate.now());
    }

    #[test]
    fn more_lanes_than_units_help_nobody() {
        let rate = Rate::guess(10.0);
        let load = Load {
            units: 2,
            pixels: 10_000_000,
        };
        assert_eq!(
            rate.seconds(load, means(8, 0)),
            rate.seconds(load, means(2, 0))
        );
    }
}
