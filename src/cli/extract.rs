//! `framecache extract`

use clap::ValueEnum;

use crate::cache::plans::{OverlayPolicy, Replace};
use crate::cli::common::{Context, Exit, Layout, complain, note, print_json, print_line};
use crate::cli::progress::Bar;
use crate::decode;
use crate::error::{Error, Reason, Result};
use crate::frames::{ChunkResult, Extraction, Only, Progress, Summary};
use crate::media::colour::ColourRule;
use crate::media::time::Exact;
use crate::timeline::index::Unshown;
use crate::timeline::plan::{ChunkSpec, HashKind, Parameters, Sampling, Window};
use crate::timeline::shard::Shard;

/// Decode video into hashed JPEG frames in the cache
///
/// Give the timeline's videos in order, and how to sample them. What is in the
/// cache already is reused; a stopped run goes on where it was.
///
///   framecache extract --fps 2 match.mp4
///   framecache extract --timeline cam1 --every 5 --max-side 1280 a.ts b.ts c.ts
///   framecache extract --at 1.5,20,61/2 s3://videos/match.mp4
#[derive(clap::Args)]
#[command(verbatim_doc_comment)]
pub struct Args {
    /// Videos, in the timeline's order: files or s3://bucket/key
    #[arg(value_name = "SOURCE")]
    sources: Vec<String>,
    /// The timeline's id [default: the stem of a single source]
    #[arg(long, value_name = "ID")]
    timeline: Option<String>,

    /// Frames a second: 2, 29.97, 30000/1001
    #[arg(
        long,
        value_name = "R",
        group = "sampling",
        help_heading = "Sampling (one of)"
    )]
    fps: Option<String>,
    /// Each n-th frame
    #[arg(
        long,
        value_name = "N",
        group = "sampling",
        help_heading = "Sampling (one of)"
    )]
    every: Option<u64>,
    /// Every frame
    #[arg(long, group = "sampling", help_heading = "Sampling (one of)")]
    all: bool,
    /// Frames at which decoding can start
    #[arg(long, group = "sampling", help_heading = "Sampling (one of)")]
    keyframes: bool,
    /// Frames shown at these timeline seconds
    #[arg(
        long,
        value_name = "T,…",
        value_delimiter = ',',
        group = "sampling",
        help_heading = "Sampling (one of)"
    )]
    at: Option<Vec<String>>,
    /// So many frames, evenly spread
    #[arg(
        long,
        value_name = "N",
        group = "sampling",
        help_heading = "Sampling (one of)"
    )]
    count: Option<u64>,

    /// Begin of the window, in timeline seconds
    #[arg(long, value_name = "A", help_heading = "Window")]
    from: Option<String>,
    /// End of the window, exclusive
    #[arg(long, value_name = "B", help_heading = "Window")]
    to: Option<String>,

    /// Longest side of the stored frames; never enlarges
    #[arg(long, value_name = "N", help_heading = "Frames")]
    max_side: Option<u32>,
    /// JPEG quality, 1 to 100
    #[arg(long, value_name = "Q", default_value_t = 85, help_heading = "Frames")]
    quality: u8,
    /// Perceptual hashes to make
    #[arg(
        long,
        value_name = "H,…",
        value_enum,
        value_delimiter = ',',
        default_value = "phash",
        help_heading = "Frames"
    )]
    hash: Vec<Hash>,
    /// The matrix of video that states none
    #[arg(
        long,
        value_name = "RULE",
        value_enum,
        default_value_t,
        help_heading = "Frames"
    )]
    colour: Colour,
    /// Store no frame whose phash is within so many bits of the last one kept
    #[arg(long, value_name = "D", help_heading = "Frames")]
    dedup: Option<u8>,
    /// How new frames lie: an object each, or packed in a few tar archives a minute of video, which
    /// takes far fewer requests; they are read alike [default: as the profile has it, else frames]
    #[arg(long, value_name = "LAYOUT", value_enum, help_heading = "Frames")]
    layout: Option<Layout>,

    /// Timeline second at which each source starts [default: the end of the one before]
    #[arg(
        long,
        value_name = "T,…",
        value_delimiter = ',',
        help_heading = "Sources"
    )]
    start: Vec<String>,
    /// The header of bare fragments (fMP4 init segment)
    #[arg(long, value_name = "FILE", help_heading = "Sources")]
    init: Option<String>,
    /// Index of the video stream [default: the first that is no attached picture]
    #[arg(long, value_name = "N", help_heading = "Sources")]
    stream: Option<u32>,
    /// Chunks as JSON lines: {"uri": …, "chunk_id": …, "source_start": …, "start": …}
    #[arg(long, value_name = "FILE.jsonl", conflicts_with_all = ["sources", "start", "init", "stream"], help_heading = "Sources")]
    chunks: Option<std::path::PathBuf>,

    /// Index and store the plan, extract nothing
    #[arg(long, help_heading = "Run")]
    plan_only: bool,
    /// This machine's part of the work: spans i with i mod N = I (/N: I from Slurm, AWS Batch or Kubernetes)
    #[arg(long, value_name = "I/N", help_heading = "Run")]
    shard: Option<String>,
    /// Only these chunks
    #[arg(
        long,
        value_name = "ID,…",
        value_delimiter = ',',
        conflicts_with = "shard",
        help_heading = "Run"
    )]
    chunk: Vec<String>,
    /// Make every frame anew, even over another plan
    #[arg(long, help_heading = "Run")]
    replace: bool,
    /// With --replace: what becomes of overlays
    #[arg(long, value_enum, requires = "replace", help_heading = "Run")]
    overlays: Option<Overlays>,
    /// Try chunks again that could not be decoded
    #[arg(long, help_heading = "Run")]
    retry_failed: bool,
    /// Count a chunk that cannot be read as empty
    #[arg(long, help_heading = "Run")]
    skip_bad: bool,
    /// What decodes
    #[arg(long, value_enum, default_value_t, help_heading = "Run")]
    backend: Backend,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Hash {
    Phash,
    Dhash,
    #[value(name = "average_hash", alias = "average-hash")]
    Average,
    None,
}

