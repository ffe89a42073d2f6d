"""A PyTorch DataLoader over a video: python dataloader.py VIDEO [WORKERS]

Each worker reads its own part of the frames with a connection of its own; the server extracts what is missing
once, however many ask.
"""

import sys

from torch.utils.data import DataLoader, IterableDataset, get_worker_info

import framecache


class Frames(IterableDataset):
    """Batches of normalised frames of a timeline, shared out to the loader's workers."""

    def __init__(self, client, timeline, sequences, batch=8):
        self.client, self.timeline, self.sequences, self.batch = client, timeline, list(sequences), batch

    def __iter__(self):
        worker = get_worker_info()
        mine = self.sequences[worker.id :: worker.num_workers] if worker else self.sequences
        for batch in self.client.tensors(
            self.timeline, sequences=mine, batch=self.batch, width=224, height=224, datatype="fp32", layout="nchw",
            normalize={"scale": 1 / 255, "mean": [0.485, 0.456, 0.406], "std": [0.229, 0.224, 0.225]},
        ):
            yield batch.to_torch(), batch.sequences, batch.timestamps


def main(video, workers=4):
    with framecache.Client() as client:
        made = client.extract("training", video, fps=2, progress=True)
        dataset = Frames(client, "training", range(made.planned_frames))
        # batch_size=None: the server made the batches already. Not forked from here: where gRPC cannot shut down in a
        # forked child, it ends the child with status 64 (seen with grpcio 1.59, after a fork right behind a call).
        loader = DataLoader(dataset, batch_size=None, num_workers=workers, multiprocessing_context="forkserver")
        seen = 0
        for images, sequences, _timestamps in loader:
            seen += len(images)
            print(f"frames {sequences.tolist()}: {tuple(images.shape)}, mean {images.mean():.3f}")
        print(f"{seen} frames")


if __name__ == "__main__":
    main(sys.argv[1], *map(int, sys.argv[2:]))
