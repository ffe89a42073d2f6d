//! Each video of the fixtures, decoded and extracted both ways.

use std::path::Path;
use std::sync::Arc;

use framecache::aws::Endpoint;
use framecache::cancel::Stop;
use framecache::decode::Backend;
use framecache::demux::{Opener, read_track};
use framecache::error::{Error, Reason, Result};
use framecache::extract::SpanMedia;
use framecache::foundry::framemd5;
use framecache::gpu::nvdec::Refusal;
use framecache::media::facts::FrameFacts;
use framecache::media::time::Exact;
use framecache::source::{self, SourcePolicy};
use framecache::timeline::plan::{ChunkSpec, HashKind, Parameters, Sampling, Window};

use crate::Args;
use crate::device::Card;
use crate::extract::{Extracted, Extractor};
use crate::report::{Finding, Report};
use crate::surfaces::noise;

/// Frames picked from all over a video.
const SEEKS: usize = 16;

/// A video of the fixtures.
pub struct Clip {
    pub name: String,
    pub spec: ChunkSpec,
    pub media: SpanMedia,
}

impl Clip {
    pub fn codec(&self) -> String {
        self.media.track.info.codec_name()
    }

    pub fn size(&self) -> (u32, u32) {
        self.media.track.info.size()
    }

    pub fn pixels(&self) -> u64 {
        let (width, height) = self.size();
        u64::from(width) * u64::from(height)
    }
}

/// The folder's videos, by name. What is no video, or none that can be indexed, is left out.
///
/// # Errors
/// FIELD_INVALID where the folder cannot be read, or holds none.
pub fn clips(folder: &Path) -> Result<Vec<Clip>> {
    let place = folder.display();
    let unreadable =
        |e| Error::field(format!("could not read the fixtures, path={place}")).caused_by(e);
    let mut paths = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(unreadable)? {
        paths.push(entry.map_err(unreadable)?.path());
    }
    paths.sort();
    let found: Vec<Clip> = paths.iter().filter_map(|path| clip(path)).collect();
    if found.is_empty() {
        return Err(Error::field(format!(
            "there is no video in the fixtures, path={place}"
        )));
    }
    Ok(found)
}

fn clip(path: &Path) -> Option<Clip> {
    if !path.is_file() {
        return None;
    }
    let path = std::path::absolute(path).ok()?;
    let name = path.file_name()?.to_string_lossy().into_owned();
    let spec = ChunkSpec::of(&path.to_string_lossy());
    match indexed(&spec.uri) {
        Ok(media) => Some(Clip { name, spec, media }),
        Err(error) => {
            eprintln!("gpu-check: {name} is left out: {}", error.message());
            None
        }
    }
}

/// The video, as extraction has it: what decodes below the door to media needs its track.
fn indexed(uri: &str) -> Result<SpanMedia> {
    let (policy, own) = (SourcePolicy::anything(Endpoint::default()), uri.to_owned());
    let opener: Opener = Arc::new(move || source::open(&own, &policy));
    let identities = (source::identity(opener()?.as_mut())?, None);
    framecache::av::init();
    let track = read_track(&*opener, None, identities, &Stop::never())?;
    track.info.check_decoder()?;
    Ok(SpanMedia {
        track: Arc::new(track),
        opener,
    })
}

pub fn check(
    report: &mut Report,
    clips: &[Clip],
    (card, extractor): (Option<&Card>, &Extractor),
    args: &Args,
) {
    report.add("refusals", "gpu where there is none", || {
        refusal(extractor, card)
    });
    if clips.is_empty() {
        report.add("planes", "videos", || {
            Ok(Finding::skipped("no --fixtures was given"))
        });
    }
    for clip in clips {
        let case = Case {
            clip,
            card,
            extractor,
            args,
        };
        report.add("planes", &clip.name, || case.planes());
        report.add("frames", &clip.name, || case.frames());
        report.add("seeks", &clip.name, || case.seeks());
    }
}

/// `gpu` refuses where there is none, with the reason and a hint.
fn refusal(extractor: &Extractor, card: Option<&Card>) -> Result<Finding> {
    if card.is_some() {
        return Ok(Finding::skipped("there is a GPU"));
    }
    if framecache::gpu::device_count().is_ok() {
        return Ok(Finding::skipped("there is a GPU, left alone"));
    }
    let parameters = Parameters::new(Sampling::All);
    let chunks = vec![ChunkSpec::of("/nonexistent.mp4")];
    match extractor.run(chunks, &parameters, Backend::Gpu) {
        Err(error) if error.reason() == Reason::GpuUnavailable && error.hint_text().is_some() => {
            Ok(Finding::pass(error.message()))
        }
        Err(error) => Ok(Finding::fail(format!(
            "another reason: {}",
            error.message()
        ))),
        Ok(_) => Ok(Finding::fail("it was not refused")),
    }
}

struct Case<'c> {
    clip: &'c Clip,
    card: Option<&'c Card>,
    extractor: &'c Extractor,
    args: &'c Args,
}

