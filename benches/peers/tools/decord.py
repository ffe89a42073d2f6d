"""decord with simplejpeg: batches of 16 in order, single frames at random."""

import decord

from tools import jpeg

BATCH = 16


def run(job, _variant):
    reader = decord.VideoReader(job.clip, ctx=decord.cpu(0), num_threads=job.threads)
    step = 1 if job.workload == "times" else BATCH
    for begin in range(0, len(job.indices), step):
        part = job.indices[begin : begin + step]
        for index, rgb in zip(part, reader.get_batch(part).asnumpy()):
            jpeg.write(job, index, jpeg.simplejpeg(rgb, job.quality))
