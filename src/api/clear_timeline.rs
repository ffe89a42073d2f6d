//! ClearTimeline.

use crate::api::convert::{check_names, profile_name, tally_message};
use crate::api::{Api, v1};
use crate::cache::Tally;
use crate::cache::clear::{ClearRequest, Cleared, seconds_ago};
use crate::error::Result;

impl Api {
    pub async fn clear_timeline(
        &self,
        asked: v1::ClearTimelineRequest,
    ) -> Result<v1::ClearTimelineResponse> {
        check_names(&asked.timeline, &asked.profile)?;
        let profile = (!asked.all_profiles).then(|| profile_name(&asked.profile));
        let request = ClearRequest {
            overlays: asked.overlays,
            plan: asked.plan,
            dry_run: asked.dry_run,
            older_than: asked.older_than_seconds.map(seconds_ago),
        };
        let cache = self.frames.cache();
        let cleared = cache.clear(&asked.timeline, profile, request).await?;
        let profiles = cleared
            .into_iter()
            .map(|(name, counts)| message(name, counts));
        Ok(v1::ClearTimelineResponse {
            profiles: profiles.collect(),
        })
    }
}

fn message(profile: String, counts: Cleared) -> v1::ClearedProfile {
    let tally = |tally: Tally| Some(tally_message(tally));
    v1::ClearedProfile {
        profile,
        frames: tally(counts.frames),
        packs: tally(counts.packs),
        records: tally(counts.records),
        overlays: tally(counts.overlays),
        plans: tally(counts.plans),
        kept_as_newer: counts.kept_as_newer,
    }
}
