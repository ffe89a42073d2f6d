//! OverlayService.

use tonic::{Request, Response, Status, Streaming};

use crate::api::status::status;
use crate::api::v1;
use crate::api::v1::overlay_service_server::OverlayService;
use crate::rpc::Service;
use crate::rpc::frame_service::Answers;

#[tonic::async_trait]
impl OverlayService for Service {
    type GetOverlaysStream = Answers<v1::GetOverlaysResponse>;

    async fn put_overlays(
        &self,
        request: Request<Streaming<v1::PutOverlaysRequest>>,
    ) -> Result<Response<v1::PutOverlaysResponse>, Status> {
        let service = self.called_by(&request);
        let intake = service.intake_of(&request);
        let answer = service.put_overlays((request.into_inner(), intake));
        answer.await.map(Response::new)
    }

    async fn get_overlays(
        &self,
        request: Request<v1::GetOverlaysRequest>,
    ) -> Result<Response<Self::GetOverlaysStream>, Status> {
        let service = self.called_by(&request);
        let answers = service.get_overlays(request.into_inner());
        answers.await.map(Response::new).map_err(|e| status(&e))
    }

    async fn list_overlays(
        &self,
        request: Request<v1::ListOverlaysRequest>,
    ) -> Result<Response<v1::ListOverlaysResponse>, Status> {
        let service = self.called_by(&request);
        let answer = service.api.list_overlays(request.into_inner());
        answer.await.map(Response::new).map_err(|e| status(&e))
    }

    async fn delete_overlays(
        &self,
        request: Request<v1::DeleteOverlaysRequest>,
    ) -> Result<Response<v1::DeleteOverlaysResponse>, Status> {
        let service = self.called_by(&request);
        let answer = service.api.delete_overlays(request.into_inner());
        answer.await.map(Response::new).map_err(|e| status(&e))
    }
}
