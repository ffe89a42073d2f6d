//! OverlayService.

use tonic::{Request, Response, Status, Streaming};

use crate::rpc::frame_service::Answers;
use crate::rpc::status::status;
use crate::rpc::v1::overlay_service_server::OverlayService;
use crate::rpc::{Service, v1};

#[tonic::async_trait]
impl OverlayService for Service {
    type GetOverlaysStream = Answers<v1::GetOverlaysResponse>;

    async fn put_overlays(
        &self,
        request: Request<Streaming<v1::PutOverlaysRequest>>,
    ) -> Result<Response<v1::PutOverlaysResponse>, Status> {
        let answer = self.put_overlays(request.into_inner());
        answer.await.map(Response::new).map_err(|e| status(&e))
    }

    async fn get_overlays(
        &self,
        request: Request<v1::GetOverlaysRequest>,
    ) -> Result<Response<Self::GetOverlaysStream>, Status> {
        let answers = self.get_overlays(request.into_inner());
        answers.await.map(Response::new).map_err(|e| status(&e))
    }

    async fn list_overlays(
        &self,
        request: Request<v1::ListOverlaysRequest>,
    ) -> Result<Response<v1::ListOverlaysResponse>, Status> {
        let answer = self.list_overlays(request.into_inner());
        answer.await.map(Response::new).map_err(|e| status(&e))
    }

    async fn delete_overlays(
        &self,
        request: Request<v1::DeleteOverlaysRequest>,
    ) -> Result<Response<v1::DeleteOverlaysResponse>, Status> {
        let answer = self.delete_overlays(request.into_inner());
        answer.await.map(Response::new).map_err(|e| status(&e))
    }
}
