//! The same bytes as libavcodec's, of every kind of clip.

use std::path::Path;

use super::{clips, standin};
use crate::decode::conformance::{self, Clip, Pictures, frame_bytes};
use crate::decode::{Purpose, Software};
use crate::error::Result;
use crate::gpu::nvdec::{Nvdec, Options, Picture, Pool, check};
use crate::gpu::{Device, Stream, survey};

/// Of one video of the media folder: both decoders' planes are hashed.
const MOST_PIXELS: u64 = 60_000_000;

/// A decoder of a device's own, and how its pictures' bytes are had.
pub fn prove(clip: &Clip, options: Options) {
    let device = Device::open(0).unwrap();
    let pool = Pool::new(&device, 2).unwrap();
    let stream = Stream::new(&device).unwrap();
    let nvdec = Nvdec::open(&pool, &clip.track.info, options).unwrap();
    conformance::prove(clip, nvdec, &|picture| bytes(picture, &stream));
}

pub fn bytes(picture: Picture, stream: &Stream) -> Result<Vec<u8>> {
    picture.map(stream)?.native_bytes()
}

#[test]
fn libavcodec_keeps_what_decode_promises() {
    for (name, clip) in clips::good() {
        println!("{name}");
        let software = Software::open(&clip.track.info, 1, Purpose::Frames).unwrap();
        conformance::prove(&clip, software, &frame_bytes);
    }
}

/// The second encoder's picture parameter sets have the numbers of the first's, and say something else.
fn changing_pictures() -> Clip {
    Clip::open(&conformance::changing(
        "pps.h264",
        &["-qp", "34", "-chromaoffset", "4"],
    ))
}

#[test]
fn libavcodec_keeps_what_decode_promises_where_parameter_sets_change_that_stand_but_once() {
    let size = ["-qp", "34", "-vf", "scale=128:96"];
    let sequences = Clip::open(&conformance::changing("sps.h264", &size));
    for clip in [changing_pictures(), sequences] {
        assert!(clip.track.cuts.len() > 4 && clip.track.index.revision == 1);
        let software = Software::open(&clip.track.info, 1, Purpose::Frames).unwrap();
        conformance::prove(&clip, software, &frame_bytes);
    }
}

super::standin_tests! {
    fn nvdec_keeps_what_decode_promises_where_picture_parameter_sets_change on "whole", ["any_size"]; {
        prove(&changing_pictures(), Options::default());
    }

    fn nvdec_keeps_what_decode_promises on "whole", ["any_size", "any_size,lowest,slow_status"]; {
        for (name, clip) in clips::good() {
            println!("{name}");
            prove(&clip, Options::default());
            prove(&clip, Options { extra_surfaces: 1 });
        }
    }

    // Where scripts/nvcuvid.sh found it.
    fn nvdec_keeps_what_decode_promises_with_nvidias_own_parser on "hybrid",
        std::env::var_os("FRAMECACHE_NVCUVID").map(|_| "any_size"); {
        for (name, clip) in clips::good() {
            println!("{name}");
            prove(&clip, Options::default());
        }
        prove(&changing_pictures(), Options::default());
    }

    fn one_parser_takes_segment_after_segment on "whole", ["any_size"]; {
        clips::good().iter().for_each(segments);
    }

    fn one_parser_takes_segment_after_segment_and_it_is_nvidias_own_parser on "hybrid",
        std::env::var_os("FRAMECACHE_NVCUVID").map(|_| "any_size"); {
        clips::good().iter().for_each(segments);
    }

    fn the_media_folder_decodes_to_libavcodecs_bytes on "whole", ["any_size"]; {
        let Some(media) = std::env::var_os("FRAMECACHE_MEDIA") else { return };
        let device = Device::open(0).unwrap();
        let pool = Pool::new(&device, 2).unwrap();
        let mut decoded = 0;
        for entry in std::fs::read_dir(Path::new(&media).join("videos")).unwrap() {
            let path = entry.unwrap().path();
            decoded += usize::from(equals(&path, &pool));
        }
        println!("{decoded} videos decoded");
        assert!(decoded > 10);
    }

    fn pictures_that_nobody_maps_cost_no_mapping on "whole", [""]; {
        let clip = clips::h264();
        let device = Device::open(0).unwrap();
        let pool = Pool::new(&device, 2).unwrap();
        let mut nvdec = Nvdec::open(&pool, &clip.track.info, Options::default()).unwrap();
        let count = clip.track.units.len();
        let pictures = clip
            .decode(&mut nvdec, 0..count as u32, &|_| Ok(Vec::new()))
            .unwrap();
        assert_eq!(pictures.len(), count);
        assert_eq!(standin::mapped(), 0);
    }

    fn a_device_says_what_it_is_and_decodes on "whole", ["devices=2,like_h100"]; {
        let second = Device::open(1).unwrap();
        assert_eq!((second.ordinal(), second.name()), (1, "stand-in 1"));
        assert_eq!(second.capability(), (9, 0));
        assert_eq!(second.memory().unwrap().total, 1 << 30);
        let found = survey().unwrap();
        assert_eq!((found.devices.len(), found.no_decoding), (2, None));
        assert_eq!(found.devices[1].engines, 7);
        let shapes = found.devices[1]
            .shapes
            .iter()
            .map(ToString::to_string)
            .collect::<Vec<_>>()
            .join(", ");
        assert_eq!(
            shapes,
            "h264 8 bit 4:2:0, hevc 8 bit 4:2:0, hevc 10 bit 4:2:0, hevc 12 bit 4:2:0, \
             hevc 8 bit 4:4:4, hevc 10 bit 4:4:4, hevc 12 bit 4:4:4, vp8 8 bit 4:2:0, \
             vp9 8 bit 4:2:0, vp9 10 bit 4:2:0, vp9 12 bit 4:2:0"
        );
    }
}

