"""What a decoder needs at each cut point, which cut points are true, and packets that hold more than a picture.

Every picture shows its number, so that the right one is known from how the file was made, whatever a decoder makes of it.
"""

import io
import struct

import numpy as np
import pytest
from PIL import Image

from .media import numbered, untidy
from .media.untidy import LARGE, Part

COUNT = 40


def box(kind, *parts):
    body = b"".join(parts)
    return struct.pack(">I4s", len(body) + 8, kind) + body


def inside(data, *path):
    """The body of the box at this path (ISO/IEC 14496-12, 4.2)."""
    for kind in path:
        at = 0
        while data[at + 4 : at + 8] != kind:
            at += struct.unpack_from(">I", data, at)[0]
        data = data[at + 8 : at + struct.unpack_from(">I", data, at)[0]]
    return data


STBL = (b"moov", b"trak", b"mdia", b"minf", b"stbl")


def samples(mp4):
    """A file's samples in order, of one track without gaps."""
    count = struct.unpack_from(">I", inside(mp4, *STBL, b"stsz"), 8)[0]
    data, at = inside(mp4, b"mdat"), 0
    for size in struct.unpack_from(f">{count}I", inside(mp4, *STBL, b"stsz"), 12):
        yield data[at : at + size]
        at += size


def two_entries(pieces, ticks=512):
    """One MP4 track of several files without reordering, with a sample entry for each: what an editor's splice leaves."""
    full = [list(samples(piece)) for piece in pieces]
    number = sum(map(len, full))
    # Behind `ftyp` and the header of `mdat`.
    starts, at = [], 24
    for part in full:
        starts.append(at)
        at += sum(map(len, part))
    keys = [k + 1 for k in range(number) if k % 10 == 0]
    entries = b"".join(inside(piece, *STBL, b"stsd")[8:] for piece in pieces)
    stbl = box(
        b"stbl",
        box(b"stsd", bytes(4), struct.pack(">I", len(pieces)), entries),
        box(b"stts", bytes(4), struct.pack(">3I", 1, number, ticks)),
        box(b"stss", bytes(4), struct.pack(f">{1 + len(keys)}I", len(keys), *keys)),
        box(b"stsc", bytes(4), struct.pack(">I", len(full)), *(struct.pack(">3I", k + 1, len(part), k + 1) for k, part in enumerate(full))),
        box(b"stsz", bytes(8), struct.pack(f">{1 + number}I", number, *(len(s) for part in full for s in part))),
        box(b"stco", bytes(4), struct.pack(f">{1 + len(starts)}I", len(starts), *starts)),
    )
    first = pieces[0]
    duration = number * ticks
    mvhd, tkhd, mdhd = (bytearray(inside(first, *path)) for path in ((b"moov", b"mvhd"), (*STBL[:2], b"tkhd"), (*STBL[:3], b"mdhd")))
    scale = struct.unpack_from(">I", mdhd, 12)[0]
    struct.pack_into(">2I", mvhd, 12, scale, duration)
    struct.pack_into(">I", tkhd, 20, duration)
    struct.pack_into(">I", mdhd, 16, duration)
    minf = box(b"minf", box(b"vmhd", inside(first, *STBL[:4], b"vmhd")), box(b"dinf", inside(first, *STBL[:4], b"dinf")), stbl)
    mdia = box(b"mdia", box(b"mdhd", mdhd), box(b"hdlr", inside(first, *STBL[:3], b"hdlr")), minf)
    moov = box(b"moov", box(b"mvhd", mvhd), box(b"trak", box(b"tkhd", tkhd), mdia))
    mdat = box(b"mdat", *(sample for part in full for sample in part))
    return box(b"ftyp", b"isom", bytes(4)) + mdat + moov


def sample_entries(**other):
    parts = [Part(count=COUNT), Part(first=COUNT, count=COUNT, **other)]
    return lambda folder: two_entries(untidy.parts_of(folder, "h264_plain", "mp4", parts))


def avi_chunks(data):
    """Where the frames stand in an AVI file, and how long they are."""
    at = data.index(b"movi") + 4
    while data[at : at + 2] == b"00":
        size = struct.unpack_from("<I", data, at + 4)[0]
        yield at + 8, size
        at += 8 + size + size % 2


def tables_once(folder):
    """Motion JPEG whose tables stand in every tenth picture: in the others fill bytes are in their place."""
    data = bytearray(untidy.parts_of(folder, "mjpeg", "avi", [Part(count=COUNT)])[0])
    for k, (at, size) in enumerate(list(avi_chunks(data))):
        place = at + 2
        while k % 10 and data[place + 1] != 0xDA:
            length = 2 + struct.unpack_from(">H", data, place + 2)[0]
            if data[place + 1] in (0xC4, 0xDB):
                data[place : place + length] = b"\xff" * length
            place += length
    return bytes(data)


def kind(picture):
    """vop_coding_type: 0 I, 1 P, 2 B (ISO/IEC 14496-2, 6.2.5)."""
    return picture[picture.index(b"\0\0\1\xb6") + 4] >> 6


