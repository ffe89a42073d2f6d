"""Further kinds of untidy media, one recipe each: what cameras, editors, recorders and old muxers leave behind."""

from pathlib import Path

from . import surgery, untidy
from .untidy import LARGE, FRAMES, Part, encode, parts_of, remux

H264, HEVC = untidy.CODECS["h264"], untidy.CODECS["hevc"]


# Ticks of 1/12800 s that samples last, by their places in decode order.
UNEVEN = {place: 300 + 100 * (place % 4) for place in range(FRAMES)}
REORDERED = {place: 512 + place for place in range(FRAMES - 4, FRAMES)}
LAST_LONGER = f"setts=duration=if(eq(N\\,{FRAMES - 1})\\,700\\,DURATION)"


def whole(codec, container, *more, **of):
    return lambda folder: parts_of(folder, codec, container, [Part(more=more, **of)])[0]


def two(codec, container, one=(), other=(), **of):
    """Two parts of one codec put end to end, encoded with other options."""

    def make(folder):
        pieces = parts_of(folder, codec, container, [Part(more=one), Part(first=FRAMES, more=other, **of)])
        return surgery.JOINS.get(container, surgery.end_to_end)(pieces)

    return make


def remuxed(codec, container, target, *options, more=(), before=()):
    def make(folder):
        source, made = Path(folder) / f"in.{container}", Path(folder) / f"out.{target}"
        encode(codec, container, Part(more=more), source)
        remux(source, made, *options, before=before)
        return made.read_bytes()

    return make


def changed(recipe, change):
    return lambda folder: change(recipe(folder))


def lasting(durations, codec="h264_plain"):
    """Samples that last so many ticks, under an edit that goes on behind them."""
    return changed(whole(codec, "mp4"), lambda data: surgery.with_edit_of(surgery.with_durations(data, durations), 10_000))


def cut(recipe, share):
    return changed(recipe, lambda data: data[: int(len(data) * share)])


