"""Pictures from one thread, encoded on others."""

from concurrent.futures import ThreadPoolExecutor
from threading import BoundedSemaphore

# Pictures between the decoder and the encoders.
QUEUED = 8


def spread(job, wanted, encode, threads):
    """`encode(job, index, picture)` of each (index, picture) of `wanted`, on so many threads."""
    room = BoundedSemaphore(QUEUED)

    def work(index, picture):
        try:
            encode(job, index, picture)
        finally:
            room.release()

    with ThreadPoolExecutor(threads) as pool:
        works = []
        for index, picture in wanted:
            room.acquire()
            works.append(pool.submit(work, index, picture))
        for done in works:
            done.result()
