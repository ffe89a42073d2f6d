//! The index of one source: what `demux` reads from packets, and all that
//! planning needs to know of a video.

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::media::time::{Exact, TimeBase};

/// A picture that is shown, in the order of showing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shown {
    /// Source time, in ticks of the source's time base: the container's own pts where its clock runs on
    /// and misses nothing. Never smaller than the one before; may be equal.
    pub pts: i64,
    /// To the next shown picture; of the last, as an MP4's tables say, else as long as the one before. In ticks,
    /// at least 0.
    pub duration: i64,
    /// Its access unit: place in decode order among all packets of the stream.
    pub unit: u32,
    /// A cut point: decoding can start at its unit.
    pub cut: bool,
}

/// Why packets have no number on the timeline.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Unshown {
    /// Discarded by an edit list.
    pub discarded: u64,
    /// Coded as never shown (VP8 alternate references and the like).
    pub invisible: u64,
    /// Before the first cut point.
    pub before_first_cut: u64,
    /// Leading pictures of the first cut point that cannot be decoded.
    pub undecodable_leading: u64,
}

/// Breaks and pauses that are listed of a source, each.
const LISTED: usize = 1000;
/// A frame that is shown for longer than this is a pause.
const PAUSE_SECONDS: i64 = 10;

/// What is out of the ordinary with a source's clock. Times are seconds of source time.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ClockFacts {
    /// Where the container's clock starts again: source time goes on. At most the first 1000.
    pub clock_breaks: Vec<ClockBreak>,
    /// Frames that are shown for over 10 s, since none follows earlier. At most the first 1000.
    pub pauses: Vec<Pause>,
    /// Frames without a timestamp, or with one that contradicts the order of showing, among others that
    /// have one: they are placed evenly between those.
    pub untimed: u64,
    /// No frame has a timestamp, or all have the same: times are counted by frame.
    pub times_counted: bool,
}

/// The container's clock starts again.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct ClockBreak {
    /// The first frame behind it.
    pub at: f64,
    /// Of the frames shown before and behind it, in ticks of the container's clock.
    pub pts_before: i64,
    pub pts_behind: i64,
}

impl Eq for ClockBreak {}

/// One frame is shown all the time.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Pause {
    pub from: f64,
    pub to: f64,
}

impl Eq for Pause {}

impl ClockFacts {
    /// Nothing is out of the ordinary.
    pub fn is_plain(&self) -> bool {
        *self == ClockFacts::default()
    }

    /// What of it lies in [from, to) of source time.
    pub fn within(&self, from: Exact, to: Exact) -> ClockFacts {
        let (from, to) = (from.to_f64(), to.to_f64());
        let mut own = self.clone();
        own.clock_breaks.retain(|at| from <= at.at && at.at < to);
        own.pauses
            .retain(|pause| pause.from < to && from < pause.to);
        own
    }

    /// Adds the breaks, each by its seconds of source time and the pts beside it, and the pauses between frames.
    pub fn list(
        &mut self,
        (shown, time_base): (&[Shown], TimeBase),
        breaks: impl Iterator<Item = (i64, [i64; 2])>,
    ) -> Result<()> {
        let tick = time_base.seconds()?;
        let zero = shown.first().map_or(0, |shown| shown.pts);
        let seconds = |ticks: i64| {
            let ticks = Exact::whole(ticks.saturating_sub(zero));
            Ok::<f64, Error>(tick.times(ticks)?.to_f64())
        };
        for (at, [pts_before, pts_behind]) in breaks.take(LISTED) {
            self.clock_breaks.push(ClockBreak {
                at: seconds(at)?,
                pts_before,
                pts_behind,
            });
        }
        let longest = Exact::whole(PAUSE_SECONDS).over(tick)?.floor();
        let long = |pair: &&[Shown]| i128::from(pair[0].duration) > longest;
        for pair in shown.windows(2).filter(long).take(LISTED) {
            self.pauses.push(Pause {
                from: seconds(pair[0].pts)?,
                to: seconds(pair[1].pts)?,
            });
        }
        Ok(())
    }
}

/// Everything the planner needs of a source.
#[derive(Debug, Clone)]
pub struct SourceIndex {
    /// Index of the stream in the container.
    pub stream: u32,
    pub time_base: TimeBase,
    /// Never empty; `shown[0].pts` is source time zero. The first one's unit need not be a cut
    /// (leading pictures), but decoding for it starts at the first cut.
    pub shown: Vec<Shown>,
    pub unshown: Unshown,
    pub clock: ClockFacts,
    pub source: Identity,
    pub init: Option<Identity>,
    /// Under which release's rules its frames are made: 0 where they are those of the first release,
    /// 1 where times, pictures or colours came out otherwise before. A row's digest tells it.
    pub revision: u32,
}

/// What tells whether a source is still the same.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    pub bytes: u64,
    /// Of the first 64 KiB, lower-case hex.
    pub head_sha256: String,
    /// Of the last 64 KiB.
    pub tail_sha256: String,
}
