"""Whether the right frames were written: each like ffmpeg's picture of that number, and no neighbour more like it.

Compared on luma. Tools differ in what they make of BT.709: ffmpeg and those that copy it leave Y' as it is, others go
through RGB to the BT.601 of JPEG. Both are right here; each picture is held against both.
"""

import subprocess

import numpy as np
from PIL import Image

from clips import SIZES
from measure import Failed, jpegs

PSNR = 30.0
# Pictures that are all but equal may come out either way.
SLACK = 0.1
CHECKED = 6


class References:
    """ffmpeg's pictures of a clip, decoded once: luma as coded (full range), and of the RGB."""

    def __init__(self, clip, path, wanted):
        self.once = clip.once
        width, height = map(int, SIZES[clip.lines].split(":"))
        near = {(i + step) % clip.once for i in wanted for step in (-1, 0, 1)}
        self.near = sorted(near)
        gray = self.decode(path, "gray", (height, width))
        rgb = self.decode(path, "rgb24", (height, width, 3))
        self.pictures = dict(zip(self.near, zip(gray, (luma(Image.fromarray(p)) for p in rgb))))

    def decode(self, path, pixels, shape):
        chosen = "+".join(f"eq(n\\,{i})" for i in self.near)
        command = ["ffmpeg", "-nostdin", "-v", "error", "-i", str(path), "-vf", f"select={chosen}", "-fps_mode", "passthrough",
                   "-pix_fmt", pixels, "-f", "rawvideo", "-"]  # fmt: skip
        size = int(np.prod(shape))
        with subprocess.Popen(command, stdout=subprocess.PIPE) as program:
            for _ in self.near:
                yield np.frombuffer(program.stdout.read(size), np.uint8).reshape(shape)

    def psnr(self, picture, index):
        return max(psnr(picture, reference) for reference in self.pictures[index % self.once])


def luma(image):
    return np.asarray(image.convert("L"))


def psnr(a, b):
    error = np.square(a[::2, ::2].astype(np.float32) - b[::2, ::2]).mean()
    return 10 * np.log10(255**2 / max(error, 1e-3))


def chosen(count):
    """Places of the frames that are looked at, of so many."""
    return sorted({round(k * (count - 1) / (CHECKED - 1)) for k in range(CHECKED)}) if count > 10 else range(count)


def frames(job, references):
    files = jpegs(job)
    # A frame at the very end is a matter of opinion: some tools leave out one or add one.
    if abs(len(files) - len(job.indices)) > (1 if len(job.indices) > 10 else 0):
        raise Failed(f"wrote {len(files)} frames of {len(job.indices)}")
    for place in chosen(len(job.indices)):
        if place < len(files):
            check(files[place], job.indices[place], references)


def check(file, index, references):
    picture = luma(Image.open(file))
    own, before, after = (references.psnr(picture, index + step) for step in (0, -1, 1))
    if own < PSNR or own + SLACK < max(before, after):
        raise Failed(f"frame {index} is not that frame: PSNR {own:.1f} dB, of the one before {before:.1f}, after {after:.1f}")