#[derive(Debug, Clone, Copy, Default, ValueEnum)]
enum Colour {
    #[default]
    Bt601,
    Bt709,
    Bt2020,
    ByHeight,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Overlays {
    Keep,
    Delete,
}

/// What decodes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum Backend {
    #[default]
    Auto,
    Cpu,
    Gpu,
}

impl From<Backend> for decode::Backend {
    fn from(backend: Backend) -> Self {
        match backend {
            Backend::Auto => decode::Backend::Auto,
            Backend::Cpu => decode::Backend::Cpu,
            Backend::Gpu => decode::Backend::Gpu,
        }
    }
}

impl From<Colour> for ColourRule {
    fn from(colour: Colour) -> Self {
        match colour {
            Colour::Bt601 => ColourRule::Bt601,
            Colour::Bt709 => ColourRule::Bt709,
            Colour::Bt2020 => ColourRule::Bt2020,
            Colour::ByHeight => ColourRule::ByHeight,
        }
    }
}

pub async fn run(context: &Context, args: Args) -> Result<Exit> {
    let extraction = args.extraction(context)?;
    let client = context.client().await?;
    let bar = Bar::new(context.json());
    let hear = |progress: &Progress| bar.show(progress);
    let summary = client.extract(&extraction, &hear).await;
    bar.clear();
    report(context, &summary?, &client.describe()?, args.plan_only)
}

/// Says what came of an extraction.
pub fn report(context: &Context, summary: &Summary, place: &str, plan_only: bool) -> Result<Exit> {
    say(context, summary, place, plan_only)?;
    Ok(if summary.failed() {
        Exit::PartFailed
    } else {
        Exit::Done
    })
}

fn say(context: &Context, summary: &Summary, place: &str, plan_only: bool) -> Result<()> {
    for chunk in &summary.chunks {
        if let Some(error) = &chunk.error {
            complain(&format!(
                "framecache: chunk {} failed: {} ({})",
                chunk.chunk_id, error.message, error.reason
            ));
        }
        remarks(chunk).iter().for_each(|line| note(line));
    }
    if summary.frames == 0 && !plan_only && !summary.failed() {
        note(
            "framecache: no frame lies where frames were asked for; `framecache probe` says how long a video is",
        );
    }
    if context.json() {
        return print_json(summary);
    }
    let name = if summary.profile == "default" {
        summary.timeline.clone()
    } else {
        format!("{} (profile {})", summary.timeline, summary.profile)
    };
    if plan_only {
        return print_line(&format!(
            "{name}: planned, {} frames cached already; {place}",
            summary.frames
        ));
    }
    print_line(&format!(
        "{name}: {} frames ({} written, {} reused) in {:.1} s; {place}",
        summary.frames, summary.written, summary.reused, summary.seconds
    ))
}

