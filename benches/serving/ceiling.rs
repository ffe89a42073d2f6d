//! What gRPC itself gives: the same stack with a handler that does nothing but answer, with
//! messages of the size that the server's have.

use std::convert::Infallible;
use std::future::{Ready, ready};
use std::task::{Context, Poll};

use bytes::Bytes;
use framecache::api::v1;
use futures::future::BoxFuture;
use futures::stream;
use prost::Message;
use tonic::body::Body;
use tonic::server::{Grpc, NamedService, ServerStreamingService};
use tonic::transport::Server;
use tonic::transport::server::TcpIncoming;
use tonic::{Request, Response, Status};

/// Answers GetFrames, and nothing else.
#[derive(Clone)]
struct Nothing {
    frame: v1::GetFramesResponse,
}

type Answer = Result<v1::GetFramesResponse, Status>;

impl ServerStreamingService<v1::GetFramesRequest> for Nothing {
    type Response = v1::GetFramesResponse;
    type ResponseStream = stream::Iter<Box<dyn Iterator<Item = Answer> + Send>>;
    type Future = Ready<Result<Response<Self::ResponseStream>, Status>>;

    fn call(&mut self, request: Request<v1::GetFramesRequest>) -> Self::Future {
        let frames = super::frames_asked(request.get_ref());
        let frame = self.frame.clone();
        let frames = std::iter::repeat_n(frame, frames);
        let messages = frames.chain([super::summary()]).map(Ok);
        let messages: Box<dyn Iterator<Item = Answer> + Send> = Box::new(messages);
        ready(Ok(Response::new(stream::iter(messages))))
    }
}

impl tower::Service<http::Request<Body>> for Nothing {
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        let handler = self.clone();
        Box::pin(async move {
            let mut grpc = Grpc::new(tonic_prost::ProstCodec::default());
            Ok(grpc.server_streaming(handler, request).await)
        })
    }
}

impl NamedService for Nothing {
    const NAME: &'static str = "framecache.v1.FrameService";
}

/// A frame's message of so many bytes: a payload, and no facts.
fn frame(bytes: usize) -> v1::GetFramesResponse {
    let with = |payload: usize| {
        let data = v1::FrameData {
            payload: Some(v1::frame_data::Payload::Jpeg(Bytes::from(vec![0; payload]))),
            total: payload as u64,
            last: true,
            ..v1::FrameData::default()
        };
        let item = v1::FrameItem {
            index: 1,
            sequence: 1,
            result: Some(v1::frame_item::Result::Data(data)),
        };
        v1::GetFramesResponse {
            event: Some(v1::get_frames_response::Event::Frame(item)),
        }
    };
    with(bytes - (with(bytes).encoded_len() - bytes))
}

/// Serves until it is killed, with as many workers as `framecache serve` has.
pub fn serve(bytes: usize) {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(cores.max(2))
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let incoming = TcpIncoming::bind("127.0.0.1:0".parse().unwrap()).unwrap();
        eprintln!("{}{}", super::SERVING, incoming.local_addr().unwrap());
        let incoming = incoming.with_nodelay(Some(true));
        let handler = Nothing {
            frame: frame(bytes),
        };
        let server = Server::builder().add_service(handler);
        server.serve_with_incoming(incoming).await.unwrap();
    });
}
