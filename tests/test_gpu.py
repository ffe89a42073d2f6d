"""A GPU changes the speed and nothing else: whole extractions against the CPU's, on stand-ins for NVIDIA's libraries.

The stand-ins (tests/standin) decode with libavcodec behind NVIDIA's interfaces, and run the real kernels, compiled
for the CPU. What only a GPU can prove is `gpu-check`'s.
"""

import re
import subprocess

import pytest

from tests.media import make
from tests.support import rpc
from tests.support.framecache import BINARY, Framecache
from tests.support.neighbours import until

# Clips of which one picture in some is wanted, so that decoding starts and stops.
SPARSE = ["--every", "5"]
# 1080p, of which decoding is most of the work.
HD = ["--every", "20"]
# One core is estimated to need longer for nine seconds of 1080p than a card that must be opened first.
AUTO_TAKES_THE_CARD = ["--workers", "1"]
DEVICE_FAULTS = {
    "create_fails=2": "device",
    "create_parser_fails=1": "device",
    "map_fails=205": "device",
    "fails_at=9,parse_fails=1": "damage",
    "fails_at=9,parse_fails=999": "device",
    "fails_at=9,decode_fails=999": "device",
    "nonsense=3": "device",
    "memory=1000": "device",
    "broken": "device",
    "interlaced": "interlaced",
    "monochrome": "monochrome",
}


def decoded(runner, *arguments, backend="gpu", **more):
    command = runner.command("extract", "--timeline", "t", "--backend", backend, "--json", *arguments)
    return runner.run("extract", command=command, **more)


def facts(runner):
    """What is known of each frame, but for what decoded it, and why."""
    apart = ("backend", "fallback_reason")
    return [{name: value for name, value in frame.items() if name not in apart} for frame in runner.frames("t")]


@pytest.fixture(scope="module")
def hd_by_cpu(tmp_path_factory):
    """The store with what the CPU makes of nine seconds of 1080p."""
    reference = Framecache(tmp_path_factory.mktemp("hd") / "store")
    reference.extract("t", *HD, make.clip("hd.mp4"))
    return reference


def assert_equal(runner, reference, *arguments):
    """The same frames as the CPU makes now."""
    reference.extract("t", *arguments, code=None)
    assert_same_frames(runner, reference)


def assert_same_frames(runner, reference):
    """Byte for byte, with the same facts."""
    assert facts(runner) == facts(reference)
    # What was made before a span began again may lie there still, under no record.
    kept = [frame["seq"] for frame in reference.frames("t") if not frame.get("missing")]
    ours, theirs = runner.jpegs("t"), reference.jpegs("t")
    assert [ours.get(seq) for seq in kept] == [theirs.get(seq) for seq in kept]


def only_chunk(done):
    (chunk,) = done.json["chunks"]
    return chunk


def compare(on_card, new_store, clip, *arguments):
    """Extracts on a card; the reason where it refuses, else None, and then all is as on the CPU."""
    card = on_card()
    done = decoded(card, *arguments, clip, code=None, timeout=300)
    if done.code in (5, 6):
        assert not card.records("t")
        # What the CPU cannot do either is said in its words.
        if "use backend auto or cpu" not in done.err:
            new_store().extract("t", *arguments, clip, code=done.code)
        return done.err
    assert done.code in (0, 3), done.describe()
    chunk = only_chunk(done)
    assert (chunk["backend"], chunk.get("fallback_reason")) in [("nvdec", None), ("cpu", "damage")]
    assert_equal(card, new_store(), *arguments, clip)
    return None


def test_every_clip_that_a_card_takes_gives_the_cpus_frames(on_card, new_store, ordinary_clip):
    compare(on_card, new_store, ordinary_clip, "--all")


@pytest.mark.parametrize(
    "name", ["h264_bframes.mp4", "hevc.ts", "vp9.webm", "hevc_12bit.mp4", "h264_bt709_full.mp4", "turned_90.mp4", "edit_list_cut.mp4"]
)
def test_what_a_card_takes_it_takes(on_card, new_store, clip, name):
    assert compare(on_card, new_store, clip(name), *SPARSE) is None


# On a stand-in; test_nvcuvid.py takes all of them on NVIDIA's own parser.
@pytest.mark.some(4)
def test_videos_of_the_media_folder_give_the_cpus_frames(on_card, new_store, truth, video_file):
    compare(on_card, new_store, truth.root / video_file, "--count", "24")


@pytest.mark.parametrize(
    "options",
    [["--max-side", "77"], ["--dedup", "4"], ["--hash", "phash,dhash,average_hash"], ["--hash", "none"], ["--fps", "60"]],
    ids=lambda options: options[0][2:],
)
def test_options_mean_the_same_on_a_card(on_card, new_store, clip, options):
    sampling = [] if "--fps" in options else ["--all"]
    assert compare(on_card, new_store, clip("h264_bframes.mp4"), *sampling, *options) is None


