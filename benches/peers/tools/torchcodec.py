"""torchcodec's CPU decoder with simplejpeg: ranges in order, its own batch of indices at random."""

from torchcodec.decoders import VideoDecoder

from tools import jpeg

BATCH = 16


def run(job, _variant):
    # "approximate" trusts the container's rate instead of reading the whole file first: quicker, and right for these clips.
    decoder = VideoDecoder(job.clip, dimension_order="NHWC", num_ffmpeg_threads=job.threads, seek_mode="approximate")
    for begin in range(0, len(job.indices), BATCH):
        part = job.indices[begin : begin + BATCH]
        for index, rgb in zip(part, decoder.get_frames_at(part).data.numpy()):
            jpeg.write(job, index, jpeg.simplejpeg(rgb, job.quality))
