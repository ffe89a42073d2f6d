"""Changes to the bytes of finished files: what no muxer writes on purpose."""

import struct


def end_to_end(pieces):
    return b"".join(pieces)


def flv_tags(data):
    """(type, milliseconds, body) of each tag (Adobe Flash Video File Format Specification 10.1, E.4)."""
    at = 13
    while at + 11 <= len(data):
        size = int.from_bytes(data[at + 1 : at + 4], "big")
        time = int.from_bytes(data[at + 4 : at + 7], "big") | data[at + 7] << 24
        yield data[at], time, data[at + 11 : at + 11 + size]
        at += 11 + size + 4


def join_flv(pieces):
    """The tags of all pieces behind one header; end-of-sequence tags and metadata are left out."""
    out = pieces[0][:13]
    for piece in pieces:
        for kind, time, body in flv_tags(piece):
            ends = kind == 9 and body[0] & 15 == 7 and body[1] == 2
            if kind == 9 and not ends:
                head = bytes([kind]) + len(body).to_bytes(3, "big") + (time & 0xFFFFFF).to_bytes(3, "big") + bytes([time >> 24]) + b"\0\0\0"
                out += head + body + (len(body) + 11).to_bytes(4, "big")
    return out


def join_ivf(pieces):
    """The frames of all pieces behind the first one's header."""
    return pieces[0] + b"".join(piece[32:] for piece in pieces[1:])


def boxes(data):
    """(type, bytes) of each box of a file (ISO/IEC 14496-12, 4.2)."""
    at = 0
    while at + 8 <= len(data):
        size = struct.unpack_from(">I", data, at)[0]
        yield data[at + 4 : at + 8], data[at : at + size]
        at += size


def join_fragments(pieces):
    """The fragments of all pieces behind the first one's header."""
    more = [box for piece in pieces[1:] for kind, box in boxes(piece) if kind in (b"moof", b"mdat")]
    first = [box for kind, box in boxes(pieces[0]) if kind != b"mfra"]
    return b"".join(first + more)


def join_ts(pieces):
    """With continuity counters that go on, as a recorder writes that restarts its encoder only."""
    data, counters = bytearray(b"".join(pieces)), {}
    for at in range(0, len(data), 188):
        pid = (data[at + 1] & 31) << 8 | data[at + 2]
        if data[at + 3] & 0x10:
            counters[pid] = (counters.get(pid, -1) + 1) & 15
            data[at + 3] = data[at + 3] & 0xF0 | counters[pid]
    return bytes(data)


JOINS = {"flv": join_flv, "ivf": join_ivf, "ts": join_ts, "frag.mp4": join_fragments}


def video_pes(data):
    """Where each video PES packet's start code stands (ISO/IEC 13818-1, 2.4.3.6), in transport and program streams."""
    if data[0] == 0x47:
        for at in range(0, len(data) - 187, 188):
            begins = data[at + 1] & 0x40
            body = at + 4 + (1 + data[at + 4] if data[at + 3] & 0x20 else 0)
            if begins and data[at + 3] & 0x10 and data[body : body + 3] == b"\0\0\1" and 0xE0 <= data[body + 3] <= 0xEF:
                yield body
        return
    at = data.find(b"\0\0\1\xe0")
    while at >= 0:
        yield at
        at = data.find(b"\0\0\1\xe0", at + 4)


def without_pts(data, which):
    """PES packets that carry timestamps, counted from 0, lose them where `which` says so: the fields become stuffing."""
    data, k = bytearray(data), 0
    for at in list(video_pes(data)):
        if data[at + 6] & 0xC0 != 0x80 or not data[at + 7] & 0xC0:
            continue
        if which(k):
            length = 10 if data[at + 7] & 0x40 else 5
            data[at + 7] &= 0x3F
            data[at + 9 : at + 9 + length] = b"\xff" * length
        k += 1
    return bytes(data)


def with_equal_pts(data):
    """All PES packets with timestamps have those of the first."""
    data, first = bytearray(data), None
    for at in list(video_pes(data)):
        if data[at + 6] & 0xC0 == 0x80 and data[at + 7] & 0x80:
            length = 10 if data[at + 7] & 0x40 else 5
            first = first or bytes(data[at + 9 : at + 14])
            data[at + 9 : at + 9 + length] = first + b"\xff" * (length - 5)
            data[at + 7] = data[at + 7] & 0x3F | 0x80
            data[at + 9] = data[at + 9] & 0x0F | 0x20
    return bytes(data)


