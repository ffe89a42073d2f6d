"""What torchcodec does with a clip on the GPU, as one line of JSON. usage: torchcodec_cuda.py CLIP SECONDS"""

import json
import random
import statistics
import sys
import threading
import time

ROUNDS = 5


def median_rate(work, rounds=ROUNDS):
    """Frames a second, the median of rounds; `work` gives the frames it made."""
    work()
    rates = []
    for _ in range(rounds):
        began = time.perf_counter()
        frames = work()
        rates.append(frames / (time.perf_counter() - began))
    return statistics.median(rates)


def measured(name, kind, work, **facts):
    try:
        return {"name": name, "kind": kind, "frames_per_second": median_rate(work), **facts}
    except Exception as why:  # a peer that breaks is a line in the table
        return {"name": name, "kind": kind, "failed": f"{type(why).__name__}: {why}", **facts}


def main(clip, seconds):
    try:
        import torch
        from torchcodec import __version__
        from torchcodec.decoders import VideoDecoder
    except Exception as why:
        print(json.dumps({"absent": f"{type(why).__name__}: {why}"}))
        return

    def opened():
        return VideoDecoder(clip, device="cuda:0", seek_mode="exact")

    def decode(until, counts, place):
        while time.perf_counter() < until:
            for _ in opened():
                counts[place] += 1
                if time.perf_counter() >= until:
                    return

    def together(sessions):
        counts = [0] * sessions
        until = time.perf_counter() + seconds
        threads = [threading.Thread(target=decode, args=(until, counts, n)) for n in range(sessions)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        torch.cuda.synchronize()
        return sum(counts)

    kept = []

    def decoders(sessions):
        """Made once: what is measured is access, not opening."""
        while len(kept) < sessions:
            kept.append(opened())
        return kept[:sessions]

    def taken(parts):
        """Frames that as many sessions as parts took of the clip, each its own part."""
        counts = [0] * len(parts)

        def take(place, decoder, wanted):
            counts[place] = len(decoder.get_frames_at(wanted).data)

        pairs = zip(decoders(len(parts)), parts)
        threads = [threading.Thread(target=take, args=(n, *pair)) for n, pair in enumerate(pairs)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        torch.cuda.synchronize()
        return sum(counts)

    def sampled(sessions):
        decoder = decoders(1)[0]
        step = max(1, round(decoder.metadata.average_fps / 2))
        return taken([list(range(0, len(decoder), step))] * sessions)

    def anywhere(sessions):
        frames = len(decoders(1)[0])
        chosen = random.Random(1)
        wanted = sorted({chosen.randrange(frames) for _ in range(64)})
        return taken([wanted[n::sessions] for n in range(sessions)])

    # torchcodec gives RGB: its decoding is not ours to surfaces, and is compared with nothing.
    rows = []
    for n in (1, 7, 14):
        rows.append(measured(f"decode to RGB, {n} sessions", "decode to RGB", lambda: together(n), sessions=n))
        rows.append(measured(f"2 frames a second to RGB, {n} sessions", "sample", lambda: sampled(n), sessions=n))
        rows.append(measured(f"random access to RGB, {n} sessions", "random", lambda: anywhere(n), sessions=n))
    print(json.dumps({"version": __version__, "rows": rows}))


main(sys.argv[1], float(sys.argv[2]))
