"""Frames that lie packed: the same frames by every way, in far fewer requests, and back again."""

import json
import shutil
import signal
import tarfile
import time
import uuid
from concurrent.futures import ThreadPoolExecutor

import pytest

from .media.make import ffmpeg
from .support.fault_proxy import fault_proxy
from .support.framecache import Framecache, assert_same_store, tree
from .test_rpc_frames import collect

PACKED = ["--layout", "packed"]
SAMPLING = ["--fps", "2"]
REPEATS = [*SAMPLING, "--to", "130", "--dedup", "64"]


@pytest.fixture(scope="module")
def film(tmp_path_factory):
    """Ten minutes at 2 frames a second, each another."""
    target = tmp_path_factory.mktemp("film") / "film.mp4"
    ffmpeg("-f", "lavfi", "-i", "testsrc2=size=96x64:rate=2:duration=600", "-c:v", "libx264", "-preset", "ultrafast", "-g", "20", target)
    return target


@pytest.fixture(scope="module")
def both(tmp_path_factory, film):
    """The same timeline in two stores: as objects, and packed."""
    stores = [Framecache(tmp_path_factory.mktemp("stores") / name) for name in ("loose", "packed")]
    for fc, layout in zip(stores, ([], PACKED)):
        told = fc.extract("t", *SAMPLING, *layout, film).json
        assert told["frames"] == 1200
        fc.run("extract", "--timeline", "repeats", *REPEATS, *layout, film)
    return stores


def packs(fc, timeline="t"):
    return sorted((fc.folder(timeline) / "packs").rglob("*.tar"))


def written(fc, folder, *arguments):
    fc.run("get", "t", *arguments, "--out", folder)
    return tree(folder)


def test_frames_facts_pictures_and_sheets_are_the_same_either_way(both, tmp_path):
    loose, packed = both
    assert not loose.folder("t").joinpath("packs").exists() and not packed.folder("t").joinpath("frames").exists()
    assert loose.frames("t") == packed.frames("t") and loose.frames("repeats") == packed.frames("repeats")
    some = ["--seq", "1199,3-40,3,700-710"]
    for ask in (["--all", "--every", "3"], some, ["--at", "7,7.5,300"], [*some, "--format", "npy", "--width", "48"]):
        name = uuid.uuid4().hex
        assert written(loose, tmp_path / f"l{name}", *ask) == written(packed, tmp_path / f"p{name}", *ask)
    sheets = [tmp_path / f"{n}.jpg" for n in range(2)]
    for fc, sheet in zip(both, sheets):
        fc.run("sheet", "t", "-o", sheet)
    assert sheets[0].read_bytes() == sheets[1].read_bytes()
    told = [fc.run("timelines", "t", "--json").json["profiles"][0] for fc in both]
    assert [one["plan"].pop("layout") for one in told] == ["frames", "packed"]
    assert told[0] == told[1]


def test_a_server_answers_the_same_frames_base64_and_tensors_either_way(both, serve, v1):
    def answers(fc):
        server = serve(store=fc.store)
        with server.channel() as channel:
            stub = v1.FrameServiceStub(channel)
            got = []
            for payload in (v1.PAYLOAD_JPEG, v1.PAYLOAD_BASE64):
                request = v1.GetFramesRequest(timeline="t", selection=v1.Selection(all=True), payload=payload)
                items, _ = collect(stub.GetFrames(request, timeout=60))
                got.append([(item.sequence, item.payload, item.facts.SerializeToString(deterministic=True)) for item in items])
            tensors = v1.GetTensorsRequest(timeline="t", selection=v1.Selection(range=v1.SequenceRange(first=5, last=90)), width=32, height=32)
            got.append([message.SerializeToString(deterministic=True) for message in stub.GetTensors(tensors, timeout=60)])
            return got

    loose, packed = map(answers, both)
    assert loose == packed and len(loose[0]) == 1200


