"""Timelines that show the same footage: constructed films, whose offsets are known, and NumPy over all pairs of frames."""

import shutil

import grpc
import numpy as np
import pytest

from .support.films import encode, scene
from .support.framecache import Framecache
from .support.web import Web, of

FLAT, DISTANCE = 0.98, 8
RATE = 25


@pytest.fixture(scope="module")
def stored(tmp_path_factory):
    """A film of ten scenes, and others that show some of it, all of it, nothing of it, or one card that it shows."""
    folder = tmp_path_factory.mktemp("duplicates")
    film = np.concatenate([scene(n, 30, pace=3) for n in range(1, 11)])
    strange = lambda first, count: np.concatenate([scene(n, 30, pace=3) for n in range(first, first + count)])
    card = np.repeat(scene(500, 1), 100, axis=0)
    black = scene(0, 100, flat=16)
    films = {
        "film": film,
        # Its frames 60 to 239 behind a second of others.
        "cut": np.concatenate([scene(100, RATE, pace=3), film[60:240], strange(110, 2)]),
        "mirrored": np.concatenate([strange(120, 1), film[:200, :, ::-1]]),
        "strange": strange(200, 8),
        "carded": np.concatenate([strange(300, 2), card, black, strange(310, 2)]),
        "other-card": np.concatenate([strange(320, 3), black, card, strange(330, 1)]),
        # The film's second part, then its first.
        "turned": np.concatenate([film[150:], strange(340, 1), film[:150]]),
    }
    fc = Framecache(folder / "store")
    for name, frames in films.items():
        encode(folder / f"{name}.mp4", frames, rate=RATE, crf=30 if name == "cut" else 18)
        fc.extract(name, "--all", folder / f"{name}.mp4")
    fc.extract("slow", "--fps", "5", folder / "film.mp4")
    return fc


def found(fc, timeline, *options):
    return fc.run("similar", timeline, "--duplicates", *options, "--json").json["runs"]


def of_others(runs, *names):
    return [run for run in runs if run["timeline"] in names]


def reel(fc, timeline):
    facts = [f for f in fc.frames(timeline) if f["flatness"] < FLAT]
    return np.array([f["timestamp"] for f in facts]), np.array([int(f["phash"], 16) for f in facts], np.uint64)


def counted(fc, one, run):
    """(frames that are shown, frames that both have) of a run, by NumPy, as the messages document them."""
    (times, hashes), (others, theirs) = reel(fc, one), reel(fc, run["timeline"])
    apart = max(0.1, 0.55 * max(np.median(np.diff(times)), np.median(np.diff(others))))
    inside = (times >= run["from"]) & (times <= run["to"])
    meets = np.abs(times[inside, None] + run["offset"] - others[None]) <= apart
    near = np.bitwise_count(hashes[inside, None] ^ theirs[None]) <= DISTANCE
    return int((meets & near).any(1).sum()), int(meets.any(1).sum())


def offset_of_most_pairs(fc, one, other):
    """By how much the most pairs of frames that are alike are apart, to a fifth of a second."""
    (times, hashes), (others, theirs) = reel(fc, one), reel(fc, other)
    a, b = np.nonzero(np.bitwise_count(hashes[:, None] ^ theirs[None]) <= DISTANCE)
    values, counts = np.unique(np.round((others[b] - times[a]) * 5), return_counts=True)
    return values[counts.argmax()] / 5


def test_a_part_that_is_cut_out_shifted_and_encoded_anew_is_found_with_its_offset_and_ends(stored):
    runs = found(stored, "film")
    (cut,) = of_others(runs, "cut")
    assert abs(cut["offset"] - (1 - 60 / RATE)) < 0.03 and not cut["mirrored"]
    assert abs(cut["from"] - 60 / RATE) < 0.1 and abs(cut["to"] - 239 / RATE) < 0.1
    assert cut["frames"] >= 175 and abs(cut["share"] - cut["frames"] / 300) < 1e-9
    (slow,) = of_others(runs, "slow")
    assert abs(slow["offset"]) < 0.1 and slow["share"] > 0.6
    assert [run["frames"] for run in runs] == sorted((run["frames"] for run in runs), reverse=True)
    for run in runs:
        assert (run["frames"], run["compared"]) == counted(stored, "film", run), run
    for other in ("cut", "slow"):
        (run,) = of_others(runs, other)
        assert abs(offset_of_most_pairs(stored, "film", other) - run["offset"]) <= 0.3
    # Seen from the other side it is the same.
    (back,) = of_others(found(stored, "cut"), "film")
    assert abs(back["offset"] + cut["offset"]) < 0.03 and abs(back["from"] - 1) < 0.1


def test_parts_that_lie_otherwise_have_each_an_offset_of_their_own(stored):
    runs = sorted(of_others(found(stored, "film"), "turned"), key=lambda run: run["from"])
    assert [(round(run["from"]), round(run["to"])) for run in runs] == [(0, 6), (6, 12)]
    assert [run["offset"] for run in runs] == pytest.approx([180 / RATE, -150 / RATE], abs=0.05)


