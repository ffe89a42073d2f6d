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
mod surfaces;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;

use framecache::error::{Error, Result};

use device::Card;
use extract::Extractor;
use files::Clip;
use report::{Outcome, Report, sentence};

/// Check NVDEC and the CUDA kernels against the CPU, and measure them
///
/// Prints one JSON object and, on stderr, a short table. Exit status 0: nothing failed;
/// 1: something did; 2: usage.
///
///   gpu-check --fixtures media/videos --json gpu.json
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
    /// Fewer cases, and no rates
    #[arg(long)]
    quick: bool,
    /// Seconds of each round that is measured
    #[arg(long, value_name = "N", default_value_t = 2.0)]
    seconds: f64,
}

impl Args {
    fn round(&self) -> Duration {
        Duration::from_secs_f64(self.seconds.clamp(0.05, 600.0))
    }

    fn as_json(&self) -> serde_json::Value {
        serde_json::json!({ "no_gpu": self.no_gpu, "quick": self.quick, "seconds": self.seconds })
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
    if let Err(error) = publish(&args, &report) {
        eprintln!("gpu-check: {}", sentence(&error));
        return ExitCode::FAILURE;
    }
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

fn publish(args: &Args, report: &Report) -> Result<()> {
    let text = format!("{:#}\n", report.json(&args.as_json()));
    eprint!("{}", report.table());
    print!("{text}");
    let Some(path) = &args.json else {
        return Ok(());
    };
    std::fs::write(path, text).map_err(|e| {
        Error::field(format!("could not write the JSON, path={}", path.display())).caused_by(e)
    })
}

/// # Errors
/// FIELD_INVALID for a folder that cannot be read, INTERNAL where no threads or files are given.
fn run(args: &Args) -> Result<Report> {
    let clips = match &args.fixtures {
        Some(folder) => files::clips(folder)?,
        None => Vec::new(),
    };
    let extractor = Extractor::new()?;
    let mut report = Report::default();
    let card = probe::check(&mut report, args);
    kernels::check(&mut report, card.as_ref(), args);
    files::check(&mut report, &clips, (card.as_ref(), &extractor), args);
    pixels::check(&mut report, &clips, card.as_ref(), args);
    spans::check(&mut report, &clips, (card.as_ref(), extractor), args);
    rates::check(&mut report, &clips, card.as_ref(), args);
    peers::check(&mut report, &clips, card.as_ref(), args);
    Ok(report)
}

/// Why a part is skipped that needs a GPU.
fn no_card(args: &Args) -> &'static str {
    if args.no_gpu {
        "needs a GPU, and --no-gpu was given"
    } else {
        "there is no GPU to use"
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
