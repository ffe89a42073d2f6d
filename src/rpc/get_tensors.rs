//! GetTensors.

use crate::error::{Error, Result};
use crate::rpc::frame_service::Answers;
use crate::rpc::{Service, v1};

impl Service {
    pub(super) async fn get_tensors(
        &self,
        _: v1::GetTensorsRequest,
    ) -> Result<Answers<v1::GetTensorsResponse>> {
        Err(Error::internal("not written"))
    }
}
