"""The commands around the cache: get, put, sheet, overlays, timelines, clear, probe, verify, doctor."""

import base64
import hashlib
import io
import json
import shutil
import subprocess

import numpy as np
import pytest
from PIL import Image

from .support import framecache as runner


@pytest.fixture
def source(clip):
    return clip("h264_bframes.mp4")


@pytest.fixture
def cached(fc, source):
    """Timeline `t`: 5 frames a second of two seconds."""
    fc.extract("t", "--fps", "5", source)
    return fc


def picture(data):
    return np.array(Image.open(io.BytesIO(data)).convert("RGB"))


def error_of(done, code):
    """The one line of an error, with its hint."""
    assert done.code == code, done.describe()
    lines = done.err.strip().splitlines()
    assert len(lines) == 1 and "; " in lines[0], done.describe()
    return lines[0]


# get


def test_pngs_and_arrays_are_what_pillow_decodes_of_the_stored_jpegs(cached, tmp_path):
    out = tmp_path / "o"
    cached.run("get", "t", "--seq", "0-3", "--format", "png", "--out", out)
    cached.run("get", "t", "--seq", "0-3", "--format", "npy", "--out", out)
    for seq in range(4):
        stored = picture(cached.jpegs("t")[seq])
        assert np.array_equal(np.array(Image.open(out / f"{seq}.png")), stored)
        array = np.load(out / f"{seq}.npy")
        assert array.dtype == np.uint8 and np.array_equal(array, stored)
    assert {p.suffix for p in out.iterdir()} == {".png", ".npy"}


def test_several_frames_on_stdout_are_one_array_in_the_order_asked(cached):
    out = cached.run("get", "t", "--seq", "3,1,1", "--format", "npy", "--out", "-").out
    stack = np.load(io.BytesIO(out))
    saved = io.BytesIO()
    np.save(saved, stack)
    assert saved.getvalue() == out
    assert np.array_equal(stack, np.stack([picture(cached.jpegs("t")[k]) for k in (3, 1, 1)]))
    single = np.load(io.BytesIO(cached.run("get", "t", "--seq", "3", "--format", "npy", "--out", "-").out))
    assert np.array_equal(single, stack[0])


def test_one_picture_only_goes_to_stdout(cached):
    assert "folder" in error_of(cached.run("get", "t", "--seq", "0-1", "--out", "-", code=None), 2)


def test_pictures_from_the_source_have_no_jpeg_loss(fc, tmp_path):
    """A lossless RGB source comes back to the bit, and in the frames of the plan."""
    made = tmp_path / "made.mp4"
    command = ["ffmpeg", "-v", "error", "-f", "lavfi", "-i", "testsrc2=size=64x48:rate=10:duration=1", "-pix_fmt", "gbrp",
               "-c:v", "libx264rgb", "-qp", "0", "-y", made]
    if subprocess.run(command).returncode:
        pytest.skip("this ffmpeg has no libx264rgb")
    fc.extract("t", "--every", "3", "--max-side", "16", made)
    raw = subprocess.run(["ffmpeg", "-v", "error", "-i", made, "-f", "rawvideo", "-pix_fmt", "rgb24", "-"], capture_output=True, check=True).stdout
    truth = np.frombuffer(raw, np.uint8).reshape(-1, 48, 64, 3)[::3]
    stack = np.load(io.BytesIO(fc.run("get", "t", "--seq", "2,0,1", "--origin", "source", "--format", "npy", "--out", "-").out))
    assert np.array_equal(stack, truth[[2, 0, 1]])
    told = fc.run("get", "t", "--seq", "2,0", "--origin", "source", "--format", "png", "--out", tmp_path / "o", "--json").json
    assert [row["seq"] for row in told] == [2, 0]
    assert np.array_equal(np.array(Image.open(tmp_path / "o" / "2.png")), truth[2])


def test_pictures_from_the_source_come_although_a_long_group_follows_a_short_one(fc, tmp_path):
    made = tmp_path / "made.mp4"
    command = ["ffmpeg", "-v", "error", "-f", "lavfi", "-i", "testsrc2=size=64x48:rate=10:duration=30", "-pix_fmt", "yuv420p",
               "-c:v", "libx264", "-g", "300", "-force_key_frames", "3", "-y", made]  # fmt: skip
    subprocess.run(command, check=True)
    fc.extract("t", "--all", made)

    def pictures(seqs):
        return np.load(io.BytesIO(fc.run("get", "t", "--seq", seqs, "--origin", "source", "--format", "npy", "--out", "-").out))

    stack = pictures("25,30-299")
    assert len(stack) == 271
    assert np.array_equal(stack[0], pictures("25")) and np.array_equal(stack[270], pictures("299"))


