//! PutFrames.

use tonic::Streaming;

use crate::error::{Error, Result};
use crate::rpc::{Service, v1};

impl Service {
    pub(super) async fn put_frames(
        &self,
        _: Streaming<v1::PutFramesRequest>,
    ) -> Result<v1::PutFramesResponse> {
        Err(Error::internal("not written"))
    }
}
