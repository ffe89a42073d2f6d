//! Many spans, and whether the device's memory grows with them.

use framecache::decode::Backend;
use framecache::error::Result;
use framecache::media::time::Exact;
use framecache::timeline::plan::{ChunkSpec, Parameters, Sampling};
use std::thread::sleep;
use std::time::Duration;

use crate::device::Card;
use crate::extract::Extractor;
use crate::files::Clip;
use crate::report::{Finding, Report};
use crate::{Args, clip_to_measure, probe};

const PART: &str = "spans";
/// Longer than a card's thread waits before it lets go of what it holds.
const REST: Duration = Duration::from_millis(1500);
/// What a driver may keep for itself once everything of ours is gone.
const DRIVERS_OWN: u64 = 64 << 20;

/// Takes the extractor: its end is part of what is checked.
pub fn check(
    report: &mut Report,
    clips: &[Clip],
    (card, extractor): (Option<&Card>, Extractor),
    args: &Args,
) {
    let name = "memory of the device";
    let Some(card) = card else {
        return probe::skip(report, PART, name, args);
    };
    let Some(clip) = clip_to_measure(clips, card) else {
        return report.add(PART, name, || {
            Ok(Finding::skipped("NVDEC takes no video of the fixtures"))
        });
    };
    let spans = if args.quick { 20 } else { 1000 };
    report.add(PART, format!("memory over {spans} spans"), || {
        leaks(card, clip, (&extractor, spans))
    });
    let before = card.device.memory();
    drop(extractor);
    report.add(PART, "memory once all is closed", || {
        let (before, after) = (before?.free, card.device.memory()?.free);
        let held = after < before;
        let says = format!(
            "{} MiB free, before closing {} MiB",
            after >> 20,
            before >> 20
        );
        Ok(if held {
            Finding::fail(says)
        } else {
            Finding::pass(says)
        })
    });
}

/// So many chunks of one second each, decoded on the card.
fn batch(clip: &Clip, extractor: &Extractor, spans: usize) -> Result<u64> {
    let chunk = ChunkSpec {
        source_end: Some(Exact::whole(1)),
        ..clip.spec.clone()
    };
    let parameters = Parameters::new(Sampling::Fps(Exact::whole(2)));
    let made = extractor.run(vec![chunk; spans], &parameters, Backend::Gpu)?;
    Ok(made.summary.frames)
}

/// Memory after the first half, in which everything is opened, and after the second.
fn leaks(card: &Card, clip: &Clip, (extractor, spans): (&Extractor, usize)) -> Result<Finding> {
    let used = || -> Result<u64> {
        sleep(REST);
        let memory = card.device.memory()?;
        Ok(memory.total - memory.free)
    };
    let start = used()?;
    let mut frames = batch(clip, extractor, spans / 2)?;
    let half = used()?;
    frames += batch(clip, extractor, spans - spans / 2)?;
    let end = used()?;
    let says = format!(
        "{frames} frames; {} MiB used before, {} after half, {} at the end",
        start >> 20,
        half >> 20,
        end >> 20
    );
    let finding = if end > half && end - half > DRIVERS_OWN / 64 {
        Finding::fail(says)
    } else {
        Finding::pass(says)
    };
    Ok(finding
        .with("spans", spans)
        .with("bytes_before", start)
        .with("bytes_after_half", half)
        .with("bytes_at_the_end", end))
}