def test_the_source_gives_no_jpegs(cached):
    assert "--format png" in error_of(cached.run("get", "t", "--seq", "0", "--origin", "source", code=None), 2)


def test_base64_lines_hold_times(cached):
    lines = [json.loads(l) for l in cached.run("get", "t", "--at", "0.5,0", "--format", "base64").text.splitlines()]
    facts = {f["seq"]: f for f in cached.frames("t")}
    assert [line["seq"] for line in lines] == [2, 0]
    for line in lines:
        assert list(line) == ["seq", "timestamp", "jpeg_b64"] and line["timestamp"] == facts[line["seq"]]["timestamp"]
        assert hashlib.sha256(base64.b64decode(line["jpeg_b64"])).hexdigest() == facts[line["seq"]]["sha256"]


def test_frames_of_a_span_that_was_never_extracted_are_extracted_when_asked_for(fc, source, tmp_path):
    fc.extract("whole", "--fps", "5", source)
    fc.extract("t", "--fps", "5", "--plan-only", source)
    assert fc.jpegs("t") == {}
    fc.run("get", "t", "--at", "1", "--out", tmp_path)
    assert (tmp_path / "5.jpg").read_bytes() == fc.jpegs("whole")[5]
    assert fc.jpegs("t") == fc.jpegs("whole")


def test_a_damaged_frame_without_its_source_is_data_loss_and_the_others_are_served(fc, source, tmp_path):
    moving = tmp_path / "moving.mp4"
    shutil.copy(source, moving)
    fc.extract("t", "--fps", "5", moving)
    moving.unlink()
    fc.damage("t", 3)
    assert "bring the source back" in error_of(fc.run("get", "t", "--seq", "3", "--out", tmp_path / "o", code=None), 6)
    assert not (tmp_path / "o").exists()
    done = fc.run("get", "t", "--seq", "2-4", "--out", tmp_path / "o", code=3)
    assert "seq=3" in done.err and sorted(p.name for p in (tmp_path / "o").iterdir()) == ["2.jpg", "4.jpg"]


def test_numbers_and_times_that_are_not_there_are_said_before_anything_is_written(cached, tmp_path):
    out = tmp_path / "o"
    assert "0 to 9" in error_of(cached.run("get", "t", "--seq", "8-12", "--out", out, code=None), 4)
    error_of(cached.run("get", "t", "--at", "0,2", "--out", out, code=None), 5)
    error_of(cached.run("get", "other", "--seq", "0", "--out", out, code=None), 4)
    assert not out.exists()
    for senseless in (["--seq", "3-1"], ["--seq", "x"], [], ["--seq", "1", "--at", "1"]):
        assert cached.run("get", "t", *senseless, "--out", out, code=None).code == 2


# put


def test_put_frames_keep_their_bytes_and_facts_and_pngs_are_encoded(fc, tmp_path):
    jpeg, png = tmp_path / "a.jpg", tmp_path / "b.png"
    gradient = np.linspace(0, 255, 64 * 48 * 3).reshape(48, 64, 3).astype(np.uint8)
    Image.fromarray(gradient).save(jpeg, quality=90)
    Image.fromarray(gradient).save(png)
    facts = tmp_path / "facts.jsonl"
    facts.write_text('{"seq": 7, "timestamp": 1.5, "duration": 0.5}\n{"seq": 8, "timestamp": 2.0, "damaged": true}\n')
    fc.run("put", "t", "--seq", "7-8", "--facts", facts, jpeg, png)
    told = {f["seq"]: f for f in fc.frames("t")}
    assert fc.jpegs("t")[7] == jpeg.read_bytes()
    assert np.abs(picture(fc.jpegs("t")[8]).astype(int) - gradient).mean() < 3
    assert (told[7]["timestamp"], told[7].get("quality"), told[8]["quality"], told[8]["damaged"]) == (1.5, None, 85, True)
    assert fc.run("get", "t", "--at", "1.6", "--out", "-").out == jpeg.read_bytes()


