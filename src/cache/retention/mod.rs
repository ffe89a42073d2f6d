//! What is let go, and when: policies by the beginning of timelines' ids, and objects that no record
//! names. Nothing goes that is younger than a day by the clock of the store, whatever the machine's says.

mod lease;
mod leftovers;
mod letting_go;
mod place;
mod policy;
mod walk;

use serde::Serialize;

use crate::cache::objects::Tally;

pub use lease::Lease;
pub(super) use leftovers::Ages;
pub use policy::{Policies, Policy, Why};

/// Younger objects may be of somebody who is at work: they stay.
const SAFE_SECS: i64 = 86_400;
/// Marks of reading may be so much older than the reading: they are written once a day, by
/// machines whose clocks are a day behind at most.
const MARK_SECS: i64 = 2 * 86_400;

/// What a collection is to do.
#[derive(Debug, Clone, Default)]
pub struct Asked {
    /// Besides those that the store keeps; of one prefix these count.
    pub policies: Policies,
    /// Only say what would go.
    pub dry_run: bool,
    /// Frames without a plan go by policies, too.
    pub legacy: bool,
}

/// What went, or would go.
#[derive(Debug, Default, Serialize)]
pub struct Collected {
    /// Timelines as a whole, by a policy.
    pub timelines: Vec<LetGo>,
    /// Objects that no record names.
    pub leftovers: Vec<Leftover>,
    /// Prefixes whose timelines are more than they may be, though all has gone that may.
    pub over: Vec<Over>,
    /// Timelines that could not be looked at, and why.
    pub failed: Vec<Failed>,
    /// Timelines that were looked at.
    pub walked: u64,
    /// The walk began behind this one, where an earlier one was stopped.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resumed_after: Option<String>,
    /// Temporary files of writers that died.
    pub temporary: u64,
}

#[derive(Debug, Clone, Serialize)]
pub struct LetGo {
    pub timeline: String,
    pub objects: u64,
    pub bytes: u64,
    pub why: Why,
}

#[derive(Debug, Clone, Serialize)]
pub struct Leftover {
    pub timeline: String,
    pub profile: String,
    pub objects: u64,
    pub bytes: u64,
}

#[derive(Debug, Clone, Serialize)]
pub struct Over {
    pub prefix: String,
    pub bytes: u64,
    pub max: u64,
}

#[derive(Debug, Clone, Serialize)]
pub struct Failed {
    pub timeline: String,
    pub reason: String,
    pub message: String,
}

impl Collected {
    /// All that went.
    pub fn tally(&self) -> Tally {
        let timelines = self.timelines.iter().map(|gone| (gone.objects, gone.bytes));
        let leftovers = self.leftovers.iter().map(|left| (left.objects, left.bytes));
        let mut all = Tally::default();
        for (objects, bytes) in timelines.chain(leftovers) {
            all.objects += objects;
            all.bytes = all.bytes.saturating_add(bytes);
        }
        all
    }
}

/// A timeline as its objects tell.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Standing {
    tally: Tally,
    /// When its latest object was written, by the store's clock.
    written: Option<i64>,
    /// When it was read, to the day.
    used: Option<i64>,
}

impl Standing {
    /// Seconds since it was written. What has no time is never old.
    fn age(&self, now: i64) -> i64 {
        self.written
            .map_or(0, |written| now.saturating_sub(written))
    }

    /// Seconds since it was written or read, at least.
    fn idle(&self, now: i64) -> i64 {
        let read = |used: i64| now.saturating_sub(used).saturating_sub(MARK_SECS);
        self.age(now).min(self.used.map_or(i64::MAX, read))
    }
}
