"""Timelines whose frames are told apart by their colour, so that a picture of a page says which frames it shows."""

import colorsys
import json

from PIL import Image


def colour(seq):
    """(r, g, b); those next to each other differ much, and none is near another of a hundred."""
    hue = (seq * 0.381966) % 1
    light = 0.35 + 0.3 * ((seq // 7) % 3) / 2
    return tuple(round(255 * part) for part in colorsys.hls_to_rgb(hue, light, 0.8))


def put(fc, folder, timeline, count, size=(160, 90), fps=5, first=0, **facts):
    """Puts so many frames; `facts` are {seq: {…}} more of them. Times are logged in the facts."""
    folder.mkdir(parents=True, exist_ok=True)
    lines = []
    for seq in range(first, first + count):
        Image.new("RGB", size, colour(seq)).save(folder / f"{seq}.jpg", quality=95)
        lines.append({"seq": seq, "timestamp": seq / fps, "duration": 1 / fps, **facts.get(str(seq), {})})
    (folder / "facts.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    names = [folder / f"{seq}.jpg" for seq in range(first, first + count)]
    fc.run("put", timeline, *names, "--facts", folder / "facts.jsonl", timeout=300)


def near(one, other, by=14):
    return all(abs(a - b) <= by for a, b in zip(one, other, strict=True))


def mean(picture, box=None):
    """Of the middle of a picture, or of a box of it."""
    x, y, width, height = box or (0, 0, *picture.size)
    picture = picture.crop((round(x + width / 4), round(y + height / 4), round(x + 3 * width / 4), round(y + 3 * height / 4)))
    small = picture.convert("RGB").resize((1, 1), Image.Resampling.BOX)
    return small.getpixel((0, 0))
