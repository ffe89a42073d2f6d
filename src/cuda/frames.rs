//! What a JPEG and its hashes are made of: the device's [`to_jfif_into`](crate::pixel::jfif::to_jfif_into)
//! and [`Hasher`](crate::hash::Hasher), up to where the CPU goes on.

use std::ops::Range;

use crate::cuda::kernels::{Address, Launch};
use crate::cuda::plan::{Plan, Sealed};
use crate::cuda::resize::Resize;
use crate::cuda::source::Source;
use crate::cuda::steps::{Batch, Pictures, Planes, Steps, aligned};
use crate::error::{Error, Result};
use crate::media::picture::{JfifView, Orientation};
use crate::pixel::jfif::{JfifRequest, limited_size};
use crate::pixel::orient;
use crate::pixel::planes::subsampled;
use crate::pixel::resample::{Filter, Geometry};
use crate::timeline::plan::HashKind;

/// JFIF planes, and the small pictures of hashes, of surfaces of one geometry.
#[derive(Debug)]
pub struct FramesPlan {
    source: Source,
    orientation: Orientation,
    /// Of Y, and of chroma, where `max_side` shrinks the picture.
    limits: Option<[Resize; 2]>,
    hashes: Vec<(HashKind, Resize)>,
    tables: Vec<i32>,
}

fn halved(size: (usize, usize)) -> (usize, usize) {
    (subsampled(size.0, 1), subsampled(size.1, 1))
}

impl FramesPlan {
    /// # Errors
    /// As [`to_jfif`](crate::pixel::jfif::to_jfif).
    pub fn new(source: Source, request: &JfifRequest, hashes: &[HashKind]) -> Result<FramesPlan> {
        source.check()?;
        if !source.is_gray {
            source.to_jfif()?;
        }
        orient::check(request.orientation)?;
        let (size, mut tables) = (source.size(), Vec::new());
        let target = limited_size(size, request.max_side)?;
        let mut limit =
            |from, to| Resize::new(&Geometry::whole(from, to, Filter::Box), 1, &mut tables);
        let limits = if target == size {
            None
        } else {
            Some([limit(size, target)?, limit(halved(size), halved(target))?])
        };
        let upright = request.orientation.upright(size.0, size.1);
        let mut small = |&kind: &HashKind| {
            let geometry = Geometry::whole(upright, kind.size(), Filter::Lanczos);
            Ok((kind, Resize::new(&geometry, 1, &mut tables)?))
        };
        let hashes = hashes.iter().map(&mut small).collect::<Result<_>>()?;
        Ok(FramesPlan {
            source,
            orientation: request.orientation,
            limits,
            hashes,
            tables,
        })
    }

    /// Where the results of a batch lie.
    pub fn layout(&self, frames: usize) -> FramesLayout {
        let coded = self.limited();
        let mut layout = FramesLayout {
            frames,
            size: self.orientation.upright(coded.0, coded.1),
            is_gray: self.source.is_gray,
            small: Vec::new(),
            bytes: 0,
        };
        let mut end = layout.chroma_at() + aligned(2 * layout.chroma_bytes() * frames);
        for (kind, _) in &self.hashes {
            layout.small.push((*kind, end));
            end += aligned(small_bytes(*kind) * frames);
        }
        layout.bytes = end;
        layout
    }

    /// Width and height under `max_side`, as coded.
    fn limited(&self) -> (usize, usize) {
        let limits = self.limits.as_ref();
        limits.map_or(self.source.size(), |[luma, _]| luma.target)
    }

    fn is_upright(&self) -> bool {
        self.orientation == Orientation::default()
    }

    /// Planes of this size: converted, limited, turned.
    fn planes<L: Launch>(&self, steps: &mut Steps<L>, out: Planes) -> Result<()> {
        let (limited, upright) = (self.limits.is_none(), self.is_upright());
        let converted = if limited && upright {
            out
        } else {
            self.scratch(steps, self.source.size())
        };
        if self.source.is_gray {
            steps.rgb(&self.source, 1, converted.luma)?;
        } else {
            steps.jfif(&self.source, converted)?;
        }
        let resized = match &self.limits {
            None => converted,
            Some(limits) => {
                let to = if upright {
                    out
                } else {
                    self.scratch(steps, self.limited())
                };
                self.limit(steps, limits, converted, to)?;
                to
            }
        };
        if upright {
            return Ok(());
        }
        self.turn(steps, resized, out)
    }

    fn scratch<L: Launch>(&self, steps: &mut Steps<L>, size: (usize, usize)) -> Planes {
        let frames = steps.frames();
        let (width, height) = halved(size);
        Planes {
            luma: steps.scratch(size.0 * size.1 * frames),
            chroma: steps.scratch(2 * width * height * frames),
        }
    }

