//! Why a frame is not answered, in words for who asked for it.

use crate::cache::Profile;
use crate::cache::planned::Planned;
use crate::cache::read::{Miss, View};
use crate::error::{Code, Error, Reason};
use crate::frames::serve::Serving;
use crate::frames::tries::MAX_TIMES;
use crate::timeline::plan::ChunkError;

impl Serving {
    pub(super) fn unplanned(&self, plan: &Planned, seq: u64) -> Error {
        not_planned(self.profile(), seq).hint(span_of_sequences(plan))
    }

    /// As [`Serving::given_up`]; where there is no such number, saying which there are.
    pub(super) async fn refusal(&self, seq: u64, miss: &Miss) -> Error {
        match (miss, self.reader().view().await) {
            (Miss::NotPlanned, Ok(View::Extracted(plan))) => self.unplanned(&plan, seq),
            _ => self.given_up(seq, miss),
        }
    }

    /// Its source is there, and whoever takes its objects away may stop.
    pub(super) fn lost_each_time(&self, seq: u64) -> Error {
        let facts = self.profile().keys().facts();
        Error::new(
            Reason::StoreUnavailable,
            format!("the frame was made again, and was gone again each time that it was read, seq={seq} {facts} times={MAX_TIMES}"),
        )
        .hint("try again when nobody clears it; `framecache verify` says whether the store keeps what is put")
    }

    pub(super) fn given_up(&self, seq: u64, miss: &Miss) -> Error {
        let facts = self.profile().keys().facts();
        match miss {
            Miss::Absent => absent(self.profile()),
            Miss::NotPlanned => not_planned(self.profile(), seq),
            Miss::Failed(error) => recorded(error).hint("`framecache extract --retry-failed` tries its span again"),
            Miss::NoRecord | Miss::StaleRecord | Miss::DamagedRecord => Error::new(
                Reason::FrameNotCached,
                format!("the frame is planned but not in the cache, seq={seq} {facts}"),
            )
            .hint("`framecache extract` puts it there"),
            Miss::NoObject | Miss::WrongSha256 => Error::new(
                Reason::ObjectCorrupt,
                format!("the frame's object is lost or damaged and cannot be made again, seq={seq} {facts}"),
            )
            .hint("put it again, or bring its source back"),
        }
    }
}

/// Nothing is there under this timeline and profile.
pub fn absent(profile: &Profile) -> Error {
    let message = format!("the store has no such timeline, {}", profile.keys().facts());
    Error::new(Reason::TimelineNotFound, message).hint("`framecache timelines` lists what it holds")
}

pub(super) fn not_planned(profile: &Profile, seq: u64) -> Error {
    let message = format!(
        "there is no frame of this number, seq={seq} {}",
        profile.keys().facts()
    );
    Error::new(Reason::FrameNotCached, message).hint("`framecache frames` lists them")
}

fn span_of_sequences(plan: &Planned) -> String {
    let last = plan
        .in_sequence()
        .last()
        .map(|row| row.sequences().end.saturating_sub(1));
    match (plan.in_sequence().next(), last) {
        (Some(first), Some(last)) => format!("its numbers run from {} to {last}", first.row.first),
        _ => "its plan has no frames at all".to_owned(),
    }
}

/// Why a damaged frame could not be made again. What time may mend keeps its own reason.
pub(super) fn unmended(seq: u64, miss: &Miss, error: Error) -> Error {
    let lost = matches!(
        error.reason(),
        Reason::SourceNotFound | Reason::SourceDenied | Reason::SourceChanged
    );
    if !lost || !matches!(miss, Miss::NoObject | Miss::WrongSha256) {
        return error;
    }
    let message = format!(
        "the frame's object is lost or damaged and cannot be made again, seq={seq}: {}",
        error.message()
    );
    Error::new(Reason::ObjectCorrupt, message)
        .hint("bring the source back")
        .caused_by(error)
}

/// A failure that a record or a chunk's result keeps, as an error again.
pub fn recorded(error: &ChunkError) -> Error {
    let known = Reason::named(&error.reason, Code::FailedPrecondition);
    Error::new(known.unwrap_or(Reason::Internal), error.message.clone())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_damaged_object_without_its_source_is_data_loss_but_an_outage_stays_an_outage() {
        let gone = || Error::new(Reason::SourceNotFound, "the source is gone");
        assert_eq!(
            unmended(1, &Miss::WrongSha256, gone()).reason(),
            Reason::ObjectCorrupt
        );
        assert_eq!(
            unmended(1, &Miss::NoRecord, gone()).reason(),
            Reason::SourceNotFound
        );
        let outage = Error::new(Reason::SourceUnavailable, "503");
        assert_eq!(
            unmended(1, &Miss::WrongSha256, outage).reason(),
            Reason::SourceUnavailable
        );
    }

    #[test]
    fn a_recorded_failure_keeps_its_reason() {
        for reason in [
            Reason::MediaCorrupt,
            Reason::SourceChanged,
            Reason::MediaLimit,
        ] {
            let kept = ChunkError {
                reason: reason.name().to_owned(),
                message: "m".to_owned(),
            };
            assert_eq!(recorded(&kept).reason(), reason);
        }
    }
}
