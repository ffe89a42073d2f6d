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

    def taken(decoder, wanted):
        frames = decoder.get_frames_at(wanted).data
        torch.cuda.synchronize()
        return len(frames)

    def sampled():
        decoder = opened()
        step = max(1, round(decoder.metadata.average_fps / 2))
        return taken(decoder, list(range(0, len(decoder), step)))

    def anywhere():
        decoder = opened()
        chosen = random.Random(1)
        return taken(decoder, sorted({chosen.randrange(len(decoder)) for _ in range(64)}))

    # torchcodec gives RGB: its decoding is not ours to surfaces, and is compared with nothing.
    rows = [
        measured(f"decode to RGB, {n} sessions", "decode to RGB", lambda n=n: together(n), sessions=n)
        for n in (1, 7, 14)
    ]
    rows.append(measured("2 frames a second, to RGB", "sample", sampled))
    rows.append(measured("random access, to RGB", "random", anywhere))
    print(json.dumps({"version": __version__, "rows": rows}))


main(sys.argv[1], float(sys.argv[2]))
