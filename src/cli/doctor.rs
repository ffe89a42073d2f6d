//! `framecache doctor`

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::app;
use crate::av;
use crate::cli::common::{Context, Exit, print_json, print_line};
use crate::decode::CODECS;
use crate::error::{Error, Result};
use crate::gpu::nvdec::Shape;
use crate::gpu::{self, Survey, SurveyedDevice, Unavailable};
use crate::pixel::simd::Level;
use crate::store::{self, Location, StoreSpec};

/// Say what works here, and how to mend what does not
///
/// Looks at FFmpeg and its decoders, the CPU, the GPU, and whether the store can be
/// written to and read (a small object is put and deleted).
///
///   framecache doctor
///   framecache doctor --store s3://frames --endpoint http://localhost:9000
#[derive(clap::Args)]
#[command(verbatim_doc_comment)]
pub struct Args {}

/// One thing that was looked at.
struct Check {
    name: &'static str,
    /// False: it does not work, or not fully.
    good: bool,
    says: String,
    mend: Option<String>,
}

pub async fn run(context: &Context, _: Args) -> Result<Exit> {
    let (store, outcome) = check_store(context).await;
    let mut checks = vec![version(), ffmpeg(), decoders(), cpu(context)];
    checks.push(isolation(context));
    checks.extend(gpus());
    checks.extend(store);
    if context.json() {
        print_json(
            &json!({ "works": outcome.is_ok(), "checks": checks.iter().map(as_json).collect::<Vec<_>>() }),
        )?;
    } else {
        checks.iter().try_for_each(print)?;
    }
    outcome.map(|()| Exit::Done)
}

fn as_json(check: &Check) -> Value {
    let mut row = json!({ "name": check.name, "good": check.good, "says": check.says });
    if let Some(mend) = &check.mend {
        row["mend"] = mend.as_str().into();
    }
    row
}

fn print(check: &Check) -> Result<()> {
    let mark = if check.good { "ok " } else { "-- " };
    print_line(&format!("{mark} {:<12} {}", check.name, check.says))?;
    check
        .mend
        .iter()
        .try_for_each(|mend| print_line(&format!("{:<17}to mend it: {mend}", "")))
}

fn good(name: &'static str, says: impl Into<String>) -> Check {
    Check {
        name,
        good: true,
        says: says.into(),
        mend: None,
    }
}

fn bad(name: &'static str, says: impl Into<String>, mend: impl Into<String>) -> Check {
    Check {
        name,
        good: false,
        says: says.into(),
        mend: Some(mend.into()),
    }
}

fn version() -> Check {
    good(
        "framecache",
        format!(
            "{} on {} {}",
            env!("CARGO_PKG_VERSION"),
            std::env::consts::OS,
            std::env::consts::ARCH
        ),
    )
}

fn ffmpeg() -> Check {
    good(
        "FFmpeg",
        format!(
            "{}, licence {}",
            av::version().trim_start_matches("FFmpeg "),
            av::license()
        ),
    )
}

/// Starts a process that decodes, as `serve` does, and has it try what it must not do.
fn isolation(context: &Context) -> Check {
    let mend = "Linux 5.13 or later with Landlock lets `serve` decode hostile files out of reach; without it use \
                `--sandbox best-effort`, or `--isolation none` where all media is trusted";
    match app::held(&context.settings) {
        Ok(report) if report.holds() => {
            good("isolation", format!("a process that decodes is {report}"))
        }
        Ok(report) => bad(
            "isolation",
            format!("a process that decodes is {report}"),
            mend,
        ),
        Err(error) => bad("isolation", error.message().to_owned(), mend),
    }
}

fn decoders() -> Check {
    let (there, absent): (Vec<_>, Vec<_>) = CODECS
        .iter()
        .map(|codec| (*codec, av::decoder_for(codec)))
        .partition(|(_, decoder)| decoder.is_some());
    let named = there
        .iter()
        .map(|(codec, decoder)| match decoder.as_deref() {
            Some(decoder) if decoder != *codec => format!("{codec} ({decoder})"),
            _ => (*codec).to_owned(),
        });
    let named = named.collect::<Vec<_>>().join(", ");
    if absent.is_empty() {
        return good("decoders", named);
    }
    let absent = absent
        .iter()
        .map(|(codec, _)| *codec)
        .collect::<Vec<_>>()
        .join(", ");
    bad(
        "decoders",
        format!("{named}; not there: {absent}"),
        "install an FFmpeg built with them, if you have such videos",
    )
}

fn cpu(context: &Context) -> Check {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let simd = match Level::best() {
        Level::Baseline if cfg!(target_arch = "aarch64") => "NEON",
        Level::Baseline => "SSE2",
        #[cfg(target_arch = "x86_64")]
        Level::Avx2 => "AVX2",
    };
    good(
        "CPU",
        format!(
            "{cores} cores, {} of them used; pixels by {simd}",
            context.settings.workers.min(cores)
        ),
    )
}

/// One line a GPU, or why there is none: no fault, unless there is one that cannot be used.
fn gpus() -> Vec<Check> {
    match gpu::survey() {
        Ok(found) => found
            .devices
            .iter()
            .map(|device| gpu_check(device, &found))
            .chain(found.unusable.iter().map(unusable_gpu))
            .collect(),
        Err(error) => vec![no_gpu(&error)],
    }
}

