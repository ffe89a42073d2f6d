//! Surfaces in; JFIF planes and hash pictures, RGB or tensors out: kernels and copies on a card's
//! stream, a few pictures under way at once.

use std::collections::VecDeque;
use std::sync::Arc;

use crate::av::Frame;
use crate::cuda::{
    AnyPlan, Crop, Format, FramesLayout, FramesPlan, Plan, RgbPlan, Source, TensorPlan,
};
use crate::error::{Error, Result};
use crate::extract::cards::Card;
use crate::extract::deal::Mode;
use crate::extract::decoding::Found;
use crate::extract::develop::{Converted, Exposed, Pixels, checked_colour, hashes_made, own_facts};
use crate::extract::job::{Output, SpanJob};
use crate::extract::parts::PictureTask;
use crate::extract::span::SpanRun;
use crate::extract::trays::{Lent, Trays};
use crate::gpu::nvdec::{MappedSurface, Picture, Refusal, SurfaceFormat};
use crate::gpu::{PinnedBuffer, Pipeline, Stream};
use crate::media::colour::Colour;
use crate::media::facts::FrameFacts;
use crate::media::picture::Orientation;
use crate::pixel::jfif::JfifRequest;
use crate::tensor::Recipe;
use crate::timeline::plan::HashKind;

/// Pictures whose kernels and copies are under way while later ones are decoded.
const UNDER_WAY: usize = 3;

/// Where a card's pictures are developed, short of coding them.
pub(super) struct Darkroom {
    card: Arc<Card>,
    stream: Stream,
    pipeline: Option<(Geometry, Pipeline<AnyPlan>)>,
    under_way: VecDeque<Exposure>,
    /// Page-locked.
    trays: Trays<PinnedBuffer>,
}

/// All that a pipeline is made for.
#[derive(Clone, PartialEq)]
struct Geometry {
    source: Source,
    wish: Wish,
}

/// What is to be made of surfaces.
#[derive(Clone)]
enum Wish {
    Frames(JfifRequest, Vec<HashKind>),
    Rgb(Orientation),
    Tensor(Orientation, Arc<Recipe>),
}

impl PartialEq for Wish {
    fn eq(&self, other: &Wish) -> bool {
        match (self, other) {
            (Wish::Frames(a, b), Wish::Frames(c, d)) => a == c && b == d,
            (Wish::Rgb(a), Wish::Rgb(b)) => a == b,
            // A recipe is one call's, and lives as long as it.
            (Wish::Tensor(a, b), Wish::Tensor(c, d)) => a == c && Arc::ptr_eq(b, d),
            _ => false,
        }
    }
}

impl Wish {
    fn of(job: &SpanJob, orientation: Orientation) -> Wish {
        match (job.output, &job.recipe) {
            (Output::Jpeg, _) => {
                let request = JfifRequest {
                    orientation,
                    max_side: job.parameters.max_side,
                };
                Wish::Frames(request, hashes_made(&job.parameters).into_owned())
            }
            (Output::Rgb, None) => Wish::Rgb(orientation),
            (Output::Rgb, Some(recipe)) => Wish::Tensor(orientation, recipe.clone()),
        }
    }

    fn plan(&self, source: Source) -> Result<AnyPlan> {
        Ok(match self {
            Wish::Frames(request, hashes) => {
                AnyPlan::Frames(FramesPlan::new(source, request, hashes)?)
            }
            Wish::Rgb(orientation) => AnyPlan::Rgb(RgbPlan::new(source, *orientation)?),
            Wish::Tensor(orientation, recipe) => {
                AnyPlan::Tensor(TensorPlan::new(source, *orientation, recipe)?)
            }
        })
    }
}

/// A picture that is on its way to the host.
struct Exposure {
    place: usize,
    damaged: bool,
    made: Made,
    bytes: Lent<PinnedBuffer>,
    facts: FrameFacts,
}

