"""Prints cos(pi*j/64), j = 0..32, correctly rounded to f64, as the bits in src/hash/cosines.rs.

Needs mpmath, which rounds from 60 digits.
"""

import struct

import mpmath

mpmath.mp.dps = 60
for j in range(33):
    value = float(mpmath.cos(mpmath.pi * j / 64)) if j < 32 else 0.0
    bits = struct.unpack("<Q", struct.pack("<d", value))[0]
    print(f"    0x{bits:016x},")