WITHIN = (b"moov", b"trak", b"mdia", b"minf", b"stbl")


def with_durations(data, durations):
    """MP4 of one track, its header behind its media, whose samples last so many ticks (8.6.1.2): {place in decode order: ticks}."""
    at = data.index(b"stts")
    [size], [entries] = struct.unpack_from(">I", data, at - 4), struct.unpack_from(">I", data, at + 8)
    rows = [struct.unpack_from(">II", data, at + 12 + 8 * k) for k in range(entries)]
    own = [ticks for count, ticks in rows for _ in range(count)]
    own = [durations.get(place, ticks) for place, ticks in enumerate(own)]
    table = struct.pack(">4sII", b"stts", 0, len(own)) + b"".join(struct.pack(">II", 1, ticks) for ticks in own)
    made = bytearray(data[: at - 4] + struct.pack(">I", len(table) + 4) + table + data[at - 4 + size :])
    for kind in WITHIN:
        parent = data.index(kind, data.index(b"moov")) - 4
        struct.pack_into(">I", made, parent, struct.unpack_from(">I", made, parent)[0] + len(table) + 4 - size)
    return bytes(made)


def with_edit_of(data, ticks):
    """MP4 whose only edit shows so many ticks of the movie's clock (8.6.6)."""
    made = bytearray(data)
    struct.pack_into(">I", made, data.index(b"elst") + 12, ticks)
    return bytes(made)


def without_sync_samples(data):
    """MP4 whose sync sample table is gone: every sample then counts as a sync sample (ISO/IEC 14496-12, 8.6.2)."""
    return data.replace(b"stss", b"free")


def without_avi_index(data):
    """AVI without its index, as a recorder leaves it that lost power: cut where `idx1` begins."""
    return data[: data.index(b"idx1")]


def with_start_codes(data):
    """MP4 whose samples hold start codes in place of lengths of four bytes."""
    data = bytearray(data)
    at = data.index(b"mdat") + 4
    end = at - 8 + struct.unpack_from(">I", data, at - 8)[0]
    while at + 4 <= end:
        size = struct.unpack_from(">I", data, at)[0]
        data[at : at + 4] = b"\0\0\0\1"
        at += 4 + size
    return bytes(data)


def with_dropped_frames(data):
    """AVI with empty chunks before every seventh picture, as capture tools write for frames that they dropped."""
    out, at, k = bytearray(), data.index(b"movi") + 4, 0
    out += data[:at]
    while at + 8 <= len(data) and data[at : at + 4] in (b"00dc", b"00db"):
        size = struct.unpack_from("<I", data, at + 4)[0]
        if k % 7 == 6:
            out += b"00dc" + bytes(4)
        out += data[at : at + 8 + size + size % 2]
        at += 8 + size + size % 2
        k += 1
    return bytes(out)


def without_huffman_tables(data):
    """JPEG pictures in chunks of AVI without their DHT segments (ITU-T T.81, B.2.4.2), of the same size: fill bytes stand there."""
    data, at = bytearray(data), 0
    while (at := data.find(b"\xff\xc4", at)) >= 0:
        size = struct.unpack_from(">H", data, at + 2)[0]
        data[at : at + 2 + size] = b"\xff" * (2 + size)
        at += 2 + size
    return bytes(data)


def with_repeated_fields(data):
    """MPEG-2 whose every second picture says repeat_first_field (ISO/IEC 13818-2, 6.2.3.1), in progressive frames."""
    data, at, k = bytearray(data), 0, 0
    while (at := data.find(b"\0\0\1\xb5\x8f", at)) >= 0:
        # 4 bits of id, 16 of f_codes, 2 of precision, 2 of structure, then flags: repeat_first_field is the seventh.
        if k % 2:
            data[at + 7] |= 0x02
        at, k = at + 5, k + 1
    return bytes(data)


def with_headers_once(data):
    """H.264 with start codes whose parameter sets stand only where they differ from the last ones of their kind."""
    kept, last = [], {}
    for nal in data.split(b"\0\0\1")[1:]:
        nal = nal.rstrip(b"\0")
        kind = nal[0] & 31
        if kind in (7, 8) and last.get(kind) == nal:
            continue
        last[kind] = nal
        kept.append(b"\0\0\0\1" + nal)
    return b"".join(kept)