    fn limit<L: Launch>(
        &self,
        steps: &mut Steps<L>,
        [luma, chroma]: &[Resize; 2],
        from: Planes,
        to: Planes,
    ) -> Result<()> {
        let frames = steps.frames();
        luma.run(steps, frames, from.luma, to.luma)?;
        if self.source.is_gray {
            return Ok(());
        }
        chroma.run(steps, 2 * frames, from.chroma, to.chroma)
    }

    fn turn<L: Launch>(&self, steps: &mut Steps<L>, from: Planes, to: Planes) -> Result<()> {
        let pictures = |size, count| Pictures {
            size,
            channels: 1,
            count,
        };
        let (size, frames) = (self.limited(), steps.frames());
        let luma = pictures(size, frames);
        steps.turn(&luma, self.orientation, from.luma, to.luma)?;
        if self.source.is_gray {
            return Ok(());
        }
        let chroma = pictures(halved(size), 2 * frames);
        steps.turn(&chroma, self.orientation, from.chroma, to.chroma)
    }

    /// The small pictures, of the whole upright L.
    fn small<L: Launch>(&self, steps: &mut Steps<L>, layout: &FramesLayout) -> Result<()> {
        if self.hashes.is_empty() {
            return Ok(());
        }
        let luma = steps.upright(&self.source, 1, self.orientation, None)?;
        for ((_, resize), (_, at)) in self.hashes.iter().zip(&layout.small) {
            let out = steps.batch.output + *at as Address;
            resize.run(steps, steps.frames(), luma, out)?;
        }
        Ok(())
    }
}

impl Sealed for FramesPlan {}

impl Plan for FramesPlan {
    fn source(&self) -> &Source {
        &self.source
    }

    fn tables(&self) -> &[i32] {
        &self.tables
    }

    fn output_bytes(&self, frames: usize) -> usize {
        self.layout(frames).bytes
    }

    fn queue<L: Launch>(&self, launch: &mut L, batch: &Batch) -> Result<usize> {
        let mut steps = Steps::new(launch, *batch)?;
        let layout = self.layout(steps.frames());
        let out = Planes {
            luma: batch.output,
            chroma: batch.output + layout.chroma_at() as Address,
        };
        self.planes(&mut steps, out)?;
        steps.reuse();
        self.small(&mut steps, &layout)?;
        Ok(steps.workspace_bytes())
    }
}

/// The bytes of a batch's results: Y of all frames, then Cb and Cr of each frame, then for each
/// hash kind the small pictures of all frames. Rows are not padded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FramesLayout {
    frames: usize,
    size: (usize, usize),
    is_gray: bool,
    /// Kinds, and where their pictures begin.
    small: Vec<(HashKind, usize)>,
    bytes: usize,
}

impl FramesLayout {
    /// Width and height of the planes: Y's.
    pub fn size(&self) -> (usize, usize) {
        self.size
    }

    pub fn bytes(&self) -> usize {
        self.bytes
    }

    fn luma_bytes(&self) -> usize {
        self.size.0 * self.size.1
    }

    /// Of one plane of one frame.
    fn chroma_bytes(&self) -> usize {
        let (width, height) = halved(self.size);
        if self.is_gray { 0 } else { width * height }
    }

    fn chroma_at(&self) -> usize {
        aligned(self.luma_bytes() * self.frames)
    }

    pub fn luma(&self, frame: usize) -> Range<usize> {
        let at = self.luma_bytes() * frame;
        at..at + self.luma_bytes()
    }

    /// Empty for gray.
    pub fn cb(&self, frame: usize) -> Range<usize> {
        let at = self.chroma_at() + 2 * self.chroma_bytes() * frame;
        at..at + self.chroma_bytes()
    }

    /// Empty for gray.
    pub fn cr(&self, frame: usize) -> Range<usize> {
        let cb = self.cb(frame);
        cb.end..cb.end + self.chroma_bytes()
    }

    /// What [`of_small`](crate::hash::of_small) takes, for each kind that was asked for.
    pub fn small(&self, frame: usize) -> impl Iterator<Item = (HashKind, Range<usize>)> {
        self.small.iter().map(move |&(kind, at)| {
            let bytes = small_bytes(kind);
            (kind, at + bytes * frame..at + bytes * (frame + 1))
        })
    }

    /// One frame's planes, as they lie in a batch's bytes.
    ///
    /// # Errors
    /// INTERNAL where `bytes` are fewer than the layout's, or there is no such frame.
    pub fn planes<'b>(&self, bytes: &'b [u8], frame: usize) -> Result<JfifView<'b>> {
        if bytes.len() < self.bytes || frame >= self.frames {
            return Err(Error::internal(format!(
                "read a frame of a batch: it has none there frame={frame} frames={} bytes={} of={}",
                self.frames,
                bytes.len(),
                self.bytes
            )));
        }
        let (width, height) = self.size;
        Ok(JfifView {
            width,
            height,
            y: &bytes[self.luma(frame)],
            cb: &bytes[self.cb(frame)],
            cr: &bytes[self.cr(frame)],
        })
    }
}

fn small_bytes(kind: HashKind) -> usize {
    let (width, height) = kind.size();
    width * height
}
