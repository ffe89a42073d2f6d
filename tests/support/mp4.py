"""What an MP4's own boxes say of its samples (ISO/IEC 14496-12), all of them written out."""

import struct
from dataclasses import dataclass
from fractions import Fraction

WITHIN = {b"moov", b"trak", b"mdia", b"minf", b"stbl", b"edts", b"mvex", b"moof", b"traf"}


@dataclass
class Sample:
    shown: int
    """On the media's clock."""
    lasts: int
    in_table: bool


def boxes(data, begin=0, end=None):
    """(kind, begin, end) of each box's inside, those within others too."""
    at, end = begin, len(data) if end is None else end
    while at + 8 <= end:
        size, kind = struct.unpack_from(">I4s", data, at)
        head = 8
        if size == 1:
            size, head = struct.unpack_from(">Q", data, at + 8)[0], 16
        stop = min(at + size, end) if size else end
        if stop < at + head:
            return
        yield kind, at + head, stop
        if kind in WITHIN:
            yield from boxes(data, at + head, stop)
        at = stop


def rows(data, at, form):
    """The rows of a table whose version, flags and count stand at its begin."""
    [count] = struct.unpack_from(">I", data, at + 4)
    return [struct.unpack_from(form, data, at + 8 + k * struct.calcsize(form)) for k in range(count)]


def scale(data, at):
    return struct.unpack_from(">I", data, at + (20 if data[at] == 1 else 12))[0]


class Track:
    """One track's tables: {byte: sample}, its edits and its clocks."""

    def __init__(self, data, begin, end, movie):
        self.at = {kind: at for kind, at, _ in reversed(list(boxes(data, begin, end)))}
        self.data, self.movie, self.media = data, movie, scale(data, self.at[b"mdhd"])
        self.id = struct.unpack_from(">I", data, self.at[b"tkhd"] + (20 if data[self.at[b"tkhd"]] == 1 else 12))[0]
        self.is_video = data[self.at[b"hdlr"] + 8 : self.at[b"hdlr"] + 12] == b"vide"

    def edits(self):
        """(movie ticks, media time)."""
        at = self.at.get(b"elst")
        return [] if at is None else [row[:2] for row in rows(self.data, at, ">QqI" if self.data[at] == 1 else ">IiI")]

    def samples(self):
        offsets = self.offsets()
        lasts = [delta for count, delta in rows(self.data, self.at[b"stts"], ">II") for _ in range(count)]
        shifts = [0] * len(lasts)
        if b"ctts" in self.at:
            shifts = [shift for count, shift in rows(self.data, self.at[b"ctts"], ">Ii") for _ in range(count)]
        found, time = {}, 0
        for offset, delta, shift in zip(offsets, lasts, shifts):
            found[offset] = Sample(time + shift, delta, True)
            time += delta
        return found

    def offsets(self):
        data = self.data
        [one, count] = struct.unpack_from(">II", data, self.at[b"stsz"] + 4)
        sizes = [one] * count if one else [struct.unpack_from(">I", data, self.at[b"stsz"] + 12 + 4 * k)[0] for k in range(count)]
        wide = b"co64" in self.at
        chunks = [row[0] for row in rows(data, self.at[b"co64" if wide else b"stco"], ">Q" if wide else ">I")]
        runs, found = rows(data, self.at[b"stsc"], ">III"), []
        for n, chunk in enumerate(chunks, 1):
            for _ in range([each for first, each, _ in runs if first <= n][-1]):
                found.append(chunk)
                chunk += sizes[len(found) - 1] if len(found) <= count else 0
        return found


def in_fragments(data, track):
    """{byte: sample} of movie fragments of one track, one run each."""
    found, moof = {}, 0
    [_, _, default, default_size, _] = next(
        (row for row in (struct.unpack_from(">5I", data, at + 4) for kind, at, _ in boxes(data) if kind == b"trex") if row[0] == track), [0] * 5
    )
    for kind, at, end in boxes(data):
        flags = int.from_bytes(data[at + 1 : at + 4], "big")
        if kind == b"moof":
            moof = at - 8
        elif kind == b"tfhd":
            own = struct.unpack_from(">I", data, at + 4)[0] == track
            words = iter(struct.unpack_from(f">{(end - at - 8) // 4}I", data, at + 8))
            base, told = [next(words) for _ in range(2 * (flags & 1))], {flag: next(words) for flag in (0x2, 0x8, 0x10) if flags & flag}
            moof = base[0] << 32 | base[1] if base else moof
            lasts, size = told.get(0x8, default), told.get(0x10, default_size)
        elif kind == b"trun" and own:
            count, offset = struct.unpack_from(">Ii", data, at + 4)
            words = iter(struct.unpack_from(f">{(end - at - 12) // 4}I", data, at + 12))
            if flags & 4:
                next(words)
            place = moof + offset
            for _ in range(count):
                told = {flag: next(words) for flag in (0x100, 0x200, 0x400, 0x800) if flags & flag}
                found[place] = Sample(0, told.get(0x100, lasts), False)
                place += told.get(0x200, size)
    return found


def last_duration(path, position):
    """Seconds that the sample at this byte of the file is shown, if none follows; None where no table says it."""
    data = path.read_bytes()
    header = {kind: at for kind, at, _ in reversed(list(boxes(data)))}
    if b"moov" not in header:
        return None
    movie = scale(data, header[b"mvhd"])
    tracks = [Track(data, at, end, movie) for kind, at, end in boxes(data) if kind == b"trak"]
    for track in (track for track in tracks if track.is_video):
        sample = (track.samples() | in_fragments(data, track.id)).get(position)
        if sample is not None:
            return cut(track, sample)
    return None


def cut(track, sample):
    """Its own duration, or what the last edit leaves of it, as far as the movie's clock can tell."""
    lasts = Fraction(sample.lasts, track.media)
    edits = track.edits()
    if edits and edits[-1][0] and edits[-1][1] >= 0 and sample.in_table:
        ticks, begin = edits[-1]
        left = Fraction(begin - sample.shown, track.media) + Fraction(ticks, track.movie)
        if 0 < left <= lasts - Fraction(1, track.movie):
            return round(left * track.media) * Fraction(1, track.media)
    return lasts or None