impl Case<'_> {
    fn md5(&self, backend: Backend, threads: usize) -> Result<String> {
        let SpanMedia { track, opener } = &self.clip.media;
        Ok(framemd5(track, opener, (backend, threads), &Stop::never())?.text)
    }

    /// Every picture's md5: NVDEC's and libavcodec's; without a GPU, of one thread and of several.
    fn planes(&self) -> Result<Finding> {
        let expected = self.md5(Backend::Cpu, 1)?;
        let (made, by) = if self.card.is_some() {
            match self.md5(Backend::Gpu, 1) {
                Ok(made) => (made, "NVDEC"),
                Err(error) => return left_to_the_cpu(error),
            }
        } else {
            (self.md5(Backend::Cpu, 4)?, "four threads")
        };
        let lines = |text: &str| {
            text.lines()
                .filter(|l| !l.starts_with('#'))
                .map(str::to_owned)
                .collect::<Vec<_>>()
        };
        let (expected, made) = (lines(&expected), lines(&made));
        let differing = expected.iter().zip(&made).filter(|(a, b)| a != b).count()
            + expected.len().abs_diff(made.len());
        let says = format!("{} pictures, {differing} differ by {by}", expected.len());
        let finding = if differing == 0 {
            Finding::pass(says)
        } else {
            Finding::fail(says)
        };
        Ok(finding
            .with("pictures", expected.len())
            .with("differing", differing))
    }

    fn parameters(&self, sampling: Sampling) -> Parameters {
        Parameters {
            quality: 95,
            hashes: vec![HashKind::Phash, HashKind::Dhash, HashKind::AverageHash],
            window: Window {
                from: None,
                to: Some(Exact::whole(if self.args.quick { 2 } else { 60 })),
            },
            ..Parameters::new(sampling)
        }
    }

    fn extract(&self, sampling: Sampling, backend: Backend) -> Result<Extracted> {
        let parameters = self.parameters(sampling);
        self.extractor
            .run(vec![self.clip.spec.clone()], &parameters, backend)
    }

    fn backend(&self) -> Backend {
        self.card.map_or(Backend::Cpu, |_| Backend::Gpu)
    }

    /// All frames on the card and on the CPU: facts and JPEGs. Without a GPU: twice on the CPU.
    fn frames(&self) -> Result<Finding> {
        let cpu = self.extract(Sampling::All, Backend::Cpu)?;
        let other = match self.extract(Sampling::All, self.backend()) {
            Ok(other) => other,
            Err(error) => return left_to_the_cpu(error),
        };
        let mut differing = cpu.facts.len().abs_diff(other.facts.len());
        for (one, two) in cpu.facts.iter().zip(&other.facts) {
            let same_bytes = one.missing && two.missing
                || self.extractor.jpeg(&cpu, one.seq)? == self.extractor.jpeg(&other, two.seq)?;
            differing += usize::from(!same_bytes || but_for_backend(one) != but_for_backend(two));
        }
        let by = other.backend().to_owned();
        let says = format!(
            "{} frames, {differing} differ; made by {by}",
            cpu.facts.len()
        );
        // Damage that the CPU meets, too, sends a span there; nothing else may.
        let strayed = self.card.is_some() && by != "nvdec" && cpu.fallback().is_none();
        let finding = match (differing, strayed) {
            (0, false) => Finding::pass(says),
            (0, true) => Finding::fail(format!("{says}, reason={:?}", other.fallback())),
            _ => Finding::fail(says),
        };
        Ok(finding
            .with("frames", cpu.facts.len())
            .with("differing", differing)
            .with("backend", by))
    }

    /// Frames from all over the video, decoded by themselves, are those of the whole.
    fn seeks(&self) -> Result<Finding> {
        let whole = self.extract(Sampling::All, Backend::Cpu)?;
        let times = picked(&whole.facts)?;
        if times.is_empty() {
            return Ok(Finding::skipped("its frames have no timestamps"));
        }
        let sparse = match self.extract(Sampling::Timestamps(times), self.backend()) {
            Ok(sparse) => sparse,
            Err(error) => return left_to_the_cpu(error),
        };
        let mut differing = 0;
        for frame in &sparse.facts {
            let same = |other: &&FrameFacts| other.pts == frame.pts && other.sha256 == frame.sha256;
            differing += usize::from(!whole.facts.iter().any(|f| same(&f)));
        }
        let says = format!("{} frames, {differing} differ", sparse.facts.len());
        let right = differing == 0 && !sparse.facts.is_empty();
        let finding = if right {
            Finding::pass(says)
        } else {
            Finding::fail(says)
        };
        Ok(finding
            .with("frames", sparse.facts.len())
            .with("differing", differing))
    }
}

/// A refusal is a reason, whatever else is a failure.
pub fn left_to_the_cpu(error: Error) -> Result<Finding> {
    let words = error.message();
    let known = ["video without timestamps", "video without cut points"];
    match Refusal::of(&error) {
        Some(Refusal::Unavailable(_)) => Err(error),
        Some(refusal) => Ok(
            Finding::skipped(format!("left to the CPU: {words}")).with("reason", refusal.name())
        ),
        None if known.iter().any(|known| words.starts_with(known)) => {
            Ok(Finding::skipped(format!("left to the CPU: {words}")))
        }
        None => Err(error),
    }
}

fn but_for_backend(facts: &FrameFacts) -> FrameFacts {
    FrameFacts {
        backend: None,
        ..facts.clone()
    }
}

/// Timeline seconds of some frames, in no order.
fn picked(facts: &[FrameFacts]) -> Result<Vec<Exact>> {
    let Some(first) = facts.first().and_then(|first| first.pts) else {
        return Ok(Vec::new());
    };
    let random = noise(8 * SEEKS, facts.len() as u64);
    let mut times = Vec::new();
    for bytes in random.as_chunks::<8>().0 {
        let place = (u64::from_le_bytes(*bytes) % facts.len() as u64) as usize;
        let (Some(pts), Some(base)) = (facts[place].pts, &facts[place].time_base) else {
            continue;
        };
        let ticks = i128::from(pts) - i128::from(first);
        times.push(Exact::ratio(ticks, 1)?.times(base.parse()?)?);
    }
    Ok(times)
}
