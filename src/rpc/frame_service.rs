//! FrameService: which file answers which method.

use std::pin::Pin;

use futures::{Stream, StreamExt};
use tonic::{Request, Response, Status, Streaming};

use crate::api::scope::{self, Asks, Scope};
use crate::api::status::status;
use crate::api::v1;
use crate::api::v1::frame_service_server::FrameService;
use crate::rpc::Service;

/// What a streaming method answers.
pub type Answers<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;

/// The request, where its token allows all that is in it.
fn allowed<T: Asks>(request: Request<T>) -> Result<T, Status> {
    let scope = Scope::of(request.extensions());
    scope::allowed(scope, request.into_inner()).map_err(|e| status(&e))
}

#[tonic::async_trait]
impl FrameService for Service {
    type ExtractFramesStream = Answers<v1::ExtractFramesResponse>;
    type GetFramesStream = Answers<v1::GetFramesResponse>;
    type GetTensorsStream = Answers<v1::GetTensorsResponse>;
    type GetCutsStream = Answers<v1::GetCutsResponse>;

    async fn extract_frames(
        &self,
        request: Request<v1::ExtractFramesRequest>,
    ) -> Result<Response<Self::ExtractFramesStream>, Status> {
        let service = self.called_by(&request);
        let answers = service.api.extract_frames(request.into_inner());
        let answers = answers.await.map_err(|e| status(&e))?;
        let answers = answers.map(|answer| answer.map_err(|e| status(&e)));
        Ok(Response::new(Box::pin(answers)))
    }

    async fn get_frames(
        &self,
        request: Request<v1::GetFramesRequest>,
    ) -> Result<Response<Self::GetFramesStream>, Status> {
        let service = self.called_by(&request);
        let answers = service.get_frames(allowed(request)?);
        answers.await.map(Response::new).map_err(|e| status(&e))
    }

    async fn get_tensors(
        &self,
        request: Request<v1::GetTensorsRequest>,
    ) -> Result<Response<Self::GetTensorsStream>, Status> {
        let service = self.called_by(&request);
        let answers = service.get_tensors(allowed(request)?);
        answers.await.map(Response::new).map_err(|e| status(&e))
    }

    async fn list_frames(
        &self,
        request: Request<v1::ListFramesRequest>,
    ) -> Result<Response<v1::ListFramesResponse>, Status> {
        let service = self.called_by(&request);
        let answer = service.api.list_frames(request.into_inner());
        answer.await.map(Response::new).map_err(|e| status(&e))
    }

    async fn get_timeline(
        &self,
        request: Request<v1::GetTimelineRequest>,
    ) -> Result<Response<v1::GetTimelineResponse>, Status> {
        let service = self.called_by(&request);
        let answer = service.api.get_timeline(allowed(request)?);
        answer.await.map(Response::new).map_err(|e| status(&e))
    }

    async fn list_timelines(
        &self,
        request: Request<v1::ListTimelinesRequest>,
    ) -> Result<Response<v1::ListTimelinesResponse>, Status> {
        let service = self.called_by(&request);
        let answer = service.api.list_timelines(request.into_inner());
        answer.await.map(Response::new).map_err(|e| status(&e))
    }

    async fn clear_timeline(
        &self,
        request: Request<v1::ClearTimelineRequest>,
    ) -> Result<Response<v1::ClearTimelineResponse>, Status> {
        let service = self.called_by(&request);
        let answer = service.api.clear_timeline(request.into_inner());
        answer.await.map(Response::new).map_err(|e| status(&e))
    }

    async fn get_similar(
        &self,
        request: Request<v1::GetSimilarRequest>,
    ) -> Result<Response<v1::GetSimilarResponse>, Status> {
        let service = self.called_by(&request);
        let answer = service.api.get_similar(request.into_inner());
        answer.await.map(Response::new).map_err(|e| status(&e))
    }

    async fn get_duplicates(
        &self,
        request: Request<v1::GetDuplicatesRequest>,
    ) -> Result<Response<v1::GetDuplicatesResponse>, Status> {
        let service = self.called_by(&request);
        let answer = service.api.get_duplicates(request.into_inner());
        answer.await.map(Response::new).map_err(|e| status(&e))
    }

    async fn get_cuts(
        &self,
        request: Request<v1::GetCutsRequest>,
    ) -> Result<Response<Self::GetCutsStream>, Status> {
        let service = self.called_by(&request);
        let answers = service.api.get_cuts(request.into_inner());
        let answers = answers.await.map_err(|e| status(&e))?;
        let answers = answers.map(|answer| answer.map_err(|e| status(&e)));
        Ok(Response::new(Box::pin(answers)))
    }

    async fn put_frames(
        &self,
        request: Request<Streaming<v1::PutFramesRequest>>,
    ) -> Result<Response<v1::PutFramesResponse>, Status> {
        let service = self.called_by(&request);
        let intake = service.intake_of(&request);
        let answer = service.put_frames((request.into_inner(), intake));
        answer.await.map(Response::new)
    }
}
