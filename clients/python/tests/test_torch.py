"""Datasets under the real DataLoader, where torch is installed."""

import numpy as np
import pytest

import framecache

torch = pytest.importorskip("torch")

from torch.utils.data import DataLoader, DistributedSampler  # noqa: E402

import framecache.torch as datasets  # noqa: E402


@pytest.fixture
def video(client, clip):
    assert client.extract("every", clip, all=True).ok
    return client.video("every")


def numbers(items):
    return [int(number) for item in items for number in item["sequence"].reshape(-1)]


@pytest.mark.parametrize("workers, method", [(0, None), (2, "fork"), (2, "spawn")])
def test_a_map_of_frames_is_batched_and_shuffled_by_torch(video, workers, method):
    dataset = datasets.FrameDataset(video, width=32, height=24)
    loader = DataLoader(
        dataset, batch_size=16, shuffle=True, num_workers=workers, multiprocessing_context=method,
        generator=torch.Generator().manual_seed(1),
    )
    items = list(loader)
    assert items[0]["frames"].shape == (16, 3, 24, 32) and items[0]["frames"].dtype == torch.uint8
    assert sorted(numbers(items)) == list(range(100)) != numbers(items)
    expected = torch.from_numpy(video.get_batch([numbers(items)[0]], width=32, height=24, layout="nchw").array[0])
    assert torch.equal(items[0]["frames"][0], expected)
    assert len(dataset) == 100 and dataset[3]["sequence"] == 3 and dataset[3]["frames"].shape == (3, 24, 32)


def test_torchs_distributed_sampler_splits_a_map(video):
    dataset = datasets.FrameDataset(video, width=32, height=24)
    ranks = [DistributedSampler(dataset, num_replicas=2, rank=rank, shuffle=False) for rank in range(2)]
    found = [numbers(DataLoader(dataset, batch_size=16, sampler=sampler)) for sampler in ranks]
    assert found == [list(range(0, 100, 2)), list(range(1, 100, 2))]


@pytest.mark.parametrize("workers, method", [(0, None), (3, "fork"), (2, "spawn")])
def test_a_stream_gives_every_frame_once_whatever_the_workers(video, workers, method):
    stream = datasets.FrameStream(video, 8, shuffle=True, seed=5, layout="nhwc")
    items = list(DataLoader(stream, batch_size=None, num_workers=workers, multiprocessing_context=method))
    assert items[0]["frames"].shape == (8, 240, 320, 3) and len(items) == len(stream) == 13
    assert sorted(numbers(items)) == list(range(100)) != numbers(items)
    alone = numbers(datasets.FrameStream(video, 8, shuffle=True, seed=5))
    assert sorted(numbers(items)) == sorted(alone)
    if not workers:
        assert numbers(items) == alone


def test_ranks_share_a_stream_out(video):
    ranks = [datasets.FrameStream(video, 8, shuffle=True, rank=rank, world_size=3) for rank in range(3)]
    assert sorted(number for rank in ranks for number in numbers(rank)) == list(range(100))
    even = [datasets.FrameStream(video, 8, rank=rank, world_size=3, even=True) for rank in range(3)]
    assert [len(list(rank)) for rank in even] == [4, 4, 4] == [len(rank) for rank in even]
    with pytest.raises(framecache.Invalid):
        datasets.FrameStream(video, rank=3, world_size=3)
    with pytest.raises(framecache.Invalid):
        datasets.FrameStream(video, rank=0)


def test_a_stream_goes_on_from_its_state(video):
    def stream():
        return datasets.FrameStream(video, 8, shuffle=True, seed=5, width=32, height=24)

    whole = numbers(stream())
    broken = stream()
    items = iter(broken)
    begun = numbers(next(items) for _ in range(4))
    state = broken.state_dict()
    again = stream()
    again.load_state_dict(state)
    assert begun + numbers(again) == whole
    assert numbers(again) != whole and sorted(numbers(again)) == list(range(100)), "then comes the next epoch"
    again.set_epoch(0)
    assert numbers(again) == whole
    assert numbers(broken) == whole, "an iteration that was given up begins anew"
    with pytest.raises(framecache.Invalid, match="workers"):
        stream().load_state_dict({**state, "shards": 2})


def test_lost_frames_are_masked_where_that_is_asked(client):
    client.put("made", [framecache.PutFrame(n, np.full((8, 8, 3), n, np.uint8)) for n in range(3)])
    (item,) = datasets.FrameStream(client.video("made", errors="yield"))
    assert item["valid"].tolist() == [True] * 3 and torch.isnan(item["timestamp"]).all()