def test_any_tar_reads_a_pack_and_it_holds_each_frame_with_its_facts_in_order(both):
    loose, packed = both
    facts = {frame["seq"]: frame for frame in packed.frames("t")}
    jpegs, seen = loose.jpegs("t"), []
    for path in packs(packed):
        with tarfile.open(path) as tar:
            members = tar.getmembers()
            assert {(m.mtime, m.uid, m.gid, m.uname, m.gname, m.mode) for m in members} == {(0, 0, 0, "", "", 0o644)}
            numbers = [int(m.name.removesuffix(".jpg")) for m in members[::2]]
            assert numbers == sorted(numbers)
            for seq, jpeg, told in zip(numbers, members[::2], members[1::2]):
                assert told.name == f"{seq}.json"
                assert tar.extractfile(jpeg).read() == jpegs[seq]
                known = json.loads(tar.extractfile(told).read())
                assert known == {k: v for k, v in facts[seq].items() if k in known} and known["sha256"]
                seen.append(seq)
    assert sorted(seen) == sorted(jpegs)
    # A repeat is stored once.
    stored = sum(len(tarfile.open(path).getnames()) // 2 for path in packs(packed, "repeats"))
    assert stored == sum(frame.get("repeats") is None for frame in packed.frames("repeats")) < 260


def test_two_packed_extractions_give_the_same_store(both, new_store, film):
    again = new_store()
    again.extract("t", *SAMPLING, *PACKED, film)
    again.extract("repeats", *REPEATS, *PACKED, film)
    assert_same_store(both[1].store, again.store)


def test_over_s3_packing_takes_few_requests_to_write_and_to_read(both, film, s3, s3_endpoint, tmp_path):
    with fault_proxy(s3_endpoint) as proxy:
        name = f"test-{uuid.uuid4().hex[:16]}"
        s3.create_bucket(Bucket=name)
        fc = Framecache(f"s3://{name}", options=["--endpoint", proxy.url])
        fc.extract("t", *SAMPLING, *PACKED, film)
        puts = sum(method == "PUT" for method, _ in proxy.calls)
        assert puts <= 0.02 * 1200, puts
        proxy.calls.clear()
        got = written(fc, tmp_path / "out", "--all")
        reads = [target for method, target in proxy.calls if "/packs/" in target]
        assert len(reads) <= 0.05 * 1200, len(reads)
        assert not any(method == "HEAD" for method, _ in proxy.calls)
        assert got == written(both[0], tmp_path / "want", "--all")


def test_single_frames_that_many_ask_for_at_once_take_a_request_each_and_few_more(both, film, s3, s3_endpoint, serve, v1):
    with fault_proxy(s3_endpoint) as proxy:
        name = f"test-{uuid.uuid4().hex[:16]}"
        s3.create_bucket(Bucket=name)
        options = ["--endpoint", proxy.url]
        Framecache(f"s3://{name}", options=options).extract("t", *SAMPLING, *PACKED, film)
        server = serve(*options, store=f"s3://{name}")
        proxy.calls.clear()
        with server.channel() as channel, ThreadPoolExecutor(64) as pool:
            stub = v1.FrameServiceStub(channel)

            def one(seq):
                request = v1.GetFramesRequest(timeline="t", selection=v1.Selection(sequences=[seq]), payload=v1.PAYLOAD_JPEG)
                [item], _ = collect(stub.GetFrames(request, timeout=120))
                return item.payload

            # 401 has no divisor in common with the frames: each is asked for once, beside none.
            order = [n * 401 % 1200 for n in range(1200)]
            got = dict(zip(order, pool.map(one, order)))
        assert got == both[0].jpegs("t")
        print(f"{len(proxy.calls)} requests for 1200 frames")
        assert len(proxy.calls) <= 1.05 * 1200


def test_repacked_either_way_a_store_is_what_it_were_had_it_been_extracted_so(both, tmp_path):
    for source, wanted, layout in ((both[0], both[1], "packed"), (both[1], both[0], "frames")):
        fc = Framecache(tmp_path / layout)
        shutil.copytree(source.store, fc.store)
        for timeline in ("t", "repeats"):
            told = fc.run("repack", timeline, "--layout", layout, "--json").json
            assert told["layout"] == layout and told["damaged"] == 0 and told["spans"] > 1
        assert_same_store(fc.store, wanted.store)
        assert fc.run("repack", "t", "--layout", layout, "--json").json["spans"] == 0


def test_a_repacking_that_is_killed_loses_nothing_and_goes_on(both, tmp_path):
    for after in (2, 7):
        fc = Framecache(tmp_path / str(after))
        shutil.copytree(both[0].store, fc.store)
        process = fc.start("repack", "t", "--layout", "packed")
        while process.poll() is None and len(packs(fc)) < after:
            time.sleep(0.002)
        process.send_signal(signal.SIGKILL)
        process.wait(timeout=60)
        assert written(fc, tmp_path / f"out{after}", "--all") == written(both[0], tmp_path / f"want{after}", "--all")
        fc.run("repack", "t", "--layout", "packed")
        shutil.rmtree(fc.folder("repeats"))
        fc.run("verify", "t")
        for name, data in tree(both[1].folder("t") / "packs").items():
            assert (fc.folder("t") / "packs" / name).read_bytes() == data
        assert not (fc.folder("t") / "frames").exists()


def test_a_profile_keeps_its_layout_and_another_is_refused_with_the_way_to_it(fc, clip):
    source = clip("h264_bframes.mp4")
    fc.extract("t", *SAMPLING, *PACKED, source)
    assert fc.extract("t", *SAMPLING, source).json["written"] == 0
    done = fc.run("extract", "--timeline", "t", *SAMPLING, "--layout", "frames", source, code=5)
    assert "layout=packed" in done.err and "framecache repack" in done.err
    # What is appended lies as the rest, and --replace as it says.
    fc.extract("t", *SAMPLING, source, clip("vfr.mp4"))
    assert len(packs(fc)) == 2 and not (fc.folder("t") / "frames").exists()
    fc.extract("t", *SAMPLING, "--replace", "--quality", "70", source)
    assert len(packs(fc)) == 1
    fc.extract("t", *SAMPLING, "--replace", "--layout", "frames", source)
    assert not packs(fc) and fc.jpegs("t")
    fc.run("verify", "t")


def test_damage_in_packs_is_found_healed_by_reading_and_mended(both, tmp_path, film):
    fc = Framecache(tmp_path / "hurt")
    shutil.copytree(both[1].store, fc.store)
    want = written(both[0], tmp_path / "want", "--all")
    hurt = packs(fc)
    for n, path in enumerate(hurt[:6]):
        data = bytearray(path.read_bytes())
        if n % 3 == 0:
            data[len(data) // 2] ^= 1
        path.write_bytes(data[: len(data) // 3] if n % 3 == 1 else data)
        if n % 3 == 2:
            path.unlink()
    told = fc.run("verify", "t", "--json", code=6).json
    assert len(told["findings"]) == told["faults"] == 6
    assert {f["fault"] for f in told["findings"]} == {"wrong_sha256", "wrong_size", "missing_frame"}
    assert written(fc, tmp_path / "out", "--all") == want
    fc.run("verify", "t", "--repair")
    assert fc.run("verify", "t", "--json").json["clean"]
    assert [p.read_bytes() for p in packs(fc)] == [p.read_bytes() for p in packs(both[1])]


def test_clearing_tells_of_packs_and_takes_them(both, tmp_path):
    fc = Framecache(tmp_path / "cleared")
    shutil.copytree(both[1].store, fc.store)
    would = fc.run("clear", "t", "--dry-run", "--json").json["profiles"][0]
    assert would["packs"]["objects"] == len(packs(fc)) > 5 and would["frames"]["objects"] == 0
    assert "packs" in fc.run("clear", "t", "--plan").text
    assert not fc.folder("t").exists()