def late(recipe, share):
    return changed(recipe, lambda data: data[int(len(data) * share) // 188 * 188 :])


def of_stream(recipe, container):
    """An elementary stream in a container that gives it times; ffmpeg leaves parameter sets where they stand."""

    def make(folder):
        source, made = Path(folder) / "in.h264", Path(folder) / f"out.{container}"
        source.write_bytes(recipe(folder))
        remux(source, made, before=("-fflags", "+genpts", "-r", "25"))
        return made.read_bytes()

    return make


def two_tracks(folder):
    """Two video tracks of unlike clocks; the first is what counts."""
    for k, rate in ((0, "12800"), (1, "90000")):
        encode("h264", "mp4", Part(first=k * 100, more=("-video_track_timescale", rate)), Path(folder) / f"{k}.mp4")
    target = Path(folder) / "both.mp4"
    remux(Path(folder) / "0.mp4", target, "-map", "0", "-map", "1", "-video_track_timescale", "12800", more=(Path(folder) / "1.mp4",))
    return target.read_bytes()


def x264(parameters):
    return ("-x264-params", parameters)


CROPPED = ("-bsf:v", "h264_metadata=crop_right=0:crop_bottom=16")
CLOSED = "log=-1:keyint=10:min-keyint=10:scenecut=0:bframes=2"

KINDS = {
    # H.264 and HEVC as encoders may write them.
    "crop_changes.ts": two("h264", "ts", other=CROPPED, size=LARGE),
    "crop_changes.h264": two("h264", "h264", other=CROPPED, size=LARGE),
    "frame_packing.mp4": whole("h264", "mp4", *x264(f"frame-packing=5:{CLOSED}")),
    "slices.ts": whole("h264", "ts", *x264(f"slices=3:{CLOSED}")),
    "poc_type_2.mp4": whole("h264_plain", "mp4", *x264("log=-1:keyint=10:bframes=0:ref=1")),
    "pyramid.mkv": whole("h264", "mkv", *x264("log=-1:keyint=30:min-keyint=30:scenecut=0:bframes=7:b-pyramid=normal:b-adapt=0")),
    "intra_refresh.ts": whole("h264", "ts", *x264("log=-1:intra-refresh=1:keyint=10:bframes=0")),
    "long_group.ts": whole("h264", "ts", *x264("log=-1:keyint=250:bframes=3")),
    "headers_once.h264": changed(two("h264", "h264", other=x264(f"cabac=0:ref=1:weightp=0:{CLOSED}")), surgery.with_headers_once),
    "headers_once.mkv": of_stream(changed(two("h264_plain", "h264", other=x264("log=-1:keyint=10:bframes=0:cabac=0:ref=1")), surgery.with_headers_once), "mkv"),
    "headers_changed.h264": two("h264", "h264", one=x264(CLOSED), other=x264(f"cabac=0:ref=1:weightp=0:{CLOSED}")),
    "vps_changes.ts": two("hevc", "ts", other=("-x265-params", "log-level=none:keyint=10:bframes=0:temporal-layers=1")),
    "depth_changes.ts": two("hevc", "ts", other=("-pix_fmt", "yuv420p10le")),
    "temporal_layers.mkv": whole("hevc", "mkv", "-x265-params", "log-level=none:keyint=20:bframes=3:temporal-layers=1:b-adapt=0"),
    "cra_first.ts": late(whole("hevc_open", "ts"), 0.4),
    "recovery_first.ts": late(whole("h264_open", "ts"), 0.4),
    # Containers.
    "m2ts.m2ts": whole("h264", "m2ts", "-f", "mpegts", "-mpegts_m2ts_mode", "1"),
    "negative_ctts.mp4": whole("h264", "mp4", "-movflags", "negative_cts_offsets"),
    "edit_list_two.mp4": remuxed("h264", "mp4", "mp4", before=("-itsoffset", "2", "-ss", "0.3")),
    "no_edit_list.mov": whole("h264", "mov", "-use_editlist", "0"),
    "header_last_co64.mp4": whole("h264", "mp4", "-movflags", "+faststart"),
    "two_tracks.mp4": two_tracks,
    "zero_durations.mp4": remuxed("h264_plain", "mp4", "mp4", "-bsf:v", "setts=duration=0"),
    # Ends: durations of last samples that are their own alone.
    "odd_end.mp4": lasting({FRAMES - 1: 700}),
    "uneven.mp4": lasting(UNEVEN),
    "reordered_end.mp4": lasting(REORDERED, "h264"),
    "long_end.frag.mp4": remuxed("h264_plain", "mp4", "mp4", "-bsf:v", LAST_LONGER, "-movflags", "frag_keyframe+empty_moov+default_base_moof"),
    "long_end_of_own_base.mov": remuxed("h264_plain", "mp4", "mov", "-bsf:v", LAST_LONGER, "-movflags", "frag_keyframe+empty_moov"),
    "early_edit.mp4": changed(whole("h264_plain", "mp4"), lambda data: surgery.with_edit_of(data, FRAMES * 40 - 15)),
    "live.mkv": whole("vp9", "mkv", "-live", "1", "-cluster_time_limit", "200"),
    "small_clusters.webm": whole("vp8", "webm", "-cluster_size_limit", "2000"),
    "cut_short.mkv": cut(whole("h264", "mkv"), 0.6),
    "cut_short.flv": cut(whole("h264_plain", "flv"), 0.6),
    "cut_short.mpg": cut(whole("mpeg2", "mpg"), 0.6),
    "late.mpg": changed(whole("mpeg2", "mpg"), lambda data: data[len(data) * 2 // 5 // 2048 * 2048 :]),
    "flv_after_five_hours.flv": remuxed("h264", "flv", "flv", "-bsf:v", "setts=pts=PTS+17000/TB:dts=DTS+17000/TB", "-copyts"),
    "dropped.avi": changed(changed(whole("mpeg4", "avi"), surgery.without_avi_index), surgery.with_dropped_frames),
    "no_tables.avi": changed(whole("mjpeg", "avi", "-huffman", "default"), surgery.without_huffman_tables),
    "ntsc.mxf": whole("mpeg2", "mxf", "-r", "30000/1001"),
    "intra.mxf": whole("mpeg2", "mxf", "-g", "1", "-bf", "0"),
    "chained.ogg": two("theora", "ogg"),
    "gif.gif": whole("gif", "gif"),
    "apng.apng": whole("apng", "apng", "-plays", "0"),
    "dv.avi": whole("dv", "avi"),
    "y4m.y4m": whole("y4m", "y4m"),
    "duck.avi": whole("vp8", "avi", "-auto-alt-ref", "0", "-lag-in-frames", "0"),
    "alternate_references.ivf": whole("vp9", "ivf", "-lag-in-frames", "16", "-auto-alt-ref", "1"),
    "hidden_frames.mkv": remuxed("vp9", "webm", "mkv", "-bsf:v", "vp9_superframe_split", more=("-lag-in-frames", "16", "-auto-alt-ref", "1")),
    "aom.mkv": whole("aom", "mkv"),
    "packed.avi": remuxed("mpeg4_b", "avi", "avi", more=("-mpeg_quant", "1")),
    "quantiser_matrices.ts": two("mpeg2", "ts", other=("-inter_matrix", ",".join(["24"] * 64), "-intra_matrix", ",".join(["8"] + ["30"] * 63))),
    "repeated_fields.ts": changed(whole("mpeg2", "ts", "-bf", "0"), surgery.with_repeated_fields),
    "aspect_changes.ts": two("mpeg2", "ts", one=("-aspect", "4:3"), other=("-aspect", "16:9")),
    "colours_change.ts": two("h264", "ts", one=("-colorspace", "bt709", "-color_range", "tv"), other=("-colorspace", "smpte170m", "-color_range", "pc")),
    "codec_private_changes.flv": two("h264_plain", "flv", one=x264("log=-1:keyint=10:ref=1"), other=x264("log=-1:keyint=10:ref=4:cabac=0")),
}


def clip(name):
    return untidy.made(name, KINDS[name])
