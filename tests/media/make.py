"""Makes the small clips of the suite with ffmpeg, into target/test-media. usage: make.py [NAME ...]

Every clip is seconds long and made once. A clip whose encoder this ffmpeg lacks is left out and named.
"""

import fcntl
import struct
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tests.media import fields  # noqa: E402

FOLDER = Path(__file__).resolve().parents[2] / "target" / "test-media"
X264 = ["-c:v", "libx264", "-preset", "veryfast", "-crf", "24"]
X265 = ["-c:v", "libx265", "-preset", "ultrafast"]


class CannotMake(Exception):
    """This ffmpeg cannot make the clip."""


def ffmpeg(*arguments):
    done = subprocess.run(
        ["ffmpeg", "-nostdin", "-v", "error", "-y", *map(str, arguments)], capture_output=True, text=True, timeout=300
    )
    if done.returncode:
        lines = done.stderr.strip().splitlines() or ["no message"]
        raise CannotMake(lines[-1])


def pattern(size="160x120", rate="25", seconds=2, source="testsrc2"):
    return ["-f", "lavfi", "-i", f"{source}=size={size}:rate={rate}:duration={seconds}"]


def x265(parameters):
    return [*X265, "-x265-params", f"log-level=none:{parameters}"]


def encoded(*options, **picture):
    """A recipe: the test pattern through an encoder."""
    return lambda target: ffmpeg(*pattern(**picture), *options, target)


def tagged(matrix, pixels="yuv420p", full=False):
    """H.264 whose matrix and range are converted and tagged as said."""
    tag = {"bt601": "smpte170m", "bt709": "bt709", "bt2020": "bt2020nc"}[matrix]
    span = "pc" if full else "tv"
    convert = f"format=yuv444p,scale=out_color_matrix={matrix}:out_range={span},format={pixels}"
    return encoded("-vf", convert, *X264, "-colorspace", tag, "-color_range", span, "-g", "12")


def remuxed(name, *options, before=()):
    """A recipe: another clip's packets, written again."""
    return lambda target: ffmpeg(*before, "-i", clip(name), "-map", "0:v", "-c", "copy", *options, target)


def joined(*names):
    """A recipe: clips one after the other on one clock."""

    def make(target):
        parts = target.with_suffix(".txt")
        parts.write_text("".join(f"file '{clip(name)}'\n" for name in names))
        ffmpeg("-f", "concat", "-safe", "0", "-i", parts, "-c", "copy", target)
        parts.unlink()

    return make


# tkhd matrices (a, b, c, d): x' = a x + c y, y' = b x + d y, y down.
TURNS = {"90": (0, 1, -1, 0), "180": (-1, 0, 0, -1), "270": (0, -1, 1, 0), "mirror": (-1, 0, 0, 1)}


def turned(how):
    """A recipe: the same packets under another display matrix (ISO/IEC 14496-12, 8.3.2)."""

    def make(target):
        data = bytearray(clip("h264_bframes.mp4").read_bytes())
        at = data.index(b"tkhd") + 4
        version = data[at]
        matrix = at + (52 if version else 40)
        a, b, c, d = (v << 16 for v in TURNS[how])
        data[matrix : matrix + 36] = struct.pack(">9i", a, b, 0, c, d, 0, 0, 0, 1 << 30)
        target.write_bytes(data)

    return make


def bytes_of(name, start=0.0, end=1.0):
    """A recipe: a part of another clip's bytes."""

    def make(target):
        data = clip(name).read_bytes()
        target.write_bytes(data[int(len(data) * start) : int(len(data) * end)])

    return make


def concatenated(*names):
    return lambda target: target.write_bytes(b"".join(clip(n).read_bytes() for n in names))


def with_cover(target):
    cover = target.with_suffix(".png")
    ffmpeg(*pattern(size="64x64", seconds=1), "-frames:v", "1", cover)
    ffmpeg("-i", cover, "-i", clip("h264_bframes.mp4"), "-map", "0:v", "-map", "1:v", "-c", "copy",
           "-disposition:v:0", "attached_pic", target)
    cover.unlink()


def with_audio(target):
    ffmpeg("-f", "lavfi", "-i", "sine=duration=2", "-i", clip("h264_bframes.mp4"), "-map", "0:a", "-map", "1:v",
           "-c:v", "copy", "-c:a", "aac", target)


def fragments(target):
    """init.mp4 and bare fragments frag_0.m4s, frag_1.m4s, … beside a whole file of the same packets."""
    target.mkdir()
    whole = target / "whole.mp4"
    ffmpeg(*pattern(seconds=3), *X264, "-bf", "2", "-g", "25", "-keyint_min", "25", "-sc_threshold", "0", whole)
    ffmpeg("-i", whole, "-c", "copy", "-f", "hls", "-hls_segment_type", "fmp4", "-hls_time", "1",
           "-hls_fmp4_init_filename", "init.mp4", "-hls_segment_filename", target / "frag_%d.m4s", target / "list.m3u8")


def looped(name, seconds, *options):
    return lambda target: ffmpeg("-stream_loop", "-1", "-i", clip(name), "-t", seconds, "-c", "copy", *options, target)


