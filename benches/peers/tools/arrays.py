"""simplejpeg alone: RGB arrays in memory to JPEG bytes on threads."""

from concurrent.futures import ThreadPoolExecutor

import av

from tools import jpeg

PICTURES = 24


def prepare(job):
    with av.open(job.clip) as container:
        return [frame.to_ndarray(format="rgb24") for _, frame in zip(range(PICTURES), container.decode(video=0))]


def run(job, _variant, pictures):
    with ThreadPoolExecutor(job.threads) as pool:
        encode = lambda i: len(jpeg.simplejpeg(pictures[i % PICTURES], job.quality))  # noqa: E731
        assert all(pool.map(encode, range(len(job.indices))))
