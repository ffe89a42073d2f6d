"""A packed timeline through the client: read as a loose one is."""

import numpy as np


def test_a_packed_timeline_is_read_as_a_loose_one_is(client, clip):
    for timeline, layout in (("loose", "frames"), ("packed", "packed")):
        assert client.extract(timeline, clip, fps=2, layout=layout).ok
        assert client.timeline(timeline).plan["layout"] == layout

    def told(frame):
        return frame.sequence, frame.jpeg, frame.base64, frame.facts

    for payload in ("jpeg", "base64"):
        loose, packed = ([*map(told, client.frames(timeline, payload=payload))] for timeline in ("loose", "packed"))
        assert packed == loose and len(loose) == 8
    loose, packed = (np.concatenate([b.array for b in client.tensors(timeline)]) for timeline in ("loose", "packed"))
    assert np.array_equal(loose, packed)
    (cleared,) = client.clear("packed")
    assert (cleared.packs.objects, cleared.frames.objects) == (1, 0)
