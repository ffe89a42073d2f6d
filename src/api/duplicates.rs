//! GetDuplicates.

use crate::api::convert::{check_names, profile_name};
use crate::api::similar::kind;
use crate::api::{Api, v1};
use crate::error::{Error, Result};
use crate::frames::{FoundTwins, Twin, Twins};
use crate::similar::DISTANCE;
use crate::timeline::request::check_id;

/// Runs of an answer that says no number, and at most.
const RUNS: usize = 100;
const MAX_RUNS: usize = 1000;
/// More bits are those of pictures that have nothing to do with each other.
const MAX_DISTANCE: u32 = 20;

impl Api {
    /// # Errors
    /// FIELD_INVALID for what cannot be looked for; those of the search.
    pub async fn get_duplicates(
        &self,
        asked: v1::GetDuplicatesRequest,
    ) -> Result<v1::GetDuplicatesResponse> {
        let twins = twins(asked)?;
        Ok(answer(self.frames.twins(&twins).await?))
    }
}

/// The search that is asked for.
///
/// # Errors
/// FIELD_INVALID for what cannot be looked for.
pub fn twins(asked: v1::GetDuplicatesRequest) -> Result<Twins> {
    check_names(&asked.timeline, &asked.profile)?;
    if !asked.other.is_empty() {
        check_id("other", &asked.other)?;
    }
    if asked.other == asked.timeline {
        return Err(Error::field("a timeline is no duplicate of itself")
            .hint("name another, or leave other out for all of them")
            .in_field("other"));
    }
    let limit = match asked.limit as usize {
        0 => RUNS,
        limit => limit.min(MAX_RUNS),
    };
    Ok(Twins {
        profile: profile_name(&asked.profile).to_owned(),
        other: Some(asked.other).filter(|id| !id.is_empty()),
        kind: kind(asked.kind)?,
        distance: distance(asked.distance)?,
        mirrored: asked.mirrored,
        timeline: asked.timeline,
        limit,
    })
}

/// # Errors
/// FIELD_INVALID for more bits than tell anything.
fn distance(asked: Option<u32>) -> Result<u32> {
    let distance = asked.unwrap_or(DISTANCE);
    if distance <= MAX_DISTANCE {
        return Ok(distance);
    }
    let message = format!(
        "of duplicates distance is a number of bits from 0 to {MAX_DISTANCE}: distance={distance}"
    );
    Err(Error::field(message)
        .hint(
            "pictures that have nothing to do with each other differ in some 32; 8 is the default",
        )
        .in_field("distance"))
}

/// What was found as its message.
pub fn answer(found: FoundTwins) -> v1::GetDuplicatesResponse {
    v1::GetDuplicatesResponse {
        runs: found.twins.into_iter().map(run).collect(),
        more: found.more,
        searched: found.searched,
        unread_timelines: found.unread,
    }
}

fn run(twin: Twin) -> v1::DuplicateRun {
    let run = twin.run;
    v1::DuplicateRun {
        timeline: twin.timeline.as_ref().to_owned(),
        offset: run.offset,
        from: run.from,
        to: run.to,
        frames: run.frames,
        compared: run.compared,
        share: twin.share,
        mirrored: run.mirrored,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_looked_for_is_refused_by_field() {
        let good = || v1::GetDuplicatesRequest {
            timeline: "t".into(),
            ..v1::GetDuplicatesRequest::default()
        };
        let told = twins(good()).unwrap();
        assert_eq!(
            (told.limit, told.distance, told.other),
            (RUNS, DISTANCE, None)
        );
        let refused = |asked| {
            twins(asked)
                .unwrap_err()
                .field_path()
                .unwrap_or_default()
                .to_owned()
        };
        let distance = Some(21);
        assert_eq!(
            refused(v1::GetDuplicatesRequest { distance, ..good() }),
            "distance"
        );
        for other in ["t", ".."] {
            let other = other.to_owned();
            assert_eq!(
                refused(v1::GetDuplicatesRequest { other, ..good() }),
                "other"
            );
        }
        assert_eq!(refused(v1::GetDuplicatesRequest::default()), "timeline");
        assert_eq!(
            refused(v1::GetDuplicatesRequest { kind: 9, ..good() }),
            "kind"
        );
    }
}