def test_a_put_that_cannot_be_right_puts_nothing(fc, cached, tmp_path):
    good, named, text = tmp_path / "0.jpg", tmp_path / "a.jpg", tmp_path / "1.jpg"
    Image.new("RGB", (8, 8)).save(good)
    shutil.copy(good, named)
    text.write_text("no picture")
    facts = tmp_path / "facts.jsonl"
    facts.write_text('{"seq": 0, "timestmap": 1.5}\n')
    for arguments in ([named], [good, text], [good, "--seq", "0-1"], [good, "--facts", facts], [tmp_path / "9.jpg"], [good, good]):
        assert fc.run("put", "new", *arguments, code=None).code == 2
    assert not fc.folder("new").exists()
    assert "another profile" in error_of(fc.run("put", "t", good, code=None), 5)


# sheet


def test_a_sheet_shows_each_frame_where_it_says(cached, tmp_path):
    told = cached.run("sheet", "t", "-o", tmp_path / "sheet.png", "--columns", "5", "--width", "1000", "--json").json
    sheet = np.array(Image.open(tmp_path / "sheet.png"))
    assert sheet.shape[:2] == (told["height"], told["width"]) and told["frames"] == 10
    jpegs = cached.jpegs("t")
    stored = picture(jpegs[6])
    cell = (1000 - 2 * 16 - 4 * 10) // 5
    height = round(cell * stored.shape[0] / stored.shape[1])
    small = np.array(Image.fromarray(stored).resize((cell, height), Image.BOX))
    x = 16 + cell + 10
    found = [y for y in range(sheet.shape[0] - height) if np.array_equal(sheet[y : y + height, x : x + cell], small)]
    assert len(found) == 1, "frame 6 is the second of the second row"


