//! GetTimeline.

use crate::error::{Error, Result};
use crate::rpc::{Service, v1};

impl Service {
    pub(super) async fn get_timeline(
        &self,
        _: v1::GetTimelineRequest,
    ) -> Result<v1::GetTimelineResponse> {
        Err(Error::internal("not written"))
    }
}
