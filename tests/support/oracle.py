"""What ffmpeg, NumPy, Pillow and ImageHash say: the truth that framecache is compared with."""

import csv
import functools
import gzip
import json
import subprocess
import tempfile
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np

from . import mp4

FFMPEG = ["ffmpeg", "-nostdin", "-v", "error", "-threads", "1", "-flags", "bitexact", "-noautorotate"]


def ffprobe(path, *entries, stream="V:0"):
    command = ["ffprobe", "-v", "quiet", "-threads", "1", "-flags", "bitexact", "-select_streams", stream, "-of", "json"]
    done = subprocess.run([*command, *entries, str(path)], capture_output=True, timeout=300)
    return json.loads(done.stdout or "{}")


def framemd5_rows(text):
    """(pts, size, md5) of each line of a framemd5 listing."""
    fields = ([f.strip() for f in line.split(",")] for line in text.splitlines() if line and line[0] != "#")
    return [(f[2], f[4], f[5]) for f in fields]


def framemd5(path):
    command = [*FFMPEG, "-copyts", "-i", str(path), "-map", "0:V:0", "-autoscale", "0", "-fps_mode", "passthrough",
               "-enc_time_base", "-1", "-f", "framemd5", "-"]
    return subprocess.run(command, capture_output=True, text=True, timeout=300).stdout


def complaints(path):
    """What ffmpeg says against a file while it decodes all of it."""
    command = [*FFMPEG, "-i", str(path), "-map", "0:V:0", "-f", "null", "-"]
    return subprocess.run(command, capture_output=True, text=True, timeout=300).stderr