def test_framemd5_by_nvdec_is_that_of_libavcodec(on_card, clip):
    for name in ["h264_bframes.mp4", "hevc_12bit.mp4", "vp9.webm"]:
        runner = on_card()
        texts = [runner.run("framemd5", command=[str(BINARY), "framemd5", clip(name), "--backend", backend]).text for backend in ("gpu", "cpu")]
        assert texts[0] == texts[1] and len(texts[0].splitlines()) > 10


def test_without_a_gpu_backend_gpu_refuses_with_the_reason_and_auto_says_nothing(fc, clip):
    done = decoded(fc, "--all", clip("h264_bframes.mp4"), code=5)
    assert "driver" in done.err or "GPU" in done.err
    assert not fc.jpegs("t")
    chunk = only_chunk(decoded(fc, "--all", clip("h264_bframes.mp4"), backend="auto"))
    assert chunk["backend"] == "cpu" and "fallback_reason" not in chunk


@pytest.mark.parametrize(
    ("does", "libraries", "words"),
    [
        ("devices=0", "whole", "finds no GPU"),
        ("driver=11000", "whole", "too old"),
        ("init=999", "whole", "does not start"),
        ("", "no-video", "libnvcuvid"),
        ("", "no-launch", "cuLaunchKernel"),
        ("", "no-reconfigure", "cuvidReconfigureDecoder"),
    ],
)
def test_what_is_missing_is_said_in_words(on_card, clip, does, libraries, words):
    runner = on_card(does, libraries)
    done = decoded(runner, "--all", clip("h264_bframes.mp4"), code=5)
    assert words in done.err and "panic" not in done.err
    # Under auto the CPU does it.
    done = decoded(runner, "--all", clip("h264_bframes.mp4"), backend="auto")
    assert only_chunk(done)["backend"] == "cpu"


def test_the_video_library_is_found_beside_the_driver_that_was_loaded(on_card, standins, clip):
    card = on_card()
    card.environment |= {"LD_LIBRARY_PATH": "", "LD_PRELOAD": str(standins / "whole" / "libcuda.so.1")}
    decoded(card, "--all", clip("h264_bframes.mp4"))
    assert {frame["backend"] for frame in card.frames("t")} == {"nvdec"}


@pytest.mark.parametrize("does", DEVICE_FAULTS)
def test_a_failure_of_the_card_starts_the_span_again_on_the_cpu_and_says_why(on_card, hd_by_cpu, clip, does):
    card = on_card(f"any_size,{does}")
    chunk = only_chunk(decoded(card, *AUTO_TAKES_THE_CARD, *HD, clip("hd.mp4"), backend="auto", timeout=300))
    assert (chunk["backend"], chunk["fallback_reason"]) == ("cpu", DEVICE_FAULTS[does])
    assert {frame["fallback_reason"] for frame in card.frames("t")} == {DEVICE_FAULTS[does]}
    assert_same_frames(card, hd_by_cpu)


@pytest.mark.parametrize("does", ["create_fails=1", "fails_at=9,decode_fails=999", "interlaced"])
def test_backend_gpu_fails_rather_than_fall_back(on_card, clip, does):
    card = on_card(f"any_size,{does}")
    done = decoded(card, "--all", clip("h264_bframes.mp4"), code=5)
    assert "use backend auto or cpu" in done.err
    assert not card.records("t")


def test_damage_that_the_card_reports_is_decoded_again_by_libavcodec_on_one_thread(on_card, hd_by_cpu, clip):
    for backend in ("gpu", "auto"):
        card = on_card("any_size,error_at=5")
        arguments = [*AUTO_TAKES_THE_CARD, *HD, clip("hd.mp4")]
        chunk = only_chunk(decoded(card, *arguments, backend=backend, timeout=300))
        assert (chunk["backend"], chunk["fallback_reason"]) == ("cpu", "damage")
        assert_same_frames(card, hd_by_cpu)


def cut_off(packet):
    """Its end is missing."""
    return packet[:4]


def without_marker(packet):
    return bytes([packet[0] ^ 0x80]) + packet[1:]


def with_packet(path, folder, place, change):
    """The clip as an IVF file (a header of 32 bytes; of each packet 12, its size first), one of its packets changed."""
    plain = folder / f"{path.stem}.ivf"
    subprocess.run(["ffmpeg", "-v", "error", "-i", path, "-c", "copy", plain], check=True)
    data, at, packets = plain.read_bytes(), 32, []
    while at < len(data):
        size = int.from_bytes(data[at : at + 4], "little")
        packets.append((data[at + 4 : at + 12], data[at + 12 : at + 12 + size]))
        at += 12 + size
    packets[place] = (packets[place][0], change(packets[place][1]))
    changed = folder / f"{path.stem}-changed.ivf"
    changed.write_bytes(data[:32] + b"".join(len(packet).to_bytes(4, "little") + time + packet for time, packet in packets))
    return plain, changed


