//! GetDuplicates.

use crate::api::convert::hash_message;
use crate::api::v1;
use crate::client::remote::Remote;
use crate::client::remote::error::error_of;
use crate::error::Result;
use crate::frames::{FoundTwins, Twin, Twins};
use crate::similar::runs::Run;

pub async fn twins(remote: &Remote, asked: Twins) -> Result<FoundTwins> {
    let request = v1::GetDuplicatesRequest {
        timeline: asked.timeline,
        profile: asked.profile,
        other: asked.other.unwrap_or_default(),
        kind: hash_message(asked.kind).into(),
        distance: Some(asked.distance),
        mirrored: asked.mirrored,
        limit: u32::try_from(asked.limit).unwrap_or(u32::MAX),
    };
    let answer = remote.frame_service().get_duplicates(request).await;
    let answer = answer.map_err(error_of)?.into_inner();
    Ok(FoundTwins {
        twins: answer.runs.into_iter().map(twin).collect(),
        more: answer.more,
        searched: answer.searched,
        unread: answer.unread_timelines,
    })
}

fn twin(run: v1::DuplicateRun) -> Twin {
    Twin {
        timeline: run.timeline.into(),
        share: run.share,
        run: Run {
            offset: run.offset,
            from: run.from,
            to: run.to,
            frames: run.frames,
            compared: run.compared,
            mirrored: run.mirrored,
        },
    }
}
