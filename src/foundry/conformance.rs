//! The promises of `Foundry`, as one suite that every way of doing it passes.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use tokio::sync::mpsc::{self, Receiver};

use super::{Foundry, Here, Media, Source};
use crate::cancel::Stop;
use crate::decode::Backend;
use crate::decode::conformance::{Clip, clip, nobody};
use crate::demux::Opener;
use crate::error::{Error, Reason, Result};
use crate::extract::{Made, Output, SpanEvent, SpanJob, SpanMedia, Turn};
use crate::foundry::media::{Apart, Known};
use crate::hex::hex;
use crate::jpeg::{Encoder, decode_rgb, decode_rgb_at_least};
use crate::media::picture::JfifPlanes;
use crate::pixel::RgbImage;
use crate::timeline::limits::Limits;
use crate::timeline::plan::{ChunkSpec, Parameters, Sampling};
use crate::timeline::planner::Planner;

pub(super) const PICTURES: usize = 60;

/// Of pictures that are large for a message.
pub(super) fn film() -> Clip {
    let recipe = [
        "testsrc2=size=320x280:rate=25:duration=2.4",
        "-c:v",
        "libx264",
        "-g",
        "12",
        "-bf",
        "2",
    ];
    Clip::open(&clip("foundry_280.mp4", &recipe))
}

pub(super) fn source(opener: Opener) -> Source {
    Source {
        opener,
        stream: None,
        identities: (nobody(), None),
    }
}

pub(super) fn indexed(foundry: &dyn Foundry, clip: &Clip) -> Media {
    foundry
        .index(source(clip.opener()), &Stop::never())
        .unwrap()
}

pub(super) fn job(media: &Media, output: Output) -> SpanJob {
    let parameters = Parameters::new(Sampling::All);
    let mut planner = Planner::new(parameters, Limits::default()).unwrap();
    planner
        .push(ChunkSpec::of("clip"), Ok(media.index()))
        .unwrap();
    let plan = planner.finish().unwrap();
    SpanJob {
        chunk: plan.chunks[0].spec.clone(),
        row: plan.spans[0].clone(),
        parameters: plan.parameters.unwrap(),
        output,
        only: None,
        backend: Backend::Cpu,
        recipe: None,
        turn: Turn::default(),
        fed: Arc::default(),
    }
}

/// What is told of a span to its end, by sequence.
pub(super) fn told(mut events: Receiver<SpanEvent>) -> Result<BTreeMap<u64, Made>> {
    let mut made = BTreeMap::new();
    loop {
        match events.blocking_recv().expect("a span says how it ended") {
            SpanEvent::Made(one) => {
                made.insert(one.facts[0].seq, one);
            }
            SpanEvent::Restarted => made.clear(),
            SpanEvent::Ended(end) => {
                assert!(events.blocking_recv().is_none(), "nothing follows the end");
                return end.map(|_| made);
            }
        }
    }
}

pub(super) fn developed(foundry: &dyn Foundry, media: &Media) -> Result<BTreeMap<u64, Made>> {
    developed_as(foundry, media, "clip")
}

/// The span of a chunk of that name.
pub(super) fn developed_as(
    foundry: &dyn Foundry,
    media: &Media,
    chunk_id: &str,
) -> Result<BTreeMap<u64, Made>> {
    let (sender, events) = mpsc::channel(4);
    let mut job = job(media, Output::Jpeg);
    chunk_id.clone_into(&mut job.chunk.chunk_id);
    foundry.develop(job, media, sender);
    told(events)
}

/// The same video, opened otherwise.
fn elsewhere(media: &Media, opener: &Opener) -> Media {
    let opener = opener.clone();
    Media(match &media.0 {
        Known::Here(media) => Known::Here(SpanMedia {
            track: media.track.clone(),
            opener,
        }),
        Known::Apart(media) => Known::Apart(Arc::new(Apart {
            id: media.id,
            source: source(opener),
            told: media.told.clone(),
            index: media.index.clone(),
            cuts: media.cuts.clone(),
        })),
    })
}

fn the_index_is_that_of_the_packets(foundry: &dyn Foundry) {
    let clip = film();
    let media = indexed(foundry, &clip);
    assert_eq!(media.index().shown, clip.track.index.shown);
    assert_eq!(media.units(), clip.track.units.len());
    assert_eq!((media.size(), media.upright()), ((320, 280), (320, 280)));
    assert_eq!(media.start_of(PICTURES - 1), 48, "the last group's first");
    assert!(media.check_pictures().is_ok());
}

