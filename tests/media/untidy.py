"""Makes untidy media, small and of every codec and container that ffmpeg writes: what recorders, muxers and cuts do to files.

A recipe is a base (codec and container) and what is done to it. Every picture shows its number (numbered.py).
"""

import fcntl
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

from . import numbered, surgery
from .make import FOLDER, X264, X265, CannotMake

RATE = 25
FRAMES = 40
SMALL, LARGE = (96, 64), (128, 96)

VPX = ["-deadline", "realtime", "-cpu-used", "8", "-b:v", "400k"]
# Where the group is short enough for several cut points in a part.
GROUP = ["-g", "10", "-keyint_min", "10", "-sc_threshold", "0"]
# Grain around the numbers: a last group is more than a MiB away from the first, and is gone to by a seek.
GRAIN = ["-vf", "pad=iw*3:ih*3,noise=alls=50:allf=t+u"]
CODECS = {
    "h264": [*X264, "-crf", "8", "-bf", "2", *GROUP, *GRAIN],
    "h264_open": [*X264, "-crf", "18", "-bf", "3", "-x264-params", "open-gop=1:keyint=10:min-keyint=10:scenecut=0:log=-1"],
    "h264_plain": [*X264, "-crf", "8", "-bf", "0", *GROUP, *GRAIN],
    "hevc": [*X265, "-crf", "18", "-x265-params", "log-level=none:keyint=10:min-keyint=10:bframes=2:scenecut=0:open-gop=0"],
    "hevc_open": [*X265, "-crf", "18", "-x265-params", "log-level=none:keyint=10:min-keyint=10:bframes=3:scenecut=0:open-gop=1"],
    "vp8": ["-c:v", "libvpx", *VPX, "-g", "10", "-auto-alt-ref", "1", "-lag-in-frames", "8"],
    "vp9": ["-c:v", "libvpx-vp9", *VPX, "-g", "10", "-lag-in-frames", "0"],
    "av1": ["-c:v", "libsvtav1", "-preset", "12", "-g", "10", "-crf", "30"],
    "mpeg1": ["-c:v", "mpeg1video", "-bf", "2", "-g", "10", "-q:v", "3"],
    "mpeg2": ["-c:v", "mpeg2video", "-bf", "2", "-g", "10", "-q:v", "2", *GRAIN],
    "mpeg4": ["-c:v", "mpeg4", "-bf", "0", "-g", "10", "-q:v", "3"],
    "mpeg4_b": ["-c:v", "mpeg4", "-bf", "2", "-g", "10", "-q:v", "2", *GRAIN],
    "msmpeg4": ["-c:v", "msmpeg4", "-g", "10", "-q:v", "3"],
    "wmv2": ["-c:v", "wmv2", "-g", "10", "-q:v", "3"],
    "flv1": ["-c:v", "flv1", "-g", "10", "-q:v", "3"],
    "h263p": ["-c:v", "h263p", "-g", "10", "-q:v", "3"],
    "mjpeg": ["-c:v", "mjpeg", "-pix_fmt", "yuvj420p", "-q:v", "3"],
    "ffv1": ["-c:v", "ffv1", "-g", "10"],
    "ffv1_3": ["-c:v", "ffv1", "-level", "3", "-g", "10"],
    "huffyuv": ["-c:v", "huffyuv"],
    "utvideo": ["-c:v", "utvideo"],
    "prores": ["-c:v", "prores_ks"],
    "png": ["-c:v", "png"],
    "theora": ["-c:v", "libtheora", "-g", "10", "-q:v", "8"],
    "rv10": ["-c:v", "rv10", "-g", "10", "-q:v", "3"],
    "rv20": ["-c:v", "rv20", "-g", "10", "-q:v", "3"],
    "svq1": ["-c:v", "svq1", "-g", "10", "-q:v", "3"],
    "qtrle": ["-c:v", "qtrle", "-g", "10"],
    "rawvideo": ["-c:v", "rawvideo"],
    "snow": ["-c:v", "snow", "-strict", "-2", "-q:v", "3", "-g", "10"],
    "cinepak": ["-c:v", "cinepak", "-g", "10"],
    "zmbv": ["-c:v", "zmbv", "-g", "10"],
    "gif": ["-c:v", "gif"],
    "apng": ["-c:v", "apng"],
    "dv": ["-vf", "pad=720:576", "-c:v", "dvvideo"],
    "y4m": ["-c:v", "wrapped_avframe"],
    "aom": ["-c:v", "libaom-av1", "-cpu-used", "8", "-g", "20", "-lag-in-frames", "16", "-b:v", "400k"],
}
CONTAINERS = {
    "mp4": [], "mov": [], "mkv": [], "webm": [], "avi": [], "flv": [], "ts": [], "nut": [], "ogg": [], "asf": [],
    "wtv": [], "mxf": [], "ivf": [], "h264": [], "m4v": [], "m2v": [], "mjpeg": ["-f", "mjpeg"], "mpg": ["-f", "vob"],
    "hevc": ["-f", "hevc"], "m2ts": [], "rm": [], "gif": [], "apng": [], "y4m": ["-f", "yuv4mpegpipe"],
    "frag.mp4": ["-f", "mp4", "-movflags", "frag_keyframe+empty_moov+default_base_moof"],
}


