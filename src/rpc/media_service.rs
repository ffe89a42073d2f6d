//! MediaService.

use tonic::{Request, Response, Status};

use crate::api::status::status;
use crate::api::v1;
use crate::api::v1::media_service_server::MediaService;
use crate::rpc::Service;

#[tonic::async_trait]
impl MediaService for Service {
    async fn probe_media(
        &self,
        request: Request<v1::ProbeMediaRequest>,
    ) -> Result<Response<v1::ProbeMediaResponse>, Status> {
        let service = self.called_by(&request);
        let answer = service.api.probe_media(request.into_inner());
        answer.await.map(Response::new).map_err(|e| status(&e))
    }

    async fn get_server_info(
        &self,
        request: Request<v1::GetServerInfoRequest>,
    ) -> Result<Response<v1::GetServerInfoResponse>, Status> {
        let service = self.called_by(&request);
        let answer = service.api.get_server_info(request.into_inner());
        answer.await.map(Response::new).map_err(|e| status(&e))
    }
}
