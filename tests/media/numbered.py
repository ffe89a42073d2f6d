"""Pictures that say which they are: a number of twelve bits in blocks, over a pattern that moves.

Blocks of 16x16 survive any codec's quantiser, so that each decoded picture names itself, whatever a container says.
"""

import numpy as np

BLOCK = 16
SIZE = (96, 64)
COLUMNS, ROWS = 6, 2


def picture(number, size=SIZE):
    """Luma of picture `number` (0 to 4095)."""
    width, height = size
    y, x = np.mgrid[0:height, 0:width]
    # Moves each picture, so that none is like its neighbour, and predicts badly enough to need residue.
    luma = ((x * 3 + y * 2 + number * 5) % 160 + 48).astype(np.uint8)
    for bit in range(COLUMNS * ROWS):
        row, column = divmod(bit, COLUMNS)
        cell = np.s_[row * BLOCK : (row + 1) * BLOCK, column * BLOCK : (column + 1) * BLOCK]
        luma[cell] = 224 if number >> bit & 1 else 32
    return luma


def raw(numbers, size=SIZE):
    """The pictures as yuv420p frames, one behind the other."""
    chroma = bytes([128]) * (size[0] // 2 * (size[1] // 2) * 2)
    return b"".join(picture(k, size).tobytes() + chroma for k in numbers)


def read(luma):
    """The number that a picture shows, by its luma (or any channel of it); None where its blocks are neither black nor white."""
    number = 0
    for bit in range(COLUMNS * ROWS):
        row, column = divmod(bit, COLUMNS)
        top, left = row * BLOCK + 4, column * BLOCK + 4
        level = float(np.mean(luma[top : top + 8, left : left + 8]))
        if 96 <= level <= 160:
            return None
        number |= (level > 128) << bit
    return number
