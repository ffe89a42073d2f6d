//! ListTimelines.

use crate::error::{Error, Result};
use crate::rpc::{Service, v1};

impl Service {
    pub(super) async fn list_timelines(
        &self,
        _: v1::ListTimelinesRequest,
    ) -> Result<v1::ListTimelinesResponse> {
        Err(Error::internal("not written"))
    }
}
