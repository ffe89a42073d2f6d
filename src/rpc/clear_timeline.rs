//! ClearTimeline.

use crate::error::{Error, Result};
use crate::rpc::{Service, v1};

impl Service {
    pub(super) async fn clear_timeline(
        &self,
        _: v1::ClearTimelineRequest,
    ) -> Result<v1::ClearTimelineResponse> {
        Err(Error::internal("not written"))
    }
}
