//! The gRPC service: requests into calls of `frames` and `cache`, their results into messages.
//! One file a method; `frame_service`, `overlay_service` and `media_service` say which.

mod clear_timeline;
pub mod codec;
pub mod convert;
mod extract_frames;
mod frame_service;
mod get_frames;
mod get_tensors;
mod get_timeline;
mod incoming;
mod list_frames;
mod list_timelines;
mod media_service;
mod overlay_service;
mod overlays;
pub mod parts;
mod put_frames;
mod reshape;
pub mod scope;
mod selection;
pub mod status;
mod tensors;
mod tokens;

pub use media_service::ServerInfo;

use std::sync::Arc;

use crate::frames::Frames;
use crate::rpc::tensors::Workshop;

/// Generated from `proto/framecache/v1`.
#[allow(clippy::all, clippy::pedantic, rustdoc::all, missing_docs)]
pub mod v1 {
    tonic::include_proto!("framecache.v1");
}

/// All of it as descriptors, with comments, for reflection.
pub const DESCRIPTORS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/descriptors.bin"));

/// Payload bytes in one message: a default client takes 4 MiB.
pub const PART_BYTES: usize = 3 << 20;

/// Implements all three services. Cheap to clone.
#[derive(Clone)]
pub struct Service {
    frames: Frames,
    workshop: Workshop,
    info: Arc<ServerInfo>,
}

impl Service {
    pub fn new(frames: Frames) -> Self {
        // Batches take as much as stored frames on their way, beside them.
        let room = frames.cache().memory().in_flight_bytes();
        let workshop = Workshop::new(frames.workers(), room);
        Service {
            frames,
            workshop,
            info: Arc::default(),
        }
    }

    /// The same, with what GetServerInfo answers.
    pub fn with_info(self, info: Arc<ServerInfo>) -> Self {
        Service { info, ..self }
    }
}
