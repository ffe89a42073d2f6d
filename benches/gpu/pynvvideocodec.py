"""What PyNvVideoCodec does with a clip, as one line of JSON. usage: pynvvideocodec.py CLIP SECONDS"""

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
        import PyNvVideoCodec as nvc
    except Exception as why:
        print(json.dumps({"absent": f"{type(why).__name__}: {why}"}))
        return

    def simple():
        return nvc.SimpleDecoder(clip, gpu_id=0, use_device_memory=True)

    def decode(until, counts, place):
        while time.perf_counter() < until:
            demuxer = nvc.CreateDemuxer(filename=clip)
            decoder = nvc.CreateDecoder(gpuid=0, codec=demuxer.GetNvCodecId(), usedevicememory=True)
            for packet in demuxer:
                counts[place] += len(decoder.Decode(packet))
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
        return sum(counts)

    kept = []

    def decoders(sessions):
        """Made once: what is measured is access, not opening."""
        while len(kept) < sessions:
            kept.append(simple())
        return kept[:sessions]

    def taken(parts):
        """Frames that as many sessions as parts took of the clip, each its own part."""
        counts = [0] * len(parts)

        def take(place, decoder, wanted):
            counts[place] = len(decoder.get_batch_frames_by_index(wanted))

        pairs = zip(decoders(len(parts)), parts)
        threads = [threading.Thread(target=take, args=(n, *pair)) for n, pair in enumerate(pairs)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return sum(counts)

    def sampled(sessions):
        decoder = decoders(1)[0]
        step = max(1, round(decoder.get_stream_metadata().average_fps / 2))
        return taken([list(range(0, len(decoder), step))] * sessions)

    def anywhere(sessions):
        frames = len(decoders(1)[0])
        chosen = random.Random(1)
        wanted = sorted({chosen.randrange(frames) for _ in range(64)})
        return taken([wanted[n::sessions] for n in range(sessions)])

    rows = []
    for n in (1, 7, 14):
        rows.append(measured(f"decode, {n} sessions", "decode", lambda: together(n), sessions=n))
        rows.append(measured(f"2 frames a second to surfaces, {n} sessions", "sample", lambda: sampled(n), sessions=n))
        rows.append(measured(f"random access to surfaces, {n} sessions", "random", lambda: anywhere(n), sessions=n))
    print(json.dumps({"version": getattr(nvc, "__version__", None), "rows": rows}))


main(sys.argv[1], float(sys.argv[2]))
