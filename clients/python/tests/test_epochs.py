"""What each worker of each rank reads in an epoch; torch is not needed for it."""

import pytest

import framecache
from framecache._epochs import Order, Position


def order(**changes):
    return Order(**{"frames": 103, "batch": 8, "shuffle": True, "seed": 3, "even": False, "ranks": 1, **changes})


@pytest.mark.parametrize("shards", [1, 2, 5, 40])
@pytest.mark.parametrize("shuffle", [False, True])
def test_shards_together_read_every_frame_once(shards, shuffle):
    mine = [list(order(shuffle=shuffle).of(0, shard, shards)) for shard in range(shards)]
    assert sorted(place for shard in mine for batch in shard for place in batch) == list(range(103))
    assert max(map(len, mine)) - min(map(len, mine)) <= 1


def test_an_order_follows_from_seed_and_epoch_alone():
    first = list(order().of(0, 0, 1))
    assert first == list(order().of(0, 0, 1)) != list(order().of(1, 0, 1)) and first != list(order(seed=4).of(0, 0, 1))
    dealt = [list(order().of(0, shard, 3)) for shard in range(3)]
    assert [dealt[number % 3][number // 3] for number in range(13)] == first


@pytest.mark.parametrize("ranks", [2, 4])
def test_even_ranks_have_as_many_batches(ranks):
    even = order(even=True, ranks=ranks)
    assert {len(list(even.of(0, rank, ranks))) for rank in range(ranks)} == {13 // ranks}


def test_a_state_is_taken_by_the_same_order_alone():
    state = Position(2, 5).state(order(), 1)
    position = Position()
    position.load(state, order())
    assert position == Position(2, 5)
    for changed in (order(seed=4), order(batch=4), order(frames=7), order(shuffle=False)):
        with pytest.raises(framecache.Invalid, match="another order"):
            position.load(state, changed)
