//! GetCuts: what changed with each frame, then a summary.

use futures::{StreamExt, TryStreamExt, stream};

use crate::api::convert::profile_name;
use crate::api::{Answers, Api, v1};
use crate::error::Result;
use crate::similar::cuts::{Scored, THRESHOLD};

/// Frames in a message: 1.3 MB of it.
const PART: usize = 1 << 16;

impl Api {
    /// # Errors
    /// As [`Frames::cuts`](crate::frames::Frames::cuts).
    pub async fn get_cuts(
        &self,
        asked: v1::GetCutsRequest,
    ) -> Result<Answers<v1::GetCutsResponse>> {
        let cache = self.frames.cache();
        let profile = cache.profile(&asked.timeline, profile_name(&asked.profile))?;
        let threshold = asked.threshold.unwrap_or(THRESHOLD);
        let scored = self.frames.cuts(&profile, threshold).await?;
        let counted = scored.map_ok(Some).chain(stream::once(async { Ok(None) }));
        let summary = v1::CutsSummary {
            threshold,
            ..v1::CutsSummary::default()
        };
        let messages = counted.scan(summary, |summary, scored| {
            let messages = match scored {
                Ok(Some(frames)) => {
                    count(summary, &frames);
                    frames.chunks(PART).map(changes).map(Ok).collect()
                }
                Ok(None) => vec![Ok(last(*summary))],
                Err(error) => vec![Err(error)],
            };
            async move { Some(messages) }
        });
        let messages: Answers<_> = Box::pin(messages.flat_map(stream::iter));
        // What failed is the last that is told.
        let mut failed = false;
        Ok(Box::pin(messages.take_while(move |message| {
            let told = !std::mem::replace(&mut failed, message.is_err());
            async move { told }
        })))
    }
}

fn count(summary: &mut v1::CutsSummary, frames: &[Scored]) {
    let count = |is: fn(&Scored) -> bool| frames.iter().filter(|frame| is(frame)).count() as u64;
    summary.frames += frames.len() as u64;
    summary.unknown += count(|frame| frame.change.is_none());
    summary.cuts += count(|frame| frame.cut);
}

fn changes(frames: &[Scored]) -> v1::GetCutsResponse {
    let cuts = frames.iter().filter(|frame| frame.cut);
    let time = |frame: &Scored| frame.timestamp.unwrap_or(f64::NAN);
    // Parts of 1024, which both have exactly.
    let change = |frame: &Scored| frame.change.map_or(f32::NAN, |change| change as f32);
    response(v1::get_cuts_response::Event::Changes(v1::FrameChanges {
        sequences: frames.iter().map(|frame| frame.seq).collect(),
        timestamps: frames.iter().map(time).collect(),
        changes: frames.iter().map(change).collect(),
        cuts: cuts.map(|frame| frame.seq).collect(),
    }))
}

fn last(summary: v1::CutsSummary) -> v1::GetCutsResponse {
    response(v1::get_cuts_response::Event::Summary(summary))
}

fn response(event: v1::get_cuts_response::Event) -> v1::GetCutsResponse {
    v1::GetCutsResponse { event: Some(event) }
}
