"""Writes H.264 whose pictures are pairs of fields, each an access unit of its own (no encoder of ffmpeg does).

Main profile, 64x64, intra PCM macroblocks only (ITU-T H.264, 7.3).
"""


class Bits:
    def __init__(self):
        self.bits = []

    def u(self, count, value):
        self.bits += [(value >> (count - 1 - place)) & 1 for place in range(count)]
        return self

    def ue(self, *values):
        for value in values:
            length = (value + 1).bit_length()
            self.u(length - 1, 0).u(length, value + 1)
        return self

    def align(self):
        self.bits += [0] * (-len(self.bits) % 8)
        return self

    def bytes(self):
        self.u(1, 1).align()
        return bytes(int("".join(map(str, self.bits[at : at + 8])), 2) for at in range(0, len(self.bits), 8))


def nal(header, payload):
    out, zeros = bytearray([header]), 0
    for byte in payload:
        if zeros >= 2 and byte <= 3:
            out.append(3)
            zeros = 0
        out.append(byte)
        zeros = zeros + 1 if byte == 0 else 0
    return b"\0\0\0\1" + bytes(out)


def sequence():
    # profile, constraints, level; id, frame_num of 4 bits, order count type 0 with 8 bits, 1 reference, 4 x 2 map units, fields.
    set_ = Bits().u(8, 77).u(8, 0).u(8, 30).ue(0, 0, 0, 4, 1).u(1, 0).ue(3, 1).u(1, 0).u(1, 0).u(1, 1).u(2, 0)
    return nal(0x67, set_.bytes())


def picture_set():
    return nal(0x68, Bits().ue(0, 0).u(2, 0).ue(0, 0, 0).u(3, 0).ue(0, 0, 0).u(3, 0).bytes())


def field(frame, bottom, gop):
    idr = frame % gop == 0 and not bottom
    bits = Bits().ue(0, 7, 0).u(4, frame % gop % 16).u(1, 1).u(1, bottom)
    if idr:
        bits.ue(frame // gop % 2)
    bits.u(8, (2 * (frame % gop) + bottom) % 256).u(2 if idr else 1, 0).ue(0)
    for block in range(8):
        bits.ue(25).align()
        for sample in range(384):
            bits.u(8, (37 * frame + 100 * bottom + block * 5 + sample // 16) % 200 + 20)
    return nal(0x65 if idr else 0x61, bits.bytes())


def stream(frames=40, gop=10):
    out = b""
    for frame in range(frames):
        for bottom in (0, 1):
            out += nal(9, b"\xf0")
            if frame % gop == 0 and not bottom:
                out += sequence() + picture_set()
            out += field(frame, bottom, gop)
    return out
