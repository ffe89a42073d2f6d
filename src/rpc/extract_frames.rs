//! ExtractFrames.

use crate::error::{Error, Result};
use crate::rpc::frame_service::Answers;
use crate::rpc::{Service, v1};

impl Service {
    pub(super) async fn extract_frames(
        &self,
        _: v1::ExtractFramesRequest,
    ) -> Result<Answers<v1::ExtractFramesResponse>> {
        Err(Error::internal("not written"))
    }
}