fn gpu_check(device: &SurveyedDevice, found: &Survey) -> Check {
    let (major, minor) = device.capability;
    let card = format!(
        "{}, compute {major}.{minor}, {} of {} MiB free, driver for CUDA {}",
        device.name,
        device.memory.free >> 20,
        device.memory.total >> 20,
        found.driver
    );
    let why = Unavailable::NoDecoder(device.name.clone());
    match &found.no_decoding {
        Some(why) => bad("GPU", format!("{card}; {why}"), why.hint()),
        None if device.shapes.is_empty() => bad("GPU", format!("{card}; {why}"), why.hint()),
        None => {
            let shapes = device.shapes.iter().map(Shape::to_string);
            let shapes = shapes.collect::<Vec<_>>().join(", ");
            good(
                "GPU",
                format!("{card}, {} engines decode {shapes}", device.engines),
            )
        }
    }
}

fn unusable_gpu((ordinal, error): &(u32, Error)) -> Check {
    let says = format!("GPU {ordinal} is not used: {error}");
    bad("GPU", says, error.hint_text().unwrap_or_default())
}

fn no_gpu(error: &Error) -> Check {
    let says = format!("{error}; the CPU makes the same frames");
    if Path::new("/dev/nvidiactl").exists() {
        return bad("GPU", says, error.hint_text().unwrap_or_default());
    }
    good("GPU", says)
}

async fn check_store(context: &Context) -> (Vec<Check>, Result<()>) {
    let name = context.settings.store.clone();
    let mut checks = Vec::new();
    match try_store(context).await {
        Ok(conditional) => {
            checks.push(good("store", format!("{name}: can be written to and read")));
            checks.push(if conditional {
                good("claims", "the store refuses to overwrite where it is told to (conditional PUT)")
            } else {
                bad(
                    "claims",
                    "the store ignores conditional PUT: machines that plan one timeline at once may do work twice",
                    "nothing breaks; plan on one machine first with --plan-only, or use a store that honours If-None-Match",
                )
            });
            checks.extend(lifecycle(context).await);
            (checks, Ok(()))
        }
        Err(error) => {
            let mend = error
                .hint_text()
                .unwrap_or("check the store's name, its endpoint and your credentials")
                .to_owned();
            checks.push(bad("store", format!("{name}: {}", error.message()), mend));
            (checks, Err(error))
        }
    }
}

/// What a bucket's own rules would delete; nothing to say of a directory.
async fn lifecycle(context: &Context) -> Option<Check> {
    let spec = StoreSpec::parse(&context.settings.store, context.settings.endpoint.clone()).ok()?;
    let Location::S3 { .. } = &spec.location else {
        return None;
    };
    let cache = app::frames(&context.settings).ok()?.cache().clone();
    let folder = cache.layout().timelines_prefix();
    let touching = match store::expiries(&spec).await {
        Ok(rules) => rules.into_iter().filter(|rule| rule.touches(folder)),
        Err(error) => {
            let mend = "let these credentials have s3:GetLifecycleConfiguration, or see for yourself that no rule deletes frames";
            return Some(bad("lifecycle", error.message(), mend));
        }
    };
    let named = touching.map(|rule| {
        format!(
            "rule {:?} deletes objects under {:?} {}",
            rule.rule, rule.prefix, rule.after
        )
    });
    let named = named.collect::<Vec<_>>().join("; ");
    Some(match named.is_empty() {
        true => good(
            "lifecycle",
            "no rule of the bucket's deletes what is cached",
        ),
        false => bad(
            "lifecycle",
            format!(
                "{named}: frames, records and plans go singly, and what is left of a timeline is a miss, or an error"
            ),
            "take the rule off the keys under timelines/, and let whole timelines go by `framecache gc`",
        ),
    })
}

/// Whether the store honours conditional writes; an error where it cannot be used.
async fn try_store(context: &Context) -> Result<bool> {
    let spec = StoreSpec::parse(&context.settings.store, context.settings.endpoint.clone())?;
    let absent = match &spec.location {
        Location::Dir(root) => Some(root.clone()).filter(|root| !root.exists()),
        Location::S3 { .. } => None,
    };
    let cache = app::frames(&context.settings)?.cache().clone();
    let timelines = cache.layout().timelines_prefix();
    // Beside the timelines, where a client that may write them may write this too.
    let folder = timelines.strip_suffix("timelines/").unwrap_or_default();
    let conditional = store::probe_conditional(&**cache.store(), folder).await?;
    if let Some(root) = absent {
        remove_empty(&root, folder);
    }
    Ok(conditional)
}

/// Looking leaves nothing behind; what is not empty stays.
fn remove_empty(root: &Path, folder: &str) {
    let below = root.join(folder);
    let parents = below
        .ancestors()
        .take_while(|parent| parent.starts_with(root));
    for folder in [root.join(".tmp"), below.join("probe")]
        .iter()
        .map(PathBuf::as_path)
        .chain(parents)
    {
        let _ = std::fs::remove_dir(folder);
    }
}
