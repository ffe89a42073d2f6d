//! JPEGs of one of the clip's pictures, by so many threads.

use std::thread;
use std::time::{Duration, Instant};

use framecache::av::Frame;
use framecache::cancel::Stop;
use framecache::decode::{Decode, Event, Purpose, Software};
use framecache::demux::UnitReader;
use framecache::error::{Error, Result};
use framecache::jpeg::Encoder;
use framecache::media::colour::ColourRule;
use framecache::media::picture::JfifPlanes;
use framecache::pixel::jfif::{JfifRequest, to_jfif};

use super::{PART, Rate};
use crate::Args;
use crate::files::Clip;
use crate::report::Report;

pub const UNIT: &str = "frames/s";

pub fn cores() -> usize {
    thread::available_parallelism().map_or(1, usize::from)
}

pub fn name(threads: usize) -> String {
    format!("JPEG, {threads} threads")
}

pub fn check(report: &mut Report, clip: &Clip, args: &Args) {
    let mut counts: Vec<usize> = [1, 2, 4, 8, 16, 32]
        .into_iter()
        .filter(|n| *n < cores())
        .collect();
    counts.push(cores());
    for threads in counts {
        let one = report.figure(PART, &name(1), UNIT).filter(|_| threads > 1);
        report.add(PART, name(threads), || {
            let planes = planes(clip)?;
            let rate = Rate::of(args, || together(&planes, (threads, args.round())))?;
            Ok(match one {
                Some(one) => {
                    let ceiling = format!("{threads} x one thread");
                    rate.against(UNIT, (&ceiling, one * threads as f64), None)
                }
                None => rate.finding(UNIT),
            })
        });
    }
}

/// Of the first picture.
fn planes(clip: &Clip) -> Result<JfifPlanes> {
    let track = &clip.media.track;
    let mut reader = UnitReader::open(track.clone(), clip.media.opener.clone(), Stop::never())?;
    let mut decoder = Software::open(&track.info, 1, Purpose::Frames)?;
    let mut made = None;
    let mut take = |event: Event<Frame>| {
        if let Event::Picture { picture, .. } = event
            && made.is_none()
        {
            let colour = picture.colour(ColourRule::default())?;
            let picture = picture.picture(colour.matrix, colour.range)?;
            made = Some(to_jfif(&picture, &JfifRequest::default())?);
        }
        Ok(())
    };
    if let Some(unit) = reader.advance()? {
        decoder.submit(unit, reader.packet(), &mut take)?;
        decoder.finish(&mut take)?;
    }
    made.ok_or_else(|| Error::internal("the first unit gives no picture"))
}

fn together(planes: &JfifPlanes, (threads, round): (usize, Duration)) -> Result<f64> {
    let began = Instant::now();
    let encode = || -> Result<u64> {
        let mut encoder = Encoder::new(85)?;
        let mut count = 0;
        while began.elapsed() < round {
            encoder.encode(planes)?;
            count += 1;
        }
        Ok(count)
    };
    let count = thread::scope(|scope| {
        let threads: Vec<_> = (0..threads).map(|_| scope.spawn(encode)).collect();
        let panicked = |_| Err(Error::internal("an encoding thread panicked"));
        let joined = threads
            .into_iter()
            .map(|t| t.join().unwrap_or_else(panicked));
        joined.sum::<Result<u64>>()
    })?;
    Ok(count as f64 / began.elapsed().as_secs_f64())
}