/// What a person should know of a chunk beyond that it went well, or failed.
fn remarks(chunk: &ChunkResult) -> Vec<String> {
    let mut lines = Vec::new();
    let mut say = |text: String| lines.push(format!("framecache: chunk {} {text}", chunk.chunk_id));
    if chunk.damaged + chunk.missing > 0 {
        let reason = chunk.fallback_reason.as_deref().unwrap_or("none");
        say(format!(
            "is damaged: damaged_frames={} missing_frames={} fallback_reason={reason}",
            chunk.damaged, chunk.missing
        ));
    }
    let unshown = chunk.unshown;
    if unshown != Unshown::default() {
        say(format!(
            "has packets that are not shown: edit_list={} invisible={} before_first_cut={} leading={}",
            unshown.discarded,
            unshown.invisible,
            unshown.before_first_cut,
            unshown.undecodable_leading
        ));
    }
    for remark in super::probe::clock_remarks(&chunk.clock) {
        say(format!("clock: {remark}"));
    }
    lines
}

impl Args {
    /// The timeline's id, where it is given.
    pub fn timeline(&self) -> Option<&str> {
        self.timeline.as_deref()
    }

    /// Whether it names a backend.
    pub fn chooses_backend(&self) -> bool {
        self.backend != Backend::Auto
    }

    /// # Errors
    /// FIELD_INVALID for what cannot be meant, saying what is missing.
    pub fn extraction(&self, context: &Context) -> Result<Extraction> {
        let chunks = self.chunk_specs()?;
        let timeline = match &self.timeline {
            Some(id) => id.clone(),
            None => stem(&chunks)?,
        };
        let asked = match (chunks.is_empty(), self.sampling()?) {
            (true, None) if self.timeline.is_some() => None,
            (true, _) => {
                return Err(Error::field("no source is given")
                    .hint("name the videos, in the timeline's order"));
            }
            (false, None) => return Err(no_sampling()),
            (false, Some(sampling)) => Some((chunks, self.parameters(sampling)?)),
        };
        Ok(Extraction {
            timeline,
            profile: context.global.profile.clone(),
            asked,
            only: self.only()?,
            plan_only: self.plan_only,
            replace: self.replace.then(|| Replace {
                overlays: self.overlays.map(|overlays| match overlays {
                    Overlays::Keep => OverlayPolicy::Keep,
                    Overlays::Delete => OverlayPolicy::Delete,
                }),
            }),
            retry_failed: self.retry_failed,
            skip_bad: self.skip_bad,
            backend: self.backend.into(),
            layout: self.layout.map(Into::into),
        })
    }

    fn only(&self) -> Result<Only> {
        if !self.chunk.is_empty() {
            return Ok(Only::Chunks(self.chunk.clone()));
        }
        let shard = Shard::resolve(self.shard.as_deref(), |name| std::env::var(name).ok())?;
        Ok(shard.map_or(Only::All, Only::Shard))
    }

    fn sampling(&self) -> Result<Option<Sampling>> {
        Ok(if let Some(fps) = &self.fps {
            Some(Sampling::Fps(exact("--fps", fps)?))
        } else if let Some(n) = self.every {
            Some(Sampling::Every(n))
        } else if self.all {
            Some(Sampling::All)
        } else if self.keyframes {
            Some(Sampling::Keyframes)
        } else if let Some(times) = &self.at {
            Some(Sampling::Timestamps(exacts("--at", times)?))
        } else {
            self.count.map(Sampling::Count)
        })
    }

