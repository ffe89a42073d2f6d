//! Everything that answers on the listener: our services, health, reflection.

use std::sync::Arc;

use tonic::server::NamedService;
use tonic::service::Routes;
use tonic_health::ServingStatus;
use tonic_health::server::{HealthReporter, HealthService};

use crate::api::v1::frame_service_server::FrameServiceServer;
use crate::api::v1::media_service_server::MediaServiceServer;
use crate::api::v1::overlay_service_server::OverlayServiceServer;
use crate::error::Result;
use crate::rpc::{self, Service};
use crate::serve::reflection;
use crate::serve::stage::{Stage, Stages};

/// Those whose health is told: the server's own, and each service's.
const NAMES: [&str; 4] = [
    "",
    FrameServiceServer::<Service>::NAME,
    OverlayServiceServer::<Service>::NAME,
    MediaServiceServer::<Service>::NAME,
];

/// # Errors
/// INTERNAL where the descriptors built in cannot be read.
pub fn routes(service: Service, health: &HealthReporter) -> Result<Routes> {
    let health = HealthService::from_health_reporter(health.clone());
    let frames = FrameServiceServer::new(service.clone());
    // What other methods may send is looked at as it comes.
    let frames = frames.max_decoding_message_size(rpc::MAX_EXTRACT_BYTES);
    Ok(Routes::new(frames)
        .add_service(OverlayServiceServer::new(service.clone()))
        .add_service(MediaServiceServer::new(service))
        .add_service(tonic_health::pb::health_server::HealthServer::new(health))
        .add_service(reflection::v1::service()?)
        // Older clients ask by this name still, Python's among them.
        .add_service(reflection::v1alpha::service()?))
}

/// Serving while the server is ready, for all names alike. Ends when the server drains.
pub async fn tell_health(health: HealthReporter, stages: Arc<Stages>) {
    let say = async |status| {
        for name in NAMES {
            health.set_service_status(name, status).await;
        }
    };
    say(ServingStatus::NotServing).await;
    stages.reaches(Stage::Ready).await;
    if stages.now() == Stage::Ready {
        say(ServingStatus::Serving).await;
    }
    stages.reaches(Stage::Draining).await;
    say(ServingStatus::NotServing).await;
}
