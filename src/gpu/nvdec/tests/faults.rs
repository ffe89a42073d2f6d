//! A plain answer to every fault: never a panic, a hang or a leak.

use std::path::Path;
use std::time::Duration;

use super::equality::bytes;
use super::{clips, standin};
use crate::decode::Decode;
use crate::decode::conformance::{Clip, Pictures};
use crate::error::{Error, Reason, Result};
use crate::gpu::nvdec::{self, Nvdec, Options, Pool, Refusal};
use crate::gpu::{
    self, Device, DriverVersion, Stream, Unavailable, device_count, driver_version, survey,
};

/// Decodes the whole clip, waiting at most 200 ms for anything; whether there was a complaint.
fn decode(clip: &Clip) -> Result<(Pictures, bool)> {
    let device = Device::open_patient(0, Duration::from_millis(200))?;
    let pool = Pool::new(&device, 2)?;
    let stream = Stream::new(&device)?;
    let mut nvdec = Nvdec::open(&pool, &clip.track.info, Options::default())?;
    let units = 0..clip.track.units.len() as u32;
    let pictures = clip.decode(&mut nvdec, units, &|picture| bytes(picture, &stream))?;
    let late = nvdec.settle()?;
    Ok((pictures, late | nvdec.take_complaint()))
}

fn refused(clip: &Clip) -> &'static str {
    let error = decode(clip).unwrap_err();
    assert_eq!(error.reason(), Reason::GpuUnavailable);
    assert!(error.hint_text().is_some());
    Refusal::of(&error).unwrap().name()
}

fn failure(clip: &Clip) -> Error {
    let error = decode(clip).unwrap_err();
    assert_eq!(Refusal::of(&error), None);
    error
}

