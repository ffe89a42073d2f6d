"""Who is measured: one file a tool. A tool runs as `commands(job)`, or inside benches/peers/worker.py as `run(job)`.

Everybody is measured with the start counted and without. worker.py tells the latter itself, as benches/limits.rs does; a tool
of `commands` that does not has `after_start(job)`, commands for the same work that do, or `START`, a command that only starts.
"""

import importlib
import os
from dataclasses import dataclass

ALL = ("all", "fps2", "times")


@dataclass(frozen=True)
class Contender:
    key: str
    name: str
    module: str
    variant: str = ""
    # What its JPEGs are fitted by: contenders of one encoder share a quality.
    encoder: str = "simplejpeg"
    workloads: tuple = ALL
    # Runs as programs of its own; else inside worker.py.
    program: bool = False

    @property
    def tool(self):
        return importlib.import_module(f"tools.{self.module}")


# Of a program that FRAMECACHE_BEFORE names.
EARLIER = [
    Contender("framecache-before", "an earlier framecache", "beside", "before", "framecache", (*ALL, "first"), True),
][: "FRAMECACHE_BEFORE" in os.environ]

CONTENDERS = [
    Contender("framecache", "framecache (phash, records)", "framecache", "phash", "framecache", (*ALL, "first"), True),
    Contender("framecache-nohash", "framecache `--hash none`", "framecache", "none", "framecache", ("all",), True),
    Contender("framecache-apart", "framecache `--isolation process`", "beside", "apart", "framecache", (*ALL, "first"), True),
    *EARLIER,
    Contender("ffmpeg", "ffmpeg", "ffmpeg", "", "ffmpeg", program=True),
    Contender("pyav-pillow", "PyAV, Pillow", "pyav", "pillow", "pillow"),
    Contender("pyav-simplejpeg", "PyAV, simplejpeg", "pyav", "simplejpeg"),
    Contender("pyav-threads", "PyAV, simplejpeg on encoder threads", "pyav", "threads"),
    Contender("pyav-planes", "PyAV, simplejpeg from planes on encoder threads", "pyav", "planes", "planes"),
    Contender("opencv", "OpenCV", "opencv", "", "opencv"),
    Contender("decord", "decord, simplejpeg", "decord"),
    Contender("torchcodec", "torchcodec, simplejpeg", "torchcodec"),
    Contender("torchcodec-stages", "torchcodec's stages on two threads, simplejpeg", "torchcodec", "stages"),
    Contender("tensorcodec", "tensorcodec, simplejpeg", "tensorcodec"),
    Contender("tensorcodec-workers", "tensorcodec, a decoder a thread, simplejpeg", "tensorcodec", "workers"),
    Contender("reach", "libavcodec alone", "limits", "reach", "", ("first",), True),
    Contender("decode-ffmpeg", "ffmpeg `-f null`", "ffmpeg", "decode", "", ("decode",), True),
    Contender("decode-framecache", "framecache's decoding tasks", "limits", "decode", "", ("decode", "assume"), True),
    Contender("decode-sparse", "framecache's decoding tasks for 2 frames a second", "limits", "sparse", "", ("decode",), True),
    Contender("assume-run", "all groups in one run, one thread", "limits", "run", "", ("assume",), True),
    Contender("assume-groups", "each group a run of its own, one thread", "limits", "groups", "", ("assume",), True),
    Contender("assume-needed", "that, without pictures that no other needs", "limits", "needed", "", ("assume",), True),
    Contender("assume-threads", "one run on frame threads", "limits", "threads", "", ("assume",), True),
    Contender("encode-framecache", "framecache: convert, hash, encode", "limits", "encode", "framecache", ("encode",), True),
    Contender("encode-simplejpeg", "simplejpeg from RGB on threads", "arrays", "", "simplejpeg", ("encode",)),
]