def field_pairs(target):
    raw = target.with_suffix(".h264")
    raw.write_bytes(fields.stream())
    ffmpeg("-framerate", "25", "-fflags", "+genpts", "-i", raw, "-c", "copy", target)
    raw.unlink()


DROP_SOME = ["-vf", "select='not(eq(mod(n\\,7)\\,3))'", "-fps_mode", "vfr"]

AUDIO = ["audio_only.m4a", "audio_only.mp3", "audio_only.wav", "audio_only.flac", "audio_only.aac"]

RECIPES = {
    # Codecs and containers.
    "h264_bframes.mp4": encoded(*X264, "-bf", "3", "-g", "12"),
    "h264_gop250.mp4": encoded(*X264, "-bf", "3", "-g", "250", seconds=8),
    "h264_opengop.mp4": encoded(*X264, "-bf", "3", "-x264-params", "open-gop=1:keyint=12:min-keyint=12:scenecut=0"),
    "h264.ts": encoded(*X264, "-bf", "2", "-g", "12"),
    "h264.mkv": encoded(*X264, "-bf", "2", "-g", "12"),
    "h264.flv": encoded(*X264, "-bf", "2", "-g", "12"),
    "h264.h264": encoded(*X264, "-bf", "2", "-g", "12"),
    "h264_fragmented.mp4": encoded(*X264, "-bf", "2", "-g", "12", "-movflags", "frag_keyframe+empty_moov+default_base_moof"),
    "hevc_opengop.mp4": encoded(*x265("keyint=12:min-keyint=12:open-gop=1:bframes=3:scenecut=0")),
    "hevc.ts": encoded(*x265("keyint=12:bframes=2")),
    "vp8.webm": encoded("-c:v", "libvpx", "-g", "20", "-b:v", "300k", "-auto-alt-ref", "1", "-lag-in-frames", "12"),
    "vp9.webm": encoded("-c:v", "libvpx-vp9", "-g", "20", "-b:v", "200k", "-auto-alt-ref", "1", "-lag-in-frames", "12",
                        "-cpu-used", "8", "-deadline", "realtime"),
    "av1_aom.mkv": encoded("-c:v", "libaom-av1", "-cpu-used", "8", "-g", "12", "-b:v", "150k", seconds=1),
    "av1_svt.mp4": encoded("-c:v", "libsvtav1", "-preset", "12", "-g", "12", seconds=1),
    # Most of its pictures refresh no reference frame.
    "av1_leaves.mp4": encoded("-c:v", "libsvtav1", "-preset", "12", "-g", "20"),
    "mpeg2.ts": encoded("-c:v", "mpeg2video", "-bf", "2", "-g", "12", "-b:v", "800k"),
    "mpeg1.mpg": encoded("-c:v", "mpeg1video", "-bf", "2", "-g", "12", "-b:v", "800k"),
    "mpeg4.avi": encoded("-c:v", "mpeg4", "-bf", "2", "-g", "12", "-b:v", "800k"),
    "mpeg4.mp4": encoded("-c:v", "mpeg4", "-bf", "0", "-g", "12", "-b:v", "800k"),
    "mjpeg.avi": encoded("-c:v", "mjpeg", "-pix_fmt", "yuvj420p", seconds=1),
    "prores.mov": encoded("-c:v", "prores_ks", "-profile:v", "2", seconds=1),
    "prores_alpha.mov": encoded("-c:v", "prores_ks", "-profile:v", "4", "-pix_fmt", "yuva444p10le", seconds=1),
    "flv1.flv": encoded("-c:v", "flv1", "-g", "12", "-b:v", "800k"),
    "png.mov": encoded("-c:v", "png", "-pix_fmt", "rgb24", seconds=1),
    # Samples.
    "h264_10bit.mp4": encoded(*X264, "-pix_fmt", "yuv420p10le", "-g", "12", seconds=1),
    "h264_422.mp4": encoded(*X264, "-pix_fmt", "yuv422p", "-g", "12", seconds=1),
    "h264_422_10bit.mp4": encoded(*X264, "-pix_fmt", "yuv422p10le", "-g", "12", seconds=1),
    "h264_444.mp4": encoded(*X264, "-pix_fmt", "yuv444p", "-g", "12", seconds=1, size="161x121"),
    "h264_gray.mp4": encoded(*X264, "-pix_fmt", "gray", "-g", "12", seconds=1),
    "h264_gbr.mp4": encoded("-c:v", "libx264rgb", "-preset", "veryfast", "-g", "12", seconds=1),
    "h264_bt601.mp4": tagged("bt601"),
    "h264_bt709.mp4": tagged("bt709"),
    "h264_bt709_full.mp4": tagged("bt709", full=True),
    "h264_bt2020_10bit.mp4": tagged("bt2020", "yuv420p10le"),
    "hevc_12bit.mp4": encoded(*x265("keyint=12"), "-pix_fmt", "yuv420p12le", seconds=1),
    "hevc_gray10.mp4": encoded(*x265("keyint=12"), "-pix_fmt", "gray10le", seconds=1),
    "mjpeg_odd_422.mkv": encoded("-c:v", "mjpeg", "-pix_fmt", "yuvj422p", seconds=1, size="161x121"),
    "dv_411.avi": encoded("-c:v", "dvvideo", "-pix_fmt", "yuv411p", size="720x480", rate="30000/1001", seconds=0.3),
    # Sizes and shapes.
    "vp9_odd.webm": encoded("-c:v", "libvpx-vp9", "-cpu-used", "8", "-deadline", "realtime", size="161x121", seconds=1),
    "mpeg2_odd.ts": encoded("-c:v", "mpeg2video", "-g", "12", size="121x81", seconds=1),
    "h264_tall.mp4": encoded(*X264, "-g", "12", size="98x346", seconds=1),
    "h264_sar.mp4": encoded(*X264, "-vf", "setsar=16/11", "-g", "12", seconds=1),
    "h264_interlaced.mp4": encoded("-vf", "tinterlace=interleave_top", *X264, "-flags", "+ildct+ilme", "-x264-params",
                                   "tff=1", rate="50"),
    "mpeg2_interlaced.ts": encoded("-vf", "tinterlace=interleave_top", "-c:v", "mpeg2video", "-flags", "+ildct+ilme",
                                   "-g", "12", rate="50"),
    "h264_small.h264": encoded(*X264, "-g", "12", size="96x64", seconds=1),
    "size_change.h264": concatenated("h264.h264", "h264_small.h264"),
    "h264_709.ts": remuxed("h264_bt709.mp4"),
    "h264_601.ts": remuxed("h264_bt601.mp4"),
    "colour_change.ts": joined("h264_709.ts", "h264_601.ts"),
    **{f"turned_{how}.mp4": turned(how) for how in TURNS},
    # Time.
    "vfr.mp4": encoded(*DROP_SOME, *X264, "-bf", "2", "-g", "12"),
    "vfr.mkv": encoded(*DROP_SOME, *X264, "-bf", "2", "-g", "12"),
    "ntsc.mp4": encoded(*X264, "-bf", "2", "-g", "15", rate="30000/1001"),
    "edit_list_cut.mp4": remuxed("h264_bframes.mp4", before=["-ss", "0.7"]),
    "edit_list_delay.mp4": remuxed("h264_bframes.mp4", before=["-itsoffset", "1.5"]),
    "negative_pts.mkv": remuxed("mpeg4.mp4", "-avoid_negative_ts", "disabled", "-output_ts_offset", "-0.6"),
    "duplicate_pts.mkv": remuxed("mjpeg.avi", "-bsf:v", "setts=ts=2*trunc(N/2)"),
    "midgop_start.ts": bytes_of("h264.ts", 0.35),
    "h264_fields.ts": field_pairs,
    "all_intra.mp4": encoded(*X264, "-g", "1"),
    # Other streams beside the video.
    "cover_first.mp4": with_cover,
    "audio_first.mp4": with_audio,
    **{name: lambda target: ffmpeg("-f", "lavfi", "-i", "sine=duration=1", target) for name in AUDIO},
    # Bytes that are no video any more.
    "truncated_moov.mp4": bytes_of("h264_bframes.mp4", 0, 0.6),
    "cut_short.ts": bytes_of("h264.ts", 0, 0.6),
    # Long.
    "tick.mp4": encoded(*X264, "-bf", "2", "-g", "20", size="64x48", rate="10", seconds=2),
    "two_minutes.mp4": looped("tick.mp4", 120),
    "ten_hours.mp4": looped("tick.mp4", 36000),
    "hd.mp4": encoded(*X264, "-bf", "2", "-g", "250", size="1920x1080", rate="30", seconds=9),
    "hd_long.mp4": looped("hd.mp4", 135),
    "fragments": fragments,
}

# Not decodable whole, of two matrices, or too long for suites that take every clip.
SPECIAL = {*AUDIO, "colour_change.ts", "truncated_moov.mp4", "two_minutes.mp4", "ten_hours.mp4", "hd.mp4", "hd_long.mp4", "fragments", "tick.mp4"}
ORDINARY = sorted(set(RECIPES) - SPECIAL)


def clip(name):
    """The clip's path, made now if it is not there; raises CannotMake."""
    target = FOLDER / name
    if target.exists():
        return target
    FOLDER.mkdir(parents=True, exist_ok=True)
    # Tests run in several processes: one makes it, the others wait.
    with (FOLDER / f".making-{name}").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not target.exists():
            make_into(target, name)
    return target


def make_into(target, name):
    part = FOLDER / f".part-{name}"
    if part.is_dir():
        for left in part.iterdir():
            left.unlink()
        part.rmdir()
    part.unlink(missing_ok=True)
    RECIPES[name](part)
    part.rename(target)


def main(names):
    for name in names or RECIPES:
        try:
            print(clip(name))
        except CannotMake as error:
            print(f"cannot make {name}: {error}", file=sys.stderr)


if __name__ == "__main__":
    main(sys.argv[1:])
