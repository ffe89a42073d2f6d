"""RGB, hashes and JPEGs against NumPy, ImageHash and Pillow."""

import io

import imagehash
import numpy as np
import pytest
from PIL import Image

from .support import oracle

HASHES = {"phash": imagehash.phash, "dhash": imagehash.dhash, "average_hash": imagehash.average_hash}


def few(count):
    """First, middle and last."""
    return sorted({0, count // 2, count - 1})


def source_rgb(fc, timeline, sequences, folder):
    """{sequence: the RGB that framecache makes of a decoded picture, before any JPEG}."""
    fc.run("get", timeline, "--seq", ",".join(map(str, sequences)), "--format", "png", "--origin", "source", "--out", folder)
    return {k: np.array(Image.open(folder / f"{k}.png").convert("RGB")) for k in sequences}


def bits(one, other):
    return (int(one, 16) ^ int(other, 16)).bit_count()


@pytest.fixture(scope="module")
def known():
    """{source: (facts of all frames, JPEGs of a few)}, as `extract_with_hashes` found them."""
    return {}


def extract_with_hashes(fc, source, known):
    fc.extract("t", "--all", "--hash", "phash,dhash,average_hash", source)
    facts, jpegs = fc.frames("t"), fc.jpegs("t")
    known[source] = facts, {k: jpegs.get(k) for k in few(len(facts))}
    return known[source]


def assert_rgb_and_hashes(fc, source, folder, known):
    stream = oracle.probe(source)
    facts, _jpegs = extract_with_hashes(fc, source, known)
    assert len(facts) == len(stream.frames)
    chosen = few(len(facts))
    pictures = source_rgb(fc, "t", chosen, folder)
    for k, planes in oracle.raw_frames(source, stream, chosen):
        want = oracle.upright(oracle.rgb_of(planes, oracle.matrix_of(stream), oracle.range_of(stream)), stream.turn)
        got = pictures[k]
        assert got.shape == want.shape
        assert np.array_equal(got, want), f"frame {k}: off by up to {np.abs(got.astype(int) - want).max()}"
        picture = Image.fromarray(want)
        for name, function in HASHES.items():
            assert facts[k][name] == str(function(picture)), f"{name} of frame {k}"


def test_rgb_is_the_contracts_formula_and_hashes_are_imagehashs_of_it(fc, ordinary_clip, tmp_path, known):
    assert_rgb_and_hashes(fc, ordinary_clip, tmp_path / "out", known)


def test_rgb_and_hashes_of_a_video_are_the_formulas_and_imagehashs(fc, media, video_file, tmp_path, known):
    if len(oracle.Truth(media).framemd5(video_file)) > 1000:
        pytest.skip("long: its pixels are as those of the others, its frames are compared by framemd5")
    assert_rgb_and_hashes(fc, media / video_file, tmp_path / "out", known)


def test_png_and_npy_from_the_source_are_the_same_picture(fc, clip, tmp_path):
    fc.extract("t", "--count", "3", clip("h264_bt709.mp4"))
    fc.run("get", "t", "--seq", 1, "--format", "npy", "--origin", "source", "--out", tmp_path)
    array = np.load(tmp_path / "1.npy")
    assert array.dtype == np.uint8 and array.shape == (120, 160, 3)
    assert np.array_equal(array, source_rgb(fc, "t", [1], tmp_path)[1])


def test_png_and_npy_from_the_cache_are_what_pillow_decodes_from_the_jpeg(fc, clip, tmp_path):
    fc.extract("t", "--count", "3", clip("h264_bt709.mp4"))
    want = np.array(Image.open(io.BytesIO(fc.jpegs("t")[2])).convert("RGB"))
    fc.run("get", "t", "--seq", 2, "--format", "npy", "--out", tmp_path)
    fc.run("get", "t", "--seq", 2, "--format", "png", "--out", tmp_path)
    assert np.array_equal(np.load(tmp_path / "2.npy"), want)
    assert np.array_equal(np.array(Image.open(tmp_path / "2.png")), want)


def test_hashes_are_at_most_two_bits_from_those_of_the_reference_pictures(truth, new_store, known):
    compared = exact = 0
    far = []
    for relative in truth.files("videos"):
        rows = truth.hashes(relative)
        if not rows or len(truth.framemd5(relative)) > 1000:
            continue
        source = truth.root / relative
        facts, _jpegs = known.get(source) or extract_with_hashes(new_store(), source, known)
        for row in rows:
            for name, column in {"phash": "disp_phash", "dhash": "disp_dhash", "average_hash": "disp_ahash"}.items():
                distance = bits(facts[int(row["frame"])][name], row[column] or row[column.removeprefix("disp_")])
                compared += 1
                exact += distance == 0
                if distance > 2:
                    far.append(f"{relative} frame {row['frame']}: {name} {distance} bits")
    print(f"{exact} of {compared} hashes equal those of the reference pictures, {len(far)} more than 2 bits off")
    assert compared and not far


def jpeg_error(data, want):
    got = np.array(Image.open(io.BytesIO(data)).convert("RGB")).astype(int)
    assert got.shape == want.shape
    return np.abs(got - want).mean()


def pillow_jpeg(rgb):
    out = io.BytesIO()
    Image.fromarray(rgb).save(out, "JPEG", quality=85)
    return out.getvalue()


def assert_jpegs_as_good_as_pillows(jpegs, source, allowed=0.15):
    stream = oracle.probe(source)
    for k, planes in oracle.raw_frames(source, stream, few(len(stream.frames))):
        want = oracle.reference_rgb(planes, oracle.matrix_of(stream), oracle.range_of(stream))
        ours, pillows = jpeg_error(jpegs[k], oracle.upright(want, stream.turn)), jpeg_error(pillow_jpeg(want), want)
        assert ours <= pillows + allowed, f"frame {k}: mean absolute error {ours:.3f}, Pillow's {pillows:.3f}"


@pytest.mark.parametrize("name", ["h264_bt709.mp4", "h264_bt709_full.mp4", "h264_bt601.mp4", "turned_90.mp4"])
def test_the_jpeg_of_a_generated_frame_is_nearly_as_near_to_the_reference_as_pillows(fc, clip, name):
    # The test pattern is all saturated edges: there the half sample between MPEG's and JFIF's chroma sites costs
    # 0.17 to 0.19 levels (measured). A wrong matrix or range costs several.
    fc.extract("t", "--all", "--hash", "none", clip(name))
    assert_jpegs_as_good_as_pillows(fc.jpegs("t"), clip(name), allowed=0.25)


def test_jpegs_of_bt709_videos_are_as_near_to_the_reference_as_pillows(truth, new_store, known):
    def is_bt709(name):
        rows = truth.frames(name) or truth.frames(f"{name}.s0")
        return rows[0]["color_space"] == "bt709" and rows[0]["pix_fmt"] in ("yuv420p", "yuvj420p")

    names = [n for n in truth.files("videos") if is_bt709(n)]
    assert names
    for name in names:
        source = truth.root / name
        _facts, jpegs = known.get(source) or extract_with_hashes(new_store(), source, known)
        assert_jpegs_as_good_as_pillows(jpegs, source)


def test_the_reference_picture_is_the_stored_one(truth):
    import hashlib

    row = truth.hashes("videos/dev_gop250_720p.mp4")[0]
    source = truth.root / row["file"]
    stream = oracle.probe(source)
    ((_first, planes),) = oracle.raw_frames(source, stream, [0])
    rgb = oracle.reference_rgb(planes, oracle.matrix_of(stream), oracle.range_of(stream))
    assert hashlib.sha256(rgb.tobytes()).hexdigest() == row["rgb_sha256"]


def test_a_jpeg_is_q85_420_and_the_size_its_facts_say(fc, clip):
    fc.extract("t", "--count", "2", clip("turned_90.mp4"))
    for fact in fc.frames("t"):
        picture = Image.open(io.BytesIO(fc.jpegs("t")[fact["seq"]]))
        assert picture.size == (fact["width"], fact["height"]) == (120, 160)
        assert (fact["source_width"], fact["source_height"], fact["rotation"]) == (160, 120, 90)
        assert [layer[1:3] for layer in picture.layer] == [(2, 2), (1, 1), (1, 1)]
        reference = io.BytesIO()
        Image.new("RGB", (8, 8)).save(reference, "JPEG", quality=85)
        assert picture.quantization == Image.open(reference).quantization


@pytest.mark.parametrize("name", ["h264_bt709.mp4", "vp9_odd.webm", "turned_270.mp4"])
def test_max_side_bounds_the_longer_side_keeps_the_hashes_and_never_enlarges(fc, clip, name):
    fc.extract("full", "--count", "2", clip(name))
    fc.extract("small", "--count", "2", "--max-side", "50", clip(name))
    fc.extract("huge", "--count", "2", "--max-side", "5000", clip(name))
    for full, small, huge in zip(fc.frames("full"), fc.frames("small"), fc.frames("huge")):
        longer, shorter = max(full["width"], full["height"]), min(full["width"], full["height"])
        want = max(1, (shorter * 50 * 2 + longer) // (2 * longer))
        assert sorted((small["width"], small["height"])) == [want, 50]
        assert small["phash"] == full["phash"]
        assert huge["sha256"] == full["sha256"]


def test_an_override_of_the_colour_rule_changes_an_untagged_frame(fc, clip):
    source = clip("h264_bframes.mp4")
    fc.extract("a", "--count", "1", source)
    fc.extract("b", "--count", "1", "--colour", "bt709", source)
    a, b = fc.frames("a")[0], fc.frames("b")[0]
    assert (a["colour"]["matrix"], b["colour"]["matrix"]) == ("bt601", "bt709")
    assert "matrix" in a["colour"]["assumed"]
    assert a["sha256"] != b["sha256"]
