//! ListFrames.

use crate::error::{Error, Result};
use crate::rpc::{Service, v1};

impl Service {
    pub(super) async fn list_frames(
        &self,
        _: v1::ListFramesRequest,
    ) -> Result<v1::ListFramesResponse> {
        Err(Error::internal("not written"))
    }
}
