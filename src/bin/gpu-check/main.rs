//! The `gpu-check` command: what this machine's GPU does, whether to the CPU's bytes, and how fast.

mod device;
mod extract;
mod files;
mod kernels;
mod peers;
mod pixels;
mod probe;
mod rates;
mod report;
mod spans;
mod sums;
mod surfaces;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::Parser;

use framecache::error::Result;

use device::Card;
use extract::Extractor;
use files::Clip;
use report::{Outcome, Report, sentence};

/// What `--only` takes.
const PARTS: [&str; 14] = [
    "kernels",
    "refusals",
    "planes",
    "frames",
    "seeks",
    "pixels",
    "spans",
    "rates",
    "rates/copies",
    "rates/kernels",
    "rates/decode",
    "rates/jpeg",
    "rates/extraction",
    "peers",
];

/// Check NVDEC and the CUDA kernels against the CPU, and measure them
///
/// Prints one JSON object and, on stderr, a line for each row as it is made. The file of --json
/// is whole after each row, too. Exit status 0: nothing failed; 1: something did; 2: usage.
///
///   gpu-check --fixtures media/videos --json gpu.json
///   gpu-check --only kernels,rates/kernels --budget 60
///   gpu-check --no-gpu                   what needs no GPU
#[derive(Parser, Debug)]
#[command(name = "gpu-check", version, verbatim_doc_comment)]
pub struct Args {
    /// A folder of videos to decode both ways; the first 1080p H.264 in it is what rates are of
    #[arg(long, value_name = "DIR")]
    fixtures: Option<PathBuf>,
    /// Ask for no GPU: what needs one is skipped
    #[arg(long)]
    no_gpu: bool,
    /// Write the JSON here too
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Only these parts; the probe is always made
    #[arg(long, value_name = "PART", value_delimiter = ',', value_parser = PARTS)]
    only: Vec<String>,
    /// Begin nothing after so many seconds
    #[arg(long, value_name = "SECONDS")]
    budget: Option<f64>,
    #[arg(skip = Instant::now())]
    began: Instant,
    /// Spin while waiting for the GPU, where framecache sleeps: to measure both
    #[arg(long)]
    spin: bool,
    /// Fewer cases, and no rates
    #[arg(long)]
    quick: bool,
    /// Rates of next to nothing: to test this command
    #[arg(long, hide = true)]
    tiny: bool,
    /// Seconds of each round that is measured
    #[arg(long, value_name = "N", default_value_t = 2.0)]
    seconds: f64,
}

impl Args {
    fn round(&self) -> Duration {
        Duration::from_secs_f64(self.seconds.clamp(0.05, 600.0))
    }

    /// How much of something is measured.
    fn sized<T>(&self, usual: T, tiny: T) -> T {
        if self.tiny { tiny } else { usual }
    }

    /// When nothing more is to begin.
    fn until(&self) -> Option<Instant> {
        let budget = self.budget?.clamp(0.0, 1e6);
        Some(self.began + Duration::from_secs_f64(budget))
    }

    fn is_over(&self) -> bool {
        self.until().is_some_and(|until| Instant::now() >= until)
    }

    fn as_json(&self) -> serde_json::Value {
        serde_json::json!({
            "no_gpu": self.no_gpu,
            "quick": self.quick,
            "spin": self.spin,
            "seconds": self.seconds,
            "only": self.only,
            "budget": self.budget,
        })
    }
}

fn main() -> ExitCode {
    let args = Args::parse();
    start_log();
    framecache::av::init();
    let report = match run(&args) {
        Ok(report) => report,
        Err(error) => {
            eprintln!("gpu-check: {}", sentence(&error));
            return ExitCode::from(2);
        }
    };
    eprintln!("{}", report.summary());
    print!("{}", report.text());
    ExitCode::from(u8::from(report.count(Outcome::Fail) > 0))
}

fn start_log() {
    let filter = tracing_subscriber::EnvFilter::try_from_env("FRAMECACHE_LOG")
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new("framecache=error"));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .init();
}

/// # Errors
/// FIELD_INVALID for a folder that cannot be read, INTERNAL where no threads or files are given.
fn run(args: &Args) -> Result<Report> {
    framecache::gpu::spin_while_waiting(args.spin);
    let mut report = Report::new(args)?;
    let clips = match &args.fixtures {
        Some(folder) => files::clips(folder)?,
        None => Vec::new(),
    };
    let extractor = Extractor::new()?;
    let card = probe::check(&mut report, args);
    kernels::check(&mut report, card.as_ref(), args);
    let decoding = card.as_ref().filter(|card| card.pool.is_some());
    files::check(&mut report, &clips, (decoding, &extractor), args);
    pixels::check(&mut report, &clips, decoding, args);
    spans::check(&mut report, &clips, (decoding, extractor), args);
    rates::check(&mut report, &clips, card.as_ref(), args);
    peers::check(&mut report, &clips, decoding, args);
    report.finish()?;
    Ok(report)
}

/// Why a part is skipped that needs a GPU.
fn no_card(args: &Args) -> &'static str {
    if args.no_gpu {
        "needs a GPU, and --no-gpu was given"
    } else {
        "there is no GPU to use, or NVDEC did not load"
    }
}

/// The first clip that rates are best measured on.
fn clip_to_measure<'c>(clips: &'c [Clip], card: &Card) -> Option<&'c Clip> {
    let taken = || clips.iter().filter(|clip| card.takes(clip));
    let hd = |clip: &&Clip| clip.codec() == "h264" && clip.size() == (1920, 1080);
    taken()
        .find(hd)
        .or_else(|| taken().max_by_key(|clip| clip.pixels()))
}
