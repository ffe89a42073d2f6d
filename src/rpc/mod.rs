//! gRPC over `api`: streams of messages, payloads in parts, errors as statuses, tensors.
//! `frame_service`, `overlay_service` and `media_service` say what answers which method.

pub mod codec;
mod frame_service;
mod get_frames;
mod get_tensors;
mod incoming;
mod media_service;
mod overlay_service;
mod overlays;
pub mod parts;
mod put_frames;
mod tensors;

use tonic::Request;

use crate::account::{Account, Intake};
use crate::api::Api;
use crate::rpc::tensors::Workshop;

/// Of one message of a client, and of one that may name 20,000 chunks with long uris.
pub const MAX_MESSAGE_BYTES: usize = 4 << 20;
pub const MAX_EXTRACT_BYTES: usize = 16 << 20;

/// Implements all three services. Cheap to clone.
#[derive(Clone)]
pub struct Service {
    api: Api,
    workshop: Workshop,
}

impl Service {
    pub fn new(api: Api) -> Self {
        Service {
            workshop: Workshop::new(api.frames().foundry().clone()),
            api,
        }
    }

    /// The same for one call, on the account that came with it.
    fn called_by<T>(&self, request: &Request<T>) -> Self {
        match request.extensions().get::<Account>() {
            Some(account) => Service {
                api: self.api.for_call(account),
                ..self.clone()
            },
            None => self.clone(),
        }
    }

    /// What has come of the request, counted around the call.
    fn intake_of<T>(&self, request: &Request<T>) -> Intake {
        let counted = request.extensions().get::<Intake>();
        counted.map_or_else(|| Intake::new(self.api.account()), Intake::clone)
    }
}
