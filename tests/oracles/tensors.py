"""Writes the cases of src/tensor/tests.rs: what NumPy and Pillow make of pictures that both
sides generate from a seed.

    python tensors.py [cases] [seed] > tensors.txt

Needs numpy, pillow==13.0.0. A line is a tensor's parameters, its transform as exact fractions,
and the md5 of its bytes.
"""

import hashlib
import random
import sys
from fractions import Fraction

import numpy as np
from PIL import Image

FILTERS = {"bilinear": Image.Resampling.BILINEAR, "bicubic": Image.Resampling.BICUBIC}
TYPES = {"uint8": np.uint8, "fp16": np.float16, "fp32": np.float32}
# scale, mean, std. The last but two put FP16 values halfway between neighbours, and below its smallest normal number.
NORMALIZE = [
    None,
    (1.0, [0.0], [1.0]),
    (1 / 255, [0.0], [1.0]),
    (1 / 255, [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]),
    (1.0, [123.675, 116.28, 103.53], [58.395, 57.12, 57.375]),
    (-1 / 127.5, [-1.0], [1.0]),
    (1.0, [-2048.0], [1.0]),
    (2.0**-25, [0.0], [1.0]),
    (2.0**-26, [2.0**-24], [1.0]),
    (300.0, [0.0], [1.0]),
]


def noise(count, seed):
    """The generator that src/tensor/tests.rs has too: 32 bits from an index."""
    v = np.arange(count, dtype=np.uint64) + np.uint64((seed * 0x9E3779B9) & 0xFFFFFFFF)
    v &= np.uint64(0xFFFFFFFF)
    for _ in range(2):
        v ^= v >> np.uint64(16)
        v = (v * np.uint64(0x045D9F3B)) & np.uint64(0xFFFFFFFF)
    v ^= v >> np.uint64(16)
    return v.astype(np.int64)


def floor_half_up(value):
    return (2 * value.numerator + value.denominator) // (2 * value.denominator)


def fitted(image, size, fit, resample, pad):
    """The picture in its new size, and (scale, offset) of x and of y as fractions."""
    (w, h), (out_w, out_h) = image.size, size
    box, inner = [Fraction(0), Fraction(0), Fraction(w), Fraction(h)], size
    if fit == "letterbox":
        r = min(Fraction(out_w, w), Fraction(out_h, h))
        inner = max(1, floor_half_up(w * r)), max(1, floor_half_up(h * r))
    if fit == "crop":
        r = max(Fraction(out_w, w), Fraction(out_h, h))
        half_w, half_h = Fraction(out_w) / r / 2, Fraction(out_h) / r / 2
        box = [Fraction(w, 2) - half_w, Fraction(h, 2) - half_h, Fraction(w, 2) + half_w, Fraction(h, 2) + half_h]
    at = (out_w - inner[0]) // 2, (out_h - inner[1]) // 2
    resized = image.resize(inner, resample, box=tuple(float(side) for side in box))
    whole = Image.new(image.mode, size, pad if image.mode == "L" else (pad,) * 3)
    whole.paste(resized, at)
    scale = [(box[2] - box[0]) / inner[0], (box[3] - box[1]) / inner[1]]
    offset = [box[k] - at[k] * scale[k] for k in (0, 1)]
    return whole, scale + offset


def normalized(array, datatype, normalize):
    """array is [H, W, C]; two roundings to float32, then one to float16."""
    if datatype == "uint8":
        return array
    y = array.astype(np.float32)
    if normalize:
        scale, mean, std = normalize
        a = (np.float64(scale) / np.array(std)).astype(np.float32)
        b = (-np.array(mean) / np.array(std)).astype(np.float32)
        y = y * a
        y = y + b
        assert y.dtype == np.float32
    with np.errstate(over="ignore"):
        return y.astype(TYPES[datatype])


def tensor(pixels, case):
    image = Image.fromarray(pixels)
    if case["channels"] == "gray":
        image = image.convert("L")
    size = case["size"] or image.size
    image, transform = fitted(image, size, case["fit"], FILTERS[case["filter"]], case["pad"])
    array = np.asarray(image)
    array = array[:, :, None] if array.ndim == 2 else array
    if case["channels"] == "bgr":
        array = array[:, :, ::-1]
    array = normalized(array, case["datatype"], case["normalize"])
    if case["layout"] == "nchw":
        array = array.transpose(2, 0, 1)
    return np.ascontiguousarray(array), transform


def numbers(values):
    return ",".join(repr(float(value)) for value in values)


def main(count=160, seed=1):
    rng = random.Random(int(seed))
    for n in range(int(count)):
        side = lambda: rng.choice([1, 2, 3, rng.randint(4, 40), rng.randint(4, 40), rng.randint(40, 200)])
        w, h, seed = side(), side(), rng.randint(0, 2**20)
        case = {
            "datatype": list(TYPES)[n % 3],
            "layout": rng.choice(["nhwc", "nchw"]),
            "channels": rng.choice(["rgb", "rgb", "bgr", "gray"]),
            "size": rng.choice([None, (w, h), (side(), side()), (side(), side()), (side(), side())]),
            "fit": rng.choice(["stretch", "letterbox", "crop"]),
            "filter": rng.choice(list(FILTERS)),
            "pad": rng.choice([114, 0, 255, rng.randint(0, 255)]),
            "normalize": NORMALIZE[n // 3 % len(NORMALIZE)] if n % 3 else None,
        }
        if case["normalize"] and case["channels"] == "gray":
            scale, mean, std = case["normalize"]
            case["normalize"] = scale, mean[:1], std[:1]
        pixels = (noise(w * h * 3, seed) & 255).astype(np.uint8).reshape(h, w, 3)
        out, transform = tensor(pixels, case)
        scale, mean, std = case["normalize"] or (0, [], [])
        out_w, out_h = case["size"] or (0, 0)
        print(
            w, h, seed, case["datatype"], case["layout"], case["channels"], out_w, out_h, case["fit"], case["filter"], case["pad"],
            "normalize" if case["normalize"] else "plain", repr(float(scale)), numbers(mean) or "-", numbers(std) or "-",
            *(f"{value.numerator}/{value.denominator}" for value in transform),
            hashlib.md5(out.astype(out.dtype.newbyteorder("<")).tobytes()).hexdigest(),
        )


if __name__ == "__main__":
    main(*sys.argv[1:])
