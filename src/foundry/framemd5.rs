//! The md5 of every decoded picture, in ffmpeg's framemd5 format, so that any
//! decode backend can be checked against ffmpeg.

use std::fmt::Write as _;
use std::sync::Arc;

use md5::{Digest, Md5};

use crate::cancel::Stop;
use crate::decode::{Backend, Decode, Event, Purpose, Software};
use crate::demux::{Opener, Track, UnitReader};
use crate::error::{Error, Reason, Result};
use crate::gpu::nvdec::{Nvdec, Options, Pool};
use crate::gpu::{Device, Stream};
use crate::hex::hex;

/// What came of decoding a track.
pub struct Report {
    /// In ffmpeg's format.
    pub text: String,
    /// The decoder said that something was damaged, or refused it.
    pub complained: bool,
}

/// Decodes the whole track from its first packet and describes each picture. `gpu` decodes with
/// NVDEC, all else with libavcodec on so many threads.
///
/// # Errors
/// The source's failures, MEDIA_CORRUPT where no picture comes out, GPU_UNAVAILABLE with the reason;
/// CANCELLED once `stop` is set.
pub fn framemd5(
    track: &Arc<Track>,
    opener: &Opener,
    (backend, threads): (Backend, usize),
    stop: &Stop,
) -> Result<Report> {
    let reader = || UnitReader::open(track.clone(), opener.clone(), stop.clone());
    let report = match backend {
        Backend::Gpu => by_nvdec(track, reader()?, stop)?,
        Backend::Auto | Backend::Cpu => {
            let report = by_libavcodec(track, reader()?, threads, stop)?;
            // What several threads make of damage depends on their timing.
            if report.complained && threads > 1 {
                by_libavcodec(track, reader()?, 1, stop)?
            } else {
                report
            }
        }
    };
    if report.text.is_empty() {
        return Err(Error::new(
            Reason::MediaCorrupt,
            "no picture of this video can be decoded",
        )
        .hint("check that the file is complete and plays elsewhere"));
    }
    Ok(Report {
        text: header(track)? + &report.text,
        ..report
    })
}

/// On several threads only until something is damaged.
fn by_libavcodec(track: &Track, reader: UnitReader, threads: usize, stop: &Stop) -> Result<Report> {
    let mut decoder = Software::open(&track.info, threads, Purpose::Comparison)?;
    let until_damage = threads > 1;
    decode_all(
        (track, stop),
        (reader, &mut decoder),
        until_damage,
        &mut |frame, out| frame.native_bytes(out),
    )
}

fn by_nvdec(track: &Track, mut reader: UnitReader, stop: &Stop) -> Result<Report> {
    // What is before it gives libavcodec no picture either.
    if let Some(first) = track.cuts.first() {
        reader.go_to(first.unit)?;
    }
    let device = Device::open(0)?;
    let pool = Pool::new(&device, 0)?;
    let stream = Stream::new(&device)?;
    let mut decoder = Nvdec::open(&pool, &track.info, Options::default())?;
    let mut host = None;
    decode_all(
        (track, stop),
        (reader, &mut decoder),
        false,
        &mut |picture, out| picture.map(&stream)?.native_bytes_into(&mut host, out),
    )
}

/// A decoded picture's bytes in its native pixel format.
type Native<'n, P> = &'n mut dyn FnMut(P, &mut Vec<u8>) -> Result<()>;

fn decode_all<D: Decode>(
    (track, stop): (&Track, &Stop),
    (mut reader, decoder): (UnitReader, &mut D),
    until_damage: bool,
    native: Native<D::Picture>,
) -> Result<Report> {
    let mut lines = Lines::new(track);
    let mut complained = false;
    let mut take = |event| match event {
        Event::Picture { unit, picture, .. } => {
            native(picture, &mut lines.bytes)?;
            lines.add(unit);
            Ok(())
        }
        Event::Refused { .. } => Ok(()),
    };
    while !(until_damage && complained)
        && let Some(unit) = reader.advance()?
    {
        stop.check()?;
        decoder.submit(unit, reader.packet(), &mut take)?;
        complained |= decoder.take_complaint();
    }
    decoder.finish(&mut take)?;
    complained |= decoder.settle()? | decoder.take_complaint();
    Ok(Report {
        text: lines.text,
        complained,
    })
}

struct Lines<'t> {
    track: &'t Track,
    durations: std::collections::HashMap<u32, i64>,
    bytes: Vec<u8>,
    text: String,
}

impl<'t> Lines<'t> {
    fn new(track: &'t Track) -> Self {
        let durations = track
            .index
            .shown
            .iter()
            .map(|s| (s.unit, s.duration))
            .collect();
        Lines {
            track,
            durations,
            bytes: Vec::new(),
            text: String::new(),
        }
    }

    /// The picture that `unit` began, whose bytes are in `bytes`.
    fn add(&mut self, unit: u32) {
        let known = self.track.units.get(unit as usize);
        let pts = known.map_or(0, |unit| unit.pts().unwrap_or(unit.time));
        let duration = self.durations.get(&unit).copied().unwrap_or(0);
        let digest = hex(&Md5::digest(&self.bytes));
        let size = self.bytes.len();
        let _ = writeln!(
            self.text,
            "0, {pts:>10}, {pts:>10}, {duration:>8}, {size:>8}, {digest}"
        );
    }
}

fn header(track: &Track) -> Result<String> {
    let (width, height) = track.info.size();
    let (sar_num, sar_den) = track.info.sample_aspect_ratio().unwrap_or((0, 1));
    let base = track.info.time_base;
    Ok(format!(
        "#format: frame checksums\n#version: 2\n#hash: MD5\n#software: framecache {}\n\
         #tb 0: {}/{}\n#media_type 0: video\n#codec_id 0: rawvideo\n#dimensions 0: {width}x{height}\n\
         #sar 0: {sar_num}/{sar_den}\n#stream#, dts,        pts, duration,     size, hash\n",
        env!("CARGO_PKG_VERSION"),
        base.num,
        base.den,
    ))
}