def damaged(path):
    """The file's bytes with damage in the slices of pictures in its middle, where a decoder meets it: ffmpeg does.

    What lies at a slice's end may be padding to an encoder, and what an entropy decoder makes of other bits may be
    sound by chance: so whole slices are overwritten behind their headers, one after the other until ffmpeg complains.
    """
    data = bytearray(Path(path).read_bytes())
    packets = ffprobe(path, "-show_entries", "packet=pos,size")["packets"]
    places = sorted((int(p["pos"]), int(p["size"])) for p in packets)
    with tempfile.NamedTemporaryFile(suffix=Path(path).suffix) as file:
        for at, size in places[len(places) // 2 :]:
            for k in range(at + min(64, size // 2), at + size):
                data[k] ^= 0x55
            Path(file.name).write_bytes(data)
            if complaints(file.name):
                return bytes(data)
    raise AssertionError(f"ffmpeg complains of no damage in {path}")


def without_pts(rows):
    return [(size, md5) for _pts, size, md5 in rows]


@dataclass
class Stream:
    """The video stream as ffprobe tells it. Frames in the order of showing."""

    path: str
    told: dict
    time_base: Fraction
    pixels: str
    matrix: str
    range: str
    turn: tuple
    frames: list

    @property
    def has_pts(self):
        return all("pts" in f for f in self.frames)

    def times(self):
        """Exact seconds of each frame, the first at zero."""
        first = self.frames[0]["pts"]
        return [(f["pts"] - first) * self.time_base for f in self.frames]

    @functools.cached_property
    def last_duration(self):
        return last_duration(self.path, self.told, self.frames)

    @property
    def end(self):
        return self.times()[-1] + self.last_duration


def display_turn(stream):
    """(mirrored, clockwise degrees) that a display matrix asks for; mirror comes first."""
    for side in stream.get("side_data_list", []):
        if side.get("side_data_type") != "Display Matrix":
            continue
        rows = [line.split(":")[1].split() for line in side["displaymatrix"].strip().splitlines()]
        a, b, c, d = (int(rows[i][j]) >> 16 for i in (0, 1) for j in (0, 1))
        for mirrored in (False, True):
            for degrees, (x, y) in {0: (1, 0), 90: (0, 1), 180: (-1, 0), 270: (0, -1)}.items():
                # The images of the unit vectors: right goes to (x, y), down to (-y, x); mirrored, right is left.
                right = (-x, -y) if mirrored else (x, y)
                if (right, (-y, x)) == ((a, b), (c, d)):
                    return mirrored, degrees
    return False, 0


def probe(path):
    told = ffprobe(path, "-show_entries", "stream:stream_side_data:frame=pts,pkt_dts,width,height,pix_fmt,key_frame,duration,pkt_duration,color_space,color_range")
    stream = told["streams"][0]
    frames = told.get("frames", [])
    return Stream(
        path=path,
        told=stream,
        time_base=Fraction(stream["time_base"]),
        pixels=stream.get("pix_fmt", ""),
        matrix=frames[0].get("color_space", stream.get("color_space", "unknown")) if frames else "unknown",
        range=frames[0].get("color_range", stream.get("color_range", "unknown")) if frames else "unknown",
        turn=display_turn(stream),
        frames=frames,
    )


def last_duration(path, stream, frames):
    """The rule of the contract: what an MP4's own tables say, else the gap before, else 1/avg_frame_rate."""
    base = Fraction(stream["time_base"])
    if not frames or "pts" not in frames[-1]:
        return Fraction(0)
    kind = ffprobe(path, "-show_entries", "format=format_name")["format"]["format_name"]
    if "mp4" in kind:
        packets = ffprobe(path, "-show_entries", "packet=pts,pos")["packets"]
        place = [int(p["pos"]) for p in packets if p.get("pts") == frames[-1]["pts"] and "pos" in p]
        told = mp4.last_duration(Path(path), place[0]) if place else None
        if told:
            return told
    if len(frames) > 1:
        return (frames[-1]["pts"] - frames[-2]["pts"]) * base
    return 1 / Fraction(stream["avg_frame_rate"])


def shown_at(times, t, time_base):
    """Index of the last frame whose time minus the tolerance is not after t; None before the first."""
    tolerance = min(time_base / 2, Fraction(1, 2000))
    found = None
    for k, time in enumerate(times):
        if time - tolerance <= t:
            found = k
    return found


# Raw planes.

SUBSAMPLING = {"420": (2, 2), "422": (2, 1), "444": (1, 1), "440": (1, 2), "411": (4, 1), "410": (4, 4)}


@dataclass
class Planes:
    """Decoded samples as integers: y, u, v (or g, b, r; or y alone) and their depth."""

    kind: str
    depth: int
    samples: list
    step: tuple


def layout_of(pixels):
    """(kind, depth, (horizontal, vertical) subsampling, planes) of an ffmpeg pixel format."""
    depth = int(pixels.rstrip("le")[-2:].lstrip("p")) if pixels.endswith("le") else 8
    if pixels.startswith("gbr"):
        return "gbr", depth, (1, 1), 3
    if pixels.startswith("gray"):
        return "gray", depth, (1, 1), 1
    if pixels == "rgb24":
        return "rgb", 8, (1, 1), 1
    digits = pixels.replace("yuvj", "yuv").replace("yuva", "yuv")[3:6]
    return "yuv", depth, SUBSAMPLING[digits], 4 if pixels.startswith("yuva") else 3


def raw_frames(path, stream, chosen):
    """(k, planes) of the frames chosen, decoded by ffmpeg in the native format."""
    last = max(chosen)
    command = [*FFMPEG, "-copyts", "-i", str(path), "-map", "0:V:0", "-autoscale", "0", "-fps_mode", "passthrough",
               "-frames:v", str(last + 1), "-f", "rawvideo", "-"]
    data = np.frombuffer(subprocess.run(command, capture_output=True, timeout=300).stdout, np.uint8)
    at = 0
    for k, frame in enumerate(stream.frames[: last + 1]):
        picture = frame.get("pix_fmt", stream.pixels), frame["width"], frame["height"]
        if k in chosen:
            yield k, cut_planes(data[at:], *picture)
        at += bytes_of(*picture)


def shapes_of(pixels, width, height):
    """(rows, columns) of each plane."""
    _kind, _depth, step, count = layout_of(pixels)
    small = (-(-height // step[1]), -(-width // step[0]))
    return [(height, width), small, small, (height, width)][:count]


def bytes_of(pixels, width, height):
    """What a picture takes in rawvideo."""
    kind, depth, _step, _count = layout_of(pixels)
    each = 3 if kind == "rgb" else 2 if depth > 8 else 1
    return each * sum(rows * columns for rows, columns in shapes_of(pixels, width, height))


def cut_planes(data, pixels, width, height):
    kind, depth, step, _count = layout_of(pixels)
    if kind == "rgb":
        return Planes("rgb", 8, [data[: width * height * 3].reshape(height, width, 3)], (1, 1))
    wide = 2 if depth > 8 else 1
    samples, at = [], 0
    for h, w in shapes_of(pixels, width, height):
        block = data[at : at + h * w * wide]
        samples.append((block.view("<u2") if depth > 8 else block).reshape(h, w).astype(np.int64))
        at += h * w * wide
    return Planes(kind, depth, samples[:3], step)


# YUV to RGB by the formula of the contract, in integers.

COEFFICIENTS = {
    "bt601": {"limited": (76309, 104597, 25675, 53279, 132201), "full": (65536, 91881, 22553, 46802, 116130)},
    "bt709": {"limited": (76309, 117489, 13975, 34925, 138438), "full": (65536, 103206, 12276, 30679, 121609)},
    "bt2020": {"limited": (76309, 110014, 12277, 42626, 140363), "full": (65536, 96639, 10784, 37444, 123299)},
}
KR_KB = {"bt601": (0.299, 0.114), "bt709": (0.2126, 0.0722), "bt2020": (0.2627, 0.0593)}


def matrix_of(stream):
    return {"bt709": "bt709", "bt2020nc": "bt2020"}.get(stream.matrix, "bt601")


def range_of(stream):
    return "full" if stream.range == "pc" or stream.pixels.startswith("yuvj") else "limited"


def deep_coefficients(matrix, span, depth):
    """round(c * 2^18 * s) of the unrounded coefficients, in exact rationals."""
    kr, kb = (Fraction(str(k)) for k in KR_KB[matrix])
    kg = 1 - kr - kb
    luma, chroma = (Fraction(255, 219), Fraction(255, 224)) if span == "limited" else (Fraction(1), Fraction(1))
    scale = Fraction(1, 2 ** (depth - 8)) if span == "limited" else Fraction(255, 2**depth - 1)
    exact = (luma, 2 * (1 - kr) * chroma, 2 * kb * (1 - kb) / kg * chroma, 2 * kr * (1 - kr) / kg * chroma, 2 * (1 - kb) * chroma)
    return tuple(int(c * 2**18 * scale + Fraction(1, 2)) for c in exact)


def rgb_of(planes, matrix, span):
    """uint8 H x W x 3; chroma replicated."""
    if planes.kind == "rgb":
        return planes.samples[0]
    if planes.kind == "gbr":
        g, b, r = planes.samples
        return np.stack([r, g, b], -1).astype(np.uint8)
    y = planes.samples[0]
    height, width = y.shape
    middle = 1 << (planes.depth - 1)
    if planes.kind == "gray":
        u = v = np.full_like(y, middle)
    else:
        across, down = planes.step
        u, v = (p.repeat(down, 0).repeat(across, 1)[:height, :width] for p in planes.samples[1:])
    if planes.depth == 8:
        shift, (cy, crv, cgu, cgv, cbu) = 16, COEFFICIENTS[matrix][span]
    else:
        shift, (cy, crv, cgu, cgv, cbu) = 18, deep_coefficients(matrix, span, planes.depth)
    offset = 16 << (planes.depth - 8) if span == "limited" else 0
    luma = (y - offset) * cy + (1 << (shift - 1))
    u, v = u - middle, v - middle
    out = np.stack([luma + crv * v, luma - cgu * u - cgv * v, luma + cbu * u], -1) >> shift
    return np.clip(out, 0, 255).astype(np.uint8)


def upright(rgb, turn):
    mirrored, degrees = turn
    if mirrored:
        rgb = rgb[:, ::-1]
    return np.ascontiguousarray(np.rot90(rgb, -degrees // 90))


# The reference picture: interpolated chroma, in floats.


def reference_rgb(planes, matrix, span):
    """8-bit 4:2:0 with left-sited chroma interpolated bilinearly, converted in float64."""
    assert planes.kind == "yuv" and planes.depth == 8 and planes.step == (2, 2)
    kr, kb = KR_KB[matrix]
    kg = 1 - kr - kb
    y, u, v = planes.samples
    height, width = y.shape
    u, v = (interpolated(p, height, width) - 128 for p in (u, v))
    if span == "limited":
        y, u, v = (y - 16) / 219, u / 224, v / 224
    else:
        y, u, v = y / 255, u / 255, v / 255
    r, b = y + 2 * (1 - kr) * v, y + 2 * (1 - kb) * u
    g = y - 2 * (1 - kb) * kb / kg * u - 2 * (1 - kr) * kr / kg * v
    return np.clip(np.rint(np.stack([r, g, b], -1) * 255), 0, 255).astype(np.uint8)


def interpolated(plane, height, width):
    plane = plane.astype(np.float64)
    rows, columns = plane.shape
    y = (np.arange(height) + 0.5) / 2 - 0.5
    x = np.arange(width) / 2
    y0, x0 = np.floor(y).astype(int), np.floor(x).astype(int)
    fy, fx = (y - y0)[:, None], (x - x0)[None]
    tall = plane[y0.clip(0, rows - 1)] * (1 - fy) + plane[(y0 + 1).clip(0, rows - 1)] * fy
    return tall[:, x0.clip(0, columns - 1)] * (1 - fx) + tall[:, (x0 + 1).clip(0, columns - 1)] * fx


# Stored ground truth of a media folder.


@dataclass
class Truth:
    """A media folder with ffmpeg's stored answers beside it."""

    root: Path

    def _base(self, relative):
        return str(relative).replace("/", "__")

    def framemd5(self, relative):
        path = self.root / "gt" / f"{self._base(relative)}.framemd5.gz"
        return framemd5_rows(gzip.open(path, "rt").read()) if path.exists() else None

    def frames(self, relative):
        path = self.root / "gt" / f"{self._base(relative)}.frames.csv.gz"
        return list(csv.DictReader(gzip.open(path, "rt"))) if path.exists() else None

    def hashes(self, relative):
        """Rows of the first video stream: frames 0, middle and last."""
        with open(self.root / "gt" / "hashes.csv") as table:
            rows = [row for row in csv.DictReader(table) if row["file"] == str(relative)]
        first = min((int(row["stream"]) for row in rows), default=0)
        return [row for row in rows if int(row["stream"]) == first]

    def files(self, *folders):
        """Relative paths that have a framemd5."""
        found = (p.relative_to(self.root) for f in folders for p in sorted((self.root / f).rglob("*")) if p.is_file())
        return [str(p) for p in found if (self.root / "gt" / f"{self._base(p)}.framemd5.gz").exists()]