@pytest.mark.parametrize(("name", "change"), [("vp8.webm", cut_off), ("vp9.webm", without_marker), ("av1_svt.mp4", cut_off)])
def test_damage_that_a_card_would_not_tell_of_keeps_a_span_off_it_where_it_is_known(on_card, new_store, clip, tmp_path, name, change):
    sound, damaged = with_packet(clip(name), tmp_path, 7, change)
    assert compare(on_card, new_store, sound, "--all") is None
    card, report = on_card(), tmp_path / "report"
    card.environment["FRAMECACHE_STANDIN_REPORT"] = str(report)
    chunk = only_chunk(decoded(card, "--all", damaged, code=None))
    # What libavcodec then finds is a reason of its own.
    assert (chunk["backend"], chunk["fallback_reason"] in ("damage", "unseen_damage")) == ("cpu", True)
    assert "decoded" not in reported(report) or reported(report)["decoded"] == "0"
    assert_equal(card, new_store(), "--all", damaged)
    # Spans before it are none of its business.
    assert compare(on_card, new_store, damaged, "--count", "1") is None


def test_pictures_that_the_card_leaves_out_come_from_the_cpu(on_card, hd_by_cpu, clip):
    # The parser's callbacks say nothing of any picture.
    card = on_card("any_size,nonsense=8")
    chunk = only_chunk(decoded(card, *AUTO_TAKES_THE_CARD, *HD, clip("hd.mp4"), backend="auto", timeout=300))
    assert chunk["backend"] == "cpu" and chunk["fallback_reason"]
    assert_same_frames(card, hd_by_cpu)


def test_a_short_span_is_done_by_the_cpu_since_it_is_done_earlier(on_card, clip):
    chunk = only_chunk(decoded(on_card(), "--count", "1", clip("h264_bframes.mp4"), backend="auto"))
    assert (chunk["backend"], chunk["fallback_reason"]) == ("cpu", "cost")


def test_a_change_of_colour_tags_is_left_to_the_cpu(on_card, new_store, clip):
    reason = compare(on_card, new_store, clip("colour_change.ts"), "--all")
    assert "sequence headers" in reason
    card = on_card()
    decoded(card, "--all", clip("colour_change.ts"), backend="auto", timeout=300)
    matrices = {frame["colour"]["matrix"] for frame in card.frames("t")}
    assert matrices == {"bt709", "bt601"}


def test_nothing_is_left_on_the_card(on_card, clip, tmp_path):
    report = tmp_path / "report"
    card = on_card()
    card.environment["FRAMECACHE_STANDIN_REPORT"] = str(report)
    decoded(card, "--every", "5", clip("h264_bframes.mp4"), clip("hevc.ts"), clip("vp9.webm"))
    told = reported(report)
    assert int(told["launches"]) > 100
    left = {name: told[name] for name in ("contexts", "device", "pinned", "streams", "events", "modules", "decoders", "parsers")}
    assert set(left.values()) == {"0"}, left


def test_several_cards_share_the_spans(on_card, new_store, clip):
    card = on_card("any_size,devices=3")
    decoded(card, "--every", "50", clip("two_minutes.mp4"), clip("h264_bframes.mp4"))
    assert {frame["backend"] for frame in card.frames("t")} == {"nvdec"}
    assert_equal(card, new_store(), "--every", "50", clip("two_minutes.mp4"), clip("h264_bframes.mp4"))


def test_one_card_is_opened_for_what_one_card_does(on_card, clip, tmp_path):
    card, report = on_card("any_size,devices=8"), tmp_path / "report"
    card.environment["FRAMECACHE_STANDIN_REPORT"] = str(report)
    decoded(card, "--count", "2", clip("h264_bframes.mp4"))
    assert reported(report)["opened"] == "1"


def test_a_card_that_does_not_open_is_named_and_the_others_are_used(on_card, new_store, clip):
    card = on_card("any_size,devices=2,card_fails=0")
    card.environment["FRAMECACHE_LOG"] = "framecache=warn"
    done = decoded(card, "--every", "50", clip("two_minutes.mp4"))
    assert "a GPU is not used" in done.err and "ordinal=0" in done.err
    assert_equal(card, new_store(), "--every", "50", clip("two_minutes.mp4"))
    assert {frame["backend"] for frame in card.frames("t")} == {"nvdec"}
    doctor = card.run("doctor", command=[str(BINARY), "doctor", "--store", str(card.store)], code=None).text
    assert "GPU 0 is not used" in doctor and "stand-in 1" in doctor
    done = decoded(on_card("any_size,card_fails=0"), "--all", clip("h264_bframes.mp4"), code=5)
    assert "could not open the GPU" in done.err