def test_footage_of_other_things_and_stills_that_both_show_are_no_duplicates(stored):
    assert of_others(found(stored, "film"), "strange", "carded", "other-card", "mirrored", "film") == []
    assert of_others(found(stored, "carded"), "other-card", "film", "strange") == []
    assert found(stored, "strange") == []
    # Whatever may differ of them.
    assert of_others(found(stored, "carded", "--distance", 0), "other-card") == []


def test_mirrored_footage_is_found_where_it_is_asked_for_and_said_to_be(stored):
    (run,) = of_others(found(stored, "film", "--mirrored", "--distance", 12), "mirrored")
    assert run["mirrored"] and abs(run["offset"] - 30 / RATE) < 0.1 and run["frames"] > 150
    assert not any(run["mirrored"] for run in of_others(found(stored, "film", "--mirrored"), "cut", "turned"))


def test_the_store_a_server_an_address_and_python_say_the_same(stored, serve, v1):
    server = serve("--http", "127.0.0.1:0", store=stored.store)
    told = stored.run("similar", "film", "--duplicates", "--json").json
    command = [stored.command("similar")[0], "similar", "film", "--duplicates", "--json", "--server", server.target]
    assert stored.run("similar", command=command).json == told
    client = Web(server.http)
    answer = client.ok(of("film", "duplicates"))
    assert answer.json == told
    assert client.get(of("film", "duplicates"), headers={"if-none-match": answer.headers["etag"]}).status == 304
    one = client.ok(of("film", "duplicates"), other="cut", limit=1).json
    assert one["runs"] == of_others(told["runs"], "cut") and one["searched"] == len(reel(stored, "cut")[0])
    few = client.ok(of("film", "duplicates"), limit=2).json
    assert few["runs"] == told["runs"][:2] and few["more"] and not told["more"]
    for query, field in [({"distance": 21}, "distance"), ({"other": "film"}, "other"), ({"other": ".."}, "other"), ({"kind": "x"}, "kind"), ({"page_size": 1}, "page_size")]:
        assert client.get(of("film", "duplicates"), **query).json["field"] == field
    assert client.get(of("nobody", "duplicates")).reason == "TIMELINE_NOT_FOUND"
    people = stored.run("similar", "film", "--duplicates").out.decode()
    assert people.startswith(told["runs"][0]["timeline"]) and len(people.splitlines()) == len(told["runs"])
    with server.channel() as channel:
        stub = v1.FrameServiceStub(channel)
        with pytest.raises(grpc.RpcError) as refused:
            stub.GetDuplicates(v1.GetDuplicatesRequest(timeline="film", distance=64), timeout=30)
        assert refused.value.code() == grpc.StatusCode.INVALID_ARGUMENT


def test_a_client_that_looks_for_duplicates_all_the_time_holds_no_reader_up(stored, serve, v1):
    server = serve("--workers", "1", "--memory", "256MB", store=stored.store)
    with server.channel() as greedy, server.channel() as other:
        search = v1.FrameServiceStub(greedy).GetDuplicates
        request = v1.GetDuplicatesRequest(timeline="film", mirrored=True, distance=20)
        calls = [search.future(request, timeout=60) for _ in range(30)]
        reads = v1.FrameServiceStub(other)
        for seq in range(20):
            answers = reads.GetFrames(v1.GetFramesRequest(
                timeline="film", selection=v1.Selection(sequences=[seq]), width=64), timeout=30)
            assert any(answer.frame.HasField("data") for answer in answers)
        ended = [call for call in calls if call.exception() is None]
        assert ended and len({len(call.result().runs) for call in ended}) == 1
        refused = {call.exception().code() for call in calls if call.exception() is not None}
        assert refused <= {grpc.StatusCode.RESOURCE_EXHAUSTED}


def test_all_timelines_are_searched_however_many_pages_of_them_there_are(new_store, tmp_path):
    fc = new_store()
    clip = encode(tmp_path / "clip.mp4", scene(1, 12, pace=3))
    fc.extract("t0000", "--all", "--layout", "packed", clip)
    one = fc.folder("t0000")
    for n in range(1, 1050):
        shutil.copytree(one, one.parent / f"t{n:04}")
    facts = fc.frames("t0000")
    near = fc.run("similar", "--hash", facts[3]["phash"], "--distance", 0, "--limit", 100000, "--json").json
    assert near["searched"] == 1050 * len(facts) and near["unread_timelines"] == []
    names = [f["timeline"] for f in near["frames"] if f["seq"] == 3]
    assert names == [f"t{n:04}" for n in range(1050)]
    twins = fc.run("similar", "t0007", "--duplicates", "--limit", 2000, "--json").json
    assert twins["searched"] == 1049 * len(facts) and len(twins["runs"]) == 1000 and twins["more"]
