//! A source, before and after it is indexed.

use std::sync::Arc;

use crate::demux::{Cut, Opener};
use crate::error::Result;
use crate::extract::{SpanMedia, start};
use crate::foundry::protocol::Told;
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
pub struct Media(pub(super) Known);

#[derive(Clone)]
pub(super) enum Known {
    /// In this process.
    Here(SpanMedia),
    /// In another, which knows it by a number.
    Apart(Arc<Apart>),
}

/// A video whose track another process has.
pub(super) struct Apart {
    pub id: u64,
    pub source: Source,
    pub told: Told,
    pub index: SourceIndex,
    pub cuts: Vec<Cut>,
}

impl Media {
    pub fn index(&self) -> &SourceIndex {
        match &self.0 {
            Known::Here(media) => &media.track.index,
            Known::Apart(media) => &media.index,
        }
    }

    /// Access units of the stream, shown or not.
    pub fn units(&self) -> usize {
        match &self.0 {
            Known::Here(media) => media.track.units.len(),
            Known::Apart(media) => media.told.units,
        }
    }

    /// Width and height as coded.
    pub fn size(&self) -> (u32, u32) {
        match &self.0 {
            Known::Here(media) => media.track.info.size(),
            Known::Apart(media) => media.told.size,
        }
    }

    /// Width and height of its upright pictures, as the header has them.
    pub fn upright(&self) -> (usize, usize) {
        let (width, height) = self.size();
        let orientation = match &self.0 {
            Known::Here(media) => media.track.orientation,
            Known::Apart(media) => media.told.orientation,
        };
        orientation.upright(width as usize, height as usize)
    }

    /// Whether frames can be made of its pictures, as far as the header tells.
    ///
    /// # Errors
    /// As [`crate::demux::Track::check_pictures`].
    pub fn check_pictures(&self) -> Result<()> {
        match &self.0 {
            Known::Here(media) => media.track.check_pictures(),
            Known::Apart(media) => match media.told.unfit.clone() {
                Some(fault) => Err(fault.into()),
                None => Ok(()),
            },
        }
    }

    /// The unit at which decoding begins for a picture of that place in the index.
    pub fn start_of(&self, shown: usize) -> u32 {
        let (cuts, gradual) = match &self.0 {
            Known::Here(media) => (&media.track.cuts, media.track.gradual),
            Known::Apart(media) => (&media.cuts, media.told.gradual),
        };
        match self.index().shown.get(shown) {
            Some(shown) if !gradual => start(cuts, shown),
            _ => 0,
        }
    }
}
