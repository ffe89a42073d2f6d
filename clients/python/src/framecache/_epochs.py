"""Which frames a worker reads in an epoch, in which order, and where it was."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Dict, Iterator, List, Mapping

import numpy as np

from ._errors import invalid


@dataclass(frozen=True)
class Order:
    """Batches of an epoch. They are dealt to shards one by one: batch k is shard k mod `shards`'s."""

    frames: int
    batch: int
    shuffle: bool
    seed: int
    #: Leave out what would give one rank more batches than another.
    even: bool
    ranks: int

    def __post_init__(self) -> None:
        if self.batch < 1:
            raise invalid(f"a batch has at least one frame: batch={self.batch}", "batch")

    @property
    def batches(self) -> int:
        whole = -(-self.frames // self.batch)
        return whole - whole % self.ranks if self.even else whole

    def of(self, epoch: int, shard: int, shards: int) -> Iterator[List[int]]:
        """The places of each of a shard's batches."""
        places = np.arange(self.frames)
        if self.shuffle:
            places = np.random.default_rng((self.seed, epoch)).permutation(self.frames)
        for number in range(shard, self.batches, shards):
            yield places[number * self.batch:(number + 1) * self.batch].tolist()


@dataclass
class Position:
    """Where a shard is: it has given `done` batches of `epoch`."""

    epoch: int = 0
    done: int = 0

    def state(self, order: Order, shards: int) -> Dict[str, Any]:
        return {**asdict(order), **asdict(self), "shards": shards}

    def load(self, state: Mapping[str, Any], order: Order) -> None:
        differs = [name for name, value in asdict(order).items() if state.get(name) != value]
        if differs:
            name = differs[0]
            raise invalid(
                f"a state is of another order: {name}={getattr(order, name)}, the state's={state.get(name)}", "state",
                "make the dataset as it was, or begin the epoch anew",
            )
        self.epoch, self.done = state["epoch"], state["done"]