fn an_index_ends_when_it_is_told_to(foundry: &dyn Foundry) {
    let stop = Stop::when(|| true);
    let outcome = foundry.index(source(film().opener()), &stop);
    assert_eq!(outcome.err().unwrap().reason(), Reason::Cancelled);
}

fn spans_side_by_side_are_told_whole(foundry: &dyn Foundry) {
    let media = indexed(foundry, &film());
    let alone = developed(foundry, &media).unwrap();
    assert_eq!(alone.len(), PICTURES);
    for made in alone.values() {
        use sha2::Digest;
        let digest = hex(&sha2::Sha256::digest(&made.data));
        assert_eq!(made.facts[0].sha256.as_ref(), Some(&digest));
    }
    let beside = std::thread::scope(|scope| {
        let spans = [0; 3].map(|_| scope.spawn(|| developed(foundry, &media)));
        spans.map(|span| span.join().unwrap().unwrap())
    });
    for other in beside {
        let same = |(one, two): (&Made, &Made)| one.data == two.data && one.facts == two.facts;
        assert!(alone.values().zip(other.values()).all(same));
        assert_eq!(other.len(), PICTURES);
    }
}

fn who_leaves_holds_nobody_up(foundry: &dyn Foundry) {
    let media = indexed(foundry, &film());
    for _ in 0..20 {
        let (sender, mut events) = mpsc::channel(1);
        foundry.develop(job(&media, Output::Jpeg), &media, sender);
        assert!(events.blocking_recv().is_some());
    }
    assert_eq!(developed(foundry, &media).unwrap().len(), PICTURES);
}

fn footage_comes_in_order_beside_some_that_nobody_takes(foundry: &dyn Foundry) {
    let media = indexed(foundry, &film());
    let (sender, _untaken) = mpsc::channel(1);
    let held = foundry.footage(job(&media, Output::Rgb), &media, sender);
    let _held = held.unwrap();
    for _ in 0..3 {
        let (sender, mut events) = mpsc::channel(1);
        let lent = foundry.footage(job(&media, Output::Rgb), &media, sender);
        let _lent = lent.unwrap();
        let mut seqs = Vec::new();
        loop {
            match events.blocking_recv() {
                Some(SpanEvent::Made(made)) => {
                    assert_eq!(made.data.len(), 3 * 320 * 280);
                    seqs.push(made.facts[0].seq);
                }
                Some(SpanEvent::Ended(end)) => {
                    end.unwrap();
                    break;
                }
                Some(SpanEvent::Restarted) | None => panic!("after {seqs:?}"),
            }
        }
        assert_eq!(seqs, (0..PICTURES as u64).collect::<Vec<_>>());
    }
    assert_eq!(developed(foundry, &media).unwrap().len(), PICTURES);
}

fn what_a_source_fails_with_is_said_as_it_is(foundry: &dyn Foundry) {
    let gone = || {
        Error::new(Reason::SourceNotFound, "the source does not exist")
            .hint("check the path")
            .in_field("uri")
    };
    let opener: Opener = Arc::new(move || Err(gone()));
    let media = indexed(foundry, &film());
    let media_gone = elsewhere(&media, &opener);
    let of_index = foundry.index(source(opener), &Stop::never()).err().unwrap();
    let of_probe = foundry.probe(&media_gone, &Stop::never()).err().unwrap();
    let of_span = developed(foundry, &media_gone).err().unwrap();
    for error in [of_index, of_probe, of_span] {
        assert_eq!(error.reason(), Reason::SourceNotFound);
        assert_eq!(error.message(), gone().message());
        assert_eq!(error.hint_text(), gone().hint_text());
        assert_eq!(error.field_path(), gone().field_path());
    }
    assert_eq!(developed(foundry, &media).unwrap().len(), PICTURES);
}

fn all_pictures_have_their_md5(foundry: &dyn Foundry) {
    let media = indexed(foundry, &film());
    let report = |threads| {
        let how = (Backend::Cpu, threads);
        foundry.framemd5(&media, how, &Stop::never()).unwrap()
    };
    let (one, two) = (report(1), report(2));
    assert!(!one.complained);
    assert_eq!(one.text, two.text);
    let pictures = one.text.lines().filter(|line| !line.starts_with('#'));
    assert_eq!(pictures.count(), PICTURES);
}

