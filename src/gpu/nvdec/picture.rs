//! Decoded pictures on the device.

use std::sync::Arc;

use super::hardware::Mapping;
use super::sequence::Crop;
use super::session::{Held, Session};
use super::shape::{Chroma, Shape, SurfaceFormat};
use crate::error::Result;
use crate::gpu::{DeviceView, Stream};

/// A decoded picture whose turn to be shown has come. It holds its surface: take few at a time,
/// and let go of them in any order. Only mapping costs anything.
pub struct Picture {
    session: Arc<Session>,
    index: u32,
    crop: Crop,
    progressive: bool,
}

impl Picture {
    /// Takes over one hold of the surface.
    pub(super) fn held(session: Arc<Session>, held: Held, progressive: bool) -> Self {
        Picture {
            session,
            index: held.index,
            crop: held.content.crop,
            progressive,
        }
    }

    /// The part that is shown.
    pub fn crop(&self) -> Crop {
        self.crop
    }

    /// Gives its planes, to be read by work on that stream. Waits while two pictures of the
    /// decoder are mapped.
    ///
    /// # Errors
    /// CHUNK_STALLED where others do not let go of theirs, GPU_UNAVAILABLE where the driver fails.
    pub fn map(self, stream: &Stream) -> Result<MappedSurface> {
        let (shape, coded) = (self.session.shape()?, self.session.coded()?);
        let mapping = self.session.map(self.index, self.progressive, stream)?;
        let mut mapped = MappedSurface {
            session: self.session.clone(),
            stream: stream.clone(),
            index: self.index,
            mapping,
            shape,
            coded,
            crop: self.crop,
            progressive: self.progressive,
            damaged: false,
        };
        mapped.damaged = mapped.session.check(self.index)?;
        Ok(mapped)
    }
}

impl Drop for Picture {
    fn drop(&mut self) {
        self.session.release(self.index);
    }
}

/// A picture's planes in device memory, for work on the stream that it was mapped with. Dropped,
/// it is unmapped when the stream has done what was queued by then.
pub struct MappedSurface {
    session: Arc<Session>,
    stream: Stream,
    index: u32,
    mapping: Mapping,
    shape: Shape,
    coded: (u32, u32),
    crop: Crop,
    progressive: bool,
    damaged: bool,
}

/// One plane of a mapped picture: `rows` of `width_bytes`, each `pitch_bytes` after the one before.
#[derive(Clone, Copy)]
pub struct SurfacePlane<'a> {
    pub view: DeviceView<'a>,
    pub pitch_bytes: usize,
    pub width_bytes: usize,
    pub rows: usize,
}

impl MappedSurface {
    pub fn format(&self) -> SurfaceFormat {
        self.shape.surface()
    }

    /// Bits a sample that mean something.
    pub fn depth(&self) -> u8 {
        self.shape.depth
    }

    /// Coded width and height: what the planes hold.
    pub fn coded(&self) -> (u32, u32) {
        self.coded
    }

    /// The part that is shown.
    pub fn crop(&self) -> Crop {
        self.crop
    }

    pub fn progressive(&self) -> bool {
        self.progressive
    }

    /// The engine met an error in it.
    pub fn damaged(&self) -> bool {
        self.damaged
    }

    pub fn stream(&self) -> &Stream {
        &self.stream
    }

    /// Luma, then chroma: interleaved, or Cb and Cr, as [`SurfaceFormat`] has it.
    pub fn planes(&self) -> Vec<SurfacePlane<'_>> {
        (0..self.format().planes())
            .map(|place| self.plane(place))
            .collect()
    }

    fn plane(&self, place: usize) -> SurfacePlane<'_> {
        let (width, height) = (self.coded.0 as usize, self.coded.1 as usize);
        let pitch_bytes = self.mapping.pitch_bytes;
        let sample = self.format().sample_bytes() as usize;
        // Chroma begins behind an even number of rows. Interleaved 4:2:0 rows are as wide as luma's.
        let offset = place * pitch_bytes * height.next_multiple_of(2);
        let rows = match self.shape.chroma {
            Chroma::C420 if place > 0 => height.div_ceil(2),
            _ => height,
        };
        let width_bytes = width.next_multiple_of(2).min(pitch_bytes / sample) * sample;
        let bytes = pitch_bytes * (rows - 1) + width_bytes;
        // SAFETY: the driver mapped planes of that pitch, one behind the other, at the coded size;
        // they stay mapped as long as self.
        let view = unsafe { DeviceView::new(self.mapping.address + offset as u64, bytes) };
        SurfacePlane {
            view,
            pitch_bytes,
            width_bytes,
            rows,
        }
    }
}

impl Drop for MappedSurface {
    fn drop(&mut self) {
        self.session
            .retire(self.index, self.mapping.address, &self.stream);
    }
}
