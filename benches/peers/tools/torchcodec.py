"""torchcodec's CPU decoder with simplejpeg: ranges in order, its own batch of indices at random; or its stages apart.

It takes the FFmpeg of the machine; this release is built for FFmpeg 4 to 9.
"""

from threading import local

from torchcodec.decoders import ColorConverter, Demuxer, VideoDecoder

from tools import jpeg
from tools.spread import spread

BATCH = 16
# Frames up to which reading all packets first, for the places of key frames, costs less than it saves.
SCANNED = 10_000


def run(job, variant):
    return stages(job) if variant == "stages" else batches(job)


def batches(job):
    # "approximate" trusts the container's rate instead of reading the whole file first: quicker, and right for these clips.
    decoder = VideoDecoder(job.clip, dimension_order="NHWC", num_ffmpeg_threads=job.threads, seek_mode="approximate")
    for begin in range(0, len(job.indices), BATCH):
        part = job.indices[begin : begin + BATCH]
        for index, rgb in zip(part, decoder.get_frames_at(part).data.numpy()):
            jpeg.write(job, index, jpeg.simplejpeg(rgb, job.quality))


def stages(job):
    """Demuxing and decoding on one thread, conversion and JPEG on another; of more threads half each."""
    own = local()

    def encode(job, index, raw):
        if not hasattr(own, "converter"):
            own.converter = ColorConverter("cpu")
        rgb = own.converter.convert(raw).data.permute(1, 2, 0).numpy()
        jpeg.write(job, index, jpeg.simplejpeg(rgb, job.quality))

    encoders = max(1, job.threads // 2)
    # Where few are wanted decoding is nearly all: FFmpeg's own threads, as many as there are.
    threads = max(1, job.threads - encoders) if job.workload == "all" else job.threads
    spread(job, wanted(job, threads), encode, encoders)


def wanted(job, threads):
    """(index, raw frame) of each index, by seeking where that leaves out something."""
    demuxer = Demuxer(job.clip)
    stream = demuxer.streams[0]
    sparse = job.workload != "all"
    scan = stream.scan() if sparse and job.indices[-1] < SCANNED else None
    decoder = stream.make_decoder("cpu", num_ffmpeg_threads=threads)
    frames = decoded(demuxer, decoder, job.rate)
    number = -1
    for index in job.indices:
        if sparse and (scan is None or key_frame(scan, index) > number + 1):
            # Into the frame's time, so that no rounding misses a key frame that is wanted itself.
            demuxer.seek((index + 0.5) / job.rate)
            decoder.reset()
            frames = decoded(demuxer, decoder, job.rate)
        number, raw = next(frame for frame in frames if frame[0] >= index)
        yield index, raw


def key_frame(scan, index):
    """The number of the last key frame up to a frame."""
    keys = scan.key_frame_indices
    return int(keys[keys <= index][-1])


def decoded(demuxer, decoder, rate):
    """(number from 0 in the order shown, raw frame) from where the demuxer stands."""
    for packet in demuxer:
        for raw in decoder.decode(packet):
            yield round(raw.pts_seconds * rate), raw
    for raw in decoder.drain():
        yield round(raw.pts_seconds * rate), raw