def test_what_only_the_bitstream_refuses_is_not_tried_for_every_span(on_card, clip):
    card, spans = on_card("any_size,interlaced"), 6
    card.environment["FRAMECACHE_LOG"] = "framecache=warn"
    done = decoded(card, *AUTO_TAKES_THE_CARD, *HD, *[clip("hd.mp4")] * spans, backend="auto", timeout=600)
    assert {chunk["fallback_reason"] for chunk in done.json["chunks"]} == {"interlaced"}
    # Those that were placed before the first was refused.
    assert 0 < done.err.count("decoded again on the CPU") < spans


def test_probe_says_what_a_card_would_do(on_card, clip):
    def backend(name):
        runner = on_card()
        video = runner.run("probe", command=[str(BINARY), "probe", "--json", str(clip(name))]).json["video"]
        return video["backend"], video["backend_reason"]

    assert backend("h264_bframes.mp4")[0] == "nvdec"
    assert backend("mpeg2.ts") == ("cpu", "NVDEC is not used for this codec, codec=mpeg2video")


def test_a_server_counts_spans_by_what_decoded_them(on_card, clip, v1):
    card = on_card()
    source = clip("hd.mp4")
    with rpc.start_server(card.store, cwd=source.parent, environment=card.environment) as server, server.channel() as channel:
        request = v1.ExtractFramesRequest(
            timeline="t", chunks=[v1.Chunk(uri=str(source))], sampling=v1.Sampling(every=20), backend=v1.BACKEND_GPU
        )
        list(v1.FrameServiceStub(channel).ExtractFrames(request, timeout=120))
        assert server.metric("framecache_span_decodes_total", backend="nvdec", outcome="ok") == 1


def test_pictures_and_tensors_from_the_source_are_the_cpus(on_card, hd_by_cpu, clip, tmp_path, v1):
    card, source, report = on_card(), clip("hd.mp4"), tmp_path / "report"
    decoded(card, *HD, source, backend="cpu")
    card.environment["FRAMECACHE_STANDIN_REPORT"] = str(report)
    pictures = ("get", "t", "--seq", "0-13", "--origin", "source", "--format", "npy", "--out", "-")
    assert card.run(*pictures, timeout=120).out == hd_by_cpu.run(*pictures).out
    assert launches(report) > 0

    def tensors(runner, **fields):
        with rpc.start_server(runner.store, "--source-root", source.parent, environment=runner.environment) as server, server.channel() as channel:
            request = v1.GetTensorsRequest(timeline="t", origin=v1.ORIGIN_SOURCE, selection=v1.Selection(all=True), batch=14, **fields)
            return list(v1.FrameServiceStub(channel).GetTensors(request, timeout=120))

    letterboxed = {"width": 96, "height": 64, "fit": v1.FIT_LETTERBOX, "datatype": v1.DATATYPE_FP16, "layout": v1.LAYOUT_NCHW}
    for fields in (letterboxed, {"datatype": v1.DATATYPE_UINT8, "channels": v1.CHANNELS_GRAY}):
        report.unlink()
        assert tensors(card, **fields) == tensors(hd_by_cpu, **fields)
        # A server's media process ends a little after it.
        until(lambda: launches(report) > 0, "the card made them")


@pytest.mark.parametrize("does", ["nonsense=8", "error_at=5", "fails_at=9,decode_fails=999", "broken"])
def test_pictures_from_the_source_are_the_cpus_where_the_card_fails(on_card, hd_by_cpu, clip, does):
    card = on_card(f"any_size,{does}")
    decoded(card, *HD, clip("hd.mp4"), backend="cpu")
    pictures = ("get", "t", "--seq", "0-13", "--origin", "source", "--format", "npy", "--out", "-")
    assert card.run(*pictures, timeout=120).out == hd_by_cpu.run(*pictures).out


def reported(report):
    return dict(word.split("=") for word in report.read_text().split() if "=" in word)


def launches(report):
    """Of all processes that wrote there."""
    return sum(int(n) for n in re.findall(r"launches=(\d+)", report.read_text()))


def test_the_binary_needs_no_library_of_nvidias():
    needed = subprocess.run(["readelf", "-d", BINARY], capture_output=True, text=True, check=True).stdout
    libraries = [line for line in needed.splitlines() if "NEEDED" in line]
    assert len(libraries) > 3
    assert not [line for line in libraries if any(word in line.lower() for word in ("cuda", "nvcuvid", "nvidia", "nvrtc"))]


def test_damaged_files_give_the_cpus_frames(on_card, new_store, truth, corrupt_file):
    compare(on_card, new_store, truth.root / corrupt_file, "--every", "3")
