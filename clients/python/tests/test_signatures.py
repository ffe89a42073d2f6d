"""What `help` and notebooks show of a function is what it takes."""

import inspect

import numpy as np
import pytest

import framecache
from framecache import _decode, _requests, options, samplers
from framecache.compat import frames as compat

STARS = (inspect.Parameter.VAR_KEYWORD, inspect.Parameter.VAR_POSITIONAL)
OVERLAYS = (framecache._client.Overlays, framecache._async_client.AsyncOverlays)


def methods(kind):
    """Public ones by name, and how it is made."""
    found = inspect.getmembers(kind, inspect.isfunction)
    return {name: value for name, value in found if name == "__init__" or not name.startswith("_")}


def public():
    """Each public function, by a name for people."""
    for module in (framecache, samplers, compat):
        names = getattr(module, "__all__", [name for name in vars(module) if name.startswith("clips_")])
        for name in names:
            value = getattr(module, name)
            own = {"": value} if inspect.isfunction(value) else methods(value)
            yield from ((f"{module.__name__}.{name}.{method}", function) for method, function in own.items())
    for kind in OVERLAYS:
        yield from ((f"{kind.__name__}.{name}", function) for name, function in methods(kind).items())


def test_every_keyword_of_every_public_function_is_in_its_signature():
    functions = dict(public())
    for name in ("Client.extract", "Client.__init__", "Video.get_batch", "samplers.clips_at_random_indices."):
        assert f"framecache.{name}" in functions
    starred = [
        name for name, function in functions.items()
        if any(each.kind in STARS for each in inspect.signature(function).parameters.values())
    ]
    assert starred == []
    shown = inspect.signature(framecache.Client.extract).parameters
    assert shown["fps"].annotation == "Optional[Time]" and shown["fps"].default is None


def test_torchs_datasets_say_their_keywords_too():
    datasets = pytest.importorskip("framecache.torch", exc_type=ImportError)
    for kind in (datasets.FrameDataset, datasets.FrameStream):
        assert "normalize" in inspect.signature(kind).parameters


@pytest.mark.parametrize(
    "threads, asyncio",
    [(framecache.Client, framecache.AsyncClient), OVERLAYS],
)
def test_both_clients_take_the_same(threads, asyncio):
    for name, function in methods(asyncio).items():
        if name == "__init__" and asyncio is not framecache.AsyncClient:
            continue
        expected = list(inspect.signature(methods(threads)[name]).parameters.values())
        assert list(inspect.signature(function).parameters.values()) == expected, name


@pytest.mark.parametrize(
    "kind, request_of",
    [
        (options.ExtractOptions, lambda given: _requests.extract("t", ["/a.mp4"], False, given)),
        (options.FramesOptions, lambda given: _requests.frames("t", given)),
        (options.TensorOptions, lambda given: _requests.tensors("t", _requests.arrays(given))),
    ],
)
def test_a_keyword_that_is_none_was_not_said(kind, request_of):
    assert request_of(dict.fromkeys(kind.__annotations__)) == request_of({})


def test_no_keyword_that_is_none_changes_how_arrays_come():
    unsaid = dict.fromkeys(options.TensorOptions.__annotations__)
    assert _decode.chosen("auto", unsaid, True) == _decode.chosen("auto", {}, True)
    recipe = _decode.Recipe(unsaid, framecache._client.Arrays())
    assert (recipe.frames, recipe.batch, recipe.datatype, recipe.layout) == ({}, 16, "uint8", "nhwc")


def test_an_unknown_keyword_is_still_named(extracted):
    with pytest.raises(TypeError, match="framerate"):
        extracted.extract("clip", framerate=3)
    batch = extracted.video("clip").get_batch([0], layout=None, datatype=None)
    assert batch.array.shape == (1, 240, 320, 3) and batch.array.dtype == np.uint8
