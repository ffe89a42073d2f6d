"""Small files that ask for much: boxes of MP4 patched, H.264 of any size, PNGs that inflate."""

import functools
import random
import struct
import zlib

CONTAINERS = {b"moov", b"trak", b"mdia", b"minf", b"stbl", b"edts", b"moof", b"traf", b"mvex", b"udta", b"dinf"}


def box(kind, body):
    return struct.pack(">I4s", 8 + len(body), kind) + body


def boxes(data, start=0, end=None):
    """(offset, size, kind) of every box, containers before what they hold."""
    end = len(data) if end is None else end
    while start + 8 <= end:
        size, kind = struct.unpack_from(">I4s", data, start)
        if size < 8:
            return
        yield start, size, kind
        if kind in CONTAINERS:
            yield from boxes(data, start + 8, min(start + size, end))
        start += size


def place(data, kind):
    """Where the first box of a kind begins, and its size."""
    return next((at, size) for at, size, found in boxes(data) if found == kind)


def in_front(data, inside, more):
    """More bytes at the start of a box, whose length and those around it grow. Only of a box behind the media."""
    at, size = place(data, inside)
    grown = bytearray(data)
    for around, length, kind in boxes(data):
        if around <= at and at + size <= around + length and (kind in CONTAINERS or around == at):
            struct.pack_into(">I", grown, around, length + len(more))
    return bytes(grown[: at + 8] + more + grown[at + 8 :])


def claimed_run(data, count):
    """A fragmented MP4 whose first run says that it has so many samples of the default size."""
    at, _ = place(data, b"trun")
    return data[: at + 8] + struct.pack(">II", 1, count) + data[at + 16 :]


def claimed_table(data, count, size=0):
    """An MP4 whose sample table says that it has so many samples (each of `size`, or of its own)."""
    at, _ = place(data, b"stsz")
    return data[: at + 12] + struct.pack(">II", size, count) + data[at + 20 :]


def claimed_edits(data, count):
    """An MP4 whose edit list says that it has so many edits, and has one."""
    at, _ = place(data, b"elst")
    return data[: at + 12] + struct.pack(">I", count) + data[at + 16 :]


def edited(data, edits):
    """An MP4 whose track is shown again and again: an edit list of so many edits, each of the whole of it."""
    entry = struct.pack(">IIHH", 1000, 0, 1, 0)
    elst = box(b"elst", struct.pack(">II", 0, edits) + edits * entry)
    at, _ = place(data, b"edts")
    data = data[: at + 4] + b"free" + data[at + 8 :]
    return in_front(data, b"trak", box(b"edts", elst))


def of_tracks(data, count):
    """An MP4 of so many tracks, all of them the first one."""
    at, size = place(data, b"trak")
    return in_front(data, b"moov", data[at : at + size] * (count - 1))


def flipped(data, seed):
    """An MP4 with a byte of the length or name of one box changed: of the header, or of its first fragments."""
    dice = random.Random(seed)
    at, _, _ = dice.choice(list(boxes(data))[:48])
    at += dice.randrange(8)
    return data[:at] + bytes([data[at] ^ dice.randrange(1, 256)]) + data[at + 1 :]


def without_id(data):
    """A fragmented MP4 whose last track has lost the box that says its id."""
    at = data.rindex(b"tkhd")
    return data[:at] + b"free" + data[at + 4 :]


class Bits:
    """A bit string, read and written as H.264 writes its parameter sets (Rec. ITU-T H.264, 9.1)."""

    def __init__(self, data=b""):
        self.bits = "".join(f"{byte:08b}" for byte in data)
        self.at = 0

    def take(self, count):
        self.at += count
        return self.bits[self.at - count : self.at]

    def take_ue(self):
        zeros = self.bits.index("1", self.at) - self.at
        return int(self.take(2 * zeros + 1), 2) - 1

    def put_ue(self, value):
        word = f"{value + 1:b}"
        self.bits += "0" * (len(word) - 1) + word

    def bytes(self):
        bits = self.bits + "0" * (-len(self.bits) % 8)
        return bytes(int(bits[at : at + 8], 2) for at in range(0, len(bits), 8))


def units(annexb):
    """NAL units of an Annex B stream."""
    return [unit.rstrip(b"\0") for unit in annexb.split(b"\0\0\1")[1:]]


def of_size(annexb, width, height):
    """A baseline H.264 stream whose parameter sets say that its pictures are so large, in pixels."""
    patched = (resized(unit, width, height) if unit[0] & 31 == 7 else unit for unit in units(annexb))
    return b"".join(b"\0\0\0\1" + unit for unit in patched)


def resized(unit, width, height):
    """The sequence parameter set (7.3.2.1.1) with another pic_width_in_mbs and pic_height_in_map_units."""
    old, new = Bits(unit.replace(b"\0\0\3", b"\0\0")), Bits()
    assert unit[1] == 66, "no baseline stream"
    new.bits = old.take(32)
    new.put_ue(old.take_ue())  # seq_parameter_set_id
    new.put_ue(old.take_ue())  # log2_max_frame_num_minus4
    order = old.take_ue()
    new.put_ue(order)
    if order == 0:
        new.put_ue(old.take_ue())
    new.put_ue(old.take_ue())  # max_num_ref_frames
    new.bits += old.take(1)
    old.take_ue(), old.take_ue()
    new.put_ue(-(-width // 16) - 1)
    new.put_ue(-(-height // 16) - 1)
    new.bits += old.take(len(old.bits) - old.at)
    escaped = bytearray()
    for byte in new.bytes():
        if byte <= 3 and escaped[-2:] == b"\0\0":
            escaped.append(3)
        escaped.append(byte)
    return bytes(escaped)


def chunk(kind, body):
    """A chunk of a PNG (ISO/IEC 15948, 5.3)."""
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


@functools.cache
def zeros(mebibytes):
    """So many MiB of zeros, deflated."""
    deflate = zlib.compressobj(9)
    data = b"".join(deflate.compress(bytes(1 << 20)) for _ in range(mebibytes))
    return data + deflate.flush()


def png(width, height, *chunks, mebibytes=0):
    """A gray PNG of that size, with further chunks, whose pixels inflate to so many MiB."""
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0))
    pixels = zeros(mebibytes) if mebibytes else zlib.compress(b"\0" * (width + 1) * height)
    return b"\x89PNG\r\n\x1a\n" + head + b"".join(chunks) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")
