//! Which frame is shown at a time, of those that a profile has.

use std::sync::Arc;

use crate::cache::planned::Planned;
use crate::cache::read::{Miss, View};
use crate::cache::record::Outcome;
use crate::error::{Error, Reason, Result};
use crate::frames::serve::{OnMiss, Serving};
use crate::media::time::Exact;
use crate::timeline::select::{rows_shown_at, shown_among, shown_by_timestamp};

impl Serving {
    /// The sequence of the planned frame that is shown at `time`.
    ///
    /// # Errors
    /// TIME_PAST_END where there is no footage; FRAME_NOT_CACHED where no planned frame is shown
    /// yet, or frames have no times, or their span is not there and not to be extracted; the span's own.
    pub async fn shown_at(&self, time: Exact, on_miss: OnMiss) -> Result<u64> {
        match self.view().await? {
            View::Extracted(plan) => self.shown_in_plan(&plan, time, on_miss).await,
            View::Put(index) => {
                let mut known: Vec<_> = index
                    .latest()
                    .filter_map(|f| Some((f.timestamp?, f.duration, f.seq)))
                    .collect();
                known.sort_by(|a, b| a.0.total_cmp(&b.0));
                shown_by_facts(&known, time)
            }
            View::Legacy | View::Absent => shown_by_facts(&[], time),
        }
    }

    async fn shown_in_plan(
        &self,
        plan: &Arc<Planned>,
        time: Exact,
        on_miss: OnMiss,
    ) -> Result<u64> {
        for place in rows_shown_at(plan.plan(), time)? {
            let Some(row) = plan.row(place) else { continue };
            if on_miss == OnMiss::Extract {
                self.ensure(plan, place).await?;
            }
            let record = match self.reader().record(row).await? {
                Ok(record) => record,
                Err(miss) => return Err(self.given_up(row.row.first, &miss)),
            };
            if let Outcome::Failed(error) = &record.outcome {
                return Err(self.given_up(row.row.first, &Miss::Failed(error.clone())));
            }
            let frames = record.frames();
            if let Some(frame) =
                shown_among(row.row, frames, time).and_then(|place| frames.get(place))
            {
                return Ok(frame.seq);
            }
        }
        Err(not_yet(time))
    }
}

fn shown_by_facts(known: &[(f64, Option<f64>, u64)], time: Exact) -> Result<u64> {
    let Some((last, duration, _)) = known.last() else {
        return Err(
            Error::new(Reason::FrameNotCached, "these frames have no times")
                .hint("name them by --seq"),
        );
    };
    if duration.is_some_and(|duration| last + duration <= time.to_f64()) {
        let message = format!("no footage is there at that time: time={time}");
        return Err(
            Error::new(Reason::TimePastEnd, message).hint("ask for a time within the footage")
        );
    }
    let times: Vec<f64> = known.iter().map(|(time, _, _)| *time).collect();
    let found = shown_by_timestamp(&times, time).and_then(|place| known.get(place));
    found.map(|(_, _, seq)| *seq).ok_or_else(|| not_yet(time))
}

pub(super) fn not_yet(time: Exact) -> Error {
    Error::new(
        Reason::FrameNotCached,
        format!("no planned frame is shown at that time yet: time={time}"),
    )
    .hint("`framecache frames` lists the times that there are")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_with_times_of_their_own_are_found_by_them_and_never_past_the_end() {
        let known = [(0.0, None, 7), (1.0, None, 3), (2.0, Some(0.5), 9)];
        let at = |time: &str| shown_by_facts(&known, time.parse().unwrap());
        assert_eq!(at("0").unwrap(), 7);
        assert_eq!(at("1.99").unwrap(), 3);
        assert_eq!(at("2.4").unwrap(), 9);
        assert_eq!(at("2.5").unwrap_err().reason(), Reason::TimePastEnd);
        let none = shown_by_facts(&[], "0".parse().unwrap()).unwrap_err();
        assert_eq!(none.reason(), Reason::FrameNotCached);
    }
}