    fn parameters(&self, sampling: Sampling) -> Result<Parameters> {
        let time =
            |name, text: &Option<String>| text.as_deref().map(|t| exact(name, t)).transpose();
        let none = self.hash.contains(&Hash::None);
        if none && self.hash.len() > 1 {
            return Err(Error::field("--hash none stands alone").hint("name hashes, or none"));
        }
        let hashes = self.hash.iter().filter_map(|hash| match hash {
            Hash::Phash => Some(HashKind::Phash),
            Hash::Dhash => Some(HashKind::Dhash),
            Hash::Average => Some(HashKind::AverageHash),
            Hash::None => None,
        });
        Ok(Parameters {
            window: Window {
                from: time("--from", &self.from)?,
                to: time("--to", &self.to)?,
            },
            quality: self.quality,
            colour: self.colour.into(),
            hashes: hashes.collect(),
            dedup: self.dedup,
            max_side: self.max_side,
            ..Parameters::new(sampling)
        })
    }

    fn chunk_specs(&self) -> Result<Vec<ChunkSpec>> {
        if let Some(path) = &self.chunks {
            return read_chunks(path);
        }
        if self.start.len() > self.sources.len() {
            return Err(Error::field(format!(
                "--start has more times than there are sources, starts={} sources={}",
                self.start.len(),
                self.sources.len()
            ))
            .hint("give one start for each source, or fewer"));
        }
        let starts = exacts("--start", &self.start)?;
        let spec = |(place, source): (usize, &String)| ChunkSpec {
            init_uri: self.init.clone(),
            stream: self.stream,
            start: starts.get(place).copied(),
            ..ChunkSpec::of(source)
        };
        Ok(self.sources.iter().enumerate().map(spec).collect())
    }
}

fn exact(flag: &str, text: &str) -> Result<Exact> {
    text.trim().parse().map_err(|e: Error| {
        Error::field(format!("{flag}: {}", e.message()))
            .hint(e.hint_text().unwrap_or("write 2, 29.97 or 30000/1001"))
    })
}

fn exacts(flag: &str, texts: &[String]) -> Result<Vec<Exact>> {
    texts.iter().map(|text| exact(flag, text)).collect()
}

fn read_chunks(path: &std::path::Path) -> Result<Vec<ChunkSpec>> {
    let text = std::fs::read_to_string(path).map_err(|e| {
        Error::field(format!(
            "could not read the list of chunks, path={}",
            path.display()
        ))
        .caused_by(e)
    })?;
    let lines = text
        .lines()
        .enumerate()
        .filter(|(_, line)| !line.trim().is_empty());
    lines
        .map(|(number, line)| {
            serde_json::from_str(line).map_err(|e| {
                Error::field(format!("line {} of the list of chunks is wrong: {e}", number + 1))
                    .hint("each line is {\"uri\": …} with chunk_id, init_uri, source_start, source_end, start, stream as needed; times are text")
            })
        })
        .collect()
}

fn stem(chunks: &[ChunkSpec]) -> Result<String> {
    let [only] = chunks else {
        return Err(if chunks.is_empty() {
            Error::field("no source is given").hint("name the videos, in the timeline's order")
        } else {
            Error::field("several sources need a name together").hint("add --timeline ID")
        });
    };
    check_is_one_file(&only.uri)?;
    let name = only.uri.rsplit('/').next().unwrap_or_default();
    let stem = name.rsplit_once('.').map_or(name, |(stem, _)| stem);
    crate::timeline::request::check_id("timeline", stem).map_err(|e| {
        Error::field(format!("the source's name gives no id: {}", e.message()))
            .hint("add --timeline ID")
    })?;
    Ok(stem.to_owned())
}

/// Before its name is taken for an id: a folder, and a pattern that the shell left as it is, have none.
fn check_is_one_file(uri: &str) -> Result<()> {
    let path = std::path::Path::new(uri);
    if uri.ends_with('/') || path.is_dir() {
        return Err(
            Error::field(format!("the source is a folder, source={uri}"))
                .hint("name its videos, in the timeline's order, and add --timeline ID"),
        );
    }
    if uri.contains(['*', '?']) && !uri.contains("://") && !path.exists() {
        let message = format!("no file matches this pattern, source={uri}");
        return Err(Error::new(Reason::SourceNotFound, message)
            .hint("check the folder; where files match, the shell puts their names in its place"));
    }
    Ok(())
}

fn no_sampling() -> Error {
    Error::field("no sampling is given").hint(
        "say which frames: --fps R, --every N, --all, --keyframes, --at T,… or --count N; \
         for example: framecache extract --fps 2 video.mp4",
    )
}
