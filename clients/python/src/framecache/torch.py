"""Datasets of cached frames for torch's DataLoader.

    from torch.utils.data import DataLoader
    import framecache.torch

    video = framecache.Client().video("match")
    stream = framecache.torch.FrameStream(video, batch=32, shuffle=True, width=224, height=224)
    for item in DataLoader(stream, batch_size=None, num_workers=4):
        model(item["frames"])           # (32, 3, 224, 224)

They pickle, and work with forked and spawned workers.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Dict, Iterator, List, Mapping, Optional, Sequence, Tuple

try:
    import torch
    from torch.utils.data import Dataset, IterableDataset, get_worker_info
except ImportError:
    raise ImportError("framecache.torch needs torch: pip install 'framecache[torch]'") from None

from . import _jpeg
from ._epochs import Order, Position
from ._errors import invalid
from ._signatures import spelled_out
from .options import ArrayOptions
from .tensors import Batch
from .video import Video

if TYPE_CHECKING:
    from typing_extensions import Unpack

#: Of a frame or a batch: "frames", (C, H, W) or (N, C, H, W) unless layout="nhwc"; "sequence", "timestamp" and "valid".
Item = Dict[str, Any]
#: Batches that are read while the one before is used.
AHEAD = 2


class FrameDataset(Dataset[Item]):
    """A frame an item, for a DataLoader that batches, shuffles and splits by its samplers (DistributedSampler, too).

    The frames of a DataLoader's batch come in one call.
    """

    @spelled_out(ArrayOptions)
    def __init__(self, video: Video, **options: Unpack[ArrayOptions]) -> None:
        self._video = video
        self._options = _options(options)

    def __len__(self) -> int:
        return len(self._video)

    def __getitem__(self, place: int) -> Item:
        return self.__getitems__([place])[0]

    def __getitems__(self, places: Sequence[int]) -> List[Item]:
        item = _item(self._video.get_batch(places, **self._options))
        return [{name: values[place] for name, values in item.items()} for place in range(len(places))]


class FrameStream(IterableDataset[Item]):
    """Batches of frames, read ahead, for a DataLoader with batch_size=None.

    Each worker of each rank reads its own part: together they give every frame once. The order of an epoch follows
    from `seed` and its number alone, whatever the workers. `state_dict` and `load_state_dict` go on after the last
    batch that was given, in the same order; a StatefulDataLoader calls them in its workers.
    """

    @spelled_out(ArrayOptions)
    def __init__(
        self,
        video: Video,
        batch: int = 16,
        *,
        shuffle: bool = False,
        seed: int = 0,
        rank: Optional[int] = None,
        world_size: Optional[int] = None,
        even: bool = False,
        **options: Unpack[ArrayOptions],
    ) -> None:
        """
        Args:
            video: `client.video(…)`.
            batch: Frames in a batch; the last of an epoch may be short.
            shuffle: Frames in random order, another one in each epoch.
            seed: Of that order.
            rank: Which part this process reads, beside its workers; default: torch.distributed's, where it is
                initialised before this, else the whole.
            world_size: Of how many parts.
            even: Leave out the last batches that not all ranks would have.
        """
        self._video = video
        self._rank, ranks = _ranks(rank, world_size)
        self._order = Order(len(video), batch, shuffle, seed, even, ranks)
        self._position = Position()
        self._start = 0
        self._options = _options(options)

    def set_epoch(self, epoch: int) -> None:
        """The next iteration is this epoch's. Call it before each where workers are started for each; else, without
        workers and with persistent ones, epochs follow each other by themselves."""
        self._position, self._start = Position(epoch), 0

    def state_dict(self) -> Dict[str, Any]:
        return self._position.state(self._order, self._shard()[1])

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        if state.get("shards") != self._shard()[1]:
            raise invalid(
                f"a state is of another number of workers: now={self._shard()[1]}, the state's={state.get('shards')}",
                "state", "go on with as many workers and ranks",
            )
        self._position.load(state, self._order)
        self._start = self._position.done

    def __len__(self) -> int:
        """Batches of this rank."""
        return len(range(self._rank, self._order.batches, self._order.ranks))

    def __iter__(self) -> Iterator[Item]:
        position = self._position
        position.done, self._start = self._start, 0
        mine = list(self._order.of(position.epoch, *self._shard()))
        for batch in _jpeg.ahead(mine[position.done:], self._read, AHEAD):
            # Whoever asks for the state now has this batch.
            position.done += 1
            yield _item(batch)
        position.epoch, position.done = position.epoch + 1, 0

    def _read(self, places: List[int]) -> Batch:
        return self._video.get_batch(places, **self._options)

    def _shard(self) -> Tuple[int, int]:
        """Ranks first: each has as many batches as any other, whatever its workers."""
        worker = get_worker_info()
        number, workers = (0, 1) if worker is None else (worker.id, worker.num_workers)
        return self._rank + number * self._order.ranks, workers * self._order.ranks


def _ranks(rank: Optional[int], world_size: Optional[int]) -> Tuple[int, int]:
    if (rank is None) != (world_size is None):
        raise invalid(f"rank and world_size come together: rank={rank}, world_size={world_size}", "rank")
    if rank is None or world_size is None:
        known = torch.distributed.is_available() and torch.distributed.is_initialized()
        return (torch.distributed.get_rank(), torch.distributed.get_world_size()) if known else (0, 1)
    if not 0 <= rank < world_size:
        raise invalid(f"a rank is one of 0 to world_size - 1: rank={rank}, world_size={world_size}", "rank")
    return rank, world_size


def _options(options: Any) -> Any:
    return {"layout": "nchw", **{name: value for name, value in options.items() if value is not None}}


def _item(batch: Batch) -> Item:
    return {
        "frames": batch.to_torch(),
        "sequence": torch.from_numpy(batch.sequences),
        "timestamp": torch.from_numpy(batch.timestamps),
        "valid": torch.from_numpy(batch.valid),
    }
