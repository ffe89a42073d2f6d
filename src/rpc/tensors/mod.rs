//! Batches of tensors: what a request asks for (`request`), pictures into the places of a batch
//! as they come (`builder`, `batch`), and batches into messages (`send`).
//!
//! At most two batches of a call are in memory: one that is sent, one that is made.

mod batch;
mod builder;
mod request;
mod send;
mod workshop;

use std::sync::Arc;

use bytes::Bytes;
use futures::stream::BoxStream;

use crate::account::Account;
use crate::api::v1;
use crate::cache::read::Frame;
use crate::error::Result;
use crate::frames::{Answer, Still};
use crate::jpeg;
use crate::metrics::{Metrics, Tier};
use crate::rpc::frame_service::Answers;
use crate::tensor::{Recipe, batch_bytes};

pub use request::{Wanted, batch_of, recipe_of, wanted_of};
pub use workshop::Workshop;

/// A frame before it is a tensor.
pub enum Picture {
    /// Stored.
    Jpeg(Frame),
    /// Decoded from its source.
    Still(Still),
}

impl Picture {
    /// Width and height.
    ///
    /// # Errors
    /// MEDIA_CORRUPT for stored bytes that are no JPEG.
    fn size(&self) -> Result<(usize, usize)> {
        match self {
            Picture::Jpeg(frame) => jpeg::dimensions(&frame.jpeg),
            Picture::Still(still) => Ok(still.pixels.size()),
        }
    }

    /// Of its pixels as RGB, where they are still to be decoded.
    fn bytes_to_decode(&self) -> Result<u64> {
        let Picture::Jpeg(_) = self else {
            return Ok(0);
        };
        let (width, height) = self.size()?;
        Ok(3 * width as u64 * height as u64)
    }

    fn timestamp(&self) -> Option<f64> {
        match self {
            Picture::Jpeg(frame) => frame.facts.timestamp,
            Picture::Still(still) => still.facts.timestamp,
        }
    }

    fn tier(&self) -> Tier {
        match self {
            Picture::Jpeg(frame) => frame.tier,
            Picture::Still(_) => Tier::Source,
        }
    }
}

/// What one call needs besides its pictures.
pub struct Call {
    pub recipe: Arc<Recipe>,
    /// Frames of a batch.
    pub batch: usize,
    /// Frames asked for.
    pub frames: u64,
    pub workshop: Workshop,
    pub account: Account,
    pub metrics: Arc<Metrics>,
}

impl Call {
    /// Batches of these pictures, then the summary.
    ///
    /// # Errors
    /// LIMIT_EXCEEDED for batches that are too large.
    pub fn answers(
        self,
        pictures: BoxStream<'static, Answer<Picture>>,
    ) -> Result<Answers<v1::GetTensorsResponse>> {
        if self.recipe.spec().size.is_some() {
            self.bytes_of_batch(self.frames, (0, 0))?;
        }
        Ok(send::messages(self, pictures))
    }

    /// Frames of the next batch and their bytes, with so many frames left and pictures of this size.
    fn bytes_of_batch(&self, left: u64, picture: (usize, usize)) -> Result<(usize, usize)> {
        let frames = left.min(self.batch as u64);
        let frame = self.recipe.frame_bytes(self.recipe.output(picture))?;
        batch_bytes(frames, frame as u64)?;
        Ok((frames as usize, frame))
    }
}

/// A batch as it is sent.
pub struct Batch {
    pub header: v1::TensorHeader,
    pub data: Bytes,
    /// Frames that came and could not be made into tensors.
    pub broken: u64,
}
