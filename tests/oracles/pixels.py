"""Writes the cases of tests/pixels.rs: what NumPy, Pillow and ImageHash make of
pictures that both sides generate from a seed.

    python pixels.py [cases a kind] [seed] > pixels.txt

Needs numpy, pillow==13.0.0, imagehash==4.3.2 (and its scipy). A line is a kind, its parameters and what
is expected; pictures and planes are expected as their md5.
"""

import hashlib
import io
import random
import sys

import imagehash
import numpy as np
import scipy.fftpack
from PIL import Image

COUNT = int(sys.argv[1]) if len(sys.argv) > 1 else 24
SEED = int(sys.argv[2]) if len(sys.argv) > 2 else 1
RNG = random.Random(SEED)

LAYOUTS = ["gray", "yuv420", "yuv422", "yuv444", "yuv440", "yuv411", "yuv410", "nv12", "gbr", "packed"]
SHIFTS = {"yuv420": (1, 1), "yuv422": (1, 0), "yuv444": (0, 0), "yuv440": (0, 1), "yuv411": (2, 0), "yuv410": (2, 2), "nv12": (1, 1)}
WEIGHTS = {"bt601": (0.299, 0.114), "bt709": (0.2126, 0.0722), "bt2020": (0.2627, 0.0593)}
FILTERS = {"box": Image.Resampling.BOX, "bilinear": Image.Resampling.BILINEAR, "bicubic": Image.Resampling.BICUBIC, "lanczos": Image.Resampling.LANCZOS}


def noise(count, seed):
    """The generator that tests/pixels.rs has too: 32 bits from an index."""
    v = np.arange(count, dtype=np.uint64) + np.uint64((seed * 0x9E3779B9) & 0xFFFFFFFF)
    v &= np.uint64(0xFFFFFFFF)
    for _ in range(2):
        v ^= v >> np.uint64(16)
        v = (v * np.uint64(0x045D9F3B)) & np.uint64(0xFFFFFFFF)
    v ^= v >> np.uint64(16)
    return v.astype(np.int64)


def md5(array):
    return hashlib.md5(np.ascontiguousarray(array, dtype=np.uint8).tobytes()).hexdigest()


