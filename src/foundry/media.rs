//! A source, before and after it is indexed.

use crate::demux::{Cut, Opener};
use crate::error::Result;
use crate::extract::{SpanMedia, start};
use crate::timeline::index::{Identity, SourceIndex};

/// Something that opens, and which stream of it is meant.
#[derive(Clone)]
pub struct Source {
    pub opener: Opener,
    /// None: the first video that is no attached picture.
    pub stream: Option<u32>,
    /// What tells whether it is still the same: its own, and its init segment's.
    pub identities: (Identity, Option<Identity>),
}

/// A source that was indexed: what is known of its video, and what decodes it again. Clones share it.
#[derive(Clone)]
pub struct Media(pub(super) SpanMedia);

impl Media {
    pub fn index(&self) -> &SourceIndex {
        &self.0.track.index
    }

    /// Access units of the stream, shown or not.
    pub fn units(&self) -> usize {
        self.0.track.units.len()
    }

    /// Width and height as coded.
    pub fn size(&self) -> (u32, u32) {
        self.0.track.info.size()
    }

    /// Width and height of its upright pictures, as the header has them.
    pub fn upright(&self) -> (usize, usize) {
        let (width, height) = self.size();
        let orientation = self.0.track.orientation;
        orientation.upright(width as usize, height as usize)
    }

    /// Whether frames can be made of its pictures, as far as the header tells.
    ///
    /// # Errors
    /// As [`crate::demux::Track::check_pictures`].
    pub fn check_pictures(&self) -> Result<()> {
        self.0.track.check_pictures()
    }

    /// The unit at which decoding begins for a picture of that place in the index.
    pub fn start_of(&self, shown: usize) -> u32 {
        match self.index().shown.get(shown) {
            Some(shown) if !self.0.track.gradual => start(self.cuts(), shown),
            _ => 0,
        }
    }

    fn cuts(&self) -> &[Cut] {
        &self.0.track.cuts
    }
}
