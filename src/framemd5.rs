//! The md5 of every decoded picture, in ffmpeg's framemd5 format, so that any
//! decode backend can be checked against ffmpeg.

use std::fmt::Write as _;
use std::sync::Arc;

use md5::{Digest, Md5};

use crate::av::Frame;
use crate::decode::{Decode, Event, Purpose, Software};
use crate::demux::{Opener, Track, UnitReader};
use crate::error::{Error, Reason, Result};
use crate::hex::hex;

/// Decodes the whole track from its first packet and describes each picture.
///
/// # Errors
/// The source's failures, MEDIA_CORRUPT where no picture comes out.
pub fn framemd5(track: &Arc<Track>, opener: &Opener, threads: usize) -> Result<String> {
    let lines = match decode_all(track, opener, threads)? {
        Some(lines) => lines,
        None => decode_all(track, opener, 1)?.unwrap_or_default(),
    };
    if lines.is_empty() {
        return Err(Error::new(
            Reason::MediaCorrupt,
            "no picture of this video can be decoded",
        )
        .hint("check that the file is complete and plays elsewhere"));
    }
    Ok(header(track)? + &lines)
}

/// None where damage was met on several threads.
fn decode_all(track: &Arc<Track>, opener: &Opener, threads: usize) -> Result<Option<String>> {
    let mut reader = UnitReader::open(track.clone(), opener.clone())?;
    let mut decoder = Software::open(&track.info, threads, Purpose::Comparison)?;
    let mut lines = Lines::new(track);
    while let Some(unit) = reader.advance()? {
        decoder.submit(unit, reader.packet(), &mut |event| lines.take(event))?;
        if threads > 1 && decoder.take_complaint() {
            return Ok(None);
        }
    }
    decoder.finish(&mut |event| lines.take(event))?;
    let repeat = threads > 1 && decoder.take_complaint();
    Ok((!repeat).then_some(lines.text))
}

struct Lines<'t> {
    track: &'t Track,
    durations: std::collections::HashMap<u32, i64>,
    count: usize,
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
            count: 0,
            bytes: Vec::new(),
            text: String::new(),
        }
    }

    fn take(&mut self, event: Event<Frame>) -> Result<()> {
        let Event::Picture { unit, picture, .. } = event else {
            return Ok(());
        };
        picture.native_bytes(&mut self.bytes)?;
        let by_order = self
            .track
            .index
            .shown
            .get(self.count)
            .map_or(self.count as i64, |s| s.pts);
        let own = self.track.units.get(unit as usize).and_then(|u| u.pts);
        let pts = if self.track.has_pts {
            own.unwrap_or(by_order)
        } else {
            by_order
        };
        let duration = self.durations.get(&unit).copied().unwrap_or(0);
        let digest = hex(&Md5::digest(&self.bytes));
        let size = self.bytes.len();
        let _ = writeln!(
            self.text,
            "0, {pts:>10}, {pts:>10}, {duration:>8}, {size:>8}, {digest}"
        );
        self.count += 1;
        Ok(())
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
