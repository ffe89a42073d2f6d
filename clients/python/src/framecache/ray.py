"""Timelines on a Ray cluster: extracted by its tasks, and read as a dataset of Ray Data's.

    import framecache.ray

    made = framecache.ray.extract({"a": "s3://videos/a.mp4", "b": "s3://videos/b.mp4"}, fps=2)
    frames = framecache.ray.read_frames(made, payload="tensor", width=640, height=640, fit="letterbox")
    frames.map_batches(Detector, concurrency=4, num_gpus=1, batch_size=32)      # batch["frame"]: (32, 640, 640, 3)

Tasks ask the server that `client={"target": "frames:50051"}` or FRAMECACHE_SERVER names. Without one each of Ray's
processes starts a `framecache` of its own, which nodes need on PATH (the wheel with the program brings it), over the
store that `client={"store": "s3://frames"}` or FRAMECACHE_STORE names: a bucket, or a folder that all nodes share.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Dict, Iterable, Iterator, List, Literal, Mapping, Optional, Tuple, Union

try:
    import ray
    from ray.data import Datasource, ReadTask
    from ray.data.block import BlockMetadata
except ImportError:
    raise ImportError("framecache.ray needs Ray: pip install 'framecache[ray]'") from None

from . import _blocks, _elsewhere, _requests
from ._errors import Error
from ._signatures import spelled_out
from .options import ArrayOptions, ClientOptions, Errors, ExtractOptions, OnMiss
from .results import ChunkResult
from .video import Video

if TYPE_CHECKING:
    from typing_extensions import Unpack

#: Tasks that are with Ray at once; further ones wait here.
AT_ONCE = 1000


@dataclass
class Outcome:
    """What became of one timeline."""

    timeline: str
    #: Frames in the cache now, of what was asked for; of those made by this call; and found.
    frames: int = 0
    written: int = 0
    reused: int = 0
    #: Seconds that the call took.
    seconds: float = 0.0
    chunks: List[ChunkResult] = field(default_factory=list)
    #: Why each source that failed did, by its uri.
    failures: Dict[str, Error] = field(default_factory=dict)
    #: Why nothing came of the timeline.
    error: Optional[Error] = None
    missing_frames: int = 0

    @property
    def ok(self) -> bool:
        """No chunk failed, and no frame is missing."""
        return self.error is None and not self.failures and not self.missing_frames


@spelled_out(ExtractOptions)
def extract(
    timelines: Mapping[str, _requests.Sources],
    *,
    client: Optional[ClientOptions] = None,
    num_cpus: float = 1,
    **options: Unpack[ExtractOptions],
) -> Dict[str, Outcome]:
    """Extracts timelines, a task of Ray's each; what is cached already costs nothing.

    What fails does not raise, and disturbs no other: `Outcome.ok`, `.failures` and `.error` say so. A task whose node
    is lost begins again elsewhere, and goes on from what is committed. Interrupting it stops the decoders.
    `framecache.options` explains the other keywords.

    Args:
        timelines: Sources by the id of their timeline, as `Client.extract` takes them. Relative paths only without a
            server; they must be there on each node.
        client: What tasks make their `Client` of; default: the server or the store that this process's variables name.
        num_cpus: CPUs of a task, of Ray's count; without a server, the threads that decode.
    """
    threads = max(1, int(num_cpus))
    named = _elsewhere.made_of(client)
    jobs = {timeline: _elsewhere.sources_of(sources, named) for timeline, sources in timelines.items()}
    made = _elsewhere.made_of(client, (str(chunk.uri) for chunks in jobs.values() for chunk in chunks), threads)
    task = ray.remote(_extract).options(num_cpus=num_cpus, scheduling_strategy="SPREAD", name="framecache.extract")
    said = _elsewhere.unsaid(options)
    done = _all(lambda job: task.remote(made, *job, said), jobs.items())
    return {outcome.timeline: outcome for outcome in sorted(done, key=lambda each: list(jobs).index(each.timeline))}


@spelled_out(ArrayOptions)
def read_frames(
    timelines: Union[str, Iterable[str]],
    *,
    payload: Literal["jpeg", "tensor", "none"] = "jpeg",
    profile: Optional[str] = None,
    on_miss: OnMiss = "fail",
    errors: Errors = "raise",
    rows: Optional[int] = None,
    client: Optional[ClientOptions] = None,
    num_cpus: float = 1,
    concurrency: Optional[int] = None,
    override_num_blocks: Optional[int] = None,
    **options: Unpack[ArrayOptions],
) -> Any:
    """A `ray.data.Dataset` of the planned frames of timelines, a row a frame, in no order unless Ray keeps it.

    Columns are `timeline`, the facts of `Client.table` (`sequence`, `timestamp`, `phash`, …), and `jpeg`, the stored
    file's bytes, or `frame`, an array as `framecache.options.ArrayOptions` says; frames of unlike size need a size.

    Args:
        timelines: Their ids.
        payload: "jpeg", "tensor" for arrays, or "none" for facts alone.
        profile: Which of the timelines' profiles; default: "default".
        on_miss: Of frames that are planned and not cached: "fail" (their row is an error), or "extract" them.
        errors: "raise" a frame's error, or "yield" its row with an `error`, and no JPEG, or zeros.
        rows: Frames in a block, which are in memory at once; default 64, of arrays 16.
        client: What tasks make their `Client` of; default: the server or the store that this process's variables name.
        num_cpus: CPUs of a task that reads, of Ray's count.
        concurrency: Tasks that read at once at most; default: Ray's choice.
        override_num_blocks: Into how many tasks the reading is cut; default: Ray's choice.
    """
    usual = _blocks.ARRAYS if payload == "tensor" else _blocks.JPEGS
    wanted = _blocks.Wanted(payload, profile, on_miss, errors, rows or usual, _elsewhere.unsaid(options)).checked()
    names = [timelines] if isinstance(timelines, str) else list(timelines)
    source = FrameDatasource(names, wanted, _elsewhere.made_of(client, workers=max(1, int(num_cpus))))
    return ray.data.read_datasource(
        source, num_cpus=num_cpus, concurrency=concurrency, override_num_blocks=override_num_blocks
    )


class FrameDatasource(Datasource):
    """What `read_frames` reads."""

    def __init__(self, timelines: List[str], wanted: _blocks.Wanted, made: _elsewhere.Made) -> None:
        super().__init__()
        self._timelines = timelines
        self._wanted = wanted
        self._made = made
        self._videos: Optional[List[Video]] = None

    def get_name(self) -> str:
        return "framecache"

    def estimate_inmemory_data_size(self) -> Optional[int]:
        """Unknown: of frames that are not cached yet nobody knows it."""
        return None

    def get_read_tasks(
        self, parallelism: int, per_task_row_limit: Optional[int] = None, data_context: Any = None
    ) -> List[Any]:
        found = _blocks.parts(self._planned(), parallelism, self._wanted.rows)
        return [self._task(part, per_task_row_limit) for part in found]

    def _planned(self) -> List[Video]:
        """Read once: Ray asks for tasks more than once."""
        if self._videos is None:
            client = _elsewhere.client_of(self._made)
            self._videos = [_video(client, timeline, self._wanted.profile) for timeline in self._timelines]
        return self._videos

    def _task(self, part: _blocks.Part, limit: Optional[int]) -> Any:
        made, wanted = self._made, self._wanted
        known = BlockMetadata(num_rows=len(part.sequences), size_bytes=None, input_files=None, exec_stats=None)
        return ReadTask(lambda: _read(made, part, wanted), known, per_task_row_limit=limit)

    def __getstate__(self) -> Dict[str, Any]:
        return {**self.__dict__, "_videos": None}


def _video(client: Any, timeline: str, profile: Optional[str]) -> Video:
    try:
        found: Video = client.video(timeline, profile)
        return found
    except Error as error:
        raise _blocks.of_timeline(error, timeline) from None


def _read(made: _elsewhere.Made, part: _blocks.Part, wanted: _blocks.Wanted) -> Iterator[Any]:
    yield from _blocks.blocks(_elsewhere.client_of(made), part, wanted)


def _extract(
    made: _elsewhere.Made, timeline: str, sources: List[_requests.Chunk], options: Dict[str, Any]
) -> Outcome:
    try:
        done = _elsewhere.client_of(made).extract(timeline, sources or None, **options)
    except Error as error:
        return Outcome(timeline, error=_blocks.of_timeline(error, timeline), failures=_blamed(error, sources))
    failures = {_uri(sources, chunk): chunk.error for chunk in done.chunks if chunk.error is not None}
    return Outcome(
        timeline, done.frames, done.written, done.reused, done.seconds, done.chunks, failures,
        missing_frames=done.missing_frames,
    )


def _blamed(error: Error, sources: List[_requests.Chunk]) -> Dict[str, Error]:
    """The source that an error of the whole call is about, where it can only be one."""
    return {str(sources[0].uri): error} if len(sources) == 1 and error.reason != "FIELD_INVALID" else {}


def _uri(sources: List[_requests.Chunk], chunk: ChunkResult) -> str:
    return str(sources[chunk.index].uri) if chunk.index < len(sources) else chunk.chunk_id


def _all(start: Any, jobs: Iterable[Tuple[str, Any]]) -> List[Outcome]:
    """What comes of all of them; a bounded number is with Ray at once."""
    pending: List[Any] = []
    done: List[Outcome] = []
    try:
        for job in jobs:
            if len(pending) >= AT_ONCE:
                ready, pending = ray.wait(pending)
                done += ray.get(ready)
            pending.append(start(job))
        while pending:
            ready, pending = ray.wait(pending)
            done += ray.get(ready)
    finally:
        for task in pending:
            ray.cancel(task)
    return done
