//! Who holds pictures, and for how long.

use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use super::equality::bytes;
use super::{clips, standin};
use crate::cancel::Stop;
use crate::decode::conformance::Clip;
use crate::decode::{Decode, Event};
use crate::demux::UnitReader;
use crate::error::{Error, Reason, Result};
use crate::gpu::nvdec::{Nvdec, Options, Picture, Pool};
use crate::gpu::{Device, Stream};

fn feed(
    clip: &Clip,
    nvdec: &mut Nvdec,
    out: &mut dyn FnMut(Event<Picture>) -> Result<()>,
) -> Result<()> {
    let mut reader = UnitReader::open(clip.track.clone(), clip.opener(), Stop::never()).unwrap();
    while let Some(unit) = reader.advance().unwrap() {
        nvdec.submit(unit, reader.packet(), out)?;
    }
    nvdec.finish(out)
}

super::standin_tests! {
    fn a_surface_that_is_held_is_not_decoded_into on "whole", ["lowest,surfaces=8", "surfaces=8"]; {
        let clip = clips::vp9();
        let device = Device::open(0).unwrap();
        let pool = Pool::new(&device, 1).unwrap();
        let (give, take) = mpsc::sync_channel::<(u32, Picture)>(3);
        // Slower than the decoder, on a thread of its own.
        let taker = thread::spawn({
            let stream = Stream::new(&device).unwrap();
            move || {
                take.iter()
                    .map(|(unit, picture)| {
                        thread::sleep(Duration::from_millis(8));
                        (unit, bytes(picture, &stream).unwrap())
                    })
                    .collect::<Vec<_>>()
            }
        });
        let mut nvdec = Nvdec::open(&pool, &clip.track.info, Options::default()).unwrap();
        feed(&clip, &mut nvdec, &mut |event| {
            if let Event::Picture { unit, picture, .. } = event {
                give.send((unit, picture)).unwrap();
            }
            Ok(())
        })
        .unwrap();
        drop(give);
        let taken = taker.join().unwrap();
        assert_eq!(clip.named(taken), clip.reference());
    }

    fn who_holds_all_surfaces_is_told_so_and_nothing_hangs on "whole", ["surfaces=8"]; {
        let clip = clips::vp9();
        let device = Device::open_patient(0, Duration::from_millis(200)).unwrap();
        let pool = Pool::new(&device, 1).unwrap();
        let mut nvdec = Nvdec::open(&pool, &clip.track.info, Options::default()).unwrap();
        let mut kept = Vec::new();
        let began = Instant::now();
        let error = feed(&clip, &mut nvdec, &mut |event| {
            kept.extend(match event {
                Event::Picture { picture, .. } => Some(picture),
                Event::Refused { .. } => None,
            });
            Ok(())
        })
        .unwrap_err();
        assert_eq!(error.reason(), Reason::ChunkStalled);
        assert!(began.elapsed() < Duration::from_secs(20));
    }

    fn pictures_outlive_their_decoder on "whole", [""]; {
        let clip = clips::h264();
        let device = Device::open(0).unwrap();
        let pool = Pool::new(&device, 1).unwrap();
        let stream = Stream::new(&device).unwrap();
        let mut nvdec = Nvdec::open(&pool, &clip.track.info, Options::default()).unwrap();
        let mut kept = Vec::new();
        let stopped = feed(&clip, &mut nvdec, &mut |event| {
            let Event::Picture { unit, picture, .. } = event else { return Ok(()) };
            kept.push((unit, picture));
            match kept.len() {
                3 => Err(Error::new(Reason::Cancelled, "enough")),
                _ => Ok(()),
            }
        });
        assert_eq!(stopped.unwrap_err().reason(), Reason::Cancelled);
        drop((nvdec, pool));
        let reference = clip.reference();
        let kept = kept
            .into_iter()
            .map(|(unit, picture)| (unit, bytes(picture, &stream).unwrap()))
            .collect();
        assert_eq!(clip.named(kept), reference[..3]);
    }

    fn two_pictures_are_mapped_at_once_and_a_third_waits on "whole", [""]; {
        let clip = clips::h264();
        let device = Device::open_patient(0, Duration::from_millis(100)).unwrap();
        let pool = Pool::new(&device, 1).unwrap();
        let stream = Stream::new(&device).unwrap();
        let mut nvdec = Nvdec::open(&pool, &clip.track.info, Options::default()).unwrap();
        let mut mapped = Vec::new();
        let error = feed(&clip, &mut nvdec, &mut |event| {
            if let Event::Picture { picture, .. } = event {
                mapped.push(picture.map(&stream)?);
            }
            Ok(())
        })
        .unwrap_err();
        assert_eq!(mapped.len(), 2);
        assert_eq!(error.reason(), Reason::ChunkStalled);
    }

    fn a_decoder_is_used_again_for_the_next_stream_of_its_kind on "whole", [""]; {
        let device = Device::open(0).unwrap();
        let pool = Pool::new(&device, 2).unwrap();
        let (large, small) = (clips::h264_larger(), clips::h264());
        let decode = |clip: &Clip| {
            let stream = Stream::new(&device).unwrap();
            let mut nvdec = Nvdec::open(&pool, &clip.track.info, Options::default()).unwrap();
            let units = 0..clip.track.units.len() as u32;
            let pictures = clip.decode(&mut nvdec, units, &|picture| bytes(picture, &stream));
            assert_eq!(pictures.unwrap(), clip.reference());
        };
        decode(&large);
        decode(&large);
        assert_eq!((standin::created(), standin::reconfigured()), (1, 0));
        // A smaller one fits, and the larger one again.
        decode(&small);
        decode(&large);
        assert_eq!((standin::created(), standin::reconfigured()), (1, 2));
        decode(&clips::hevc());
        assert_eq!((standin::created(), pool.idle()), (2, 2));
        pool.clear();
        assert_eq!(pool.idle(), 0);
    }

    fn a_decoder_that_cannot_be_reconfigured_is_replaced on "whole", ["reconfigure_fails=999"]; {
        let device = Device::open(0).unwrap();
        let pool = Pool::new(&device, 2).unwrap();
        for clip in [clips::h264_larger(), clips::h264()] {
            let mut nvdec = Nvdec::open(&pool, &clip.track.info, Options::default()).unwrap();
            feed(&clip, &mut nvdec, &mut |_| Ok(())).unwrap();
        }
        assert_eq!(standin::created(), 2);
    }

    fn a_panic_of_who_takes_pictures_goes_through_and_leaves_nothing on "whole", [""]; {
        let clip = clips::h264();
        let device = Device::open(0).unwrap();
        let pool = Pool::new(&device, 2).unwrap();
        let unwound = thread::spawn(move || {
            let mut nvdec = Nvdec::open(&pool, &clip.track.info, Options::default()).unwrap();
            feed(&clip, &mut nvdec, &mut |_| panic!("as a test does"))
        });
        assert!(unwound.join().is_err());
    }
}
