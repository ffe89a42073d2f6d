//! Pictures of the source without JPEG loss, as RGB and as tensors: the card's and the CPU's.

use std::collections::BTreeMap;
use std::sync::Arc;

use framecache::cancel::Stop;
use framecache::decode::Backend;
use framecache::error::{Error, Result};
use framecache::extract::{Cards, Engine, Made, Output, SpanEnd, SpanEvent, SpanJob, Turn};
use framecache::media::time::Exact;
use framecache::pixel::RgbImage;
use framecache::pixel::resample::Filter;
use framecache::tensor::{Channels, Datatype, Fit, Layout, Maker, Normalize, Recipe, TensorSpec};
use framecache::timeline::limits::Limits;
use framecache::timeline::plan::{Parameters, Plan, Sampling, Window};
use framecache::timeline::planner::Planner;
use tokio::sync::mpsc;

use crate::Args;
use crate::device::Card;
use crate::files::{Clip, left_to_the_cpu};
use crate::report::{Finding, Report};

/// What of pictures is compared: their sequence, and either their RGB or their tensor.
type Pictures = BTreeMap<u64, Vec<u8>>;

pub fn check(report: &mut Report, clips: &[Clip], card: Option<&Card>, args: &Args) {
    let backend = card.map_or(Backend::Cpu, |_| Backend::Gpu);
    // A lane, as a server lends one: a session of its own on the card.
    let engine = Engine::lane(Arc::new(Cards::new()));
    for clip in clips {
        report.add("pixels", &clip.name, || {
            let engine = engine.as_ref().map_err(Clone::clone)?;
            compare(engine, clip, (backend, args.quick))
        });
    }
}

fn compare(engine: &Engine, clip: &Clip, (backend, quick): (Backend, bool)) -> Result<Finding> {
    let plan = plan(clip, quick)?;
    let (mut compared, mut differing, mut made_there, mut strayed) = (0, 0, 0, false);
    for recipe in [None, Some(detector()?), Some(gray()?)] {
        let job = |backend| (backend, recipe.clone());
        let (expected, _, cpu_fallback) = pictures(engine, clip, &plan, job(Backend::Cpu))?;
        let (made, tensors, fallback) = match pictures(engine, clip, &plan, job(backend)) {
            Ok(made) => made,
            Err(error) => return left_to_the_cpu(error),
        };
        compared += expected.len();
        made_there += tensors;
        // Damage that the CPU meets, too, sends a span there; nothing else may.
        strayed |= fallback && !cpu_fallback;
        let same = expected
            .iter()
            .filter(|(seq, data)| made.get(seq) == Some(data));
        differing += expected.len().max(made.len()) - same.count();
    }
    let says = format!(
        "{compared} pictures and tensors, {differing} differ; {made_there} tensors made on the card"
    );
    let finding = match (differing, strayed) {
        (0, false) => Finding::pass(says),
        (0, true) => Finding::fail(format!("{says}, and the card left a span to the CPU")),
        _ => Finding::fail(says),
    };
    Ok(finding
        .with("compared", compared)
        .with("differing", differing)
        .with("tensors_on_the_card", made_there))
}

/// What detectors take: letterboxed, normalised, in half precision.
fn detector() -> Result<Arc<Recipe>> {
    let spec = TensorSpec {
        datatype: Datatype::Fp16,
        layout: Layout::Nchw,
        channels: Channels::Rgb,
        size: Some((160, 160)),
        fit: Fit::Letterbox,
        filter: Filter::Bilinear,
        pad_value: 114,
        normalize: Some(Normalize {
            scale: 1.0 / 255.0,
            mean: vec![0.485, 0.456, 0.406],
            std: vec![0.229, 0.224, 0.225],
        }),
    };
    Recipe::new(spec).map(Arc::new)
}

/// The other ways: of the picture's own size, in one channel of bytes.
fn gray() -> Result<Arc<Recipe>> {
    let spec = TensorSpec {
        datatype: Datatype::Uint8,
        layout: Layout::Nhwc,
        channels: Channels::Gray,
        size: None,
        fit: Fit::Stretch,
        filter: Filter::Lanczos,
        pad_value: 0,
        normalize: None,
    };
    Recipe::new(spec).map(Arc::new)
}

/// Every fifth picture of the beginning.
fn plan(clip: &Clip, quick: bool) -> Result<Plan> {
    let parameters = Parameters {
        window: Window {
            from: None,
            to: Some(Exact::whole(if quick { 1 } else { 10 })),
        },
        ..Parameters::new(Sampling::Every(5))
    };
    let mut planner = Planner::new(parameters, Limits::default())?;
    planner.push(clip.spec.clone(), Ok(&clip.media.track.index))?;
    planner.finish()
}

/// The plan's pictures, how many of them the card made tensors of, and whether a span fell back.
fn pictures(
    engine: &Engine,
    clip: &Clip,
    plan: &Plan,
    (backend, recipe): (Backend, Option<Arc<Recipe>>),
) -> Result<(Pictures, usize, bool)> {
    let lacks = |what: &str| Error::internal(format!("the plan has no {what}"));
    let parameters = plan.parameters.clone().ok_or_else(|| lacks("parameters"))?;
    let chunk = plan.chunks.first().ok_or_else(|| lacks("chunk"))?;
    let (mut found, mut tensors, mut fallback) = (Pictures::new(), 0, false);
    for row in &plan.spans {
        let job = SpanJob {
            chunk: chunk.spec.clone(),
            row: row.clone(),
            parameters: parameters.clone(),
            output: Output::Rgb,
            only: None,
            backend,
            recipe: recipe.clone(),
            turn: Turn::default(),
            fed: Arc::default(),
        };
        let (all, end) = run(engine, clip, job)?;
        fallback |= end.fallback_reason.is_some();
        tensors += all.iter().filter(|made| made.is_tensor).count();
        for made in all {
            let seq = made.facts.first().map_or(0, |facts| facts.seq);
            found.insert(seq, pixels(made, recipe.as_deref())?);
        }
    }
    Ok((found, tensors, fallback))
}

/// All that is made of one span.
fn run(engine: &Engine, clip: &Clip, job: SpanJob) -> Result<(Vec<Made>, SpanEnd)> {
    let (sender, mut events) = mpsc::channel(4);
    engine.submit(job, clip.media.clone(), sender);
    let mut all = Vec::new();
    loop {
        match events.blocking_recv() {
            Some(SpanEvent::Made(made)) => all.push(made),
            Some(SpanEvent::Restarted) => all.clear(),
            Some(SpanEvent::Ended(end)) => return end.map(|end| (all, end)),
            None => return Err(Error::internal("a span ended without saying how")),
        }
    }
}

/// What was made, or the tensor that is made of it here.
fn pixels(made: Made, recipe: Option<&Recipe>) -> Result<Vec<u8>> {
    let (Some(recipe), Some(facts), false) = (recipe, made.facts.first(), made.is_tensor) else {
        return Ok(made.data);
    };
    if facts.missing {
        return Ok(made.data);
    }
    let side = |side: Option<u32>| side.unwrap_or(0) as usize;
    let (width, height) = (side(facts.width), side(facts.height));
    let mut out = vec![0; recipe.frame_bytes(recipe.output((width, height)))?];
    let data = made.data;
    let picture = RgbImage {
        width,
        height,
        data,
    };
    Maker::default().make((recipe, &Stop::never()), &picture, &mut out)?;
    Ok(out)
}
