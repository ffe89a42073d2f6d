//! What is to be done about a failure, by its reason and nothing else. Extraction, calls, commands and
//! the queue all ask here, so that none of them records what another would try again.

use std::time::Duration;

use crate::error::Reason;

/// What a failure of a span, a source or a request leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// The media itself is to blame: the span's record says so, and it is tried again only when asked to.
    Record,
    /// This one cannot be had, and the same again fails the same. Nothing is recorded: others go on, and a
    /// source may come back.
    Refuse,
    /// Time may mend it: the same again, not before this. It is never recorded.
    Retry(Duration, Whose),
    /// All that was asked for cannot be: the command or call ends with it.
    Stop,
}

/// Who waits for time to mend it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Whose {
    /// What needs this source.
    Own,
    /// Everybody: the store, or this machine, is short of something.
    All,
}

/// Soon again: a place comes free whenever something ends.
const BUSY: Duration = Duration::from_millis(500);
const OUTAGE: Duration = Duration::from_secs(2);
/// Somebody must make room first.
const FULL: Duration = Duration::from_secs(30);

impl Reason {
    pub fn verdict(self) -> Verdict {
        match self {
            Reason::MediaUnsupported | Reason::MediaCorrupt | Reason::MediaLimit => Verdict::Record,
            Reason::SourceNotFound
            | Reason::SourceDenied
            | Reason::SourceChanged
            | Reason::ObjectCorrupt => Verdict::Refuse,
            Reason::SourceUnavailable | Reason::ChunkStalled => Verdict::Retry(OUTAGE, Whose::Own),
            Reason::QueueFull | Reason::MemoryBudget => Verdict::Retry(BUSY, Whose::All),
            Reason::StoreUnavailable | Reason::QueueUnavailable => {
                Verdict::Retry(OUTAGE, Whose::All)
            }
            Reason::DiskFull => Verdict::Retry(FULL, Whose::All),
            Reason::FieldInvalid
            | Reason::RequestLimit
            | Reason::TimelineNotFound
            | Reason::FrameNotCached
            | Reason::StoreNotFound
            | Reason::TokenInvalid
            | Reason::TokenScope
            | Reason::StoreDenied
            | Reason::PlanDiffers
            | Reason::GpuUnavailable
            | Reason::TimePastEnd
            | Reason::Cancelled
            | Reason::Internal => Verdict::Stop,
        }
    }
}

impl Verdict {
    /// Whether the other spans of an extraction go on.
    pub fn fails_alone(self) -> bool {
        matches!(
            self,
            Verdict::Record | Verdict::Refuse | Verdict::Retry(_, Whose::Own)
        )
    }

    /// Where time helps: how long to wait before the next attempt.
    pub fn retry_after(self) -> Option<Duration> {
        match self {
            Verdict::Retry(after, _) => Some(after),
            Verdict::Record | Verdict::Refuse | Verdict::Stop => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::{ALL, Code};

    #[test]
    fn outages_are_never_recorded_and_whatever_is_tried_again_exits_with_75() {
        for reason in ALL {
            let verdict = reason.verdict();
            let is_retried = verdict.retry_after().is_some();
            assert_eq!(is_retried, reason.code().exit_status() == 75, "{reason:?}");
            let is_of_media = matches!(
                reason,
                Reason::MediaUnsupported | Reason::MediaCorrupt | Reason::MediaLimit
            );
            assert_eq!(verdict == Verdict::Record, is_of_media, "{reason:?}");
        }
    }

    #[test]
    fn what_is_wrong_with_a_store_stops_an_extraction_and_with_a_source_only_its_own_spans() {
        let alone = |reason: Reason| reason.verdict().fails_alone();
        for reason in ALL {
            let of_source = reason.name().starts_with("SOURCE_");
            assert!(alone(reason) || !of_source, "{reason:?}");
            let of_store = reason.name().starts_with("STORE_");
            assert!(!(alone(reason) && of_store), "{reason:?}");
            // A damaged object is one of many.
            let lost = reason.code() == Code::DataLoss;
            assert!(alone(reason) || !lost, "{reason:?}");
        }
    }
}