@dataclass
class Part:
    """One run of an encoder: pictures `first` to `first` + `count` - 1."""

    first: int = 0
    count: int = FRAMES
    size: tuple = SMALL
    more: tuple = ()


def encode(codec, container, part, target):
    """Encodes a part into a container; raises CannotMake where this ffmpeg does not."""
    width, height = part.size
    command = ["ffmpeg", "-nostdin", "-v", "error", "-y", "-f", "rawvideo", "-pix_fmt", "yuv420p", "-s", f"{width}x{height}",
               "-r", str(RATE), "-i", "pipe:", *CODECS[codec], *part.more, *CONTAINERS[container], str(target)]
    numbers = range(part.first, part.first + part.count)
    done = subprocess.run(command, input=numbered.raw(numbers, part.size), capture_output=True, timeout=120)
    if done.returncode:
        lines = done.stderr.decode(errors="replace").strip().splitlines() or ["no message"]
        raise CannotMake(lines[-1])


def remux(source, target, *options, before=(), more=()):
    inputs = [word for path in more for word in ("-i", str(path))]
    command = ["ffmpeg", "-nostdin", "-v", "error", "-y", *before, "-i", str(source), *inputs, "-c", "copy", *options, str(target)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    if done.returncode:
        raise CannotMake((done.stderr.strip().splitlines() or ["no message"])[-1])


def parts_of(folder, codec, container, parts):
    """The bytes of each part in a file of its own."""
    found = []
    for k, part in enumerate(parts):
        path = Path(folder) / f"{k}.{container}"
        encode(codec, container, part, path)
        found.append(path.read_bytes())
    return found


# What is done to files. Each takes (codec, container, folder) and gives the file's bytes.


def tidy(codec, container, folder):
    return parts_of(folder, codec, container, [Part()])[0]


def joined(*parts):
    """Parts put end to end, as the container allows: the clock starts again in each."""

    def make(codec, container, folder):
        pieces = parts_of(folder, codec, container, parts)
        return surgery.JOINS.get(container, surgery.end_to_end)(pieces)

    return make


def patched(patch, *parts):
    """A file whose bytes are changed afterwards."""

    def make(codec, container, folder):
        return patch(joined(*(parts or [Part()]))(codec, container, folder))

    return make


def stamped(expression, first=None):
    """A remux with timestamps by an expression of ffmpeg's setts filter."""

    def make(codec, container, folder):
        encode(codec, first or container, Part(), Path(folder) / f"in.{first or container}")
        target = Path(folder) / f"out.{container}"
        remux(Path(folder) / f"in.{first or container}", target, "-bsf:v", f"setts={expression}", *CONTAINERS[container])
        return target.read_bytes()

    return make


def offset(seconds):
    """A remux whose clock begins late: a transport stream's 33 bits run over."""

    def make(codec, container, folder):
        encode(codec, container, Part(more=("-output_ts_offset", str(seconds), "-muxdelay", "0")), Path(folder) / f"o.{container}")
        return (Path(folder) / f"o.{container}").read_bytes()

    return make


def through(container_between, *options):
    """A remux by way of another container, which forgets what it cannot say."""

    def make(codec, container, folder):
        between = Path(folder) / f"between.{container_between}"
        encode(codec, container_between, Part(), between)
        target = Path(folder) / f"out.{container}"
        remux(between, target, *options, *CONTAINERS[container])
        return target.read_bytes()

    return make


AGAIN = (Part(), Part(first=FRAMES))
THRICE = (Part(count=20), Part(first=20, count=30), Part(first=50, count=25))
OTHER_SIZE = (Part(), Part(first=FRAMES, size=LARGE))
OTHER_ENCODER = (Part(), Part(first=FRAMES, more=("-x264-params", "cabac=0:ref=1:log=-1")))
PARTS = {"again": AGAIN, "thrice": THRICE, "resized": OTHER_SIZE, "encoder": OTHER_ENCODER}
PAUSE = "pts=PTS+gte(N\\,20)*20/TB:dts=DTS+gte(N\\,20)*20/TB"

FAULTS = {
    "tidy": tidy,
    **{fault: joined(*parts) for fault, parts in PARTS.items()},
    "one_without_pts": patched(lambda data: surgery.without_pts(data, lambda k: k == 17)),
    "some_without_pts": patched(lambda data: surgery.without_pts(data, lambda k: k % 7 in (3, 4))),
    "groups_with_pts": patched(lambda data: surgery.without_pts(data, lambda k: k % 10 != 0)),
    "all_without_pts": patched(lambda data: surgery.without_pts(data, lambda k: True)),
    "no_key_flags": patched(surgery.without_sync_samples),
    "no_index": patched(surgery.without_avi_index),
    "start_codes": patched(surgery.with_start_codes),
    "pause": stamped(PAUSE),
    "pause_some_without_pts": lambda *of: surgery.without_pts(stamped(PAUSE)(*of), lambda k: k in (5, 14, 30)),
    "huge_pts": stamped("pts=PTS+900000/TB:dts=DTS+900000/TB"),
    "equal_pts": patched(surgery.with_equal_pts),
    # Decode times in place of times of showing, as muxers write that do not know how pictures are reordered.
    "dts_for_pts": stamped("pts=DTS"),
    "wraps": offset(95442.9),
    "from_ts": through("ts"),
    "from_avi": through("avi"),
}

ALL_CONTAINERS = {
    "h264": ["mp4", "mov", "mkv", "avi", "flv", "ts", "mpg", "nut", "asf", "wtv", "mxf", "h264", "frag.mp4"],
    "h264_open": ["mp4", "mkv", "ts"], "h264_plain": ["flv", "avi", "ts", "mp4"], "hevc": ["mp4", "mkv", "ts", "hevc"], "hevc_open": ["mkv", "ts"],
    "vp8": ["webm", "mkv", "ivf", "avi", "nut"], "vp9": ["webm", "mp4", "ivf"], "av1": ["mkv", "mp4", "ivf"],
    "mpeg1": ["mpg", "ts", "avi", "mkv"], "mpeg2": ["mpg", "ts", "avi", "mkv", "mxf", "m2v", "mp4"],
    "mpeg4": ["avi", "mp4", "mkv", "ts", "m4v", "asf"], "mpeg4_b": ["avi", "mp4", "mkv", "m4v"],
    "msmpeg4": ["avi", "asf", "mkv"], "wmv2": ["asf", "avi"], "flv1": ["flv", "avi"], "rv10": ["rm"], "rv20": ["rm"], "h263p": ["avi", "mov"],
    "mjpeg": ["avi", "mov", "mkv", "mjpeg"], "ffv1": ["avi", "mkv"], "ffv1_3": ["mkv"], "huffyuv": ["avi"], "utvideo": ["avi"],
    "prores": ["mov"], "png": ["mov", "avi"], "theora": ["ogg"], "svq1": ["mov"], "qtrle": ["mov"],
    "rawvideo": ["avi", "nut", "mkv"], "snow": ["nut", "avi"], "cinepak": ["mov", "avi"], "zmbv": ["avi"],
}
# Which fault goes with which containers (and codecs, where not any).
APPLIES = {
    "again": (["ts", "mpg", "flv", "h264", "hevc", "m4v", "m2v", "mjpeg", "mkv", "webm", "frag.mp4", "ivf", "ogg"], None),
    "thrice": (["ts", "mpg", "flv", "mkv", "webm"], ["h264", "hevc", "mpeg2", "vp8", "h264_open"]),
    "resized": (["ts", "flv", "h264", "mpg", "ivf"], None),
    "encoder": (["ts", "flv", "h264"], ["h264", "h264_plain"]),
    "one_without_pts": (["ts", "mpg"], None),
    "some_without_pts": (["ts", "mpg"], None),
    "groups_with_pts": (["ts", "mpg"], None),
    "all_without_pts": (["ts", "mpg"], ["h264", "mpeg2", "hevc"]),
    "no_key_flags": (["mp4", "mov"], None),
    "no_index": (["avi"], None),
    "start_codes": (["mp4"], ["h264", "h264_open", "h264_plain"]),
    # Codecs whose pictures from the twentieth packet on are shown from the twentieth picture on.
    "pause": (["mp4", "mkv", "ts", "flv", "nut"], ["h264", "hevc", "vp8", "mpeg4"]),
    "huge_pts": (["mkv", "nut"], ["h264", "vp8"]),
    "equal_pts": (["ts", "mpg"], ["h264"]),
    "dts_for_pts": (["mkv", "mp4", "nut"], ["h264", "hevc", "mpeg2"]),
    "pause_some_without_pts": (["ts"], ["h264", "h264_plain", "hevc", "mpeg4"]),
    "wraps": (["ts"], ["h264", "mpeg2", "hevc"]),
    "from_ts": (["mkv", "mp4", "flv"], ["h264", "h264_open"]),
    "from_avi": (["mkv", "mp4"], ["mpeg4"]),
}


def names():
    """All combinations, as `fault-codec.container`."""
    found = [f"tidy-{codec}.{container}" for codec, containers in ALL_CONTAINERS.items() for container in containers]
    for fault, (containers, codecs) in APPLIES.items():
        for codec in codecs or ALL_CONTAINERS:
            found += [f"{fault}-{codec}.{c}" for c in ALL_CONTAINERS[codec] if c in containers]
    return found


def coded(name):
    """How many pictures were given to encoders for it."""
    fault = name.split("-")[0]
    return sum(part.count for part in PARTS.get(fault, [Part()]))


def clip(name):
    """The clip's path, made now if it is not there; raises CannotMake."""
    fault, rest = name.split("-", 1)
    codec, container = rest.split(".", 1)
    return made(name, lambda folder: FAULTS[fault](codec, container, folder))


def made(name, recipe):
    """The path of a file with the bytes that the recipe gives, made now if it is not there."""
    target = FOLDER / "untidy" / name
    target.parent.mkdir(parents=True, exist_ok=True)
    if target.exists():
        return target
    with target.with_name(f".making-{name}").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not target.exists():
            with tempfile.TemporaryDirectory() as folder:
                data = recipe(folder)
            part = target.with_name(f".part-{name}")
            part.write_bytes(data)
            part.rename(target)
    return target