/// What libavcodec makes of stretches that begin at cut points, forwards, backwards and twice, each cut off
/// after some more pictures than the one before.
fn segments((name, clip): &(&str, Clip)) {
    println!("{name}");
    let device = Device::open(0).unwrap();
    let pool = Pool::new(&device, 2).unwrap();
    let stream = Stream::new(&device).unwrap();
    let mut nvdec = Nvdec::open(&pool, &clip.track.info, Options::default()).unwrap();
    let units = clip.track.units.len() as u32;
    let cuts: Vec<u32> = clip.track.cuts.iter().map(|cut| cut.unit).collect();
    let before = standin::parsers_created();
    for (k, from) in cuts.iter().chain(cuts.iter().rev()).enumerate() {
        let stretch = *from..units.min(from + 1 + k as u32);
        let mut software = Software::open(&clip.track.info, 1, Purpose::Frames).unwrap();
        let by_cpu = clip
            .decode(&mut software, stretch.clone(), &frame_bytes)
            .unwrap();
        let by_card = clip
            .decode(&mut nvdec, stretch, &|picture| bytes(picture, &stream))
            .unwrap();
        let by_card = without_leading(clip, *from, by_card);
        assert_eq!(
            by_card,
            without_leading(clip, *from, by_cpu),
            "{name} from unit {from}"
        );
    }
    assert_eq!(standin::parsers_created() - before, 1, "{name}");
}

/// Without those that lead the cut point: what is made of them is nobody's.
fn without_leading(clip: &Clip, from: u32, pictures: Pictures) -> Pictures {
    let time = |unit: u32| clip.track.units[unit as usize].time;
    let kept = pictures
        .into_iter()
        .filter(|(unit, _)| time(*unit) >= time(from));
    kept.collect()
}

/// Whether the video is one that is decoded here; if so, its bytes are libavcodec's.
fn equals(path: &Path, pool: &Pool) -> bool {
    let clip = Clip::open(path);
    let (width, height) = clip.track.info.size();
    let pixels = clip.track.units.len() as u64 * u64::from(width) * u64::from(height);
    if pixels > MOST_PIXELS {
        println!("{} is too long for a test", path.display());
        return false;
    }
    if let Err(why) = check(pool.device(), &clip.track.info) {
        println!("{} is left to the CPU: {why}", path.display());
        return false;
    }
    println!("{}", path.display());
    let stream = Stream::new(pool.device()).unwrap();
    let options = Options::default();
    let mut nvdec = Nvdec::open(pool, &clip.track.info, options).unwrap();
    let units = 0..clip.track.units.len() as u32;
    match clip.decode(&mut nvdec, units, &|picture| bytes(picture, &stream)) {
        Ok(pictures) => assert_eq!(pictures, clip.reference(), "{}", path.display()),
        Err(why) => println!("{} is left to the CPU: {why}", path.display()),
    }
    true
}
