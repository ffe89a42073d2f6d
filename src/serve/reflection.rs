//! Reflection that goes on after what it does not know. The library's ends its stream there, where the protocol has an
//! error response for it (reflection.proto: "error_response"); so each message is asked of it by a call of its own.

use std::pin::Pin;

use futures::{Stream, StreamExt, stream};
use tonic::{Request, Response, Status, Streaming};
use tonic_reflection::server::Builder;

use crate::api;
use crate::error::{Error, Result};

/// As the protocol was first named, and still is by older clients, and as it is named now: the same messages in two
/// packages, which share no type.
macro_rules! patient {
    ($version:ident, $build:ident) => {
        pub mod $version {
            use super::*;
            use tonic_reflection::pb::$version as pb;
            use tonic_reflection::pb::$version::server_reflection_client::ServerReflectionClient;
            use tonic_reflection::pb::$version::server_reflection_response::MessageResponse;
            use tonic_reflection::pb::$version::server_reflection_server as library;
            use tonic_reflection::pb::$version::server_reflection_server::{
                ServerReflection, ServerReflectionServer,
            };

            /// # Errors
            /// INTERNAL where the descriptors built in cannot be read.
            pub fn service() -> Result<ServerReflectionServer<impl ServerReflection>> {
                let library = builder().$build().map_err(unreadable)?;
                Ok(ServerReflectionServer::new(Patient(library)))
            }

            struct Patient<S>(library::ServerReflectionServer<S>);

            #[tonic::async_trait]
            impl<S: ServerReflection> ServerReflection for Patient<S> {
                type ServerReflectionInfoStream = Pin<
                    Box<dyn Stream<Item = Result<pb::ServerReflectionResponse, Status>> + Send>,
                >;

                async fn server_reflection_info(
                    &self,
                    asked: Request<Streaming<pb::ServerReflectionRequest>>,
                ) -> Result<Response<Self::ServerReflectionInfoStream>, Status> {
                    let client = ServerReflectionClient::new(self.0.clone());
                    let answers = asked.into_inner().then(move |message| {
                        let client = client.clone();
                        async move { Ok(answer(client, message?).await) }
                    });
                    Ok(Response::new(Box::pin(answers)))
                }
            }

            async fn answer<S: ServerReflection>(
                mut client: ServerReflectionClient<library::ServerReflectionServer<S>>,
                asked: pb::ServerReflectionRequest,
            ) -> pb::ServerReflectionResponse {
                let one = stream::iter([asked.clone()]);
                let answered = match client.server_reflection_info(one).await {
                    Ok(answers) => answers.into_inner().message().await,
                    Err(status) => Err(status),
                };
                let refused = match answered {
                    Ok(Some(answer)) => return answer,
                    Ok(None) => Status::internal("no answer"),
                    Err(status) => status,
                };
                let (error_code, error_message) = refused_as(&refused);
                pb::ServerReflectionResponse {
                    valid_host: asked.host.clone(),
                    original_request: Some(asked),
                    message_response: Some(MessageResponse::ErrorResponse(pb::ErrorResponse {
                        error_code,
                        error_message,
                    })),
                }
            }
        }
    };
}

patient!(v1, build_v1);
patient!(v1alpha, build_v1alpha);

/// Code and words of an error response.
fn refused_as(status: &Status) -> (i32, String) {
    let words = match status.code() {
        tonic::Code::NotFound => "this server has no such symbol, file or extension",
        tonic::Code::InvalidArgument => "the message asks for nothing",
        _ => "reflection failed",
    };
    (status.code() as i32, words.to_owned())
}

fn builder() -> Builder<'static> {
    Builder::configure()
        .register_encoded_file_descriptor_set(api::DESCRIPTORS)
        .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
}

fn unreadable(e: tonic_reflection::server::Error) -> Error {
    Error::internal("could not read the descriptors").caused_by(e)
}
