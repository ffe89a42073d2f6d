"""PyAV with Pillow or simplejpeg, as one would write it: decoder threads, and encoder threads where said."""

import av

from tools import jpeg
from tools.spread import spread


def run(job, variant):
    encode = save_planes if variant == "planes" else save_rgb(getattr(jpeg, variant, jpeg.simplejpeg))
    wanted = seek(job) if job.workload == "times" else go_through(job)
    if variant in ("threads", "planes") and job.workload != "times":
        return spread(job, wanted, encode, job.threads)
    for index, frame in wanted:
        encode(job, index, frame)


def save_rgb(encoder):
    return lambda job, index, frame: jpeg.write(job, index, encoder(frame.to_ndarray(format="rgb24"), job.quality))


def save_planes(job, index, frame):
    """The quickest way: range by swscale, no RGB. BT.709 stays BT.709, which JPEG's readers do not expect."""
    planes = frame.reformat(format="yuvj420p").to_ndarray()
    jpeg.write(job, index, jpeg.planes(planes, job.quality))


def open_clip(job):
    container = av.open(job.clip)
    stream = container.streams.video[0]
    stream.codec_context.thread_count = job.threads
    stream.thread_type = "AUTO"
    return container, stream


def go_through(job):
    container, stream = open_clip(job)
    wanted, last = set(job.indices), job.indices[-1]
    for index, frame in enumerate(container.decode(stream)):
        if index in wanted:
            yield index, frame
        if index == last:
            break
    container.close()


def seek(job):
    container, stream = open_clip(job)
    tick = 1 / (job.rate * stream.time_base)
    begin = stream.start_time or 0
    for index in job.indices:
        target = begin + round(index * tick)
        container.seek(target, stream=stream)
        yield index, next(frame for frame in container.decode(stream) if frame.pts >= target - tick / 2)
    container.close()

