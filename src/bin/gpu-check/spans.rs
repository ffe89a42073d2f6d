//! Many spans, and whether the device's memory grows with them.

use framecache::decode::Backend;
use framecache::error::Result;
use framecache::media::time::Exact;
use framecache::timeline::plan::{ChunkSpec, Parameters, Sampling};

use crate::device::Card;
use crate::extract::Extractor;
use crate::files::Clip;
use crate::report::{Finding, Report};
use crate::sums::slope;
use crate::{Args, clip_to_measure, probe};

const PART: &str = "spans";
/// After which memory is looked at, and one before them.
const BATCHES: usize = 8;
const MIB: f64 = (1 << 20) as f64;
/// Drivers take and give 2 MiB at a time: so much growth may be theirs.
const DRIVERS_STEPS: f64 = 8.0 * MIB;

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
        leaks(card, clip, (&extractor, spans), args)
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

/// Memory after each of some batches, the first of which opens everything: how it rises over them.
fn leaks(
    card: &Card,
    clip: &Clip,
    (extractor, spans): (&Extractor, usize),
    args: &Args,
) -> Result<Finding> {
    let each = spans.div_ceil(BATCHES + 1);
    let (mut frames, mut used) = (0, Vec::new());
    while used.len() <= BATCHES && (used.len() < 3 || !args.is_over()) {
        frames += batch(clip, extractor, each)?;
        let memory = card.device.memory()?;
        used.push((memory.total - memory.free) as f64);
    }
    let (first, last) = (used[1], used[used.len() - 1]);
    let growth = slope(&used[1..]) * (used.len() - 2) as f64;
    let says = format!(
        "{frames} frames; {:.0} MiB used after the first spans, {:.0} at the end, {:+.1} by the slope between",
        first / MIB,
        last / MIB,
        growth / MIB
    );
    let finding = if growth > DRIVERS_STEPS {
        Finding::fail(says)
    } else {
        Finding::pass(says)
    };
    Ok(finding
        .with("spans", each * used.len())
        .with("bytes", used)
        .with("growth_bytes", growth))
}