fn a_probe_says_what_is_in_a_source(foundry: &dyn Foundry) {
    let media = indexed(foundry, &film());
    let probe = foundry.probe(&media, &Stop::never()).unwrap();
    assert_eq!(probe.streams.len(), 1);
    let video = probe.video;
    assert_eq!((video.codec.as_str(), video.frames), ("h264", 60));
    assert_eq!((video.keyframes, video.duration), (5, 2.4));
}

fn a_jpeg_is_the_picture_that_pillow_reads_and_a_damaged_one_ends_nothing(foundry: &dyn Foundry) {
    let planes = JfifPlanes {
        width: 500,
        height: 400,
        y: (0..200_000).map(|n| (n * 7) as u8).collect(),
        cb: vec![90; 50_000],
        cr: vec![160; 50_000],
    };
    let jpeg = Encoder::new(85).unwrap().encode(&planes).unwrap();
    let expected = decode_rgb(&jpeg).unwrap();
    let mut kept = RgbImage::default();
    for end in [jpeg.len(), 40, jpeg.len() / 2, jpeg.len()] {
        match foundry.jpeg_into(&jpeg[..end], &mut kept) {
            Ok(()) => assert_eq!((end, &kept), (jpeg.len(), &expected)),
            Err(error) => {
                assert_ne!(end, jpeg.len());
                assert_eq!(error.reason(), Reason::MediaCorrupt);
            }
        }
    }
}

fn jpegs_come_small_together_and_none_does_with_one_that_is_damaged(foundry: &dyn Foundry) {
    let jpeg = |width: usize, height: usize| {
        let planes = JfifPlanes {
            width,
            height,
            y: (0..width * height).map(|n| (n * 5) as u8).collect(),
            cb: vec![80; width * height / 4],
            cr: vec![170; width * height / 4],
        };
        Bytes::from(Encoder::new(85).unwrap().encode(&planes).unwrap())
    };
    let wanted = [
        (jpeg(640, 360), (80, 45)),
        (jpeg(32, 48), (99, 1)),
        (jpeg(640, 360), (81, 45)),
    ];
    let expected: Vec<RgbImage> = wanted
        .iter()
        .map(|(jpeg, least)| decode_rgb_at_least(jpeg, *least).unwrap())
        .collect();
    assert_eq!(foundry.jpegs_at_least(&wanted).unwrap(), expected);
    assert!(foundry.jpegs_at_least(&[]).unwrap().is_empty());
    let mut cut = wanted;
    cut[1].0.truncate(200);
    let error = foundry.jpegs_at_least(&cut).err().unwrap();
    assert_eq!(error.reason(), Reason::MediaCorrupt);
}

fn a_gpu_that_there_is_not_is_refused_with_a_reason(foundry: &dyn Foundry) {
    assert!(foundry.check(Backend::Auto).is_ok());
    let there = foundry.cards().unwrap();
    assert_eq!(there.cards.is_empty(), there.why_none.is_some());
    if crate::gpu::device_count().is_err() {
        let error = foundry.check(Backend::Gpu).err().unwrap();
        assert_eq!(error.reason(), Reason::GpuUnavailable);
    }
}

/// All of it, by this way.
pub(super) fn conforms(foundry: &dyn Foundry) {
    the_index_is_that_of_the_packets(foundry);
    an_index_ends_when_it_is_told_to(foundry);
    spans_side_by_side_are_told_whole(foundry);
    who_leaves_holds_nobody_up(foundry);
    footage_comes_in_order_beside_some_that_nobody_takes(foundry);
    what_a_source_fails_with_is_said_as_it_is(foundry);
    all_pictures_have_their_md5(foundry);
    a_probe_says_what_is_in_a_source(foundry);
    a_jpeg_is_the_picture_that_pillow_reads_and_a_damaged_one_ends_nothing(foundry);
    jpegs_come_small_together_and_none_does_with_one_that_is_damaged(foundry);
    a_gpu_that_there_is_not_is_refused_with_a_reason(foundry);
}

#[test]
fn media_in_this_process_keeps_what_a_foundry_promises() {
    conforms(&Here::new(2));
}
