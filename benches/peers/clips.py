"""The clips that peers are measured on, made once into target/bench-media.

Real content where the media folder is (FRAMECACHE_MEDIA, or shared/media beside the repository), else ffmpeg's test
picture, and the report says so.
"""

import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
MEDIA = Path(os.environ.get("FRAMECACHE_MEDIA", ROOT.parent / "shared" / "media"))
FOLDER = ROOT / "target" / "bench-media"
REAL = MEDIA / "videos" / "mp_big_buck_bunny_0_30.webm"
RATE = 30
SIZES = {1080: "1920:1080", 720: "1280:720"}
X264 = ["-c:v", "libx264", "-preset", "medium", "-crf", "21"]
# A key frame each so many pictures and nowhere else, as segmenters need it; without it x264 begins a group at each cut.
FIXED = [*X264, "-sc_threshold", "0"]

CODECS = {"libx264": "h264", "libx265": "hevc", "libvpx-vp9": "vp9", "libsvtav1": "av1"}


@dataclass(frozen=True)
class Clip:
    name: str
    lines: int
    seconds: int
    encoder: tuple
    gop: int
    suffix: str = ".mp4"
    # How often the clip is repeated, packets untouched.
    loops: int = 1

    @property
    def path(self):
        return FOLDER / f"{self.name}_{'real' if REAL.exists() else 'pattern'}{self.suffix}"

    @property
    def codec(self):
        return CODECS[self.encoder[1]]

    @property
    def frames(self):
        return self.seconds * self.loops * RATE

    @property
    def once(self):
        """Frames before it repeats."""
        return self.seconds * RATE

    def megabits(self):
        return self.path.stat().st_size * 8 / (self.seconds * self.loops * 1e6)


CLIPS = {
    clip.name: clip
    for clip in [
        Clip("1080p-h264-gop250", 1080, 30, tuple(X264), 250),
        Clip("1080p-h264-gop30", 1080, 30, tuple(FIXED), 30),
        Clip("720p-h264-gop250", 720, 30, tuple(X264), 250),
        Clip("720p-h264-gop30", 720, 30, tuple(FIXED), 30),
        Clip("1080p-hevc", 1080, 10, ("-c:v", "libx265", "-preset", "fast", "-crf", "24", "-x265-params", "log-level=error"), 250),
        Clip("1080p-vp9", 1080, 10, ("-c:v", "libvpx-vp9", "-crf", "32", "-b:v", "0", "-deadline", "realtime", "-cpu-used", "5",
                                     "-row-mt", "1"), 250, ".webm"),
        Clip("1080p-av1", 1080, 10, ("-c:v", "libsvtav1", "-preset", "8", "-crf", "32"), 250),
        Clip("hour", 1080, 30, tuple(X264), 250, loops=120),
    ]
}  # fmt: skip


def ffmpeg(*arguments):
    subprocess.run(["ffmpeg", "-nostdin", "-v", "error", "-y", *map(str, arguments)], check=True)


def content():
    return "Big Buck Bunny (720p; scaled up for 1080p)" if REAL.exists() else "ffmpeg's test picture, not real content"


def make(clip):
    """The clip's path, made where it is not there yet."""
    if not clip.path.exists():
        FOLDER.mkdir(parents=True, exist_ok=True)
        part = clip.path.with_name(f"part-{clip.path.name}")
        (loop if clip.loops > 1 else encode)(clip, part)
        part.rename(clip.path)
    return clip.path


def encode(clip, target):
    source = ["-i", REAL] if REAL.exists() else ["-f", "lavfi", "-i", f"testsrc2=size=1920x1080:rate={RATE}:duration={clip.seconds}"]
    picture = f"fps={RATE},scale={SIZES[clip.lines]}:flags=bicubic:out_color_matrix=bt709:out_range=tv,format=yuv420p"
    tags = ["-colorspace", "bt709", "-color_primaries", "bt709", "-color_trc", "bt709", "-color_range", "tv"]
    ffmpeg(*source, "-an", "-vf", picture, "-frames:v", clip.once, *clip.encoder, "-g", clip.gop, *tags, target)


def loop(clip, target):
    """Without re-encoding: the clip of the same encoding, again and again."""
    once = next(c for c in CLIPS.values() if c.loops == 1 and (c.lines, c.encoder, c.gop) == (clip.lines, clip.encoder, clip.gop))
    repeat(make(once), clip.loops, target)


def repeat(source, times, target):
    ffmpeg("-stream_loop", times - 1, "-i", source, "-c", "copy", target)
