"""Damage as disks and networks do it: flipped bits, zeros, noise, gaps and cut ends."""


def damage(data, chance, first=0):
    """Damages a bytearray from `first` on, as the `random.Random` wants; gives the kind."""
    kind = chance.choice(["bits", "zeros", "noise", "gap", "cut"])
    at = chance.randrange(first, len(data))
    length = chance.randrange(1, 600)
    if kind == "cut":
        del data[at:]
    elif kind == "gap":
        del data[at : at + length]
    elif kind == "zeros":
        data[at : at + length] = bytes(len(data[at : at + length]))
    elif kind == "noise":
        data[at : at + length] = chance.randbytes(len(data[at : at + length]))
    else:
        for _ in range(chance.randrange(1, 12)):
            data[chance.randrange(first, len(data))] ^= 1 << chance.randrange(8)
    return kind
