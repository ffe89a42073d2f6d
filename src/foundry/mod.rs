//! The one door to media: whatever demuxes, decodes, or reads a picture of others is asked for
//! here, and nothing above knows how it is done.
//!
//! Nothing here knows where media lies: a source is something that opens, and what comes of it
//! are values.

mod apart;
mod cards;
#[cfg(test)]
mod conformance;
mod framemd5;
mod here;
mod inside;
mod kept;
mod lanes;
mod media;
mod probe;
mod protocol;

use bytes::Bytes;
use tokio::sync::mpsc::Sender;

use crate::cancel::Stop;
use crate::decode::Backend;
use crate::error::Result;
use crate::extract::{SpanEvent, SpanJob};
use crate::pixel::RgbImage;

pub use apart::{Apart, NAME, Program};
pub use cards::{Card, CardsThere};
pub use framemd5::{Report, framemd5};
pub use here::Here;
pub use inside::run as media_process;
pub(crate) use kept::Kept;
pub use media::{Media, Source};
pub use probe::{ColourTags, Probe, Stream, Video};
pub use protocol::Walls;

/// What is done with media. All of it blocks, and is done for many callers at once.
pub trait Foundry: Send + Sync {
    /// Reads all packets of a source.
    ///
    /// # Errors
    /// As [`crate::demux::read_track`]; MEDIA_UNSUPPORTED where nothing here decodes the stream.
    fn index(&self, source: Source, stop: &Stop) -> Result<Media>;

    /// Says what a source is; decodes nothing.
    ///
    /// # Errors
    /// The source's own; CANCELLED once `stop` is set.
    fn probe(&self, media: &Media, stop: &Stop) -> Result<Probe>;

    /// Decodes all of it, on so many threads, and describes each picture by its md5.
    ///
    /// # Errors
    /// As [`framemd5`].
    fn framemd5(&self, media: &Media, how: (Backend, usize), stop: &Stop) -> Result<Report>;

    /// The GPUs that decode.
    ///
    /// # Errors
    /// INTERNAL where no process can be asked.
    fn cards(&self) -> Result<CardsThere>;

    /// Whether spans can be asked of that backend.
    ///
    /// # Errors
    /// GPU_UNAVAILABLE with the reason, for `gpu`.
    fn check(&self, backend: Backend) -> Result<()>;

    /// Begins a span; all that comes of it goes to `events`, `Ended` last. Dropping the receiver
    /// cancels it. May wait while a card is opened.
    fn develop(&self, job: SpanJob, media: &Media, events: Sender<SpanEvent>);

    /// The same on a decoder of its own, so that pictures come in their order, and one that nobody
    /// takes holds up no other span. It is another's once what is given here is dropped.
    ///
    /// # Errors
    /// INTERNAL where the system gives no threads.
    fn footage(&self, job: SpanJob, media: &Media, events: Sender<SpanEvent>) -> Result<Lent>;

    /// A JPEG's picture, into a buffer that the caller keeps; after an error it holds nothing.
    ///
    /// # Errors
    /// As [`crate::jpeg::decode_rgb`].
    fn jpeg_into(&self, jpeg: &[u8], out: &mut RgbImage) -> Result<()>;

    /// Pictures of JPEGs, each of at least its size (width, height) where it is that large, and hardly larger.
    ///
    /// # Errors
    /// As [`crate::jpeg::decode_rgb_at_least`], where one of them is no picture; then there is none of the others either.
    fn jpegs_at_least(&self, wanted: &[(Bytes, (usize, usize))]) -> Result<Vec<RgbImage>>;

    /// The same as a new one.
    fn jpeg(&self, jpeg: &[u8]) -> Result<RgbImage> {
        let mut image = RgbImage::default();
        self.jpeg_into(jpeg, &mut image)?;
        Ok(image)
    }
}

/// What works for nobody else until this is dropped.
pub type Lent = Box<dyn Send>;
