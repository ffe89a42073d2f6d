//! A mapped picture back on the host, as `ffmpeg -f rawvideo` writes it: for comparisons.

use super::picture::{MappedSurface, SurfacePlane};
use super::shape::{Chroma, SurfaceFormat};
use crate::error::Result;
use crate::gpu::{Copy2d, PinnedBuffer, Pitched};

impl MappedSurface {
    /// The shown part as planar YUV (yuv420p, yuv444p and their 10 to 16 bit kin, little endian),
    /// rows without padding. Waits for the copy.
    pub fn native_bytes(&self) -> Result<Vec<u8>> {
        let mut bytes = Vec::new();
        self.native_bytes_into(&mut None, &mut bytes)?;
        Ok(bytes)
    }

    /// As [`MappedSurface::native_bytes`]; `host` is kept from picture to picture: page-locked memory
    /// takes longer to allocate than a picture to copy.
    ///
    /// # Errors
    /// What the copy fails with.
    pub fn native_bytes_into(
        &self,
        host: &mut Option<PinnedBuffer>,
        bytes: &mut Vec<u8>,
    ) -> Result<()> {
        bytes.clear();
        for (place, plane) in self.planes().iter().enumerate() {
            let host = self.download(plane, host)?;
            let plane = &host.bytes()?[..plane.width_bytes * plane.rows];
            match (self.format(), place) {
                (SurfaceFormat::Nv12 | SurfaceFormat::P016, 1) => {
                    self.append(plane, place, (2, 0), bytes);
                    self.append(plane, place, (2, 1), bytes);
                }
                _ => self.append(plane, place, (1, 0), bytes),
            }
        }
        Ok(())
    }

    /// The whole plane, rows without padding, at the start of a buffer: the one that is there, where it
    /// is large enough.
    fn download<'h>(
        &self,
        plane: &SurfacePlane<'_>,
        host: &'h mut Option<PinnedBuffer>,
    ) -> Result<&'h PinnedBuffer> {
        let size = plane.width_bytes * plane.rows;
        let host = match host.take().filter(|host| host.len() >= size) {
            Some(large) => host.insert(large),
            None => host.insert(PinnedBuffer::new(self.stream().device(), size)?),
        };
        let copy = Copy2d {
            host: Pitched {
                offset: 0,
                pitch_bytes: plane.width_bytes,
            },
            device: Pitched {
                offset: 0,
                pitch_bytes: plane.pitch_bytes,
            },
            width_bytes: plane.width_bytes,
            rows: plane.rows,
        };
        host.download(plane.view, &copy, self.stream())?;
        Ok(host)
    }

    /// The shown samples of a plane, every `step`th from `first` on: one component of interleaved chroma.
    fn append(&self, plane: &[u8], place: usize, (step, first): (usize, usize), out: &mut Vec<u8>) {
        let halved = self.format_chroma() == Chroma::C420 && place > 0;
        let shown = |from: u32, size: u32| {
            let (from, size) = (from as usize, size as usize);
            match halved {
                true => from / 2..from / 2 + size.div_ceil(2),
                false => from..from + size,
            }
        };
        let crop = self.crop();
        let sample = self.format().sample_bytes() as usize;
        let width = (self.coded().0 as usize).next_multiple_of(2) * sample;
        for row in shown(crop.top, crop.height) {
            let row = &plane[row * width..(row + 1) * width];
            for column in shown(crop.left, crop.width) {
                let at = (column * step + first) * sample;
                self.push(&row[at..at + sample], out);
            }
        }
    }

    fn format_chroma(&self) -> Chroma {
        match self.format() {
            SurfaceFormat::Nv12 | SurfaceFormat::P016 => Chroma::C420,
            SurfaceFormat::Yuv444 | SurfaceFormat::Yuv444P16 => Chroma::C444,
        }
    }

    /// Words lose the zeros below their value.
    fn push(&self, sample: &[u8], out: &mut Vec<u8>) {
        match *sample {
            [low, high] => {
                let value = u16::from_le_bytes([low, high]) >> (16 - self.depth());
                out.extend_from_slice(&value.to_le_bytes());
            }
            _ => out.extend_from_slice(sample),
        }
    }
}
