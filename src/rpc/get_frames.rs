//! GetFrames.

use crate::error::{Error, Result};
use crate::rpc::frame_service::Answers;
use crate::rpc::{Service, v1};

impl Service {
    pub(super) async fn get_frames(
        &self,
        _: v1::GetFramesRequest,
    ) -> Result<Answers<v1::GetFramesResponse>> {
        Err(Error::internal("not written"))
    }
}
