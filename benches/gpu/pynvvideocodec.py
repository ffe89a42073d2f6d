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

    def sampled():
        decoder = simple()
        step = max(1, round(decoder.get_stream_metadata().average_fps / 2))
        wanted = range(0, len(decoder), step)
        return sum(1 for at in wanted if decoder[at] is not None)

    def anywhere():
        decoder = simple()
        chosen = random.Random(1)
        wanted = sorted({chosen.randrange(len(decoder)) for _ in range(64)})
        return len(decoder.get_batch_frames_by_index(wanted))

    rows = [
        measured(f"decode, {n} sessions", "decode", lambda n=n: together(n), sessions=n) for n in (1, 7, 14)
    ]
    rows.append(measured("2 frames a second, to surfaces", "sample", sampled))
    rows.append(measured("random access, to surfaces", "random", anywhere))
    print(json.dumps({"version": getattr(nvc, "__version__", None), "rows": rows}))


main(sys.argv[1], float(sys.argv[2]))
