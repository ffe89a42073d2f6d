//! What a server can be asked, by the messages of `proto/` and without a wire: requests into calls
//! of `frames` and `cache`, their results into messages. One file a method.
//!
//! `rpc` brings it to gRPC, `http` to plain HTTP: what a request means, what it is refused for and
//! what is told of an error is decided here, for both.

mod clear_timeline;
pub mod convert;
mod cuts;
pub mod duplicates;
mod extract_frames;
mod get_frames;
mod get_timeline;
pub mod json;
mod list_frames;
mod list_timelines;
mod media;
mod overlays;
pub mod pages;
pub mod put;
pub mod reshape;
pub mod scope;
pub mod selection;
pub mod similar;
pub mod status;
pub mod strips;

pub use cuts::CutsPage;
pub use extract_frames::Told;
pub use get_frames::{Got, Ready};
pub use media::ServerInfo;
pub use overlays::{MAX_OVERLAY_BYTES, ReadOverlay};

use std::sync::Arc;

use futures::stream::BoxStream;

use crate::account::Account;
use crate::error::Result;
use crate::frames::{Frames, Serving};

/// Generated from `proto/framecache/v1`.
#[allow(clippy::all, clippy::pedantic, rustdoc::all, missing_docs)]
pub mod v1 {
    tonic::include_proto!("framecache.v1");
}

/// All of it as descriptors, with comments, for reflection.
pub const DESCRIPTORS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/descriptors.bin"));

/// Bytes of one answer, or of one part of it: a default gRPC client takes 4 MiB.
pub const PART_BYTES: usize = 3 << 20;

/// What is answered one by one, as it comes.
pub type Answers<T> = BoxStream<'static, Result<T>>;

/// All methods. Cheap to clone.
#[derive(Clone)]
pub struct Api {
    frames: Frames,
    info: Arc<ServerInfo>,
}

impl Api {
    pub fn new(frames: Frames) -> Self {
        Api {
            frames,
            info: Arc::default(),
        }
    }

    /// The same, with what GetServerInfo answers.
    pub fn with_info(self, info: Arc<ServerInfo>) -> Self {
        Api { info, ..self }
    }

    /// The same for one call, on its account.
    pub fn for_call(&self, account: &Account) -> Self {
        Api {
            frames: self.frames.for_call(account),
            ..self.clone()
        }
    }

    pub fn frames(&self) -> &Frames {
        &self.frames
    }

    pub fn account(&self) -> &Account {
        self.frames.cache().account()
    }

    /// A handle on a profile's frames for one call.
    ///
    /// # Errors
    /// FIELD_INVALID unless both are ids.
    pub fn serving(&self, timeline: &str, profile: &str) -> Result<Arc<Serving>> {
        let profile = self.frames.cache().profile(timeline, profile)?;
        Ok(Arc::new(self.frames.serve(&profile)))
    }
}
