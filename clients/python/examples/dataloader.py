"""A PyTorch DataLoader over a video: python dataloader.py VIDEO [WORKERS]

Each worker reads its own part of the frames with a connection of its own; the server extracts what is missing
once, however many ask.
"""

import sys

from torch.utils.data import DataLoader

import framecache
import framecache.torch


def main(video, workers=4):
    with framecache.Client() as client:
        client.extract("training", video, fps=2, progress=True)
        frames = framecache.torch.FrameStream(
            client.video("training"), batch=2, shuffle=True, width=224, height=224, datatype="fp32",
            normalize="imagenet",
        )
        # batch_size=None: the stream makes the batches already. Not forked from here: where gRPC cannot shut down in a
        # forked child, it ends the child with status 64 (seen with grpcio 1.59, after a fork right behind a call).
        loader = DataLoader(frames, batch_size=None, num_workers=workers, multiprocessing_context="forkserver")
        seen = 0
        for item in loader:
            images = item["frames"]
            seen += len(images)
            print(f"frames {item['sequence'].tolist()}: {tuple(images.shape)}, mean {images.mean():.3f}")
        print(f"{seen} frames")


if __name__ == "__main__":
    main(sys.argv[1], *map(int, sys.argv[2:]))
