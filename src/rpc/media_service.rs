//! MediaService.

use tonic::{Request, Response, Status};

use crate::error::{Error, Result};
use crate::rpc::status::status;
use crate::rpc::v1::media_service_server::MediaService;
use crate::rpc::{Service, v1};

#[tonic::async_trait]
impl MediaService for Service {
    async fn probe_media(
        &self,
        request: Request<v1::ProbeMediaRequest>,
    ) -> Result<Response<v1::ProbeMediaResponse>, Status> {
        let answer = self.probe_media(request.into_inner());
        answer.await.map(Response::new).map_err(|e| status(&e))
    }

    async fn get_server_info(
        &self,
        request: Request<v1::GetServerInfoRequest>,
    ) -> Result<Response<v1::GetServerInfoResponse>, Status> {
        let answer = self.get_server_info(request.into_inner());
        answer.await.map(Response::new).map_err(|e| status(&e))
    }
}

impl Service {
    async fn probe_media(&self, _: v1::ProbeMediaRequest) -> Result<v1::ProbeMediaResponse> {
        Err(Error::internal("not written"))
    }

    async fn get_server_info(
        &self,
        _: v1::GetServerInfoRequest,
    ) -> Result<v1::GetServerInfoResponse> {
        Err(Error::internal("not written"))
    }
}
