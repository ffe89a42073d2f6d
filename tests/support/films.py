"""Films of scenes that are made for a test, each unlike all others."""

import subprocess

import numpy as np
from PIL import Image

WIDTH, HEIGHT = 192, 108


def encode(target, frames, rate=25, crf=18, options=()):
    """A video of these (H, W, 3) uint8 pictures."""
    frames = np.asarray(frames, np.uint8)
    words = ["ffmpeg", "-nostdin", "-v", "error", "-y", "-f", "rawvideo", "-pix_fmt", "rgb24", "-s",
             f"{frames.shape[2]}x{frames.shape[1]}", "-r", str(rate), "-i", "-", *options, "-c:v", "libx264", "-preset",
             "ultrafast", "-crf", str(crf), "-pix_fmt", "yuv420p", str(target)]
    subprocess.run(words, input=frames.tobytes(), check=True, timeout=120)
    return target


def scene(seed, count, flat=None, pace=1):
    """Pictures of one scene: coarse noise of its own that drifts by so many pixels a frame."""
    if flat is not None:
        return np.full((count, HEIGHT, WIDTH, 3), flat, np.uint8)
    source = np.random.default_rng(seed)
    coarse = source.integers(0, 256, (7, 12, 3), np.uint8)
    large = np.asarray(Image.fromarray(coarse).resize((WIDTH + 2 * count * max(1, pace), HEIGHT), Image.BICUBIC))
    dark, bright = sorted(source.integers(0, 256, 2).tolist())
    large = (dark + large.astype(float) / 255 * max(90, bright - dark)).clip(0, 255).astype(np.uint8)
    return np.stack([large[:, n * pace:n * pace + WIDTH] for n in range(count)])
