//! One chunk's ticks on the timeline's clock.

use crate::error::Result;
use crate::media::time::{Exact, TimeBase, tolerance};
use crate::timeline::index::Shown;

/// Maps pts to timeline seconds and back: time = pts * tick + offset.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Clock {
    tick: Exact,
    tolerance: Exact,
    pub offset: Exact,
}

impl Clock {
    pub fn new(time_base: TimeBase, offset: Exact) -> Result<Clock> {
        let tick = time_base.seconds()?;
        Ok(Clock {
            tick,
            tolerance: tolerance(tick)?,
            offset,
        })
    }

    /// The clock on which `pts` is at `time`.
    pub fn with(time_base: TimeBase, pts: i64, time: Exact) -> Result<Clock> {
        let mut clock = Clock::new(time_base, Exact::ZERO)?;
        clock.offset = time.minus(clock.time(pts)?)?;
        Ok(clock)
    }

    /// Timeline seconds of a pts.
    pub fn time(&self, pts: i64) -> Result<Exact> {
        self.tick.times(Exact::whole(pts))?.plus(self.offset)
    }

    /// The first moment at which a frame with this pts counts as shown.
    pub fn shown_from(&self, pts: i64) -> Result<Exact> {
        self.time(pts)?.minus(self.tolerance)
    }

    /// The place in `shown` of the first frame at or after `time`; no tolerance.
    pub fn first_at(&self, shown: &[Shown], time: Exact) -> Result<usize> {
        let tick = time.minus(self.offset)?.over(self.tick)?.ceil();
        Ok(shown.partition_point(|s| i128::from(s.pts) < tick))
    }

    /// How many frames have pts - h <= `time`; the one shown then is the last of them.
    pub fn begun_at(&self, shown: &[Shown], time: Exact) -> Result<usize> {
        let from_zero = time.plus(self.tolerance)?.minus(self.offset)?;
        let tick = from_zero.over(self.tick)?.floor();
        Ok(shown.partition_point(|s| i128::from(s.pts) <= tick))
    }
}