/// What the bytes are.
enum Made {
    Frames(FramesLayout),
    Pixels { bytes: usize, is_tensor: bool },
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
            trays: Trays::default(),
        })
    }

    /// What a task that panicked left under way is nobody's.
    pub fn forget(&mut self) {
        self.under_way.clear();
    }

    /// Forgets what is under way, and frees its memory.
    pub fn clear(&mut self) {
        self.forget();
        self.trays.clear();
        self.pipeline = None;
    }

    /// Queues what is to be done with a surface; pictures that are done meanwhile are handed on.
    ///
    /// # Errors
    /// A [`Refusal`] where the picture is not like the sample; GPU_UNAVAILABLE, MEMORY_BUDGET.
    pub fn expose(&mut self, sitter: Sitter, found: Found<Picture>, hand_on: HandOn) -> Result<()> {
        let surface = found.picture.map(&self.stream)?;
        if surface.damaged() {
            sitter.span.report_damage(Mode::Device);
            return Ok(());
        }
        let job = &sitter.span.job;
        let how = sitter.span.development();
        let colour = checked_colour(sitter.sample, &job.parameters)?;
        let geometry = Geometry {
            source: source(&surface, sitter.sample, &colour)?,
            wish: Wish::of(job, how.orientation),
        };
        let (bytes, made) = self.convert(geometry, &surface)?;
        self.under_way.push_back(Exposure {
            place: found.place,
            damaged: found.damaged,
            made,
            bytes,
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
    ) -> Result<(Lent<PinnedBuffer>, Made)> {
        if self
            .pipeline
            .as_ref()
            .is_none_or(|(made, _)| *made != geometry)
        {
            let plan = geometry.wish.plan(geometry.source)?;
            let pipeline = Pipeline::new(&self.card.kernels, plan, 1, &self.stream)?;
            self.pipeline = Some((geometry, pipeline));
        }
        let Some((_, pipeline)) = &mut self.pipeline else {
            return Err(Error::internal("no pipeline was made"));
        };
        let size = pipeline.plan().output_bytes(1);
        let make = || PinnedBuffer::new(self.card.device(), size);
        let mut bytes = self.trays.take(size, make)?;
        let views = surface.planes().iter().map(|plane| plane.view).collect();
        pipeline.run(&[views], &self.stream)?;
        pipeline.download(1, bytes.get_mut()?, &self.stream)?;
        let made = match pipeline.plan() {
            AnyPlan::Frames(plan) => Made::Frames(plan.layout(1)),
            plan => Made::Pixels {
                bytes: size,
                is_tensor: matches!(plan, AnyPlan::Tensor(_)),
            },
        };
        Ok((bytes, made))
    }

    fn hand_on_oldest(&mut self, span: &Arc<SpanRun>, hand_on: HandOn) -> Result<()> {
        let Some(exposure) = self.under_way.pop_front() else {
            return Ok(());
        };
        // What goes wrong on the card is told here, not to who codes the picture.
        let bytes = exposure.bytes.get()?.bytes()?;
        let exposed = match exposure.made {
            Made::Pixels {
                bytes: size,
                is_tensor,
            } => {
                let data = bytes.get(..size);
                let data = data.ok_or_else(|| Error::internal("a card's buffer is too short"))?;
                Exposed::Pixels(Box::new(Pixels {
                    data: data.to_vec(),
                    is_tensor,
                    facts: upright(exposure.facts, span.development().orientation),
                }))
            }
            Made::Frames(layout) => Exposed::Converted(Box::new(Converted {
                bytes: exposure.bytes,
                layout,
                facts: exposure.facts,
            })),
        };
        hand_on(PictureTask {
            span: span.clone(),
            place: exposure.place,
            exposed,
            damaged: exposure.damaged,
        });
        Ok(())
    }
}

/// With the size of the upright picture.
fn upright(facts: FrameFacts, orientation: Orientation) -> FrameFacts {
    let (width, height) = (facts.source_width, facts.source_height);
    let (width, height) = if orientation.swaps_sides() {
        (height, width)
    } else {
        (width, height)
    };
    FrameFacts {
        width,
        height,
        ..facts
    }
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