def packed(folder):
    """AVI whose B pictures stand in the packet of the reference picture before them, and say so, as DivX wrote it."""
    data = untidy.parts_of(folder, "mpeg4_b", "avi", [Part(count=COUNT, more=("-bf", "1", "-b_strategy", "0", "-vtag", "DX50"))])[0]
    pictures = [data[at : at + size] for at, size in avi_chunks(data) if size]
    # vop_coding_type 1, no modulo_time_base, marker, five bits of time, marker, not coded (ISO/IEC 14496-2, 6.2.5).
    nothing = b"\0\0\1\xb6" + bytes([0b01_0_1_0000, 0b0_1_0_11111])
    out = []
    for picture, after in zip(pictures, [*pictures[1:], b""]):
        if kind(picture) == 2:
            out.append(nothing)
        else:
            out.append(picture + after if after and kind(after) == 2 else picture)
    at = out[0].index(b"\0\0\1\xb6")
    group = out[0].find(b"\0\0\1\xb3")
    at = min(at, group) if group >= 0 else at
    out[0] = out[0][:at] + b"\0\0\1\xb2DivX503b1393p" + out[0][at:]
    body = b"".join(b"00dc" + struct.pack("<I", len(p)) + p + bytes(len(p) % 2) for p in out)
    offsets = np.cumsum([4, *(8 + len(p) + len(p) % 2 for p in out)])
    index = b"".join(
        b"00dc" + struct.pack("<3I", 16 if kind(p) == 0 else 0, offset, len(p)) for p, offset in zip(out, offsets)
    )
    head = data[12 : data.index(b"movi") - 8]
    whole = head + b"LIST" + struct.pack("<I", len(body) + 4) + b"movi" + body + b"idx1" + struct.pack("<I", len(index)) + index
    return b"RIFF" + struct.pack("<I", len(whole) + 4) + b"AVI " + whole


def packed_in(container):
    def make(folder):
        source, target = folder + "/packed.avi", f"{folder}/packed.{container}"
        with open(source, "wb") as file:
            file.write(packed(folder))
        untidy.remux(source, target)
        with open(target, "rb") as file:
            return file.read()

    return make


def layered(folder):
    """VP9 as an SFU records spatial layers: each packet a small and a large picture, both shown (Annex B)."""
    # Key frames alone, so that no layer needs another.
    parts = [Part(first=100, count=COUNT, more=("-g", "1")), Part(count=COUNT, size=LARGE, more=("-g", "1"))]
    small, large = untidy.parts_of(folder, "vp9", "ivf", parts)
    out = large[:32]
    for k, (little, big) in enumerate(zip(ivf_frames(small), ivf_frames(large))):
        # Two frames, sizes of four bytes.
        marker = bytes([0xC0 | 3 << 3 | 1])
        frame = little + big + marker + struct.pack("<2I", len(little), len(big)) + marker
        out += struct.pack("<IQ", len(frame), k) + frame
    return out


def ivf_frames(data):
    at = 32
    while at < len(data):
        size = struct.unpack_from("<I", data, at)[0]
        yield data[at + 12 : at + 12 + size]
        at += 12 + size


KINDS = {
    "entries_resized.mp4": (sample_entries(size=LARGE), 2 * COUNT),
    "entries_encoder.mp4": (sample_entries(more=("-x264-params", "cabac=0:ref=1:log=-1:keyint=10:bframes=0")), 2 * COUNT),
    "tables_once.avi": (tables_once, COUNT),
    "packed_by_hand.avi": (packed, COUNT),
    "packed_by_hand.mkv": (packed_in("mkv"), COUNT),
    "packed_by_hand.mp4": (packed_in("mp4"), COUNT),
    "layered.ivf": (layered, COUNT),
}


def numbers(jpegs):
    def number(jpeg):
        with Image.open(io.BytesIO(jpeg)) as picture:
            return numbered.read(np.asarray(picture.convert("L")))

    return [number(jpegs[seq]) for seq in sorted(jpegs)]


def taken(fc, source, timeline, *options):
    done = fc.extract(timeline, "--hash", "none", *options, source, code=None)
    assert done.code in (0, 3), done.describe()
    return fc.jpegs(timeline)


@pytest.mark.parametrize("name", KINDS)
def test_each_picture_is_the_right_one_by_every_way_there(fc, name):
    recipe, count = KINDS[name]
    source = untidy.made(f"sets_{name}", recipe)
    whole = taken(fc, source, "all", "--all", "--workers", 1)
    facts = fc.frames("all")
    assert not any(frame.get("missing") or frame.get("damaged") for frame in facts)
    assert numbers(whole) == list(range(count))
    times = [frame["timestamp"] for frame in facts]
    assert times == pytest.approx([k / untidy.RATE for k in range(count)], abs=0.002)
    for workers in (2, 4):
        assert taken(fc, source, f"w{workers}", "--all", "--workers", workers) == whole
    assert list(taken(fc, source, "every", "--every", 7).values()) == [whole[k] for k in range(0, count, 7)]
    keys = [frame["seq"] for frame in facts if frame["keyframe"]]
    assert list(taken(fc, source, "keys", "--keyframes").values()) == [whole[k] for k in keys]
    for k in (count - 2, 1, count // 2 + 3, 13):
        alone = taken(fc, source, f"at{k}", "--at", f"{times[k] + 0.01:.6f}")
        assert list(alone.values()) == [whole[k]], k
