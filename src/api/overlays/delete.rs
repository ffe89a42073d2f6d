//! DeleteOverlays.

use crate::api::convert::{profile_name, tally_message};
use crate::api::{Api, v1};
use crate::cache::overlays::OverlayScope;
use crate::error::Result;

impl Api {
    pub async fn delete_overlays(
        &self,
        asked: v1::DeleteOverlaysRequest,
    ) -> Result<v1::DeleteOverlaysResponse> {
        let cache = self.frames.cache();
        let profile = cache.profile(&asked.timeline, profile_name(&asked.profile))?;
        let scope = OverlayScope {
            job: asked.job,
            stage: Some(asked.stage).filter(|stage| !stage.is_empty()),
            seq: asked.sequence,
        };
        let deleted = profile.delete_overlays(&scope, asked.dry_run).await?;
        Ok(v1::DeleteOverlaysResponse {
            deleted: Some(tally_message(deleted)),
        })
    }
}