def test_overlays_are_drawn_over_by_their_alpha(cached, tmp_path):
    size = Image.open(io.BytesIO(cached.jpegs("t")[0])).size
    Image.new("RGBA", size, (255, 0, 0, 255)).save(tmp_path / "red.png")
    cached.run("overlays", "put", "t", "--job", "j", "--stage", "s", "--seq", "1", tmp_path / "red.png")
    cached.run("sheet", "t", "-o", tmp_path / "sheet.png", "--overlay", "s", "--seq", "0-1")
    sheet = np.array(Image.open(tmp_path / "sheet.png"))
    red = (sheet == [255, 0, 0]).all(axis=2)
    assert not red[:, : sheet.shape[1] // 2].any() and red[:, sheet.shape[1] // 2 :].mean() > 0.4
    assert "no job" in error_of(cached.run("sheet", "t", "-o", tmp_path / "x.png", "--overlay", "z", code=None), 4)
    cached.run("overlays", "put", "t", "--job", "k", "--stage", "s", "--seq", "1", tmp_path / "red.png")
    assert "j, k" in error_of(cached.run("sheet", "t", "-o", tmp_path / "x.png", "--overlay", "s", code=None), 2)


def test_a_sheet_of_many_frames_shows_both_ends(cached, tmp_path):
    told = cached.run("sheet", "t", "-o", tmp_path / "s.jpg", "--limit", "2", "--json").json
    assert told["frames"] == 2
    assert Image.open(tmp_path / "s.jpg").format == "JPEG"
    error_of(cached.run("sheet", "t", "-o", tmp_path / "s.gif", code=None), 2)


# overlays


def test_overlays_of_any_name_come_back_and_are_listed_and_deleted(cached, tmp_path):
    png = tmp_path / "mask.png"
    Image.new("RGBA", (8, 8), (1, 2, 3, 4)).save(png)
    where = ["--job", "j", "--stage", "s"]
    for seq, name in ((0, "a/b%c"), (0, "höhe"), (9, "x.png")):
        cached.run("overlays", "put", "t", *where, "--seq", seq, "--name", name, png)
    cached.run("overlays", "put", "t", "--job", "j", "--stage", "other", "--seq", "0", png)
    assert cached.run("overlays", "list", "t").text.split() == ["j"]
    assert cached.run("overlays", "list", "t", "--job", "j").text.split() == ["other", "s"]
    rows = cached.run("overlays", "list", "t", *where, "--json").json
    assert [(r["seq"], r["name"], r["bytes"]) for r in rows] == [(0, "a/b%c", png.stat().st_size), (0, "höhe", png.stat().st_size), (9, "x.png", png.stat().st_size)]
    cached.run("overlays", "get", "t", *where, "--out", tmp_path / "o")
    assert sorted(p.name for p in (tmp_path / "o").iterdir()) == ["0_a%2Fb%25c.png", "0_höhe.png", "9_x.png.png"]
    assert all(p.read_bytes() == png.read_bytes() for p in (tmp_path / "o").iterdir())
    assert cached.run("overlays", "get", "t", *where, "--name", "höhe", "--out", "-").out == png.read_bytes()
    assert cached.run("overlays", "delete", "t", "--job", "j", "--seq", "0", "--dry-run", "--json").json["overlays"]["objects"] == 3
    assert cached.run("overlays", "delete", "t", "--job", "j", "--seq", "0", "--json").json["overlays"]["objects"] == 3
    assert [r["seq"] for r in cached.run("overlays", "list", "t", *where, "--json").json] == [9]
    error_of(cached.run("overlays", "get", "t", *where, "--seq", "0", code=None), 4)


def test_an_overlay_that_is_no_png_is_refused(cached, tmp_path):
    bad = tmp_path / "bad.png"
    bad.write_text("no picture")
    error_of(cached.run("overlays", "put", "t", "--job", "j", "--stage", "s", "--seq", "0", bad, code=None), 2)


# timelines, clear


def test_a_timeline_says_how_much_of_it_is_there(cached, source):
    cached.extract("t", "--count", "4", "--profile", "few", "--plan-only", source)
    told = cached.run("timelines", "t", "--json").json
    assert [(p["profile"], p["state"], p["planned"], p["counts"]["frames"]) for p in told["profiles"]] == [("default", "complete", 10, 10), ("few", "partial", 4, 0)]
    assert told["profiles"][0]["counts"]["bytes"] == sum(map(len, cached.jpegs("t").values()))
    assert told["profiles"][0]["plan"]["chunks"][0]["uri"].endswith(source.name)
    absent = cached.run("timelines", "nope", "--json").json
    assert [p["state"] for p in absent["profiles"]] == ["absent"]


def test_changed_and_lost_sources_are_stale_when_looked_at(fc, source, tmp_path):
    changed, lost, same = (tmp_path / f"{name}.mp4" for name in ("changed", "lost", "same"))
    for path in (changed, lost, same):
        shutil.copy(source, path)
    fc.extract("t", "--count", "3", changed, lost, same)
    assert fc.run("timelines", "t", "--check-sources", "--json").json["profiles"][0]["stale"] == []
    changed.write_bytes(changed.read_bytes() + b"\0")
    lost.unlink()
    told = fc.run("timelines", "t", "--check-sources", "--json").json["profiles"][0]
    assert [(s["chunk_id"], s["reason"]) for s in told["stale"]] == [("0", "SOURCE_CHANGED"), ("1", "SOURCE_NOT_FOUND")]
    assert "stale" not in fc.run("timelines", "t", "--json").json["profiles"][0]


@pytest.mark.loose
def test_clear_counts_what_it_would_do_and_does_what_it_counted(cached, source):
    cached.extract("t", "--count", "2", "--profile", "few", source)
    dry = cached.run("clear", "t", "--dry-run", "--all-profiles", "--plan", "--json").json
    assert [(p["profile"], p["frames"]["objects"], p["records"]["objects"], p["plans"]["objects"]) for p in dry["profiles"]] == [("default", 10, 1, 1), ("few", 2, 1, 1)]
    assert len(cached.jpegs("t")) == 10
    assert cached.run("clear", "t", "--older-than", "1h", "--json").json["profiles"][0]["kept_as_newer"]
    done = cached.run("clear", "t", "--all-profiles", "--plan", "--json").json
    assert done["profiles"] == dry["profiles"]
    assert not [p for p in cached.folder("t").rglob("*") if p.is_file()]
    error_of(cached.run("clear", "t", code=None), 4)


def test_a_cleared_timeline_is_made_again_from_its_plan(cached):
    before = cached.jpegs("t")
    cached.run("clear", "t")
    assert cached.jpegs("t") == {}
    cached.run("extract", "--timeline", "t")
    assert cached.jpegs("t") == before


# probe, verify, doctor


def test_probe_agrees_with_ffprobe(fc, ordinary_clip):
    asked = ["ffprobe", "-v", "error", "-select_streams", "V:0", "-count_frames", "-show_streams", "-of", "json", str(ordinary_clip)]
    want = json.loads(subprocess.run(asked, capture_output=True, check=True).stdout)["streams"][0]
    told = fc.run("probe", "--json", ordinary_clip).json
    video = told["video"]
    assert told["bytes"] == ordinary_clip.stat().st_size
    assert (video["codec"], video["width"], video["height"]) == (want["codec_name"], want["width"], want["height"])
    assert video["pixel_format"] == want["pix_fmt"]
    # ffprobe prints the number of a profile that has no name.
    if "codec_profile" in video:
        assert video["codec_profile"] == want["profile"]
    else:
        assert want.get("profile", "0").isdigit()
    assert video["time_base"] == want["time_base"] and video["frames"] == int(want["nb_read_frames"])
    assert video["backend"] == "cpu" and video["backend_reason"]


def test_repair_leaves_what_cannot_be_made_again_as_it_is(fc, source, tmp_path):
    moving = tmp_path / "moving.mp4"
    shutil.copy(source, moving)
    fc.extract("t", "--fps", "5", moving)
    fc.damage("t", 3)
    moving.unlink()
    before = runner.tree(fc.store)
    told = fc.run("verify", "t", "--repair", "--json", code=6).json
    assert (told["faults"], told["repaired"], told["deleted"]) == (1, False, 0)
    assert runner.tree(fc.store) == before
    fc.run("get", "t", "--seq", "2", "--out", tmp_path / "o")


@pytest.mark.loose
def test_repair_mends_records_and_removes_strays(cached):
    before = runner.tree(cached.store)
    record = next((cached.folder("t") / "chunks").rglob("*.json"))
    record.write_text("{}")
    (cached.folder("t") / "frames" / "77.jpg").write_bytes(b"x")
    (cached.folder("t") / "frames" / "5.jpg").unlink()
    cached.run("verify", "t", code=6)
    assert cached.run("verify", "t", "--repair", "--json").json["repaired"]
    assert cached.run("verify", "t", "--json").json["clean"]
    after = runner.tree(cached.store)
    assert sorted(before) == sorted(after)
    assert all(before[k] == after[k] for k in before if "/frames/" in k)


def test_verify_of_nothing_is_not_found(fc):
    error_of(fc.run("verify", "nope", code=None), 4)


def test_doctor_leaves_nothing_behind_and_says_what_is_wrong(new_store, tmp_path):
    fc = new_store("fresh")
    told = fc.run("doctor", "--json").json
    assert told["works"] and {c["name"] for c in told["checks"]} >= {"FFmpeg", "CPU", "GPU", "store"}
    assert not (tmp_path / "fresh").exists()
    (tmp_path / "file").write_text("no folder")
    done = new_store("file").run("doctor", code=None)
    assert done.code == 4 and "to mend it" in done.text and "FFmpeg" in done.text


def test_everything_works_on_s3_too(s3_fc, source, tmp_path):
    s3_fc.extract("t", "--fps", "5", source)
    s3_fc.run("get", "t", "--seq", "0-9", "--out", tmp_path / "o")
    facts = {f["seq"]: f for f in s3_fc.frames("t")}
    for seq, fact in facts.items():
        assert hashlib.sha256((tmp_path / "o" / f"{seq}.jpg").read_bytes()).hexdigest() == fact["sha256"]
    s3_fc.run("verify", "t")
    s3_fc.run("sheet", "t", "-o", tmp_path / "s.png")
    assert s3_fc.run("doctor", "--json").json["works"]
    assert s3_fc.run("timelines", "t", "--json").json["profiles"][0]["state"] == "complete"
    cleared = s3_fc.run("clear", "t", "--plan", "--json").json["profiles"][0]
    assert cleared["plans"]["objects"] == 1 and sorted([cleared["frames"]["objects"], cleared["packs"]["objects"]]) in ([0, 1], [0, 10])
    assert s3_fc.run("timelines", "--json").json == []
