//! Surfaces in, JFIF planes and hash pictures out: kernels and copies on a card's stream, a few
//! pictures under way at once.

use std::collections::VecDeque;
use std::sync::Arc;

use crate::av::Frame;
use crate::error::{Error, Result};
use crate::extract::cards::Card;
use crate::extract::decoding::Found;
use crate::extract::develop::{Converted, Exposed, checked_colour, own_facts};
use crate::extract::span::{PictureTask, SpanRun};
use crate::gpu::nvdec::{MappedSurface, Picture, Refusal, SurfaceFormat};
use crate::gpu::{PinnedBuffer, Pipeline, Stream};
use crate::media::colour::Colour;
use crate::media::facts::FrameFacts;
use crate::pixel::cuda::{Crop, Format, FramesLayout, FramesPlan, Source};
use crate::pixel::jfif::JfifRequest;
use crate::timeline::plan::HashKind;

/// Pictures whose kernels and copies are under way while later ones are decoded.
const UNDER_WAY: usize = 3;

/// Where a card's pictures are developed, short of coding them.
pub(super) struct Darkroom {
    card: Arc<Card>,
    stream: Stream,
    pipeline: Option<(Geometry, Pipeline<FramesPlan>)>,
    under_way: VecDeque<Exposure>,
    /// Page-locked buffers of pictures that are done.
    spare: Vec<PinnedBuffer>,
}

/// All that a pipeline is made for.
#[derive(Clone, PartialEq)]
struct Geometry {
    source: Source,
    request: JfifRequest,
    hashes: Vec<HashKind>,
}

/// A picture whose planes are on their way to the host.
struct Exposure {
    place: usize,
    damaged: bool,
    layout: FramesLayout,
    planes: PinnedBuffer,
    facts: FrameFacts,
}

/// Whose pictures they are, and one of them from libavcodec: facts that a card's decoder does not tell.
#[derive(Clone, Copy)]
pub(super) struct Sitter<'a> {
    pub span: &'a Arc<SpanRun>,
    pub sample: &'a Frame,
}

/// Takes pictures that are ready to be coded.
pub(super) type HandOn<'h> = &'h mut dyn FnMut(PictureTask);

impl Darkroom {
    /// # Errors
    /// GPU_UNAVAILABLE where the card gives no stream.
    pub fn new(card: Arc<Card>) -> Result<Self> {
        Ok(Darkroom {
            stream: Stream::new(card.device())?,
            card,
            pipeline: None,
            under_way: VecDeque::new(),
            spare: Vec::new(),
        })
    }

    /// What a task that panicked left under way is nobody's.
    pub fn forget(&mut self) {
        self.under_way.clear();
    }

    /// Forgets what is under way, and frees its memory.
    pub fn clear(&mut self) {
        self.forget();
        self.spare.clear();
        self.pipeline = None;
    }

    /// Queues what is to be done with a surface; pictures that are done meanwhile are handed on.
    ///
    /// # Errors
    /// A [`Refusal`] where the picture is not like the sample; GPU_UNAVAILABLE, MEMORY_BUDGET.
    pub fn expose(&mut self, sitter: Sitter, found: Found<Picture>, hand_on: HandOn) -> Result<()> {
        let surface = found.picture.map(&self.stream)?;
        let parameters = &sitter.span.job.parameters;
        let how = sitter.span.development();
        let colour = checked_colour(sitter.sample, parameters)?;
        let geometry = Geometry {
            source: source(&surface, sitter.sample, &colour)?,
            request: JfifRequest {
                orientation: how.orientation,
                max_side: parameters.max_side,
            },
            hashes: parameters.hashes.clone(),
        };
        let (planes, layout) = self.convert(geometry, &surface)?;
        self.under_way.push_back(Exposure {
            place: found.place,
            damaged: found.damaged,
            layout,
            planes,
            facts: own_facts(sitter.sample, &how, colour),
        });
        while self.under_way.len() > UNDER_WAY {
            self.hand_on_oldest(sitter.span, hand_on)?;
        }
        Ok(())
    }

    /// Hands on all that is under way.
    ///
    /// # Errors
    /// What went wrong on the card.
    pub fn finish(&mut self, span: &Arc<SpanRun>, hand_on: HandOn) -> Result<()> {
        while !self.under_way.is_empty() {
            self.hand_on_oldest(span, hand_on)?;
        }
        Ok(())
    }

    fn convert(
        &mut self,
        geometry: Geometry,
        surface: &MappedSurface,
    ) -> Result<(PinnedBuffer, FramesLayout)> {
        if self
            .pipeline
            .as_ref()
            .is_none_or(|(made, _)| *made != geometry)
        {
            self.spare.clear();
            let plan = FramesPlan::new(geometry.source, &geometry.request, &geometry.hashes)?;
            let pipeline = Pipeline::new(&self.card.kernels, plan, 1, &self.stream)?;
            self.pipeline = Some((geometry, pipeline));
        }
        let Some((_, pipeline)) = &mut self.pipeline else {
            return Err(Error::internal("no pipeline was made"));
        };
        let layout = pipeline.plan().layout(1);
        let mut planes = match self.spare.pop() {
            Some(spare) => spare,
            None => PinnedBuffer::new(self.card.device(), layout.bytes())?,
        };
        let views = surface.planes().iter().map(|plane| plane.view).collect();
        pipeline.run(&[views], &self.stream)?;
        pipeline.download(1, &mut planes, &self.stream)?;
        Ok((planes, layout))
    }

    fn hand_on_oldest(&mut self, span: &Arc<SpanRun>, hand_on: HandOn) -> Result<()> {
        let Some(exposure) = self.under_way.pop_front() else {
            return Ok(());
        };
        let bytes = exposure.planes.bytes()?;
        let mut converted = Box::new(Converted {
            planes: span.spare_planes(),
            small: small(&exposure.layout, bytes),
            facts: exposure.facts,
        });
        exposure
            .layout
            .planes_into(bytes, 0, &mut converted.planes)?;
        self.spare.push(exposure.planes);
        hand_on(PictureTask {
            span: span.clone(),
            place: exposure.place,
            exposed: Exposed::Converted(converted),
            damaged: exposure.damaged,
        });
        Ok(())
    }
}

fn small(layout: &FramesLayout, bytes: &[u8]) -> Vec<(HashKind, Vec<u8>)> {
    let small = layout.small(0);
    small
        .map(|(kind, range)| (kind, bytes[range].to_vec()))
        .collect()
}

/// How the surface lies, with the sample's colour.
///
/// # Errors
/// A [`Refusal`] where it is not of the sample's size or kind.
fn source(surface: &MappedSurface, sample: &Frame, colour: &Colour) -> Result<Source> {
    let crop = surface.crop();
    if (crop.width, crop.height) != sample.size() {
        return Err(Refusal::SizeChanges.into());
    }
    let depth = surface.depth();
    let format = match surface.format() {
        SurfaceFormat::Nv12 => Format::Nv12,
        SurfaceFormat::P016 => Format::P016 { depth },
        SurfaceFormat::Yuv444 => Format::Yuv444,
        SurfaceFormat::Yuv444P16 => Format::Yuv444P16 { depth },
    };
    let pitch_bytes = surface
        .planes()
        .first()
        .map_or(0, |plane| plane.pitch_bytes);
    Ok(Source {
        format,
        pitch_bytes,
        crop: Crop {
            left: crop.left as usize,
            top: crop.top as usize,
            width: crop.width as usize,
            height: crop.height as usize,
        },
        is_gray: false,
        matrix: colour.matrix,
        range: colour.range,
    })
}
