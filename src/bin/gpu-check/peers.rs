//! Others on the same GPU in the same run: `ffmpeg`, PyNvVideoCodec, torchcodec.

use std::io::Write;
use std::process::{Child, Command, Stdio};
use std::time::Instant;

use framecache::error::{Error, Reason, Result};
use serde_json::Value;

use crate::device::Card;
use crate::files::Clip;
use crate::rates::{PART as RATES, RANDOM_NAME, Rate, SAMPLED_NAME, decode_name};
use crate::report::{Finding, Report};
use crate::{Args, clip_to_measure, probe};

const PART: &str = "peers";
const UNIT: &str = "frames/s";
const SCRIPTS: [(&str, &str); 2] = [
    (
        "PyNvVideoCodec",
        include_str!("../../../benches/gpu/pynvvideocodec.py"),
    ),
    (
        "torchcodec",
        include_str!("../../../benches/gpu/torchcodec_cuda.py"),
    ),
];

pub fn check(report: &mut Report, clips: &[Clip], card: Option<&Card>, args: &Args) {
    let name = "ffmpeg, PyNvVideoCodec, torchcodec";
    if args.quick {
        return report.add(PART, name, || Ok(Finding::skipped("--quick")));
    }
    let Some(card) = card else {
        return probe::skip(report, PART, name, args);
    };
    let Some(clip) = clip_to_measure(clips, card) else {
        return report.add(PART, name, || {
            Ok(Finding::skipped("NVDEC takes no video of the fixtures"))
        });
    };
    for sessions in [1, 7, 14] {
        let ours = report.figure(RATES, &decode_name(clip, sessions), UNIT);
        report.add(
            PART,
            format!("ffmpeg -hwaccel cuda, {sessions} processes"),
            || ffmpeg(clip, (sessions, args), ours),
        );
    }
    for (name, script) in SCRIPTS {
        if !report.wants(PART) || args.is_over() {
            return;
        }
        python(report, (name, script), clip, args);
    }
}

fn absent(what: &str, why: impl std::fmt::Display) -> Finding {
    Finding::skipped(format!("{what} is not here: {why}"))
}

fn failed(what: &str, words: &str) -> Error {
    let last = words
        .lines()
        .rfind(|line| !line.trim().is_empty())
        .unwrap_or("no message");
    Error::new(Reason::Internal, format!("{what} failed: {last}"))
}

fn start_ffmpeg(clip: &Clip) -> std::io::Result<Child> {
    Command::new("ffmpeg")
        .args([
            "-nostdin",
            "-v",
            "error",
            "-hwaccel",
            "cuda",
            "-hwaccel_output_format",
            "cuda",
        ])
        .args([
            "-threads",
            "1",
            "-i",
            &clip.spec.uri,
            "-map",
            "0:V:0",
            "-fps_mode",
            "passthrough",
        ])
        .args(["-f", "null", "-"])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
}

/// So many processes decode the clip to surfaces, their start included.
fn ffmpeg(clip: &Clip, (processes, args): (usize, &Args), ours: Option<f64>) -> Result<Finding> {
    if let Err(why) = start_ffmpeg(clip).and_then(Child::wait_with_output) {
        return Ok(absent("ffmpeg", why));
    }
    let frames = (clip.media.track.index.shown.len() * processes) as f64;
    let rate = Rate::of(args, || {
        let began = Instant::now();
        let spawned: Vec<_> = (0..processes).map(|_| start_ffmpeg(clip)).collect();
        for child in spawned {
            let output = child.and_then(Child::wait_with_output);
            let output = output.map_err(|e| failed("ffmpeg", &e.to_string()))?;
            if !output.status.success() {
                return Err(failed("ffmpeg", &String::from_utf8_lossy(&output.stderr)));
            }
        }
        Ok(frames / began.elapsed().as_secs_f64())
    })?;
    Ok(with_ours(rate.finding(UNIT), rate.median, ours))
}

fn with_ours(finding: Finding, theirs: f64, ours: Option<f64>) -> Finding {
    match ours {
        Some(ours) if theirs > 0.0 => finding.with("ours_over_theirs", ours / theirs),
        _ => finding,
    }
}

/// A row for each thing that the script measured.
fn python(report: &mut Report, (name, script): (&str, &str), clip: &Clip, args: &Args) {
    let answer = match run_python(script, clip, args) {
        Ok(answer) => answer,
        Err(why) => return report.add(PART, name, || Ok(absent(name, why))),
    };
    if let Some(why) = answer["absent"].as_str() {
        return report.add(PART, name, || Ok(absent(name, why)));
    }
    for row in answer["rows"].as_array().into_iter().flatten() {
        let what = row["name"].as_str().unwrap_or("unnamed").to_owned();
        let ours = ours(report, clip, row);
        report.add(PART, format!("{name} {what}"), || of_row(name, row, ours));
    }
}

/// Our rate of the same.
fn ours(report: &Report, clip: &Clip, row: &Value) -> Option<f64> {
    let sessions = row["sessions"].as_u64().unwrap_or(1) as usize;
    let name = match row["kind"].as_str()? {
        "decode" => decode_name(clip, sessions),
        "sample" => SAMPLED_NAME.to_owned(),
        "random" => RANDOM_NAME.to_owned(),
        _ => return None,
    };
    report.figure(RATES, &name, UNIT)
}

fn of_row(name: &str, row: &Value, ours: Option<f64>) -> Result<Finding> {
    if let Some(why) = row["failed"].as_str() {
        // A peer that breaks is no failure of ours.
        return Ok(Finding::skipped(format!("{name} failed: {why}")));
    }
    let theirs = row["frames_per_second"].as_f64();
    let theirs = theirs.ok_or_else(|| failed(name, "its answer has no rate"))?;
    let finding = Finding::pass(format!("{theirs:.1} {UNIT}")).with(UNIT, theirs);
    Ok(with_ours(finding, theirs, ours))
}

/// The script's JSON, or why there is none.
fn run_python(script: &str, clip: &Clip, args: &Args) -> std::result::Result<Value, String> {
    let mut child = Command::new("python3")
        .args(["-", &clip.spec.uri, &args.seconds.to_string()])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|e| format!("python3: {e}"))?;
    if let Some(mut stdin) = child.stdin.take() {
        stdin
            .write_all(script.as_bytes())
            .map_err(|e| format!("python3: {e}"))?;
    }
    let output = child
        .wait_with_output()
        .map_err(|e| format!("python3: {e}"))?;
    let text = String::from_utf8_lossy(&output.stdout);
    let last = text
        .lines()
        .rfind(|line| line.starts_with('{'))
        .unwrap_or_default();
    serde_json::from_str(last).map_err(|_| {
        failed("its script", &String::from_utf8_lossy(&output.stderr))
            .message()
            .to_owned()
    })
}