def half_up(a, b):
    return -(-a // (1 << b))


def gain(value_range, depth):
    if value_range == "full":
        return 255 / (2**depth - 1), 255 / (2**depth - 1), 0
    return 255 / 219 / 2 ** (depth - 8), 255 / 224 / 2 ** (depth - 8), 16 << (depth - 8)


def fixed(value, shift):
    return int(np.floor(value * 2**shift + 0.5))


def clamp(a):
    return np.clip(a, 0, 255)


def expand(samples, value_range, depth):
    luma, _, offset = gain(value_range, depth)
    shift = 14 if depth == 8 else 18
    return clamp((fixed(luma, shift) * (samples - offset) + (1 << (shift - 1))) >> shift)


def planes_of(case):
    """Planes of samples as the layout has them, each from its own seed; chroma as (cb, cr)."""
    layout, depth, w, h, seed = (case[k] for k in ("layout", "depth", "w", "h", "seed"))
    make = lambda width, height, k: (noise(width * height, seed + k) >> 3).reshape(height, width) % (1 << depth)
    if layout == "gray":
        return [make(w, h, 0)]
    if layout == "packed":
        return [make(w * case["step"], h, 0)]
    if layout == "gbr":
        return [make(w, h, k) for k in range(3)]
    sx, sy = SHIFTS[layout]
    cw, ch = half_up(w, sx), half_up(h, sy)
    if layout == "nv12":
        both = make(2 * cw, ch, 1)
        return [make(w, h, 0), both[:, 0::2], both[:, 1::2]]
    return [make(w, h, 0), make(cw, ch, 1), make(cw, ch, 2)]


def rgb_samples(case, planes):
    """R, G, B at 8 bits full range of layouts without chroma."""
    if case["layout"] == "gray":
        r = g = b = planes[0]
    elif case["layout"] == "gbr":
        g, b, r = planes
    else:
        r, g, b = (planes[0][:, o :: case["step"]] for o in case["offsets"])
    return [expand(x, case["range"], case["depth"]) for x in (r, g, b)]


def nearest(case, plane):
    sx, sy = SHIFTS[case["layout"]]
    return plane.repeat(1 << sx, 1).repeat(1 << sy, 0)[: case["h"], : case["w"]]


def to_rgb(case, planes):
    if case["layout"] not in SHIFTS:
        return np.stack(rgb_samples(case, planes), -1)
    depth = case["depth"]
    kr, kb = WEIGHTS[case["matrix"]]
    luma, chroma, offset = gain(case["range"], depth)
    shift = 16 if depth == 8 else 18
    c = lambda value: fixed(value, shift)
    kg = 1 - kr - kb
    y = (planes[0] - offset) * c(luma) + (1 << (shift - 1))
    u, v = (nearest(case, p) - (128 << (depth - 8)) for p in planes[1:])
    red, blue = 2 * (1 - kr) * chroma, 2 * (1 - kb) * chroma
    r = y + c(red) * v
    g = y - c(blue * kb / kg) * u - c(red * kr / kg) * v
    b = y + c(blue) * u
    return np.stack([clamp(x >> shift) for x in (r, g, b)], -1)


def jfif_matrix(matrix):
    """3x3 from (y, u, v) of `matrix` to BT.601, by inverting the definitions."""
    def to_ycc(kr, kb):
        rows = np.array([[kr, 1 - kr - kb, kb], [0, 0, 0], [0, 0, 0]])
        rows[1] = (np.array([0, 0, 1]) - rows[0]) / (2 * (1 - kb))
        rows[2] = (np.array([1, 0, 0]) - rows[0]) / (2 * (1 - kr))
        return rows
    return to_ycc(*WEIGHTS["bt601"]) @ np.linalg.inv(to_ycc(*WEIGHTS[matrix]))


def pad_to_even(plane):
    return np.pad(plane, ((0, plane.shape[0] % 2), (0, plane.shape[1] % 2)), mode="edge")


def to_half(layout, plane, w, h):
    p = plane
    if layout in ("yuv444", "gbr", "packed"):
        p = pad_to_even(p)
        return (p[0::2, 0::2] + p[0::2, 1::2] + p[1::2, 0::2] + p[1::2, 1::2] + 2) >> 2
    if layout == "yuv440":
        p = np.pad(p, ((0, 0), (0, p.shape[1] % 2)), mode="edge")
        return (p[:, 0::2] + p[:, 1::2] + 1) >> 1
    if layout in ("yuv422", "yuv411"):
        p = np.pad(p, ((0, p.shape[0] % 2), (0, 0)), mode="edge")
        p = (p[0::2] + p[1::2] + 1) >> 1
    if layout == "yuv410":
        p = p.repeat(2, 0)
    if layout in ("yuv411", "yuv410"):
        p = p.repeat(2, 1)
    return p[: half_up(h, 1), : half_up(w, 1)]


def to_jfif(case, planes):
    layout, depth, w, h = (case[k] for k in ("layout", "depth", "w", "h"))
    if layout == "gray":
        return [expand(planes[0], case["range"], depth)]
    if layout not in SHIFTS:
        r, g, b = rgb_samples(case, planes)
        fix = lambda x: int(x * 65536 + 0.5)
        centre = (128 << 16) + 32767
        y = (fix(0.299) * r + fix(0.587) * g + fix(0.114) * b + 32768) >> 16
        cb = (-fix(0.168735892) * r - fix(0.331264108) * g + fix(0.5) * b + centre) >> 16
        cr = (fix(0.5) * r - fix(0.418687589) * g - fix(0.081312411) * b + centre) >> 16
        return [y, to_half(layout, cb, w, h), to_half(layout, cr, w, h)]
    luma, chroma, offset = gain(case["range"], depth)
    shift = 18 if depth > 8 else 14 if case["matrix"] == "bt601" else 16
    m = jfif_matrix(case["matrix"])
    c = lambda row, col: fixed(m[row, col] * (luma if col == 0 else chroma), shift)
    half = 1 << (shift - 1)
    u, v = (p - (128 << (depth - 8)) for p in planes[1:])
    wide_u, wide_v = nearest(case, u), nearest(case, v)
    y = clamp((c(0, 0) * (planes[0] - offset) + c(0, 1) * wide_u + c(0, 2) * wide_v + half) >> shift)
    centre = (128 << shift) + half
    cb = clamp((c(1, 1) * u + c(1, 2) * v + centre) >> shift)
    cr = clamp((c(2, 1) * u + c(2, 2) * v + centre) >> shift)
    return [y, to_half(layout, cb, w, h), to_half(layout, cr, w, h)]


def limit(planes, max_side):
    h, w = planes[0].shape
    longer = max(w, h)
    if max_side == 0 or longer <= max_side:
        return planes
    tw, th = (max(1, (2 * side * max_side + longer) // (2 * longer)) for side in (w, h))
    sizes = [(tw, th)] + [(half_up(tw, 1), half_up(th, 1))] * 2
    return [
        np.asarray(Image.fromarray(p.astype(np.uint8)).resize(s, Image.Resampling.BOX))
        for p, s in zip(planes, sizes)
    ]


def upright(array, case):
    if case["mirrored"]:
        array = array[:, ::-1]
    return np.rot90(array, -case["rotation"] // 90)


def picture_case(index):
    layout = LAYOUTS[index % len(LAYOUTS)]
    case = {
        "layout": layout,
        "depth": 8 if layout == "packed" else RNG.choice([8, 8, 9, 10, 12, 14, 16]),
        "matrix": RNG.choice(list(WEIGHTS)),
        "range": RNG.choice(["limited", "full"]),
        "w": RNG.choice([1, 2, 3, RNG.randint(4, 90), RNG.randint(4, 90), 513, 520]),
        "h": RNG.choice([1, 2, 3, RNG.randint(4, 50), RNG.randint(4, 50)]),
        "mirrored": RNG.randint(0, 1),
        "rotation": RNG.choice([0, 0, 90, 180, 270]),
        "max_side": RNG.choice([0, 0, RNG.randint(1, 60)]),
        "offsets": (0, 0, 0),
        "step": 1,
        "seed": RNG.randint(0, 2**20),
    }
    if layout == "packed":
        case["step"] = RNG.choice([3, 4])
        case["offsets"] = RNG.choice([(0, 1, 2), (2, 1, 0), (case["step"] - 3, case["step"] - 2, case["step"] - 1)])
    planes = planes_of(case)
    rgb = upright(to_rgb(case, planes), case).astype(np.uint8)
    image = Image.fromarray(np.ascontiguousarray(rgb))
    jfif = [upright(p, case) for p in limit(to_jfif(case, planes), case["max_side"])]
    jfif_md5 = [md5(p) for p in jfif] + ["-"] * (3 - len(jfif))
    r, g, b = case["offsets"]
    print(
        "picture", layout, case["depth"], case["matrix"], case["range"], case["w"], case["h"], case["mirrored"],
        case["rotation"], case["max_side"], r, g, b, case["step"], case["seed"],
        *jfif_md5, md5(rgb), md5(np.asarray(image.convert("L"))),
    )


def resize_case(index):
    channels = RNG.choice([1, 3])
    w, h, tw, th = (RNG.choice([1, 2, RNG.randint(3, 20), RNG.randint(3, 300)]) for _ in range(4))
    if RNG.random() < 0.1:
        tw = w
    if RNG.random() < 0.1:
        th = h
    box = (0, 0, w, h)
    kind = RNG.random()
    if kind < 0.4:
        x0, y0 = RNG.uniform(0, w * 0.7), RNG.uniform(0, h * 0.7)
        box = (x0, y0, RNG.uniform(x0 + w * 0.01, w), RNG.uniform(y0 + h * 0.01, h))
    elif kind < 0.5 and w > 2 and h > 2:
        box = (1, 1, w - 1, h)
    name = list(FILTERS)[index % 4]
    seed = RNG.randint(0, 2**20)
    pixels = (noise(w * h * channels, seed) & 255).astype(np.uint8)
    pixels = pixels.reshape(h, w) if channels == 1 else pixels.reshape(h, w, 3)
    out = Image.fromarray(pixels).resize((tw, th), FILTERS[name], box=box)
    print("resize", channels, w, h, name, *(repr(float(x)) for x in box), tw, th, seed, md5(np.asarray(out)))


def phash(image):
    """ImageHash's, but what is under 1e-9 counts as 0: below it scipy's sums are noise.

    None where the middle two values are one but for such noise: the median is then a toss-up.
    """
    small = np.asarray(image.resize((32, 32), Image.Resampling.LANCZOS))
    low = scipy.fftpack.dct(scipy.fftpack.dct(small, axis=0), axis=1)[:8, :8]
    noisy = ((low != 0) & (abs(low) < 1e-9)).any()
    low = np.where(abs(low) < 1e-9, 0, low)
    middle = np.sort(low.flat)[31:33]
    if middle[1] - middle[0] < 1e-9 and middle.any():
        return None
    ours = imagehash.ImageHash(low > np.median(low))
    assert noisy or ours == imagehash.phash(image)
    return ours


def hash_case(index):
    w, h = (RNG.choice([1, 2, RNG.randint(3, 40), RNG.randint(40, 400)]) for _ in range(2))
    seed = RNG.randint(0, 2**20)
    flat = RNG.random() < 0.1
    if flat:
        pixels = np.full((h, w), seed & 255, dtype=np.uint8)
    else:
        # Blobs with a little noise, so that low frequencies are far from 0.
        coarse = (noise(64, seed) & 255).reshape(8, 8)
        ys, xs = np.arange(h) * 8 // h, np.arange(w) * 8 // w
        fine = (noise(w * h, seed + 1) & 31).reshape(h, w)
        pixels = (coarse[ys][:, xs] * 7 // 8 + fine).astype(np.uint8)
    image = Image.fromarray(pixels)
    if phash(image) is not None:
        print("hash", w, h, int(flat), seed, phash(image), imagehash.dhash(image), imagehash.average_hash(image))


def save(image, **options):
    out = io.BytesIO()
    image.save(out, "JPEG", **options)
    return out.getvalue()


def encode_case(index):
    """Chroma repeated 2 x 2 survives libjpeg's own averaging, so Pillow's file is the planes' file."""
    w, h = RNG.randint(1, 70), RNG.randint(1, 50)
    quality, seed = RNG.choice([1, 50, 85, 95, 100]), RNG.randint(0, 2**20)
    make = lambda width, height, k: (noise(width * height, seed + k) & 255).reshape(height, width).astype(np.uint8)
    y = make(w, h, 0)
    gray = index % 4 == 0
    if gray:
        data = save(Image.fromarray(y), quality=quality)
    else:
        cb, cr = (make(half_up(w, 1), half_up(h, 1), k).repeat(2, 0).repeat(2, 1)[:h, :w] for k in (1, 2))
        image = Image.merge("YCbCr", [Image.fromarray(p) for p in (y, np.ascontiguousarray(cb), np.ascontiguousarray(cr))])
        data = save(image, quality=quality, subsampling=2)
    print("encode", int(gray), w, h, quality, seed, hashlib.md5(data).hexdigest())


def decode_case(index):
    w, h, seed = RNG.randint(1, 40), RNG.randint(1, 30), RNG.randint(0, 2**20)
    kind = ["420", "422", "444", "gray", "progressive", "cmyk"][index % 6]
    pixels = (noise(w * h * 3, seed) & 127).reshape(h, w, 3).astype(np.uint8)
    image = Image.fromarray(pixels)
    if kind == "gray":
        image = image.convert("L")
    if kind == "cmyk":
        inks = (noise(w * h * 4, seed) & 255).reshape(h, w, 4).astype(np.uint8)
        image = Image.frombytes("CMYK", (w, h), inks.tobytes())
    options = {"420": {"subsampling": 2}, "422": {"subsampling": 1}, "444": {"subsampling": 0}, "progressive": {"progressive": True}}
    data = save(image, quality=RNG.choice([5, 30]), **options.get(kind, {}))
    rgb = np.asarray(Image.open(io.BytesIO(data)).convert("RGB"))
    print("decode", w, h, data.hex(), md5(rgb))


for kind, count in [(picture_case, 3), (resize_case, 3), (hash_case, 1), (encode_case, 1), (decode_case, 0.4)]:
    for i in range(max(5, int(COUNT * count))):
        kind(i)
