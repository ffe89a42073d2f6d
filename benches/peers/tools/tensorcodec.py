"""tensorcodec, torchcodec's decoder in Rust on an FFmpeg of its own and without torch, with simplejpeg.

One decoder on FFmpeg's threads, or what its authors advise: a decoder a thread, each on a stretch of the frames. Each call
seeks anew, so calls are for many frames: about 250 of 1080p in memory at once, whichever way.
"""

from concurrent.futures import ThreadPoolExecutor

from tensorcodec.decoders import VideoDecoder

from tools import jpeg

BATCH = 256


def run(job, variant):
    workers = job.threads if variant == "workers" else 1
    count = len(job.indices)
    stretches = [job.indices[k * count // workers : (k + 1) * count // workers] for k in range(workers)]
    with ThreadPoolExecutor(workers) as pool:
        for done in [pool.submit(extract, job, stretch, workers) for stretch in stretches]:
            done.result()


def extract(job, indices, workers):
    # "timestamp" does not read the whole file first, as ten frames do not need; "approximate" seeks for each frame.
    mode = "timestamp" if job.workload == "times" else "exact"
    decoder = VideoDecoder(job.clip, dimension_order="NHWC", num_ffmpeg_threads=job.threads // workers, seek_mode=mode)
    batch = BATCH // workers
    for begin in range(0, len(indices), batch):
        part = indices[begin : begin + batch]
        for index, rgb in zip(part, frames(decoder, part, mode, job.rate)):
            jpeg.write(job, index, jpeg.simplejpeg(rgb, job.quality))


def frames(decoder, indices, mode, rate):
    if mode == "exact":
        return decoder.get_frames_at(indices).data
    # In the middle of a frame's time, which no rounding moves to another one.
    return decoder.get_frames_played_at([(index + 0.5) / rate for index in indices]).data