super::standin_tests! {
    fn a_machine_without_a_driver_says_so on "none", [""]; {
        // Where there is a driver it is found: nothing hides it.
        if !Path::new("/dev/nvidiactl").exists() {
            assert_eq!(driver_version(), Err(Unavailable::NoDriver));
            assert_eq!(nvdec::available(), Err(Unavailable::NoVideoLibrary));
        }
    }

    fn a_driver_that_lacks_a_function_is_named_before_any_call on "no-launch", [""]; {
        assert_eq!(device_count(), Err(Unavailable::DriverSymbol("cuLaunchKernel")));
    }

    fn a_toolkits_stub_in_the_drivers_place_is_named on "stub", [""]; {
        let why = device_count().unwrap_err();
        assert_eq!(why.name(), "another_driver");
        assert!(why.to_string().ends_with("stub/libcuda.so"), "{why}");
    }

    fn who_waits_for_a_device_sleeps_unless_told_to_spin on "whole", [""]; {
        drop(Device::open(0).unwrap());
        assert_eq!(standin::waits(), 4);
        gpu::spin_while_waiting(true);
        drop(Device::open(0).unwrap());
        assert_eq!(standin::waits(), 1);
    }

    fn an_old_driver_says_its_version on "whole", ["driver=11040"]; {
        let why = driver_version().unwrap_err();
        assert_eq!(why, Unavailable::DriverTooOld(DriverVersion(11_040)));
        assert_eq!(why.to_string(), "the NVIDIA driver is too old, cuda=11.4");
    }

    fn no_device_is_a_reason on "whole", ["devices=0", "init=100"]; {
        assert_eq!(device_count(), Err(Unavailable::NoDevice));
    }

    fn a_driver_that_does_not_start_says_why on "whole", ["init=803"]; {
        let fault = "CUDA_ERROR_SYSTEM_DRIVER_MISMATCH".to_owned();
        assert_eq!(device_count(), Err(Unavailable::DriverFault(fault)));
    }

    fn a_device_that_there_is_not_is_refused on "whole", ["devices=2"]; {
        assert_eq!(Device::open(2).err().unwrap().reason(), Reason::GpuUnavailable);
    }

    fn without_the_video_library_the_device_still_works on "no-video", [""]; {
        let device = Device::open(0).unwrap();
        assert_eq!(Pool::new(&device, 1).err(), Some(Unavailable::NoVideoLibrary));
        assert!(device.memory().unwrap().total > 0);
        let found = survey().unwrap();
        assert_eq!(found.no_decoding, Some(Unavailable::NoVideoLibrary));
        assert_eq!((found.devices.len(), found.devices[0].engines), (1, 0));
    }

    fn a_video_library_that_lacks_a_function_is_named on "no-reconfigure", [""]; {
        let why = nvdec::available().unwrap_err();
        assert_eq!(why, Unavailable::VideoSymbol("cuvidReconfigureDecoder"));
    }

    fn what_the_device_does_not_decode_is_left_to_the_cpu on "whole", ["like_h100"]; {
        assert_eq!(refused(&clips::av1()), "not_decoded_here");
        assert_eq!(refused(&clips::h264_10_bit()), "not_decoded_here");
        assert_eq!(refused(&clips::h264_422()), "chroma");
        assert_eq!(refused(&clips::hevc_gray()), "monochrome");
        assert_eq!(refused(&clips::mpeg4()), "codec");
        assert_eq!(refused(&clips::h264_interlaced()), "interlaced");
        assert_eq!(refused(&clips::vp9_odd()), "odd_size");
        assert_eq!(standin::created(), 0);
    }

    fn a_device_without_a_decoder_refuses_all on "whole", ["no_decoder"]; {
        assert_eq!(refused(&clips::h264()), "not_decoded_here");
        let why = survey().unwrap().no_decoding;
        assert_eq!(why, Some(Unavailable::NoDecoder("stand-in 0".to_owned())));
    }

    fn what_only_the_bitstream_tells_is_refused_in_mid_stream on "whole", ["interlaced"]; {
        assert_eq!(refused(&clips::h264()), "interlaced");
    }

    fn monochrome_is_refused_in_mid_stream on "whole", ["monochrome"]; {
        assert_eq!(refused(&clips::hevc()), "monochrome");
    }

    fn unequal_depths_are_refused on "whole", ["unequal"]; {
        assert_eq!(refused(&clips::hevc()), "unequal_depths");
    }

    fn film_grain_is_refused on "whole", ["grain"]; {
        assert_eq!(refused(&clips::av1()), "film_grain");
    }

    fn a_size_that_changes_between_key_frames_is_refused on "whole", ["change_at=5"]; {
        assert_eq!(refused(&clips::vp9()), "size_changes");
    }

    fn a_sequence_of_another_size_gets_a_decoder_of_its_own on "whole", ["change_at=12"]; {
        let clip = clips::h264();
        let (pictures, complaint) = decode(&clip).unwrap();
        assert_eq!(pictures, clip.reference());
        assert!(!complaint);
        assert_eq!(standin::created(), 2);
    }

    fn a_device_that_is_full_says_so on "whole", ["create_fails=2", "memory=500000"]; {
        assert_eq!(failure(&clips::h264()).reason(), Reason::MemoryBudget);
    }

    fn allocations_that_fail_leave_nothing on "whole", (0..12).map(|n| format!("fails_after={n}")); {
        let error = decode(&clips::h264()).unwrap_err();
        assert_eq!(error.reason(), Reason::MemoryBudget);
    }

    fn a_decoder_or_parser_that_is_not_created_is_a_reason on "whole",
        ["create_fails=999", "create_parser_fails=999", "map_fails=205"];
    {
        assert_eq!(failure(&clips::h264()).reason(), Reason::GpuUnavailable);
    }

    fn units_that_the_parser_refuses_are_damage on "whole",
        ["parse_fails=1,fails_at=3", "decode_fails=1,fails_at=3", "decode_fails=300,fails_at=0"];
    {
        let (_, complaint) = decode(&clips::h264()).unwrap();
        assert!(complaint);
    }

    fn a_driver_that_fails_in_mid_stream_is_an_error on "whole",
        ["parse_fails=999,fails_at=3", "decode_fails=719,fails_at=3", "broken"];
    {
        assert_eq!(failure(&clips::h264()).reason(), Reason::GpuUnavailable);
    }

    fn damage_that_the_engine_reports_is_a_complaint on "whole",
        ["error_at=0", "concealed_at=7", "error_at=34", "error_at=20,slow_status"];
    {
        let clip = clips::h264();
        let (pictures, complaint) = decode(&clip).unwrap();
        assert_eq!(pictures.len(), clip.track.units.len());
        assert!(complaint);
    }

    fn who_finishes_does_not_wait_for_the_engine_and_who_settles_does on "whole", ["never_decoded"]; {
        let clip = clips::h264();
        let device = Device::open_patient(0, Duration::from_millis(200)).unwrap();
        let pool = Pool::new(&device, 2).unwrap();
        let mut nvdec = Nvdec::open(&pool, &clip.track.info, Options::default()).unwrap();
        assert_eq!(clip.decode(&mut nvdec, 0..4, &|_| Ok(Vec::new())).unwrap().len(), 4);
        assert_eq!(nvdec.settle().unwrap_err().reason(), Reason::ChunkStalled);
    }

    fn damage_in_a_stream_that_ended_is_told_by_settling_and_is_not_the_next_ones on "whole",
        ["error_at=3,slow_status"];
    {
        let clip = clips::h264();
        let (first, second) = (0..4, clip.track.cuts[1].unit..clip.track.units.len() as u32);
        let device = Device::open(0).unwrap();
        let pool = Pool::new(&device, 2).unwrap();
        let mut nvdec = Nvdec::open(&pool, &clip.track.info, Options::default()).unwrap();
        for stretch in [first, second] {
            clip.decode(&mut nvdec, stretch, &|_| Ok(Vec::new())).unwrap();
            assert!(!nvdec.take_complaint());
        }
        assert!(nvdec.settle().unwrap());
        assert!(!nvdec.settle().unwrap());
    }

    fn a_picture_that_is_never_decoded_ends_the_wait on "whole", ["never_decoded"]; {
        assert_eq!(failure(&clips::h264()).reason(), Reason::ChunkStalled);
    }

    // What the GPU does not let go of is left to it.
    fn work_that_is_never_done_ends_the_wait on "whole", ["never_ready"]; dirty {
        assert_eq!(failure(&clips::h264()).reason(), Reason::ChunkStalled);
    }

    fn nonsense_of_the_parser_is_an_error on "whole", (1..=18).map(|n| format!("nonsense={n}")); {
        let clip = clips::h264();
        // A null for the user's data reaches nothing, and nothing is decoded.
        if std::env::var("FRAMECACHE_STANDIN").unwrap() == "nonsense=15" {
            assert!(decode(&clip).is_err());
            return;
        }
        assert_eq!(failure(&clip).reason(), Reason::GpuUnavailable);
    }

    fn the_end_may_be_displayed_as_nothing on "whole", ["nonsense=19"]; {
        let clip = clips::h264();
        assert_eq!(decode(&clip).unwrap().0, clip.reference());
    }

    fn after_a_failure_a_new_decoder_is_used on "whole", ["decode_fails=719,fails_at=20"]; {
        let clip = clips::h264();
        let device = Device::open(0).unwrap();
        let pool = Pool::new(&device, 2).unwrap();
        let mut nvdec = Nvdec::open(&pool, &clip.track.info, Options::default()).unwrap();
        let units = clip.track.units.len() as u32;
        let nothing = &|_| Ok(Vec::new());
        assert!(clip.decode(&mut nvdec, 0..units, nothing).is_err());
        assert_eq!(pool.idle(), 0);
        assert!(clip.decode(&mut nvdec, 0..units, nothing).is_err());
        assert_eq!(standin::created(), 2);
    }
}

#[test]
fn nothing_of_nvidias_is_linked() {
    let told = std::process::Command::new("readelf")
        .arg("-d")
        .arg(std::env::current_exe().unwrap())
        .output()
        .unwrap();
    let needed = String::from_utf8(told.stdout).unwrap();
    assert!(needed.contains("libavcodec"), "{needed}");
    for library in ["libcuda", "libnv"] {
        assert!(!needed.contains(library), "{needed}");
    }
}
