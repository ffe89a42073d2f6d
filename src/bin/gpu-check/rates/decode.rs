//! Decoding to mapped surfaces, by so many sessions at once.

use std::thread;
use std::time::{Duration, Instant};

use framecache::cancel::Stop;
use framecache::decode::{Decode, Event};
use framecache::demux::UnitReader;
use framecache::error::{Error, Result};
use framecache::gpu::Stream;
use framecache::gpu::nvdec::{Nvdec, Options};

use super::{PART, Rate};
use crate::device::Card;
use crate::files::Clip;
use crate::report::Report;
use crate::{Args, probe};

pub const SESSIONS: [usize; 5] = [1, 2, 4, 7, 14];
pub const UNIT: &str = "frames/s";

pub fn name(clip: &Clip, sessions: usize) -> String {
    format!("decode {}, {sessions} sessions", clip.name)
}

pub fn check(report: &mut Report, clip: &Clip, card: &Card, args: &Args) {
    let engines = probe::engines(&card.device).unwrap_or(1).max(1) as usize;
    for sessions in SESSIONS {
        // What so many engines would do at the rate at which one does it.
        let one = report.figure(PART, &name(clip, 1), UNIT);
        report.add(PART, name(clip, sessions), || {
            let rate = Rate::of(args, || together(clip, card, (sessions, args.round())))?;
            let finding = match one.filter(|_| sessions > 1) {
                Some(one) => {
                    let busy = sessions.min(engines);
                    let ceiling = one * busy as f64;
                    rate.against(UNIT, (&format!("{busy} x one session"), ceiling), None)
                }
                None => rate.finding(UNIT),
            };
            Ok(finding.with("sessions", sessions).with("engines", engines))
        });
    }
}

/// Pictures a second of all sessions together.
fn together(clip: &Clip, card: &Card, (sessions, round): (usize, Duration)) -> Result<f64> {
    let began = Instant::now();
    let pictures = thread::scope(|scope| {
        let session = || scope.spawn(|| session(clip, card, began + round));
        let sessions: Vec<_> = (0..sessions).map(|_| session()).collect();
        let joined = sessions.into_iter().map(|session| {
            let panicked = |_| Err(Error::internal("a decoding session panicked"));
            session.join().unwrap_or_else(panicked)
        });
        joined.sum::<Result<u64>>()
    })?;
    Ok(pictures as f64 / began.elapsed().as_secs_f64())
}

/// The clip over and over, until the time is over: every picture is mapped.
fn session(clip: &Clip, card: &Card, until: Instant) -> Result<u64> {
    let stream = Stream::new(&card.device)?;
    let track = &clip.media.track;
    let pool = card.pool.as_ref();
    let pool = pool.ok_or_else(|| Error::internal("NVDEC did not load"))?;
    let mut decoder = Nvdec::open(pool, &track.info, Options::default())?;
    let mut pictures = 0;
    while Instant::now() < until {
        let mut take = |event| {
            if let Event::Picture { picture, .. } = event {
                picture_mapped(picture, &stream)?;
                pictures += 1;
            }
            Ok(())
        };
        let mut reader = UnitReader::open(track.clone(), clip.media.opener.clone(), Stop::never())?;
        while let Some(unit) = reader.advance()? {
            decoder.submit(unit, reader.packet(), &mut take)?;
            if Instant::now() >= until {
                break;
            }
        }
        decoder.finish(&mut take)?;
    }
    stream.synchronize()?;
    Ok(pictures)
}

fn picture_mapped(picture: framecache::gpu::nvdec::Picture, stream: &Stream) -> Result<()> {
    picture.map(stream).map(drop)
}
