//! Small clips, one for each way of being coded that matters here.

use crate::decode::conformance::{Clip, clip};

const SOURCE: &str = "testsrc2=size=210x162:rate=25:duration=1.4";

fn made(name: &str, arguments: &[&str]) -> Clip {
    let mut all = vec![SOURCE];
    all.extend(arguments);
    Clip::open(&clip(name, &all))
}

/// B-frames, GOPs of 12, 4:2:0 at 8 bit, cropped at the right and the bottom.
pub fn h264() -> Clip {
    made(
        "h264.mp4",
        &[
            "-c:v", "libx264", "-pix_fmt", "yuv420p", "-g", "12", "-bf", "3",
        ],
    )
}

pub fn h264_open_gop() -> Clip {
    let x264 = "open-gop=1:keyint=10:min-keyint=10:scenecut=0:bframes=3";
    made(
        "open.mkv",
        &[
            "-c:v",
            "libx264",
            "-pix_fmt",
            "yuv420p",
            "-x264-params",
            x264,
        ],
    )
}

/// In Annex B already, with parameter sets in the stream.
pub fn h264_ts() -> Clip {
    made(
        "h264.ts",
        &[
            "-c:v", "libx264", "-pix_fmt", "yuv420p", "-g", "12", "-bf", "2",
        ],
    )
}

pub fn h264_larger() -> Clip {
    Clip::open(&clip(
        "larger.mp4",
        &[
            "testsrc2=size=320x240:rate=25:duration=0.6",
            "-c:v",
            "libx264",
            "-pix_fmt",
            "yuv420p",
        ],
    ))
}

pub fn h264_interlaced() -> Clip {
    // Fields are 4:2:0 each: the height is a multiple of 4.
    Clip::open(&clip(
        "fields.mp4",
        &[
            "testsrc2=size=208x160:rate=25:duration=0.4",
            "-vf",
            "setfield=tff",
            "-c:v",
            "libx264",
            "-pix_fmt",
            "yuv420p",
            "-flags",
            "+ilme+ildct",
        ],
    ))
}

pub fn h264_10_bit() -> Clip {
    made(
        "h264-10.mp4",
        &["-c:v", "libx264", "-pix_fmt", "yuv420p10le"],
    )
}

pub fn h264_422() -> Clip {
    made("h264-422.mp4", &["-c:v", "libx264", "-pix_fmt", "yuv422p"])
}

/// libavcodec says gray of HEVC; of monochrome H.264 it makes 4:2:0.
pub fn hevc_gray() -> Clip {
    hevc_as("hevc-gray.mp4", "gray")
}

pub fn mpeg4() -> Clip {
    made("mpeg4.mp4", &["-c:v", "mpeg4", "-g", "12"])
}

/// Open GOPs with RASL pictures.
pub fn hevc() -> Clip {
    hevc_as("hevc.mp4", "yuv420p")
}

pub fn hevc_10_bit() -> Clip {
    hevc_as("hevc-10.mkv", "yuv420p10le")
}

pub fn hevc_444() -> Clip {
    hevc_as("hevc-444.mp4", "yuv444p")
}

pub fn hevc_444_12_bit() -> Clip {
    hevc_as("hevc-444-12.mp4", "yuv444p12le")
}

fn hevc_as(name: &str, format: &str) -> Clip {
    let x265 = "log-level=error:keyint=12:min-keyint=12:open-gop=1:bframes=3:pools=1";
    made(
        name,
        &["-c:v", "libx265", "-pix_fmt", format, "-x265-params", x265],
    )
}

pub fn vp8() -> Clip {
    made(
        "vp8.webm",
        &[
            "-c:v",
            "libvpx",
            "-g",
            "12",
            "-auto-alt-ref",
            "1",
            "-lag-in-frames",
            "8",
        ],
    )
}

/// With hidden pictures in superframes.
pub fn vp9() -> Clip {
    made(
        "vp9.webm",
        &[
            "-c:v",
            "libvpx-vp9",
            "-g",
            "20",
            "-auto-alt-ref",
            "1",
            "-lag-in-frames",
            "12",
        ],
    )
}

pub fn vp9_10_bit() -> Clip {
    made(
        "vp9-10.webm",
        &["-c:v", "libvpx-vp9", "-g", "20", "-pix_fmt", "yuv420p10le"],
    )
}

pub fn vp9_odd() -> Clip {
    Clip::open(&clip(
        "vp9-odd-sides.webm",
        &[
            "testsrc2=size=320x240:rate=25:duration=0.4,scale=211:163",
            "-c:v",
            "libvpx-vp9",
        ],
    ))
}

pub fn av1() -> Clip {
    made(
        "av1.mp4",
        &[
            "-c:v",
            "libaom-av1",
            "-g",
            "15",
            "-cpu-used",
            "8",
            "-usage",
            "realtime",
        ],
    )
}

/// With hidden pictures: several in one temporal unit.
pub fn av1_good() -> Clip {
    made(
        "av1-good.mkv",
        &[
            "-c:v",
            "libaom-av1",
            "-g",
            "20",
            "-cpu-used",
            "8",
            "-lag-in-frames",
            "12",
        ],
    )
}

/// What is decoded.
pub fn good() -> Vec<(&'static str, Clip)> {
    vec![
        ("h264", h264()),
        ("h264 open gop", h264_open_gop()),
        ("h264 ts", h264_ts()),
        ("hevc", hevc()),
        ("hevc 10 bit", hevc_10_bit()),
        ("hevc 4:4:4", hevc_444()),
        ("hevc 4:4:4 12 bit", hevc_444_12_bit()),
        ("vp8", vp8()),
        ("vp9", vp9()),
        ("vp9 10 bit", vp9_10_bit()),
        ("av1", av1()),
        ("av1 good", av1_good()),
    ]
}
