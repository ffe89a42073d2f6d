//! The gRPC service: requests into calls of `frames` and `cache`, their results into messages.
//! One file a method; `frame_service`, `overlay_service` and `media_service` say which.

mod clear_timeline;
pub mod codec;
pub mod convert;
mod extract_frames;
mod frame_service;
mod get_cuts;
mod get_frames;
mod get_similar;
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
pub mod reshape;
pub mod scope;
mod selection;
pub mod status;
mod tensors;
mod tokens;

pub use get_similar::hash as hash_of_text;
pub use media_service::ServerInfo;

use std::sync::Arc;

use tonic::Request;

use crate::account::{Account, Intake};
use crate::frames::Frames;
use crate::rpc::tensors::Workshop;

/// Generated from `proto/framecache/v1`.
#[allow(clippy::all, clippy::pedantic, rustdoc::all, missing_docs)]
pub mod v1 {
    tonic::include_proto!("framecache.v1");
}

/// All of it as descriptors, with comments, for reflection.
pub const DESCRIPTORS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/descriptors.bin"));

/// Of one message of a client, and of one that may name 20,000 chunks with long uris.
pub const MAX_MESSAGE_BYTES: usize = 4 << 20;
pub const MAX_EXTRACT_BYTES: usize = 16 << 20;

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
        Service {
            workshop: Workshop::new(frames.foundry().clone()),
            frames,
            info: Arc::default(),
        }
    }

    /// The same for one call, on the account that came with it.
    fn called_by<T>(&self, request: &Request<T>) -> Self {
        match request.extensions().get::<Account>() {
            Some(account) => Service {
                frames: self.frames.for_call(account),
                ..self.clone()
            },
            None => self.clone(),
        }
    }

    /// What has come of the request, counted around the call.
    fn intake_of<T>(&self, request: &Request<T>) -> Intake {
        let counted = request.extensions().get::<Intake>();
        counted.map_or_else(|| Intake::new(self.account()), Intake::clone)
    }

    fn account(&self) -> &Account {
        self.frames.cache().account()
    }

    /// The same, with what GetServerInfo answers.
    pub fn with_info(self, info: Arc<ServerInfo>) -> Self {
        Service { info, ..self }
    }
}
