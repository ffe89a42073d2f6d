"""What a DataLoader does with a client: python -m tests.workers after|amid fork|spawn CLIP"""

import multiprocessing
import os
import sys

import framecache

COUNT = 4


def share(client, worker, queue):
    """One worker's part of the frames, with the client it was handed."""
    try:
        mine = list(client.frames("clip", decode=True, sequences=range(worker, 8, COUNT)))
        (batch,) = client.tensors("clip", sequences=range(worker, 8, COUNT))
        queue.put([(frame.sequence, bool((frame.image == array).all())) for frame, array in zip(mine, batch.array)])
    except BaseException as error:
        queue.put(repr(error))


def read_by_workers(method, client):
    context = multiprocessing.get_context(method)
    queue = context.Queue()
    processes = [context.Process(target=share, args=(client, worker, queue)) for worker in range(COUNT)]
    for process in processes:
        process.start()
    found = [queue.get(timeout=30) for _ in processes]
    for process in processes:
        process.join(30)
        assert process.exitcode == 0, "a worker hangs, or died"
    assert sorted(pair for part in found for pair in part) == [(n, True) for n in range(8)], found


def main(how, method, clip):
    with framecache.Client(source_roots=os.path.dirname(clip), timeout=60) as client:
        client.extract("clip", clip, fps=2)
        assert len(list(client.tensors("clip"))) == 1
        frames = client.frames("clip")
        first = next(frames).sequence
        if how == "after":
            list(frames)
        for _ in range(3):
            read_by_workers(method, client)
        rest = [frame.sequence for frame in frames]
        assert first == 0 and rest == ([] if how == "after" else list(range(1, 8))), rest
        assert len(list(client.frames("clip"))) == 8, "the parent's connection is as it was"
    print("all is well")


if __name__ == "__main__":
    try:
        main(*sys.argv[1:])
    finally:
        for child in multiprocessing.active_children():
            child.kill()
